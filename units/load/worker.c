/*
 * Worker threads of the load: claim, apply, tell. One at a time claims, so the numbers go out in order.
 * Started by the leader thread.
 */
#include "units/load/worker.h"

#include <stdlib.h>

#include "common/base/xalloc.h"
#include "units/load/apply.h"
#include "units/load/dumplink.h"
#include "units/load/late.h"
#include "units/load/record.h"

struct worker {
	struct load *l;
	pthread_t thread;
	struct applier a;
};

/* 1: a chunk that is not loaded yet. */
static int claim(struct load *l, struct chunk *k, struct err *e)
{
	int r = 0;

	pthread_mutex_lock(&l->claim_lock);
	if (load_stopping(l))
		r = err_set(e, ERR_link, "asked to leave");
	else if (!l->end_seen)
		r = dumplink_claim(l, l->claimed, k, e);
	if (r > 0) {
		l->claimed = k->number;
		late_chunk_taken(l, k->table, k->last);
		k->lo = places_take(&l->places, k->table, k->stretch, k->seq);
		if (!k->ends_stretch)
			places_note(&l->places, k->table, k->stretch, k->seq, str_of(k->hi));
	}
	if (r == 0 && !l->end_seen) {
		l->end_seen = true;
		l->end_rows = k->rows;
		l->end_bytes = k->bytes;
	}
	pthread_mutex_unlock(&l->claim_lock);
	return r;
}

static void count(struct load *l, const struct chunk *k, bool now)
{
	if (now) { /* what was recorded before is counted already */
		tally_add(l->tally, k->table, (struct amount){k->rows, k->bytes});
		atomic_fetch_add(&l->chunks_done, 1);
	}
	if (k->last)
		tally_end(l->tally, k->table);
	unit_wake(l->env);
}

static int do_chunk(struct worker *w, const struct chunk *k, struct err *e)
{
	bool there = recorded_has(&w->l->recorded, k->number);

	if (!there && apply_chunk(&w->a, k, e) < 0)
		return -1;
	count(w->l, k, !there);
	if (dumplink_done(w->l, k->number, e) < 0)
		return -1;
	late_chunk_done(w->l, k->table);
	return late_make(w->l, false, e);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct chunk k = {0};
	struct err e = {0};
	int r;

	while ((r = claim(w->l, &k, &e)) > 0) {
		r = do_chunk(w, &k, &e);
		chunk_fini(&k);
		if (r < 0)
			break;
	}
	if (r == 0)
		r = late_make(w->l, true, &e);
	if (r < 0)
		load_fail(w->l, &e);
	apply_fini(&w->a);
	return NULL;
}

void worker_run_all(struct load *l)
{
	struct worker *w = xcalloc(l->threads, sizeof(*w));
	unsigned n = 0;

	for (; n < l->threads; n++) {
		w[n].l = w[n].a.l = l;
		if (pthread_create(&w[n].thread, NULL, worker_main, &w[n]) != 0) {
			struct err e = {0};

			err_set(&e, ERR_internal, "a thread can't be started");
			load_fail(l, &e);
			break;
		}
	}
	while (n > 0)
		pthread_join(w[--n].thread, NULL);
	free(w);
}
