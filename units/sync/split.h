#pragma once
#include "units/sync/apply.h"

/*
 * A transaction in several downstream transactions, by whoever has it in hand: a lane, or the scheduler's
 * thread (rest.c). Everything before it is committed. Each part begins with the guard and records in the
 * progress row what is committed of the whole; the last one records the whole.
 */
struct split {
	struct apply *a;
	struct db *db;
	struct meta_slot *slot;
	struct writer *writer;
	struct arena *scratch;
	struct trx *t;
	struct meta_progress before,
		after;     /* while parts are under way (without their line), and behind it */
	struct part part;  /* what is committed */
	struct part *kept; /* NULL, or where that is kept too */
	uint64_t rows;     /* of one part */
	/* A lock was not to be had: waits a while before the same part is written again. -1: all leave. */
	int (*pause)(void *arg, unsigned tries);
	void *arg;
};

/* By need, the first guess: half of what did not go. */
uint64_t split_guess(const struct writer *w);
/* 0: all is committed; 1: all leave, the rest is applied by the next start; -1 with e. */
int split_apply(struct split *s, struct err *e);
