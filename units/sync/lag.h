#pragma once
#include "common/proc/msg.h"

/*
 * How far the downstream is behind the upstream, by the upstream's clock. Pure: the caller says what time it
 * is. Clocks of the two hosts may differ; only the upstream's counts, as the relay tells it.
 */
struct lag {
	uint64_t started_us;          /* CLOCK_BOOTTIME, as all but the next one */
	uint64_t asked_us, clock_us;  /* the upstream's last answer, and its clock then; 0: none yet */
	struct position end;          /* its end then; zero: not known */
	struct position mark;         /* an end of before that is not reached yet */
	uint64_t mark_us, applied_us; /* its clock: when mark was the end; all from before that is applied */
};

/* What the caller knows at the moment. */
struct lag_at {
	uint64_t now_us, wall_us;  /* CLOCK_BOOTTIME and this host's clock */
	struct position watermark; /* applied */
	uint64_t commit_us; /* when the last one that is applied was committed, upstream's clock; 0: none */
	bool all;           /* everything that the relay has is applied */
	bool rare;          /* the upstream is asked rarely: its last answer may be older */
};

struct lag_now {
	uint64_t ms;
	bool known; /* false: nothing is applied yet and the upstream is silent: ms is since our start */
	bool heard; /* it has answered */
	uint64_t heard_ms; /* how long ago */
};

void lag_begin(struct lag *l, uint64_t now_us);
void lag_heard(struct lag *l, const struct msg_upstream_at *m, const struct lag_at *at);
/* Nothing is left to do, and the upstream said so a moment ago: no lag. */
bool lag_is_live(const struct lag *l, const struct lag_at *at);
struct lag_now lag_of(struct lag *l, const struct lag_at *at);
