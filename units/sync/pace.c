/* Rates for the status: rows, bytes and transactions a second over the last few. Called by status.c. */
#include "units/sync/pace.h"

#include <string.h>

enum { SAMPLE_US = 1000000 };

void pace_take(struct pace *p, uint64_t now_us, const uint64_t count[PACE_COUNT])
{
	struct pace_sample *s = &p->ring[p->next % PACE_SAMPLES];

	if (p->next && now_us - p->ring[(p->next - 1) % PACE_SAMPLES].us < SAMPLE_US)
		return;
	s->us = now_us;
	memcpy(s->count, count, sizeof(s->count));
	p->next++;
}

void pace_rates(
	const struct pace *p, uint64_t now_us, const uint64_t count[PACE_COUNT], uint64_t out[PACE_COUNT])
{
	const struct pace_sample *s = &p->ring[p->next < PACE_SAMPLES ? 0 : p->next % PACE_SAMPLES];

	for (int i = 0; i < PACE_COUNT; i++)
		out[i] =
			p->next && now_us > s->us ? (count[i] - s->count[i]) * 1000000 / (now_us - s->us) : 0;
}
