/*
 * Lag. Two things move the time up to which everything of the upstream is applied: the commit time of what is
 * applied, and an end of the upstream's binlog that is reached, as everything from before it was asked for
 * lies before it. So it is right for a source that is idle or filtered, and grows for one that can't be
 * reached.
 */
#include "units/sync/lag.h"

enum { FRESH_US = 3000000, RARE_US = 13000000 };

void lag_begin(struct lag *l, uint64_t now_us)
{
	*l = (struct lag){.started_us = now_us};
}

/* The upstream's clock now. Before its first answer ours must do. */
static uint64_t clock_there(const struct lag *l, const struct lag_at *at)
{
	return l->asked_us ? l->clock_us + (at->now_us - l->asked_us) : at->wall_us;
}

static void move(struct lag *l, const struct lag_at *at)
{
	uint64_t now = clock_there(l, at), commit = at->commit_us;

	/* A clock that was set back, or a session with a timestamp of its own: no time of before counts. */
	if (l->applied_us > now)
		l->applied_us = 0;
	if (commit > 0 && commit <= now && commit > l->applied_us)
		l->applied_us = commit;
	if (l->mark_us == 0 || position_cmp(at->watermark, l->mark) < 0)
		return;
	if (l->mark_us <= now && l->mark_us > l->applied_us)
		l->applied_us = l->mark_us;
	l->mark_us = 0;
}

void lag_heard(struct lag *l, const struct msg_upstream_at *m, const struct lag_at *at)
{
	if (m->asked_us == 0)
		return; /* a relay that began anew knows less than we do */
	l->asked_us = m->asked_us;
	l->clock_us = m->clock_us;
	l->end = m->at;
	move(l, at);
	/* Of another server's files: it will never be reached. */
	if (l->mark_us && l->mark.generation != at->watermark.generation)
		l->mark_us = 0;
	if (l->mark_us || position_is_zero(m->at))
		return;
	l->mark = m->at;
	l->mark_us = m->clock_us;
	move(l, at);
}

bool lag_is_live(const struct lag *l, const struct lag_at *at)
{
	return at->all && l->asked_us && at->now_us - l->asked_us < (at->rare ? RARE_US : FRESH_US) &&
	       !position_is_zero(l->end) && position_cmp(at->watermark, l->end) >= 0;
}

struct lag_now lag_of(struct lag *l, const struct lag_at *at)
{
	struct lag_now n = {.known = true, .heard = l->asked_us > 0};
	uint64_t now = clock_there(l, at);

	move(l, at);
	if (n.heard)
		n.heard_ms = (at->now_us - l->asked_us) / 1000;
	if (lag_is_live(l, at))
		return n;
	n.known = l->applied_us > 0;
	n.ms = (n.known ? now - l->applied_us : at->now_us - l->started_us) / 1000;
	return n;
}
