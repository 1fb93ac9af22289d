#pragma once
#include <jansson.h>

#include "units/sync/fetch.h"
#include "units/sync/lag.h"
#include "units/sync/pace.h"

/* What the unit says of itself. Main thread only. */
struct status {
	struct apply *apply;
	struct fetch *fetch;
	struct link_peer *relay;
	struct lag lag;
	struct pace pace;
	bool asking;
	uint64_t next_ms; /* not before: the next question to the relay about the upstream */
};

void status_begin(struct status *s, struct apply *a, struct fetch *f, struct link_peer *relay);
/* Samples the counters and asks the relay, when either is due. */
void status_step(struct status *s);
/* Before that, nothing is known but since when (CLOCK_BOOTTIME). */
void status_put_start(uint64_t since_us, json_t *out);
void status_put(struct status *s, json_t *out);
