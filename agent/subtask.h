#pragma once
#include <jansson.h>
#include <stdbool.h>

#include "agent/proc.h"
#include "agent/stage.h"

struct source;

/* What a subtask has still to do. */
enum phase {
	PHASE_LOOK, /* load alone looks whether the copy is done, or DM's task to be taken over */
	PHASE_COPY, /* dump and load, or the one of them that the mode has */
	PHASE_SYNC, /* sync */
	PHASE_DONE, /* nothing */
};

/* A task on one source. */
struct subtask {
	struct subtask *next;
	struct source *source;
	char *task;
	unsigned sub;
	json_t *spec; /* its object in the orders */
	bool gone;    /* not in the orders any more */
	enum stage stage;
	enum phase phase;
	bool copying; /* dump and load may run: the relay held a position when they were to start (mode all)
		       */
	bool looked;  /* PHASE_LOOK is over, whatever it found */
	bool copied;  /* the full copy is done */
	bool meta_removed; /* the load has done what remove_meta asked for */
	json_t *snapshot;  /* {"file","offset","gtid"} of the copy, NULL: not known */
	int64_t resumes;   /* how often it was resumed, as the orders count */
	int64_t revision;  /* of the orders that were applied last */
	struct proc *dump, *load, *sync;
	bool stale;       /* units that run are of an epoch of before, and are to leave */
	bool reborn;      /* they are of a life of before: nothing that they tell or finish is this one's */
	struct err error; /* why it is paused */
};

struct subtask *subtask_new(struct source *s, const json_t *spec);
/* All its units must be off. */
void subtask_free(struct subtask **t);
/* The orders name it, perhaps with other settings or another wanted stage. */
void subtask_apply(struct subtask *t, json_t *spec, int64_t revision, bool source_changed);
/* The orders don't name it any more. */
void subtask_forget(struct subtask *t);
void subtask_event(struct subtask *t, enum stage_event event);
void subtask_tick(struct subtask *t, uint64_t now);
bool subtask_is_off(const struct subtask *t);
/* One of include/mode.def. */
const char *subtask_mode(const struct subtask *t);
/* Reads the relay log, now or once its copy is done. */
bool subtask_follows(const struct subtask *t);
/* It follows the binlog, now or later: the relay must run. */
bool subtask_needs_relay(const struct subtask *t);
/* It is at work, and knows where it starts: the relay must run now. */
bool subtask_reads(const struct subtask *t);
/* Where it starts is still to be found: a relay that is off waits for that. */
bool subtask_start_is_open(const struct subtask *t);
/* The snapshot of the copy, or where the orders say to start; NULL: nowhere yet. Borrowed. */
const json_t *subtask_start(const struct subtask *t);
/*
 * What it needs of the binlog from now on: an object with "file" and "offset", or NULL. Where it follows
 * already, also with the relay's "generation", "head" and "gtid" (`need` of its sync, or as the master was
 * told by the agent of before). Borrowed.
 */
const json_t *subtask_relay_start(const struct subtask *t);
