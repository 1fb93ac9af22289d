#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "ctl/progress.h"

/* Reading query-status: what `run` must know of all subtasks of its task together. */
struct status_now {
	struct progress_now show;
	bool paused, finished; /* any is paused by an error; all are finished */
	struct err error;      /* of the first that is paused, or the last retried one */
	char keys[300];        /* a table whose keys are being made, in words; "" */
	bool syncing;          /* all are in Sync */
	const json_t *answer;  /* borrowed: lives as long as the answer */
};

/* The upstreams' ends at the moment somebody wanted to know that they are reached, one a source. Zeroed: not
 * yet asked. */
struct status_end {
	/* Relays and we are on one host, with one clock: what was asked since then counts, at once. */
	bool same_clock;
	uint64_t begun_ms; /* by our clock; 0: not yet asked */
	struct status_source {
		bool known;
		bool looked;       /* at asked_ms, the relay's time of its last question */
		uint64_t asked_ms; /* by its host's clock, which says nothing here but that it is another */
		unsigned changes;
		char file[256];
		uint64_t offset;
		uint32_t generation; /* of the relay: behind a switch of the upstream file names begin anew */
	} * sources;
	size_t n;
};

/* Adds one subtask's `tidegate.copy`. */
void status_add_copy(struct progress_now *s, const json_t *copy);
void status_read(const json_t *answer, struct status_now *now);
/* What the copies of all subtasks have not made, a text each; the caller's. */
json_t *status_notes(const json_t *answer);
/* 1: every source has applied what its upstream had when all of them were in Sync; else 0. Takes the ends on
 * the way. */
int status_reached(const struct status_now *now, struct status_end *end);
void status_end_free(struct status_end *end);
bool status_agent_online(const json_t *list_member);
