/*
 * Who is under way, and what is known of those that are committed ahead of others. Used by schedule.c and
 * lane.c.
 */
#include "units/sync/window.h"

#include <stdlib.h>

#include "common/base/xalloc.h"

void window_fini(struct window *w)
{
	for (unsigned i = 0; i < WINDOW_MAX; i++) {
		trx_free(&w->trx[i]);
		free(w->ended[i]);
		w->ended[i] = NULL;
	}
}

void window_put(struct window *w, uint64_t seq, struct trx *t)
{
	struct ended *x = xcalloc(1, sizeof(*x));

	*x = (struct ended){t->end, trx_commit_us(t), t->has_gtid, t->gtid};
	w->trx[seq % WINDOW_MAX] = t;
	w->ended[seq % WINDOW_MAX] = x;
}

void window_commit(struct window *w, uint64_t seq)
{
	trx_free(&w->trx[seq % WINDOW_MAX]);
}

void window_drop(struct window *w, uint64_t seq)
{
	struct ended **at = &w->ended[seq % WINDOW_MAX];

	window_commit(w, seq);
	free(*at);
	*at = NULL;
}

struct trx *window_trx(const struct window *w, uint64_t seq)
{
	return w->trx[seq % WINDOW_MAX];
}

const struct ended *window_ended(const struct window *w, uint64_t seq)
{
	return w->ended[seq % WINDOW_MAX];
}
