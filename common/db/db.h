#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/config/endpoint.h"
#include "server.h"

/* The only MySQL client. One connection, used by one thread at a time. TCP always. */
struct db;

enum db_session {
	DB_PLAIN,  /* for questions: SET NAMES utf8mb4 */
	DB_DUMP,   /* upstream data: SET NAMES binary, UTC, REPEATABLE READ, long net_write_timeout, no mode
		      surprises */
	DB_APPLY,  /* downstream data: SET NAMES binary, UTC, strict mode of T14, READ COMMITTED (TiDB:
		      pessimistic, retry off) */
	DB_DDL,    /* downstream structures: SET NAMES utf8mb4, foreign_key_checks=0 */
	DB_BINLOG, /* raw binlog stream; nothing else may be sent on it afterwards */
};

struct db_options {
	enum db_session session;
	unsigned connect_timeout_s; /* 0: 10 */
	unsigned read_timeout_s;    /* 0: 600 for data, 30 for DB_BINLOG, none for DB_DDL */
	bool upstream;              /* for the scope and words of errors */
	bool foreign_key_checks;    /* DB_APPLY: 0 by default */
	bool infile;                /* db_load is possible */
	bool one_statement; /* DB_APPLY: of text that is not ours; a packet holds one statement only */
};

/* NULL with e: ERR_check_connect, ERR_check_login, ERR_check_root_socket (T46), ERR_db_…. Checks the
 * semi-private ABI it relies on. */
struct db *db_open(const struct endpoint *ep, const struct db_options *o, struct err *e);
void db_close(struct db **d);
const struct server *db_server(const struct db *d);
const char *db_monitor_privilege(const struct db *d); /* to ask for the binlog's position (grant.def) */
uint64_t db_connection_id(const struct db *d);
const char *db_where(const struct db *d); /* "upstream mysql://u@h:3306", for messages */

/* Executes; results, if any, are read and dropped. Errors: code by db_error_code, sql_errno, text with where
 * and the statement's head. */
int db_exec(struct db *d, struct str sql, struct err *e);
int db_execf(struct db *d, struct err *e, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
uint64_t db_affected(const struct db *d);
/* "Rows matched: 1  Changed: 0 …" of the last UPDATE: true and the number matched. */
bool db_matched(const struct db *d, uint64_t *matched);
unsigned db_warnings(const struct db *d);

/* Several statements in one packet, separated by ';'. The server stops at the first that fails. */
struct db_multi {
	unsigned done;      /* statements answered without error */
	uint64_t *affected; /* of each: `count` places given by the caller */
	uint64_t *matched;  /* of each UPDATE, else = affected */
	unsigned count;
};
int db_exec_multi(struct db *d, struct str sql, struct db_multi *m, struct err *e);

/*
 * LOAD DATA LOCAL INFILE of a name that no file has: its bytes come from read (how many, 0 at the end, -1 to
 * give up: then the connection must be closed). The server turns errors of rows into warnings, so that the
 * counts must be looked at (T25).
 */
struct db_load {
	int (*read)(void *arg, char *out, unsigned n);
	void *arg;
	uint64_t records, deleted, skipped, warnings; /* what the server says */
};
int db_load(struct db *d, struct str sql, struct db_load *l, struct err *e);

/*
 * One statement with ? for values, prepared once and executed for many rows in one packet: MariaDB's bulk
 * execute, which spares the server the reading of text. Values of one column stand one behind the other.
 */
enum db_bulk_type {
	DB_BULK_INT,      /* int64_t */
	DB_BULK_UNSIGNED, /* uint64_t */
	DB_BULK_DOUBLE,
	DB_BULK_BYTES, /* const char *, and lengths */
};
enum { DB_BULK_NULL = 1 };
struct db_bulk_column {
	enum db_bulk_type type;
	void *values;
	unsigned long *lengths; /* DB_BULK_BYTES */
	char *nulls;            /* of each row: DB_BULK_NULL or 0 */
};
struct db_bulk;
/* Only MariaDB has it. */
bool db_can_bulk(const struct db *d);
/* columns: how many ? it has. NULL with e. */
struct db_bulk *db_bulk_open(struct db *d, struct str sql, unsigned columns, struct err *e);
/* count: of all rows together; of an UPDATE those that were found, else those that were affected. */
int db_bulk_run(struct db_bulk *b, const struct db_bulk_column *columns, unsigned rows, uint64_t *count,
	struct err *e);
/* Before the connection's db_close. */
void db_bulk_close(struct db_bulk **b);

/* A result read row by row (not stored). Fetch to the end or close. */
struct db_rows;
struct db_rows *db_query(struct db *d, struct str sql, struct err *e);
/*
 * Of the results that share it, one row of so many bytes is in memory at a time (T28): whoever fetches one
 * holds the lock from before it is read until the next fetch, or the close, by the same thread.
 */
struct db_turns {
	pthread_mutex_t lock;
	size_t bytes;
};
/* The same for millions of rows, with less work for each; db_column_name does not know its columns. turns: or
 * NULL. */
struct db_rows *db_query_large(struct db *d, struct str sql, struct db_turns *turns, struct err *e);
struct db_rows *db_queryf(struct db *d, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
unsigned db_columns(const struct db_rows *r);
const char *db_column_name(const struct db_rows *r, unsigned i);
/* 1: a row, values borrowed until the next call (p NULL: SQL NULL); 0: the end; -1 with e. */
int db_fetch(struct db_rows *r, const struct str **values, struct err *e);
/* The last row's values are not wanted any more: a large one gives its turn back. To be called before waiting
 * for anything but the next row, which may be what somebody holds who waits for the turn. */
void db_row_done(struct db_rows *r);
void db_rows_close(struct db_rows **r);
/* The first column of the first row into out ("" for NULL); found tells whether there was a row. */
int db_value(struct db *d, const char *sql, char *out, size_t size, bool *found, struct err *e);

/* From another thread: cuts the connection's socket, so that a call in it ends with an error. */
void db_interrupt(struct db *d);
/* enum err_code for a server error number: retryable ones (deadlock, lock wait, lost, TiDB's list) are
 * ERR_db_lost. */
uint32_t db_error_code(uint32_t sql_errno);
bool db_error_is_lost(uint32_t sql_errno);
/* A COMMIT that ended with it has surely not committed: the same may be tried again on this connection. */
bool db_error_is_undone(uint32_t sql_errno);
/* As the answer to a new connection: there is no room for it now. */
bool db_error_is_busy(uint32_t sql_errno);
/* The transaction is too large for the server, or for its replicas: less of it at once may do. */
bool db_error_is_too_large(const struct err *e);
