/*
 * What the relay's threads tell each other: leaving, trouble, connections to cut. Small functions under one
 * lock, which is never held over a call that may wait.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "units/relay/relay.h"

enum { CONNECT_S = 5, HEARTBEATS_PER_TIMEOUT = 3, ANSWER_S = 30, LET_GO_MS = 1000 };

void relay_shared_init(struct relay *r)
{
	pthread_condattr_t a;

	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_mutex_init(&r->shared.lock, NULL);
	pthread_cond_init(&r->shared.changed, &a);
	pthread_condattr_destroy(&a);
}

void relay_shared_fini(struct relay *r)
{
	free(r->shared.master.gtid);
	r->shared.master.gtid = NULL;
}

bool relay_leaving(struct relay *r)
{
	bool leaving;

	pthread_mutex_lock(&r->shared.lock);
	leaving = r->shared.leaving;
	pthread_mutex_unlock(&r->shared.lock);
	return leaving;
}

void relay_leave(struct relay *r)
{
	struct relay_shared *s = &r->shared;

	pthread_mutex_lock(&s->lock);
	s->leaving = true;
	if (s->puller_db)
		db_interrupt(s->puller_db);
	if (s->head_db)
		db_interrupt(s->head_db);
	if (s->asker_db)
		db_interrupt(s->asker_db);
	if (s->stream)
		binlog_stream_interrupt(s->stream);
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

bool relay_let_go(struct relay *r, enum relay_thread t)
{
	struct relay_shared *s = &r->shared;
	struct timespec until = clock_deadline(LET_GO_MS);
	bool abandoned;

	pthread_mutex_lock(&s->lock);
	while (s->connecting[t] && pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0)
		;
	abandoned = s->abandoned[t] = s->connecting[t];
	pthread_mutex_unlock(&s->lock);
	return !abandoned;
}

bool relay_pause(struct relay *r, uint64_t ms)
{
	struct relay_shared *s = &r->shared;
	struct timespec until = clock_deadline(ms);
	bool leaving;

	pthread_mutex_lock(&s->lock);
	while (!s->leaving && pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0)
		;
	leaving = s->leaving;
	pthread_mutex_unlock(&s->lock);
	return leaving;
}

void relay_set_paused(struct relay *r, bool paused)
{
	struct relay_shared *s = &r->shared;
	bool was;

	pthread_mutex_lock(&s->lock);
	was = s->paused;
	s->paused = paused;
	s->pauses += paused && !was;
	if (paused && s->puller_db)
		db_interrupt(s->puller_db);
	if (paused && s->stream)
		binlog_stream_interrupt(s->stream);
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	if (was != paused)
		log_info(paused ? "paused: nothing is pulled" : "resumed");
}

/* When the next question to the upstream is due. */
static struct timespec ask_due(
	const struct relay_shared *s, const struct relay_ask_pauses *p, uint64_t asked_ms)
{
	uint64_t due = asked_ms + (s->resting && !s->ask_wanted ? p->rest_ms : p->busy_ms), now = clock_ms();

	return clock_deadline(due > now ? due - now : 0);
}

bool relay_ask_pause(struct relay *r, const struct relay_ask_pauses *p)
{
	struct relay_shared *s = &r->shared;
	uint64_t asked_ms = clock_ms();
	bool leaving;
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	while (!s->leaving && rc != ETIMEDOUT) {
		struct timespec until = ask_due(s, p, asked_ms);

		rc = pthread_cond_timedwait(&s->changed, &s->lock, &until);
	}
	leaving = s->leaving;
	pthread_mutex_unlock(&s->lock);
	return leaving;
}

bool relay_was_paused(struct relay *r, uint64_t pauses)
{
	bool was;

	pthread_mutex_lock(&r->shared.lock);
	was = r->shared.pauses != pauses;
	pthread_mutex_unlock(&r->shared.lock);
	return was;
}

bool relay_wait_resumed(struct relay *r, uint64_t *pauses)
{
	struct relay_shared *s = &r->shared;
	bool leaving;

	pthread_mutex_lock(&s->lock);
	while (s->paused && !s->leaving)
		pthread_cond_wait(&s->changed, &s->lock);
	leaving = s->leaving;
	*pauses = s->pauses;
	pthread_mutex_unlock(&s->lock);
	return leaving;
}

void relay_trouble(struct relay *r, const struct err *e)
{
	struct relay_shared *s = &r->shared;
	bool new;

	pthread_mutex_lock(&s->lock);
	new = e ? s->last.code != e->code || strcmp(s->last.text, e->text) != 0 : s->last.code != 0;
	if (e)
		s->last = *e;
	else
		err_clear(&s->last);
	pthread_mutex_unlock(&s->lock);
	if (new)
		unit_wake(r->env);
	if (new &&e)
		log_err(e);
	else if (new)
		log_info("the trouble is over");
}

void relay_fatal(struct relay *r, const struct err *e)
{
	pthread_mutex_lock(&r->shared.lock);
	if (!r->shared.fatal.code)
		r->shared.fatal = *e;
	pthread_mutex_unlock(&r->shared.lock);
	unit_wake(r->env);
}

static bool begin_connect(struct relay_shared *s, enum relay_thread t)
{
	bool go;

	pthread_mutex_lock(&s->lock);
	go = !s->leaving;
	s->connecting[t] = go;
	pthread_mutex_unlock(&s->lock);
	return go;
}

struct db *relay_connect(struct relay *r, enum db_session session, struct db **slot, struct err *e)
{
	unsigned stream_s = r->o.heartbeat_ms * HEARTBEATS_PER_TIMEOUT / 1000 + 1;
	struct db_options o = {
		.session = session,
		.connect_timeout_s = CONNECT_S,
		.read_timeout_s = session == DB_BINLOG ? stream_s : ANSWER_S,
		.upstream = true,
	};
	struct relay_shared *s = &r->shared;
	enum relay_thread t = slot == &s->asker_db ? RELAY_ASKER : RELAY_PULLER;
	struct db *d;

	if (!begin_connect(s, t))
		return err_set(e, ERR_link, "leaving"), NULL;
	d = db_open(&r->ep, &o, e);
	pthread_mutex_lock(&s->lock);
	while (s->abandoned[t]) /* the main thread may be past freeing: nothing more */
		pthread_cond_wait(&s->changed, &s->lock);
	s->connecting[t] = false;
	pthread_cond_broadcast(&s->changed);
	*slot = d;
	if (d && s->leaving)
		db_interrupt(d);
	pthread_mutex_unlock(&s->lock);
	return d;
}

void relay_release(struct relay *r, struct db **slot)
{
	pthread_mutex_lock(&r->shared.lock);
	*slot = NULL;
	pthread_mutex_unlock(&r->shared.lock);
}

void relay_disconnect(struct relay *r, struct db **slot)
{
	struct db *d = *slot; /* this thread alone writes its slot */

	relay_release(r, slot);
	db_close(&d);
}
