/*
 * Worker threads and what they take: tables to plan, then stretches to read, in the order of the list: tables
 * without a snapshot first, then those made just now, then those with the largest stretches. Called by the
 * leader thread. The last stretch of a table to end is the one that tells.
 */
#include "units/dump/worker.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "units/dump/reader.h"
#include "units/dump/stretch.h"
#include "units/dump/writer.h"

struct worker {
	struct dump *d;
	struct db *c;
	pthread_t thread;
};

static void run_threads(struct dump *d, struct db **conns, void *(*work)(void *), struct db **keeper);

/* --- planning --- */

static void *plan_main(void *arg)
{
	struct worker *w = arg;
	struct dump *d = w->d;
	struct err e = {0};
	int r = 0;

	while (r == 0) {
		unsigned table;

		pthread_mutex_lock(&d->lock);
		table = d->planned < d->catalog.tables.n && !dump_stopping(d) ? d->planned++ : UINT_MAX;
		pthread_mutex_unlock(&d->lock);
		if (table == UINT_MAX)
			return NULL;
		r = stretch_plan(d, w->c, table, &d->tables[table].stretches, &e);
	}
	dump_fail(d, &e);
	return NULL;
}

/* --- the list --- */

struct order {
	unsigned table;
	bool locked, young;
	uint64_t largest; /* stretch, in bytes */
};

/* What was made just now may be dropped soon, and a copy starts again where a table goes before it is read.
 * One that can't be cut begins before all that can: else it would be the only one left in the end. */
static int first_is_largest(const void *a, const void *b)
{
	const struct order *x = a, *y = b;

	if (x->locked != y->locked)
		return x->locked ? -1 : 1;
	if (x->young != y->young)
		return x->young ? -1 : 1;
	if (x->largest != y->largest)
		return x->largest > y->largest ? -1 : 1;
	return x->table < y->table ? -1 : x->table > y->table;
}

static struct order order_of(struct dump *d, unsigned table)
{
	const struct stretches *l = &d->tables[table].stretches;
	const struct item *t = &d->catalog.tables.p[table];
	struct order o = {table, !t->transactional, t->young, 0};

	for (unsigned i = 0; i < l->n; i++)
		o.largest = l->p[i].bytes > o.largest ? l->p[i].bytes : o.largest;
	return o;
}

static void list_jobs(struct dump *d)
{
	unsigned n = d->catalog.tables.n, total = 0;
	struct order *order = xcalloc(n + 1, sizeof(*order));

	for (unsigned i = 0; i < n; i++) {
		order[i] = order_of(d, i);
		d->tables[i].pending = d->tables[i].stretches.n;
		total += d->tables[i].pending;
		d->locked_pending += order[i].locked && d->tables[i].pending > 0;
	}
	qsort(order, n, sizeof(*order), first_is_largest);
	d->jobs = xcalloc(total + 1, sizeof(struct stretch *));
	for (unsigned i = 0; i < n; i++) {
		const struct stretches *l = &d->tables[order[i].table].stretches;

		for (unsigned j = 0; j < l->n; j++)
			d->jobs[d->njobs++] = &l->p[j];
	}
	free(order);
}

void worker_plan_all(struct dump *d, struct db **conns)
{
	uint64_t since = clock_ms();
	struct db *none = NULL;

	d->tables = xcalloc(d->catalog.tables.n + 1, sizeof(*d->tables));
	run_threads(d, conns, plan_main, &none);
	if (dump_stopping(d))
		return;
	list_jobs(d);
	log_info("%u stretches of %u tables, planned in %" PRIu64 " ms", d->njobs, d->catalog.tables.n,
		clock_ms() - since);
}

/* NULL: nothing is left, or the dump ends. */
static const struct stretch *take_job(struct dump *d)
{
	const struct stretch *s = NULL;

	pthread_mutex_lock(&d->lock);
	if (!dump_stopping(d) && d->begun < d->njobs)
		s = d->jobs[d->begun++];
	pthread_mutex_unlock(&d->lock);
	return s;
}

static void table_ended(struct dump *d, unsigned table)
{
	const struct item *t = &d->catalog.tables.p[table];

	tally_end(d->tally, table);
	if (t->transactional)
		return;
	pthread_mutex_lock(&d->lock);
	if (--d->locked_pending == 0)
		pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
}

/* A table without a snapshot is as it was only if it stayed locked until here. */
static int still_locked(struct dump *d, const struct item *t, struct err *e)
{
	if (t->transactional || t->no_data || !d->keeper || db_exec(d->keeper, STR_LIT("DO 1"), e) == 0)
		return 0;
	return err_add(e, "asking whether `%s`.`%s` was locked to its end", t->schema, t->name);
}

int worker_end_stretch(struct dump *d, struct writer *w, struct err *e)
{
	bool last;
	int r;

	/* Other stretches' last chunks are announced before the table's last one: they ended under this lock
	 * too. */
	pthread_mutex_lock(&d->ends);
	last = --d->tables[w->s->table].pending == 0;
	r = last ? still_locked(d, &d->catalog.tables.p[w->s->table], e) : 0;
	if (r == 0)
		r = writer_end(w, last, e);
	pthread_mutex_unlock(&d->ends);
	tally_stretch_over(d->tally, w->s->table, w->all_rows);
	if (r == 0 && last)
		table_ended(d, w->s->table);
	return r;
}

/* --- the threads --- */

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	const struct stretch *s;
	struct err e = {0};
	int r = 0;

	while (r == 0 && (s = take_job(w->d)))
		r = reader_run(w->d, w->c, s, &e);
	if (r < 0)
		dump_fail(w->d, &e);
	return NULL;
}

/* The tables that stayed locked are free again as soon as they are copied. */
static void release_keeper(struct dump *d, struct db **keeper)
{
	pthread_mutex_lock(&d->lock);
	while (d->locked_pending > 0 && !dump_stopping(d))
		pthread_cond_wait(&d->changed, &d->lock);
	pthread_mutex_unlock(&d->lock);
	/* Who is asking it has its answer first, or is cut off. */
	pthread_mutex_lock(&d->ends);
	d->keeper = NULL;
	pthread_mutex_unlock(&d->ends);
	dump_disconnect(d, keeper);
	log_info("the tables without a snapshot are copied and unlocked");
}

static void run_threads(struct dump *d, struct db **conns, void *(*work)(void *), struct db **keeper)
{
	struct worker *w = xcalloc(d->o.threads, sizeof(*w));
	unsigned n = 0;

	for (; n < d->o.threads; n++) {
		w[n] = (struct worker){.d = d, .c = conns[n]};
		if (pthread_create(&w[n].thread, NULL, work, &w[n]) != 0) {
			struct err e = {0};

			err_set(&e, ERR_internal, "a thread can't be started");
			dump_fail(d, &e);
			break;
		}
	}
	if (*keeper)
		release_keeper(d, keeper);
	while (n > 0)
		pthread_join(w[--n].thread, NULL);
	free(w);
}

void worker_run_all(struct dump *d, struct db **conns, struct db **keeper)
{
	d->keeper = *keeper;
	run_threads(d, conns, worker_main, keeper);
}
