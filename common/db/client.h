#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/base/str.h"
#include "common/config/endpoint.h"

/*
 * Private to common/db: the client library behind plain functions. client.c is the only file that includes
 * <mysql.h>; it knows no sessions, no error codes of ours and no words for people.
 */
struct client;

struct client_options {
	unsigned connect_timeout_s, read_timeout_s; /* read 0: none */
	bool multi;                                 /* several statements in a packet from the start */
	bool infile;                                /* client_load is possible */
};

struct client_error {
	unsigned number; /* the server's or the library's; 0: none */
	char text[512];
};

/* NULL with why. By TCP, whatever the host is called; no option file, and no local file is ever
 * opened. */
struct client *client_connect(
	const struct endpoint *ep, const struct client_options *o, struct client_error *why);
void client_close(struct client **c);
const char *client_version(const struct client *c); /* as in the server's greeting */
unsigned client_errno(const struct client *c);
const char *client_error(const struct client *c);
/* What came on the socket beside the library: client_errno and client_error until the next command. */
void client_set_error(struct client *c, const struct client_error *why);
int client_socket(const struct client *c);
bool client_readable(const struct client *c); /* bytes wait in the socket */
bool client_is_plain(const struct client *c); /* no TLS: what the socket holds is the protocol itself */

/* Sends and reads the head of the first answer. -1: client_errno. */
int client_query(struct client *c, struct str sql);
/* A statement with LOCAL INFILE, whose bytes a function gives: 0 at the end, -1: it gave up, and so must the
 * connection. */
struct client_infile {
	int (*read)(void *arg, char *out, unsigned n);
	void *arg;
};
int client_load(struct client *c, struct str sql, const struct client_infile *from);
int client_set_multi(struct client *c, bool on);
/* To the next answer of a packet with several statements: 1, 0 when there is none, -1. */
int client_next(struct client *c);
/* The present answer's rows, if it has any, are read and dropped. */
int client_drop(struct client *c);
uint64_t client_affected(const struct client *c);
const char *client_info(const struct client *c); /* "" where the server gave none */
unsigned client_warnings(const struct client *c);

/* Columns of the present answer; 0: it has no rows. */
unsigned client_columns(const struct client *c);
/* Begins to read rows, one by one from the wire. */
int client_rows(struct client *c);
const char *client_column_name(const struct client *c, unsigned i);
/* values has client_columns() places. 1, 0 at the end, -1. */
int client_row(struct client *c, struct str *values);
void client_rows_end(struct client *c); /* reads what is left */

/*
 * From here on the packets that the library reads are followed, until client_follow(c, 0): fn is called, from
 * within the library, before a payload of `large` bytes or more is read, and its buffer made. As the library
 * reads ahead that may be while an earlier row is asked for: client_in_large says that such a one is under
 * way.
 */
void client_follow(struct client *c, size_t large);
void client_on_large(struct client *c, void (*fn)(void *arg), void *arg);
bool client_in_large(const struct client *c);
/* The library's buffer, as large as the largest packet so far, becomes a small one. The last row's values are
 * gone then. */
void client_trim(struct client *c);

/*
 * A prepared statement that is executed for many rows in one packet (COM_STMT_BULK_EXECUTE of MariaDB, since
 * 10.2). Built with a library that lacks it: client_can_bulk is false.
 */
struct client_bulk;
struct db_bulk_column;
bool client_can_bulk(const struct client *c);
/* NULL: client_errno. */
struct client_bulk *client_bulk_open(struct client *c, struct str sql);
int client_bulk_run(struct client_bulk *b, const struct db_bulk_column *columns, unsigned n, unsigned rows);
uint64_t client_bulk_affected(const struct client_bulk *b);
/* Before client_close. */
void client_bulk_close(struct client_bulk **b);

/* Raw protocol: a command without waiting for the answer, and one packet of it (borrowed until the next
 * call). */
int client_send_command(struct client *c, uint8_t command, struct str arg);
int client_read_packet(struct client *c, struct str *packet);
