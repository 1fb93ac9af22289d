/*
 * When a unit that died is started again. Time comes in as an argument; whether to start at all is decided
 * elsewhere, by the error's act column (agent/proc.c).
 */
#include "agent/backoff.h"

enum { AGAINS = 60 };

const struct backoff_rules backoff_default = {
	.min_ms = 1000, .max_ms = 60000, .forgiven_ms = 60000, .factor = 2};

void backoff_started(struct backoff *b, uint64_t now)
{
	b->started_ms = now;
}

static const struct backoff_rules *rules_of(const struct backoff *b)
{
	return b->rules ? b->rules : &backoff_default;
}

/* Another one each time, without a source of randomness: the clock's last digits are enough to keep many from
 * coming at once. */
static uint64_t jittered(const struct backoff *b, uint64_t pause, uint64_t now)
{
	const struct backoff_rules *r = rules_of(b);
	uint64_t mixed = (now ^ b->started_ms << 7 ^ b->restarts) * UINT64_C(0x9e3779b97f4a7c15);

	if (!r->jitter || pause <= r->min_ms)
		return pause;
	return r->min_ms + (mixed >> 20) % (pause - r->min_ms + 1);
}

static void pause_longer(struct backoff *b, uint64_t now, bool progressed)
{
	const struct backoff_rules *r = rules_of(b);
	uint64_t next;

	if (b->pause_ms < r->min_ms || (progressed && now - b->started_ms >= r->forgiven_ms))
		b->pause_ms = r->min_ms;
	if (b->pause_ms > r->max_ms)
		b->pause_ms = r->max_ms;
	b->start_at = now + jittered(b, b->pause_ms, now);
	next = (uint64_t)((double)b->pause_ms * r->factor);
	b->pause_ms = next > r->max_ms ? r->max_ms : next;
	b->restarts++;
}

void backoff_failed(struct backoff *b, uint64_t now, bool progressed)
{
	b->agains = 0;
	pause_longer(b, now, progressed);
}

void backoff_again(struct backoff *b, uint64_t now, bool progressed)
{
	uint64_t pause = rules_of(b)->min_ms;

	if (progressed)
		b->agains = 0;
	if (b->agains++ >= AGAINS) {
		pause_longer(b, now, progressed);
		return;
	}
	b->start_at = now + (pause > 1000 ? pause : 1000);
	b->restarts++;
}

void backoff_forgive(struct backoff *b)
{
	b->pause_ms = 0;
	b->start_at = 0;
}
