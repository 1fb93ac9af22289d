#pragma once
#include <jansson.h>

#include "units/load/dumplink.h"
#include "units/load/load.h"

/*
 * The load's rows in the meta schema: tidegate_plan, _chunk, _structure (docs/design/meta.md). Each function
 * that writes is one transaction under the lock of the owner's row: a fenced owner writes nothing (T1).
 */
#define RECORD_OF_DM "dm" /* the copy_id where DM has made the copy */
enum record_stage { RECORD_NONE, RECORD_SCHEMA, RECORD_LOAD, RECORD_FINISHED };

struct record {
	enum record_stage stage; /* RECORD_NONE: there is no row */
	uint64_t epoch;
	char *copy_id;
	struct plan_snapshot snapshot;
	json_t *own; /* {"made":[["db","t"],…],"taken":[…],"views":[…]}: which objects are this task's */
};

void record_put_text(
	struct buf *sql, const char *text); /* a literal that says its charset, whatever the session's is */

/* A table of the meta schema, and which rows of it are this task's. */
void record_put_table(struct load *l, struct buf *sql, const char *table);
void record_put_where(struct load *l, struct buf *sql);
/* Executes and empties sql. */
int record_run(struct db *c, struct buf *sql, struct err *e);
/* Values of a row: NULL counts as 0, and as "" (the caller's to free). */
uint64_t record_number(struct str s);
char *record_copy(struct str s);
int record_read(struct load *l, struct db *c, struct record *r, struct err *e);
void record_fini(struct record *r);
/* For an order with remove_meta: all that the task knows downstream is forgotten, but for own. */
int record_remove(struct load *l, struct db *c, const json_t *own, struct err *e);
/* Looks, in the transaction that is to write own, whether it may (join.h). */
typedef int record_check(struct load *l, struct db *c, const json_t *own, struct err *e);
/*
 * A copy begins, with its stretches: stage "schema"; what is recorded of others goes. own: with its snapshots
 * and tables (own.h).
 */
int record_begin(struct load *l, struct db *c, const json_t *own, record_check *check, struct err *e);
/* The same of one that is begun with already: its list alone. check: NULL, what it says is not asked. */
int record_again(struct load *l, struct db *c, const json_t *own, record_check *check, struct err *e);
/* The same of one that goes on under another snapshot: only what starts again goes. */
struct kept;
int record_go_on(struct load *l, struct db *c, const json_t *own, const struct kept *k, record_check *check,
	struct err *e);
/* Parts of such a transaction. */
int record_put_stretches(struct load *l, struct db *c, struct err *e);
int record_forget_again(struct load *l, struct db *c, const struct kept *k, struct err *e);
/* Of a copy that is done: its own list alone. */
int record_done_own(struct load *l, struct db *c, const struct record *r, const json_t *own, struct err *e);
/* Schema done: structures recorded, stage "load". */
int record_loading(struct load *l, struct db *c, const json_t *own, record_check *check, struct err *e);
/* The oldest snapshot that is in use, by own; borrowed. */
struct plan_snapshot record_oldest(const struct load *l, const json_t *own);
int record_own(struct load *l, struct db *c, const json_t *own, struct err *e);
int record_finish(struct load *l, struct db *c, struct err *e);
/* The copy is there and was DM's; the task goes on at this place. */
int record_taken(struct load *l, struct db *c, const struct plan_snapshot *at, struct err *e);
/* Where tables stand downstream that our sync has on record and the copy has not: own gets them, by kind. */
int record_tracked(struct load *l, struct db *c, const char *kind, json_t *own, struct err *e);
/* The chunks that are in the downstream. */
int record_chunks(struct load *l, struct db *c, struct recorded *out, struct err *e);
/* How much of each table is there, of all snapshots that it is of. */
int record_amounts(struct load *l, struct db *c, struct tally *t, struct err *e);
/* Where the chunks of this copy end. */
int record_places(struct load *l, struct db *c, struct places *p, struct err *e);
bool recorded_has(const struct recorded *r, uint64_t number);
void recorded_fini(struct recorded *r);
/* 1: this chunk's record is there; 0: it is not. */
int record_has_chunk(struct load *l, struct db *c, uint64_t number, struct err *e);

struct record_chunk {
	const struct chunk *chunk;
	const struct plan_item *table;
};
/*
 * The statement that records a chunk within its transaction: it must change exactly one row, else the owner
 * is fenced (T1). The owner's row stays locked, shared, until the end.
 */
void record_put_chunk(struct load *l, struct buf *sql, const struct record_chunk *k);
