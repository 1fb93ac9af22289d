#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/map.h"
#include "common/base/paged.h"
#include "master/model.h"
#include "master/pages.h"

/* One struct holds the process; time and transport come in from outside, so that tests can play both. */
enum {
	MASTER_LEASE_MS = 10000, /* how long an agent may be silent before it counts as lost, by default */
	MASTER_LEASE_MIN_S = 3,
	MASTER_LEASE_MAX_S = 3600,
	MASTER_STILL_MS = 2000, /* without an entry, of which the loop makes one a second */
	MASTER_AGENTS = 32,
	MASTER_CHECKS = 32,
	MASTER_CHECK_MS = 60000,
	MASTER_AGENT_MS = 10000, /* of it: so long an agent that has not come yet is waited for */
	MASTER_CHECK_SUB = 900,  /* first sub number of checks; subtasks have those below */
	MASTER_CHECK_SUBS = 100,
	MASTER_SLOTS = 999,
	MASTER_RETIRED = 4096,
};

struct link_req;

/* An agent as seen right now; what must last is in the model. */
struct agent {
	char name[MODEL_NAME + 1];
	uint64_t session;
	uint64_t seen_ms;
	char host[64];  /* that it speaks from: "" before it has spoken, or where it is this master's own */
	json_t *report; /* the last one, NULL before the first */
	uint64_t report_ms;
	/* a long poll that waits for a newer revision */
	struct link_req *poll;
	uint64_t poll_revision, poll_until_ms;
	/* Where they go in pieces: the orders of a revision that it asks the rest of, the report that comes.
	 */
	struct buf orders;
	struct paged_text coming;
	uint64_t orders_revision;
};

/* A slot or sub number that may still be in use by an agent that has not yet dropped it. */
struct retired {
	char source[MODEL_SOURCE + 1], task[MODEL_NAME + 1]; /* task "": the whole slot */
	uint32_t slot, sub;
	uint64_t revision; /* with this one the agent was told */
	char agent[MODEL_NAME + 1];
};

struct check;

struct master {
	struct model model;
	uint64_t now_ms; /* set at each entry */
	uint64_t wall_s; /* seconds since 1970, likewise */
	uint64_t lease_ms;
	const char *name, *address; /* our own, as others see them; borrowed, NULL: not known */
	/*
	 * Greater than 0: an agent has worked by this revision of our cluster, and the store is behind it: an
	 * older copy. Nothing is decided by it, until an operator accepts it.
	 */
	uint64_t newer;
	char newer_of[MODEL_NAME + 1]; /* the agent that told it first */
	struct agent agents[MASTER_AGENTS];
	unsigned nagents;
	struct check *checks[MASTER_CHECKS]; /* holes are NULL */
	uint64_t last_check;
	unsigned last_check_sub;
	struct retired *retired;
	size_t nretired;
	struct map *speeds; /* "task/source" -> struct speed (speed.h) */
	struct pages pages;
	/* Checks have ended, or sources moved, and no commit has told it since: agents hear of it with the
	 * first one that the store takes. */
	bool dirty;
	bool said_two_masters;
};

/* Reads the store. */
int master_init(struct master *m, struct store *store, struct err *e);
/*
 * At each entry. Where this process stood still (stopped, its machine paused, a write that took seconds), it
 * heard nobody for as long: that is not the agents' silence, and nobody's time runs out by it.
 */
void master_set_clock(struct master *m, uint64_t now_ms, uint64_t wall_s);
/*
 * Then, with now_ms set anew (a store may take its time): the agents of an earlier run or another master.
 * Each has one full lease from now to speak up before it counts as lost.
 */
void master_know_agents(struct master *m);
/* What is in pieces, both ways: nobody asks for the rest of it, or sends it. */
void master_forget_pieces(struct agent *a);
/* What is kept of it; its place is free. Nobody waits in it. */
void master_forget_agent(struct agent *a);
void master_fini(struct master *m);
