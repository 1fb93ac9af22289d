#pragma once
#include <stdbool.h>
#include <stdint.h>

/* The pause before a unit is started again: 1 s doubling to 60 s, forgiven after 60 s of running with
 * progress. */
struct backoff {
	unsigned pause_ms;   /* of the next failure */
	unsigned restarts;   /* starts after the first one that were not asked for */
	uint64_t start_at;   /* not before; 0: at once */
	uint64_t started_ms; /* of the last start */
};

enum { BACKOFF_MIN_MS = 1000, BACKOFF_MAX_MS = 60000, BACKOFF_FORGIVEN_MS = 60000 };

void backoff_started(struct backoff *b, uint64_t now);
/* progressed: durable work was done in the run that just ended. */
void backoff_failed(struct backoff *b, uint64_t now, bool progressed);
/* An operator's resume: start at once, as if nothing had been. */
void backoff_forgive(struct backoff *b);
