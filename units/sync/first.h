#pragma once
#include <jansson.h>

#include "units/sync/fetch.h"

/*
 * The first start of a task, when the downstream has no progress of it: where to begin. The copy's snapshot,
 * the task's file, or DM's checkpoint say so; the relay says where that is in its log. Main thread only.
 */
struct first {
	struct link_peer *relay;
	struct apply *apply;
	struct fetch *fetch;
	char file[256], *gtid; /* file "": the set alone */
	char *server;          /* whose file it is; "": not known */
	uint64_t offset;
	bool from_dm;
	struct dm_checkpoint dm;

	uint64_t opened_us;   /* answers of before are old ones */
	bool asking, by_gtid; /* by_gtid: the upstream is another server than at the copy's time: its files
				 say nothing, the set does */
	uint64_t again_ms;    /* not asked before */
	struct position head; /* of the file to begin with, as the relay says; zero: not yet */
	char *head_gtid;
	bool heard; /* the upstream's end of this moment */
	struct position upstream;
	char *upstream_gtid;
	bool scanning;
	struct err trouble;
};

/* start: of the slice's options. */
void first_read(struct first *f, const json_t *start);
/* Before the first step: what DM recorded, if that is where to begin. */
int first_open(struct first *f, struct err *e);
/* One step of it. 1: it has begun, the fetch is under way. */
int first_step(struct first *f, struct err *e);
void first_fini(struct first *f);
