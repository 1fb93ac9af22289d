/*
 * What all threads of the dump share: the first error, the end, pauses, connections. Called from everywhere
 * in this folder; must never call upwards, nor wait for a thread.
 */
#include "units/dump/dump.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"

void dump_stop(struct dump *d)
{
	atomic_store(&d->stop, true);
	spool_stop(&d->spool);
	pthread_mutex_lock(&d->lock);
	pthread_cond_broadcast(&d->changed);
	for (unsigned i = 0; i < d->nconns; i++)
		db_interrupt(d->conns[i]);
	pthread_mutex_unlock(&d->lock);
}

void dump_fail(struct dump *d, const struct err *e)
{
	pthread_mutex_lock(&d->lock);
	/* What breaks while everybody leaves is no cause. */
	if (d->fail.code == 0 && !atomic_load(&d->stop))
		d->fail = *e;
	pthread_mutex_unlock(&d->lock);
	dump_stop(d);
	unit_wake(d->env);
}

bool dump_pause(struct dump *d, unsigned ms)
{
	struct timespec until = clock_deadline(ms);

	pthread_mutex_lock(&d->lock);
	while (!dump_stopping(d) && pthread_cond_timedwait(&d->changed, &d->lock, &until) == 0)
		continue;
	pthread_mutex_unlock(&d->lock);
	return !dump_stopping(d);
}

bool dump_pause_longer(struct dump *d, unsigned *ms, uint64_t held_ms)
{
	enum { FIRST_MS = 20, MOST_MS = 1000, SHARE = 10 };
	uint64_t enough = FIRST_MS + SHARE * held_ms;

	*ms = *ms == 0 ? FIRST_MS : *ms < MOST_MS / 2 ? 2 * *ms : MOST_MS;
	return dump_pause(d, *ms < enough ? *ms : (unsigned)enough);
}

struct db *dump_connect(struct dump *d, enum db_session session, struct err *e)
{
	struct db_options o = {.session = session, .upstream = true};
	struct db *c = db_open(&d->upstream, &o, e);

	if (!c) {
		/* A server that is starting, or a network that is down, comes back: it is tried again. */
		if (e->code == ERR_check_connect)
			e->code = ERR_db_driver;
		return NULL;
	}
	pthread_mutex_lock(&d->lock);
	d->conns = xrealloc(d->conns, (d->nconns + 1) * sizeof(*d->conns));
	d->conns[d->nconns++] = c;
	if (atomic_load(&d->stop))
		db_interrupt(c);
	pthread_mutex_unlock(&d->lock);
	return c;
}

void dump_disconnect(struct dump *d, struct db **c)
{
	if (!*c)
		return;
	pthread_mutex_lock(&d->lock);
	for (unsigned i = 0; i < d->nconns; i++)
		if (d->conns[i] == *c)
			d->conns[i--] = d->conns[--d->nconns];
	pthread_mutex_unlock(&d->lock);
	db_close(c);
}

int dump_sql_error(struct err *e)
{
	switch (e->sql_errno) {
	case 1049: /* unknown database, column, table; definition changed: somebody altered it meanwhile */
	case 1051:
	case 1054:
	case 1146:
	case 1412:
		e->code = ERR_dump_changed;
		return -1;
	}
	if (e->sql_errno != 0 && err_act(e->code) != ERR_ACT_RETRY)
		e->code = ERR_dump_failed;
	else if (e->code == ERR_db_lost)
		err_add(e, "the snapshot is lost, the copy starts again");
	return -1;
}
