#pragma once
#include <stdbool.h>
#include <stdint.h>

/* The checker of a source's file; without it: 1 s doubling to 60 s, forgiven after 60 s. */
struct backoff_rules {
	uint64_t min_ms, max_ms;
	uint64_t forgiven_ms; /* of running, with progress: the next pause is the smallest again */
	double factor;
	bool jitter; /* any time between the smallest pause and the one that is due */
	bool never;  /* an error that a retry may mend pauses the task too; a crash does not */
};

extern const struct backoff_rules backoff_default;

/* The pause before a unit is started again. */
struct backoff {
	const struct backoff_rules *rules; /* NULL: backoff_default */
	uint64_t pause_ms;                 /* of the next failure */
	unsigned restarts;                 /* starts after the first one that were not asked for */
	uint64_t start_at;                 /* not before; 0: at once */
	uint64_t started_ms;               /* of the last start */
	unsigned agains;                   /* backoff_again() in a row, without progress */
};

void backoff_started(struct backoff *b, uint64_t now);
/* progressed: durable work was done in the run that just ended. */
void backoff_failed(struct backoff *b, uint64_t now, bool progressed);
/* By no fault of its own: the smallest pause, at least a second, and the next one is not longer for it; but
 * after sixty in a row without progress it has failed like any other. */
void backoff_again(struct backoff *b, uint64_t now, bool progressed);
/* An operator's resume: start at once, as if nothing had been. */
void backoff_forgive(struct backoff *b);
