#pragma once
#include <jansson.h>

#include "units/load/load.h"

/* What the load asks the dump. Each waits as long as it takes, until the load is told to end. */
struct chunk {
	uint64_t number, rows, bytes;
	uint32_t table, stretch, seq;
	bool last;         /* the last one of its table */
	bool ends_stretch; /* the last one of its stretch */
	char *lo, *hi;     /* its place in the table's key (msg.def); "": not known. Owned */
	char *file;        /* owned */
};

void chunk_fini(struct chunk *k);

/* The dump's snapshot, as soon as it is open: its copy's name (owned), and its info (a new reference). */
int dumplink_snapshot(struct load *l, char **copy_id, json_t **info, struct err *e);
/* What is wanted of it, of the copy that is recorded; "": everything. */
int dumplink_want(struct load *l, const char *copy_id, const char *recorded, struct str text, struct err *e);

/* The plan, into l->plan. recorded: the copy that the downstream knows, or "". */
int dumplink_plan(struct load *l, const char *recorded, struct err *e);
/* 1: the next finished chunk behind `after`; 0: there is none any more (rows and bytes are sums of all); -1.
 */
int dumplink_claim(struct load *l, uint64_t after, struct chunk *out, struct err *e);
int dumplink_done(struct load *l, uint64_t number, struct err *e);
