#pragma once
#include <jansson.h>
#include <stdbool.h>

#include "agent/proc.h"
#include "agent/stage.h"
#include "agent/subtask.h"

struct agent;

/* One upstream that this agent serves: its relay and its subtasks. */
struct source {
	struct source *next;
	struct agent *agent;
	char *name;
	unsigned slot;
	json_t *spec;               /* its object in the orders */
	bool gone;                  /* not in the orders any more */
	enum stage stage;           /* of the relay */
	struct err error;           /* why the relay is paused */
	int64_t resumes;            /* how often resume-relay was said */
	struct backoff_rules rules; /* when its units are started again */
	struct proc *relay;
	uint64_t told; /* the agent's turn when it was told last what it may be told while it runs */
	struct subtask *subtasks;
};

/* Of this agent's, by its name; NULL: there is none. */
struct source *source_find(const struct agent *a, const char *name);
struct source *source_new(struct agent *a, const char *name, unsigned slot);
void source_free(struct source **s);
void source_apply(struct source *s, json_t *spec, int64_t revision);
void source_forget(struct source *s);
/* True: a subtask is gone for good; one that waited for its place can be taken up now. */
bool source_tick(struct source *s, uint64_t now);
bool source_is_off(const struct source *s);
/* The orders want a relay, or don't say and a task needs one. */
bool source_wants_relay(const struct source *s);
/* The relay holds a position: what happens upstream from now on is not missed. */
bool source_relay_pulls(const struct source *s);
/* pause-relay: the relay runs and serves, but pulls nothing. */
bool source_relay_is_held(const struct source *s);
/* A person said "go on": a relay that is paused on an error tries again too. */
void source_resume_relay(struct source *s);
/* A relay that runs starts again: what its log is of it looks at before anything else. */
void source_renew_relay(struct source *s);
/* An error of the relay that a person must look at: all that follow it are paused with it. */
void source_relay_failed(struct source *s);
