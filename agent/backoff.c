/*
 * When a unit that died is started again. Time comes in as an argument; whether to start at all is decided
 * elsewhere, by the error's act column (agent/proc.c).
 */
#include "agent/backoff.h"

void backoff_started(struct backoff *b, uint64_t now)
{
	b->started_ms = now;
}

void backoff_failed(struct backoff *b, uint64_t now, bool progressed)
{
	if (b->pause_ms == 0 || (progressed && now - b->started_ms >= BACKOFF_FORGIVEN_MS))
		b->pause_ms = BACKOFF_MIN_MS;
	b->start_at = now + b->pause_ms;
	b->pause_ms = b->pause_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : b->pause_ms * 2;
	b->restarts++;
}

void backoff_forgive(struct backoff *b)
{
	b->pause_ms = 0;
	b->start_at = 0;
}
