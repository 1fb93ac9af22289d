#pragma once
#include "common/base/buf.h"
#include "common/db/client.h"
#include "common/db/db.h"

/* Private to common/db: what its files share. */
struct db {
	struct client *c;
	struct server server;
	struct db_options o;
	uint64_t id;
	int interrupt_fd; /* the socket, duplicated: the library may close its own at any time */
	char where[420], user[96];
	uint64_t affected, matched;
	bool has_matched;
	unsigned warnings;
};

/* db.c: how long a read of this connection may take; 0: for ever. */
unsigned db_read_timeout_ms(const struct db *d);

/* db.c: "Rows matched: 1  Changed: 0  Warnings: 0". False: it says nothing of that kind. */
bool db_read_matched(const char *info, uint64_t *matched);

/* infile.c: what LOAD DATA says when it is through. False: it is not understood. */
bool db_read_load_info(const char *info, struct db_load *l);

/* error.c. The server's last error about sql; code ERR_db_execute gives way to `code`. Returns -1. */
int db_fail(const struct db *d, struct str sql, enum err_code code, struct err *e);
/* The beginning of a statement, on one line; one that may hold a password shows its first word alone. */
void db_statement_head(struct str sql, char *out, size_t size);
bool db_statement_is_secret(struct str sql);

/* for_libmariadb.c. Whether the connection that this thread makes next checks the server's certificate by the
 * system's authorities; how often this thread has loaded them. */
extern _Thread_local struct tls_authorities {
	bool wanted;
	unsigned loaded;
} tls_authorities;

/* login.c: why the connection was refused, in words that say what to do. Returns -1. */
int db_login_error(const struct endpoint *ep, bool upstream, const struct client_error *why, struct err *e);

/* session.c */
/* False where tidb_version() must be asked for the number: it is TiDB, and its version text does not say. */
bool db_server_parse(const char *version, const char *comment, struct server *s);
int db_server_detect(struct db *d, struct err *e);
/* "" where this session needs none. */
void db_session_settings(const struct db_options *o, const struct server *s, struct buf *out);
int db_session_start(struct db *d, struct err *e);
