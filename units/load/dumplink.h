#pragma once
#include "units/load/load.h"

/* What the load asks the dump. Each waits as long as it takes, until the load is told to end. */
struct chunk {
	uint64_t number, rows, bytes;
	uint32_t table;
	bool last;  /* the last one of its table */
	char *file; /* owned */
};

/* The plan, into l->plan. recorded: the copy that the downstream knows, or "". */
int dumplink_plan(struct load *l, const char *recorded, struct err *e);
/* 1: the next finished chunk behind `after`; 0: there is none any more (rows and bytes are sums of all); -1.
 */
int dumplink_claim(struct load *l, uint64_t after, struct chunk *out, struct err *e);
int dumplink_done(struct load *l, uint64_t number, struct err *e);
