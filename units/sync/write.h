#pragma once
#include "common/db/limits.h"
#include "units/sync/bulk.h"
#include "units/sync/decode.h"
#include "units/sync/fold.h"
#include "units/sync/missing.h"
#include "units/sync/statement.h"

/*
 * Row changes on their way into the downstream over one connection, inside a transaction that its user begins
 * and ends. Every statement's count is compared with what was foretold (T7). One thread.
 */
struct writer {
	struct db *db;     /* borrowed */
	struct fold *fold; /* changes that are no statements yet */
	struct packet packet;
	struct bulk *bulk;    /* NULL: not with this downstream */
	uint64_t bulk_rows;   /* of one table and kind: fewer are quicker as text, tables sharing a packet */
	bool in_bulk;         /* the run in hand goes there */
	bool in_order;        /* … and what goes another way keeps its place among it */
	uint64_t join_rows;   /* updates: fewer are quicker one by one (join.h) */
	uint64_t max_packet;  /* the downstream's max_allowed_packet */
	bool foreign_keys;    /* checks are on in db's session */
	bool cascades_logged; /* by the upstream: then they are never on (T13) */
	enum safe_mode safe;  /* of the transaction that is written; its changes may say more (again) */
	uint64_t in_hand[3];  /* rows since writer_reset, by enum binlog_change */
	const char *base;     /* of the binlog's files: for messages */
	struct missing missing;    /* rows that were passed by since writer_reset */
	struct position failed_at; /* of the transaction that the error's statement is of; zero: folded */
};

void writer_init(struct writer *w, struct db *db, uint64_t batch_bytes, const struct db_limits *limits);
void writer_fini(struct writer *w);
/* How the changes that come are written, until writer_reset. As writer_put. */
int writer_safe(struct writer *w, enum safe_mode mode, struct err *e);
/* Nothing is in hand: before each transaction. */
void writer_reset(struct writer *w);
/*
 * The transaction's two first statements, BEGIN and the guard, for the packet that its first rows are in: one
 * way to the server less. Rows of a batch that the guard does not pass are rolled back like any others. Sent
 * by itself where there must be nothing beside a row. As writer_put.
 */
int writer_open(struct writer *w, struct str opening, struct err *e);
/* What the calls below give where the guard counted nothing; the transaction may not go on. */
enum { WRITER_FENCED = 2 };
/* The changes in their order; what is put together is sent when a packet is full. 1: a count is wrong (e says
 * which); -1 with e. The changes may be gone afterwards, and those of writer_hold. */
int writer_put(struct writer *w, const struct change *list, size_t n, struct err *e);
/* The same of changes that stay where they are until writer_flush: they are folded with those of later calls.
 */
int writer_hold(struct writer *w, const struct change *list, size_t n, struct err *e);
/* Sends what is left. As writer_put. */
int writer_flush(struct writer *w, struct err *e);

/*
 * What its user does about a transaction that did not go through, r and e being what the calls above said:
 * roll back and write it again as it was (deadlocks and lock waits end the transaction, not the connection)
 * or a row a statement and nothing folded (to name the row, or to pass it by; packet.single is set then), or
 * less of it at once (the downstream can't take so much), or give up. Says so in the log. writer_fast: the
 * next transaction is written in the fast way again.
 */
enum writer_again { WRITER_NOT, WRITER_SAME, WRITER_SINGLE, WRITER_SPLIT };
enum writer_again writer_again(struct writer *w, int r, unsigned tries, const struct err *e);
void writer_fast(struct writer *w);
/* A COMMIT that failed by this has surely not committed: it is for writer_again. */
bool writer_undone(const struct err *e);
