#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "common/db/meta.h"
#include "units/sync/statement.h"

/*
 * Rows that should have been in the downstream and were not, where the task says that they are counted
 * (missing-row: count). What one downstream transaction passed by is recorded in it, so the count is as exact
 * as the rows are; the log hears of it once it is committed.
 */
struct missing {
	bool count; /* the task's word; else a row that is missing is an error */
	uint64_t rows;
	struct missing_table *tables;
	size_t ntables;
	struct buf lines; /* for the log, each ended by '\n'; of so many rows at most */
	unsigned nlines;
};

enum { MISSING_LINES = 100, MISSING_EVERY_MS = 60000 };

/* Of all appliers: how many there were, and what the log has not heard yet. */
struct missing_log {
	pthread_mutex_t lock;
	uint64_t rows;    /* with those recorded before this process */
	uint64_t held;    /* not said one by one, nor as a number */
	unsigned lines;   /* said one by one */
	uint64_t last_ms; /* when something was said last */
};

void missing_fini(struct missing *m);
/* Before each downstream transaction. */
void missing_clear(struct missing *m);
/* May the statement be passed by? One row's UPDATE or DELETE that found none. */
bool missing_may_pass(
	const struct missing *m, const struct packet *p, const struct statement *s, uint64_t did);
/* It is. base: of the binlog's files. */
void missing_note(struct missing *m, const struct packet *p, const struct statement *s, const char *base);
/* Into dm_meta, inside the transaction. */
int missing_record(
	const struct missing *m, struct db *d, const struct meta_id *id, unsigned slot, struct err *e);
/* How many were recorded before. */
int missing_load(struct missing_log *l, struct db *d, const struct meta_id *id, struct err *e);

void missing_log_init(struct missing_log *l);
void missing_log_fini(struct missing_log *l);
/* The transaction is committed: its rows count, and the log is told. */
void missing_report(struct missing *m, struct missing_log *l, uint64_t now_ms);
/* Now and then: what was held back is said. */
void missing_tick(struct missing_log *l, uint64_t now_ms);
uint64_t missing_rows(struct missing_log *l);

/* The bounds of the log, under its lock: how many of `rows` may be said one by one. */
unsigned missing_may_say(struct missing_log *l, uint64_t rows, uint64_t now_ms);
/* How many are to be said as a number now; 0: not yet, or none. */
uint64_t missing_held(struct missing_log *l, uint64_t now_ms);
