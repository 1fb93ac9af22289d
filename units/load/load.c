/*
 * What all threads of the load share: the first error, the end, pauses, connections. Called from everywhere
 * in this folder; must never call upwards, nor wait for a thread.
 */
#include "units/load/load.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "units/load/record.h"

enum { NO_SUCH_THREAD = 1094, GONE_WAIT_MS = 120000 };

void load_stop(struct load *l)
{
	atomic_store(&l->stop, true);
	pthread_mutex_lock(&l->lock);
	pthread_cond_broadcast(&l->changed);
	for (unsigned i = 0; i < l->nconns; i++)
		db_interrupt(l->conns[i]);
	pthread_mutex_unlock(&l->lock);
}

void load_fail(struct load *l, const struct err *e)
{
	pthread_mutex_lock(&l->lock);
	/* What breaks while everybody leaves is no cause. */
	if (l->fail.code == 0 && !atomic_load(&l->stop))
		l->fail = *e;
	pthread_mutex_unlock(&l->lock);
	load_stop(l);
	unit_wake(l->env);
}

void load_leave_out(struct load *l, const char *fmt, ...)
{
	enum { MOST = 100, BYTES = 1200 };
	char text[BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_warn("%s", text);
	pthread_mutex_lock(&l->lock);
	if (!l->left_out)
		l->left_out = json_array();
	if (json_array_size(l->left_out) < MOST)
		json_array_append_new(l->left_out, json_any_text(text));
	pthread_mutex_unlock(&l->lock);
}

bool load_is_too_large(const struct err *e)
{
	enum { TRANSACTION = 8004, ENTRY = 8025 }; /* txn-total-size-limit, txn-entry-size-limit */

	return e->sql_errno == TRANSACTION || e->sql_errno == ENTRY;
}

bool load_pause(struct load *l, unsigned ms)
{
	struct timespec until = clock_deadline(ms);

	pthread_mutex_lock(&l->lock);
	while (!load_stopping(l) && pthread_cond_timedwait(&l->changed, &l->lock, &until) == 0)
		continue;
	pthread_mutex_unlock(&l->lock);
	return !load_stopping(l);
}

static void keep(struct load *l, struct db *c)
{
	pthread_mutex_lock(&l->lock);
	l->conns = xrealloc(l->conns, (l->nconns + 1) * sizeof(*l->conns));
	l->conns[l->nconns++] = c;
	if (atomic_load(&l->stop))
		db_interrupt(c);
	pthread_mutex_unlock(&l->lock);
}

struct db *load_connect(struct load *l, enum db_session session, bool noted, struct err *e)
{
	/* Where other people's text is sent, what our cutting and the server's take for a statement's end may
	 * differ: then it is an error, and no second statement. */
	struct db_options o = {
		.session = session, .infile = session == DB_APPLY, .one_statement = l->folder != NULL};
	struct db *c = db_open(&l->downstream, &o, e);

	if (!c) {
		/* A server that is starting, or a network that is down, comes back: it is tried again. */
		if (e->code == ERR_check_connect)
			e->code = ERR_db_driver;
		return NULL;
	}
	keep(l, c);
	if (noted && meta_note_connection(c, &l->id, db_connection_id(c), e) < 0)
		load_disconnect(l, &c);
	return c;
}

void load_disconnect(struct load *l, struct db **c)
{
	if (!*c)
		return;
	pthread_mutex_lock(&l->lock);
	for (unsigned i = 0; i < l->nconns; i++)
		if (l->conns[i] == *c)
			l->conns[i--] = l->conns[--l->nconns];
	pthread_mutex_unlock(&l->lock);
	db_close(c);
}

int load_end_old(struct load *l, struct db *c, uint64_t old, struct err *e)
{
	uint64_t deadline = clock_ms() + GONE_WAIT_MS;
	struct err kill;
	bool there = true;

	while (!load_stopping(l)) {
		if (meta_is_there(c, old, l->downstream.user, &there, e) < 0)
			return -1;
		if (!there)
			return meta_forget_connection(c, &l->id, old, e);
		if (clock_ms() >= deadline)
			return err_set(e, ERR_db_lost, "%s: the lost connection %" PRIu64 " does not end",
				db_where(c), old);
		if (db_execf(c, &kill, "KILL %s%" PRIu64, db_server(c)->flavor == FLAVOR_TIDB ? "TIDB " : "",
			    old) < 0 &&
			kill.sql_errno != NO_SUCH_THREAD) {
			*e = kill;
			return -1;
		}
		load_pause(l, 20);
	}
	return err_set(e, ERR_link, "asked to leave");
}
