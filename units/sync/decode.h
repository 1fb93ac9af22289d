#pragma once
#include "common/binlog/row.h"
#include "units/sync/table.h"
#include "units/sync/walk.h"

/* The table of a TABLE_MAP, as t is to see it: one that the downstream has already, as DM or the copy has
 * recorded, is not wanted. NULL with e. Scheduler's thread. */
struct table *decode_table(struct tables *ts, struct binlog_table *map, const struct trx *t, struct err *e);

/* One row change of a transaction. Values borrow the transaction's raw events, or its arena; of a large one,
 * the event in hand. */
struct change {
	const struct table *table; /* wanted, its structures known */
	enum binlog_change kind;
	bool checks; /* foreign keys were checked in the upstream's session, and are to be here */
	bool again;  /* the row may be there already, in this or a later form (copied.h) */
	const struct binlog_value *before, *after; /* of each upstream column; before: UPDATE, DELETE, after:
						      INSERT, UPDATE */
};

/*
 * Walks the row changes of one transaction, in its order, a piece at a time. The first walk (tables given)
 * finds the tables and notes them in the transaction; later ones, by any thread, use those. A large
 * transaction's events go by; its tables were found before (noted.h).
 */
struct decode {
	struct trx *trx;
	struct tables *tables;  /* NULL: as noted; of a large one always */
	struct arena *maps_in;  /* TABLE_MAPs of this walk */
	struct mapped *maps;    /* the newest first */
	size_t ntables;         /* TABLE_MAPs met */
	struct walk walk;       /* events */
	bool ended;             /* there are no more */
	struct mapped *rows_of; /* rows that a piece's end has cut: of this table */
	struct str event;       /* their event */
	struct binlog_rows rows;
	bool leaves_out;            /* the event filter does: they are only counted */
	uint64_t left_out;          /* so many */
	struct binlog_value *aside; /* room for one of them, before and after */
	unsigned aside_columns;
	struct arena *aside_in;       /* of a compressed event of such rows */
	struct arena *judging;        /* for the task's expressions; NULL until one is asked */
	struct mapped *room_of;       /* whose rows */
	struct binlog_value *room[2]; /* … before and after were left out: for the next one */
};

void decode_open(struct decode *d, struct trx *t, struct tables *tables);
/*
 * The next changes, about `bytes` of memory in a (at least one change): 1, *list and *n; 0: the end; -1 with
 * e. An earlier piece is not needed by later ones: a may be cleared between two calls.
 */
int decode_next(
	struct decode *d, struct arena *a, size_t bytes, struct change **list, size_t *n, struct err *e);
void decode_close(struct decode *d);

/*
 * The first walk over a transaction: its tables are found, its changes counted (t->nchanges), and each piece
 * of them is shown to see. Those of a small one stay (t->changes, t->decoded); a large one's are walked again
 * where they are applied.
 */
int decode_trx(struct trx *t, struct tables *tables,
	void (*see)(void *arg, const struct change *list, size_t n), void *arg, struct err *e);
