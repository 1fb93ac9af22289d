#pragma once
#include "units/sync/depend.h"

/*
 * Commits in the upstream's order, by several lanes (preserve-commit-order; docs/design/apply.md, "In the
 * upstream's order"). A batch is a stretch of neighbours, so batches are in one order too; `first` is the
 * number of its first transaction. Pure, called under the scheduler's lock.
 */
struct turns {
	uint64_t blocked; /* the oldest batch could not go on: later ones may hold what it wants. 0: no */
};

enum turn_next {
	TURN_COMMIT,  /* everything before is committed */
	TURN_WAIT,    /* for that; what the batch has locked stays locked */
	TURN_GIVE_UP, /* roll back, and begin again when it is the oldest */
};

/* Everything before it is committed. */
bool turn_is_oldest(const struct depend *d, uint64_t first);
/* May a batch begin? Not while the oldest one is held up. */
bool turn_may_begin(const struct turns *t, const struct depend *d, uint64_t first);
/* All its rows are written. */
enum turn_next turn_now(const struct turns *t, const struct depend *d, uint64_t first);
/* A lock was not to be had, it is rolled back. True: it may begin again at once, and those behind it give
 * way; false: when it is the oldest. */
bool turn_failed(struct turns *t, const struct depend *d, uint64_t first);
/* Its COMMIT is done. */
void turn_committed(struct turns *t, uint64_t first);
