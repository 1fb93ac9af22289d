#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

/* When relay log files go, and what was asked by purge-relay. The main thread's alone (docs/design/relay.md).
 */
struct relay;

struct purge_rules {
	uint64_t quota;       /* bytes; over it the oldest files go, and without room pulling stops */
	uint64_t interval_ms; /* how often age and space are looked at; 0: never */
	int64_t expires_s;    /* older files go; 0: no matter */
	uint64_t remain;      /* bytes that the file system is to have free; 0: no matter */
};

struct purge {
	struct purge_rules rules;
	uint64_t due_ms;
	json_t *needed;        /* names of all that read or are going to; NULL: the agent has not said */
	uint64_t files, bytes; /* that went since the start */
	bool held;             /* said: only readers keep what age or space would let go */
	uint64_t grown; /* over the quota, but up to so many bytes pulling goes on; 0: it was not needed */
	int64_t last_request; /* purge-relay's number, done once */
	json_t *answer;       /* to it; NULL: none yet */
};

/* Of the slice's options, or of an order: what is not named stays as it is. */
int purge_read_rules(struct purge_rules *rules, const json_t *o, struct err *e);
/* The same of one that runs: another interval counts from now. */
int purge_change_rules(struct purge *p, const json_t *o, struct err *e);
/* Each second, and when the log has grown. */
int purge_step(struct relay *r, struct err *e);
/* {"id","file","sub_dir","force"}: done at once, once a number; what came of it is in the status. */
void purge_request(struct relay *r, const json_t *request);
/* disk, files, purged, kept_for and purge of the status. */
void purge_status(struct relay *r, json_t *out);
void purge_free(struct purge *p);
