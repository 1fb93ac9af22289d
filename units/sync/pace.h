#pragma once
#include <stdint.h>

/* How fast it goes: counters of the last few seconds. Pure: the caller says what time it is. */
enum { PACE_SAMPLES = 5 };
enum pace_what { PACE_ROWS, PACE_BYTES, PACE_TRANSACTIONS, PACE_COUNT };

struct pace {
	struct pace_sample {
		uint64_t us, count[PACE_COUNT];
	} ring[PACE_SAMPLES];
	unsigned next; /* samples taken so far */
};

/* Keeps a sample if the last one is a second old. */
void pace_take(struct pace *p, uint64_t now_us, const uint64_t count[PACE_COUNT]);
/* A second, since the oldest sample kept (at most five seconds ago). */
void pace_rates(
	const struct pace *p, uint64_t now_us, const uint64_t count[PACE_COUNT], uint64_t out[PACE_COUNT]);
