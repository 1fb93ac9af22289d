#pragma once
#include "common/proc/inherit.h"
#include "common/proc/unit.h"
#include "common/proc/watch.h"

struct unit_run;

/* One unit_next. */
struct unit_beat {
	struct unit_run *run;
	bool under_way;
	uint64_t asked_ms, wait_ms; /* when, and how long its answer may take */
	uint64_t revision;          /* of the order that was known then */
};

/* A unit while it runs: shared by unit.c (the order of things) and unit_agent.c (the conversation with the
 * agent). */
struct unit_run {
	struct unit_env env; /* what the unit sees; unit_wake and unit_leaving find the rest from it */
	const struct unit *u;
	void *self;
	struct inherited in;
	struct watch *watch;
	struct link_peer *agent;
	enum stage stage;
	bool opened;               /* open() went well: status() may be asked */
	uint64_t revision;         /* of the last order */
	bool run;                  /* ORDER_RUN has come */
	json_t *args;              /* of an order, not yet given to order(); owned */
	uint64_t heard_ms;         /* the last answer */
	uint64_t missed_ms;        /* the last call without one; 0: none since */
	uint64_t silent_ms;        /* how long the agent could have answered since, and has not */
	uint64_t welcome_ms;       /* since when the agent knows us */
	struct unit_beat beats[2]; /* unit_next: the last one, and one that it has taken the place of */
	unsigned last_beat;        /* which of them */
	uint64_t next_timer;       /* when the next one is due; 0: not by the clock */
	struct err error;          /* what ends this process; code 0: nothing does */
};

static inline struct unit_run *unit_run_of(const struct unit_env *env)
{
	return (struct unit_run *)((char *)(uintptr_t)env - offsetof(struct unit_run, env));
}

/* Dials the agent and says hello, again and again, for 10 s; takes the first order. */
int unit_agent_hello(struct unit_run *r, struct err *e);
/* From now on one unit_next is always under way while the loop runs: heartbeat, status and orders in one. */
void unit_agent_ask(struct unit_run *r);
/* A call ended now without its answer: has the agent been silent for too long? */
bool unit_agent_missed(struct unit_run *r, uint64_t now);
/* After each step: what begins while a unit_next of a unit at rest is under way is told at once, and so is
 * what the unit wants to be. */
void unit_agent_stir(struct unit_run *r);
/* The last word: how it ended. The agent may be gone; then it is only logged. */
void unit_agent_bye(struct unit_run *r, enum stage stage, const struct err *error);
