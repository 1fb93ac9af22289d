#pragma once
#include "units/sync/depend.h"
#include "units/sync/trx.h"

/*
 * Transactions by their numbers (depend.h), from when they are placed until everything before them is
 * committed. Of one that is committed itself only its end stays: a large one may have many behind it. Called
 * under the scheduler's lock.
 */
struct ended {
	struct position end;
	uint64_t commit_us; /* trx_commit_us */
	bool has_gtid;
	struct binlog_gtid_event gtid;
};

struct window {
	struct trx *trx[WINDOW_MAX];
	struct ended *ended[WINDOW_MAX];
};

void window_fini(struct window *w);
/* t is taken. */
void window_put(struct window *w, uint64_t seq, struct trx *t);
/* It is committed: it goes. */
void window_commit(struct window *w, uint64_t seq);
/* Everything before it is committed: its end goes too. */
void window_drop(struct window *w, uint64_t seq);
/* NULL: it is committed. */
struct trx *window_trx(const struct window *w, uint64_t seq);
/* Of any that is in it; NULL: it is no transaction. */
const struct ended *window_ended(const struct window *w, uint64_t seq);
