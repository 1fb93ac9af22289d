#pragma once
#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/position.h"
#include "common/binlog/row.h"
#include "units/sync/table.h"
#include "units/sync/trx.h"

/*
 * Rows become SQL: neighbouring changes of one kind to one table share a statement, several statements share
 * a packet. Each statement's count is foretold; whoever sends the packet compares (T7). Pure: no network.
 */
enum { PACKET_STATEMENTS = 512, PACKET_OPENING = 2, PACKET_JOINED = 1024 };
/* No row is put to a statement that is longer. */
enum { STATEMENT_BYTES = 256 << 10 };
/* As of the applier's session, without its strictness: for the one value that no strict server takes, ENUM's
 * invalid one. It goes for the whole statement: what the server let pass is looked at (write.c). */
#define STATEMENT_LAX_MODE "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES"

struct statement {
	const struct table *table;
	enum binlog_change change;
	uint64_t rows;      /* that it must insert, match or delete */
	bool upsert;        /* INSERT … ON DUPLICATE KEY UPDATE of rows that are there */
	bool any;           /* safe mode: any count is right */
	unsigned invalid;   /* of its one row, ENUM's invalid values: so many warnings are right */
	size_t from;        /* where it begins in the packet */
	size_t where, end;  /* for messages: the part of the packet that names the (first) row */
	struct position at; /* of the transaction that the (first) row is of, where nothing is folded */
};

/*
 * What the server must have counted, by what it answered. An upsert counts 2 for a row that it changed, 1 for
 * one that was not there, 0 for one that is so already: twice the rows is only reached if all were there and
 * changed.
 */
static inline bool statement_fits(const struct statement *s, uint64_t affected, uint64_t matched)
{
	if (s->any)
		return true;
	if (s->upsert)
		return affected == 2 * s->rows;
	return (s->change == BINLOG_UPDATE ? matched : affected) == s->rows;
}

/*
 * May this update be an upsert? The image must be whole, for a row that is not there must not be a new kind
 * of error; and something must change, for unchanged rows count nothing. JSON may be the same in other bytes.
 */
bool statement_can_upsert(
	const struct table *t, const struct binlog_value *before, const struct binlog_value *after);
/* How many of ENUM's invalid value (number 0) it has: a strict server refuses it, so its statement is lax. */
unsigned statement_lax(const struct table *t, const struct binlog_value *row);
/* One row with ? for every column that is written: an INSERT, or an upsert. */
void statement_put_prepared(struct buf *sql, const struct table *t, bool upsert);
/* UPDATE with ? for the columns that bits names (statement_bits), then for those of the key. */
void statement_put_prepared_update(struct buf *sql, const struct table *t, const char *bits);

struct packet {
	struct buf sql;
	struct statement list[PACKET_STATEMENTS];
	unsigned n;
	unsigned opening;    /* statements before those of the list: PACKET_OPENING or 0 */
	bool single;         /* one row a statement: to find the one that is missing */
	bool join;           /* updates that follow are many: they may share statements (join.h) */
	bool apart;          /* and one statement a packet: a large row has it to itself */
	struct position at;  /* of the transaction in hand: for messages */
	enum safe_mode safe; /* of the changes that come; packet_end before it changes */
	size_t max_bytes;
	uint64_t max_entry; /* of a row, in the downstream; 0: no limit is known */
	/* the statement that can still take rows */
	bool open;
	size_t open_from;
	const struct table *open_table;
	enum binlog_change open_change;
	bool open_upsert;
	bool open_join;                 /* of join.c */
	uint64_t joined[PACKET_JOINED]; /* the rows in it, by hashes of their keys; 0: free */
	struct str open_bits;           /* which columns it writes */
	const struct key *open_key;     /* by which it finds the rows that it deletes */
	struct arena *arena;
};

void packet_init(struct packet *p, size_t max_bytes);
void packet_fini(struct packet *p);
void packet_clear(struct packet *p);
/* An empty one begins with this: PACKET_OPENING statements. */
void packet_open(struct packet *p, struct str opening);
/* True: no further row before it is sent. */
bool packet_full(const struct packet *p);
/* before: UPDATE, DELETE; after: INSERT, UPDATE. ERR_sync_columns where the image lacks what is needed;
 * ERR_sync_safe_mode. */
int packet_add(struct packet *p, const struct table *t, enum binlog_change change,
	const struct binlog_value *before, const struct binlog_value *after, struct err *e);
/* Ends the open statement; the text is ready to be sent. */
void packet_end(struct packet *p);
/* What names its (first) row, in SQL; cut where it is long. */
struct str statement_key(const struct packet *p, const struct statement *s);

/* For join.c. A new statement; it stays open for rows that write the same columns. */
struct statement *statement_begin(struct packet *p, const struct table *t, enum binlog_change change);
void statement_keep_open(struct packet *p, const struct table *t, enum binlog_change change, struct str bits);
/* Which columns of an image are written: a byte each. Rows that write the same ones can share a statement. */
struct str statement_bits(struct packet *p, const struct table *t, const struct binlog_value *row);
int statement_put_value(
	struct packet *p, const struct table *t, unsigned i, const struct binlog_value *v, struct err *e);
bool statement_in_key(const struct table *t, unsigned column);
