/*
 * Worker threads and their list of jobs: tables without a snapshot first, then by size. Called by the leader
 * thread. The last stretch of a table to end is the one that tells.
 */
#include "units/dump/worker.h"

#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "units/dump/reader.h"
#include "units/dump/writer.h"

struct worker {
	struct dump *d;
	struct db *c;
	pthread_t thread;
};

/* --- the list --- */

struct order {
	unsigned table;
	bool locked;
	uint64_t bytes;
};

static int first_is_largest(const void *a, const void *b)
{
	const struct order *x = a, *y = b;

	if (x->locked != y->locked)
		return x->locked ? -1 : 1;
	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->table < y->table ? -1 : x->table > y->table;
}

void worker_make_jobs(struct dump *d)
{
	const struct items *t = &d->catalog.tables;
	struct order *order = xcalloc(t->n + 1, sizeof(*order));
	struct job **tail = &d->jobs;

	d->tables = xcalloc(t->n + 1, sizeof(*d->tables));
	for (unsigned i = 0; i < t->n; i++) {
		order[i] = (struct order){i, !t->p[i].transactional, t->p[i].bytes};
		d->locked_pending += !t->p[i].transactional;
	}
	qsort(order, t->n, sizeof(*order), first_is_largest);
	for (unsigned i = 0; i < t->n; i++) {
		struct job *j = xcalloc(1, sizeof(*j));

		j->table = order[i].table;
		j->split = true;
		d->tables[j->table].pending = 1;
		*tail = j;
		tail = &j->next;
	}
	free(order);
}

void worker_add_stretches(struct dump *d, const struct job *j, const struct range *ranges, unsigned n)
{
	pthread_mutex_lock(&d->ends);
	d->tables[j->table].pending += n;
	pthread_mutex_unlock(&d->ends);
	pthread_mutex_lock(&d->lock);
	for (unsigned i = n; i > 0; i--) {
		struct job *more = xcalloc(1, sizeof(*more));

		*more = (struct job){.next = d->jobs, .table = j->table, .number = i, .range = ranges[i - 1]};
		d->jobs = more;
	}
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
}

/* NULL: nothing is left, or the dump ends. */
static struct job *take_job(struct dump *d)
{
	struct job *j;

	pthread_mutex_lock(&d->lock);
	while (!d->jobs && d->splitting > 0 && !dump_stopping(d))
		pthread_cond_wait(&d->changed, &d->lock);
	j = dump_stopping(d) ? NULL : d->jobs;
	if (j) {
		d->jobs = j->next;
		d->splitting += j->split;
	}
	pthread_mutex_unlock(&d->lock);
	return j;
}

static void split_over(struct dump *d)
{
	pthread_mutex_lock(&d->lock);
	d->splitting--;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
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

int worker_end_stretch(struct dump *d, struct writer *w, struct err *e)
{
	bool last;
	int r;

	/* Other stretches' last chunks are announced before the table's last one: they ended under this lock
	 * too. */
	pthread_mutex_lock(&d->ends);
	last = --d->tables[w->table].pending == 0;
	r = writer_end(w, last, e);
	pthread_mutex_unlock(&d->ends);
	tally_stretch_over(d->tally, w->table, w->all_rows);
	if (r == 0 && last)
		table_ended(d, w->table);
	return r;
}

/* --- the threads --- */

static int run_job(struct worker *w, struct job *j, struct err *e)
{
	int r = 0;

	if (j->split) {
		r = reader_split(w->d, w->c, j, e);
		split_over(w->d);
	}
	return r < 0 ? -1 : reader_run(w->d, w->c, j, e);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct job *j;
	struct err e = {0};
	int r = 0;

	while (r == 0 && (j = take_job(w->d))) {
		r = run_job(w, j, &e);
		free(j);
	}
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
	if (*keeper) {
		dump_disconnect(d, keeper);
		log_info("the tables without a snapshot are copied and unlocked");
	}
}

void worker_run_all(struct dump *d, struct db **conns, struct db **keeper)
{
	struct worker *w = xcalloc(d->o.threads, sizeof(*w));
	unsigned n = 0;

	for (; n < d->o.threads; n++) {
		w[n] = (struct worker){.d = d, .c = conns[n]};
		if (pthread_create(&w[n].thread, NULL, worker_main, &w[n]) != 0) {
			struct err e = {0};

			err_set(&e, ERR_internal, "a thread can't be started");
			dump_fail(d, &e);
			break;
		}
	}
	release_keeper(d, keeper);
	while (n > 0)
		pthread_join(w[--n].thread, NULL);
	free(w);
}
