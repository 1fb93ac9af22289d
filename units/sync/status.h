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
	uint64_t next_ms;          /* not before: the next question to the relay about the upstream */
	bool rests, asked_at_rest; /* asks rarely; did so when it asked last */
	bool rare;                 /* the last answer was to a question of that time */
	bool silent;               /* it was none, or the same again */
	bool heard;                /* there is an answer that the agent has not been told of */
	/* What was seen by status_idle, and since when nothing of it has changed. */
	struct {
		uint64_t ms, bytes, transactions;
	} still;
};

void status_begin(struct status *s, struct apply *a, struct fetch *f, struct link_peer *relay);
/* Nothing comes, everything is applied, recorded and known to be all, and that for after_ms. */
bool status_idle(struct status *s, uint64_t after_ms);
/* Samples the counters and asks the relay, when either is due. */
void status_step(struct status *s);
/* Before that, nothing is known but since when (CLOCK_BOOTTIME). */
void status_put_start(uint64_t since_us, json_t *out);
void status_put(struct status *s, json_t *out);
