/*
 * When the relay is at rest: connected, or told to pull nothing, and for a while nothing has come, changed or
 * gone wrong. Called by main.c in the main thread; the other threads wake it when that is over.
 */
#include "units/relay/idle.h"

#include "common/base/clock.h"
#include "units/relay/relay.h"

enum { REST_MS = 10000 };

static struct idle seen(const struct relay_shared *s)
{
	return (struct idle){.bytes = s->bytes,
		.asks = s->asks,
		.connected = s->connected,
		.paused = s->paused,
		.full = s->full,
		.trouble = s->last.code != 0};
}

static bool changed(const struct idle *a, const struct idle *b)
{
	return a->bytes != b->bytes || a->connected != b->connected || a->paused != b->paused ||
	       a->full != b->full || a->trouble != b->trouble;
}

void idle_look(struct relay *r)
{
	struct relay_shared *s = &r->shared;
	uint64_t now = clock_ms();
	struct idle is;
	bool resting;

	pthread_mutex_lock(&s->lock);
	is = seen(s);
	is.watched = r->idle.watched;
	is.since_ms = r->idle.since_ms && !changed(&is, &r->idle) ? r->idle.since_ms : now;
	resting = (is.connected || is.paused) && !is.full && !is.trouble && !is.watched && !r->pins.changed &&
		  now - is.since_ms >= r->o.rest_after_ms;
	if (s->resting && !resting)
		pthread_cond_broadcast(&s->changed);
	s->resting = resting;
	pthread_mutex_unlock(&s->lock);
	r->env->rest_ms = resting ? REST_MS : 0;
	r->env->again_ms = r->purge.due_ms;
	/* What the upstream said last is for those who ask how far it is. */
	r->env->tell |= resting && is.asks != r->idle.asks;
	r->idle = is;
}
