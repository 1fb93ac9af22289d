#pragma once
#include "units/cutover/cutover.h"

/* What the source has besides tables. */
struct plan {
	struct objects all; /* of all kinds: also those that the task does not want */
	bool *make;         /* of each: it is to be there afterwards, and is ours */
	json_t *known;      /* record.h */
	char position[300]; /* where the source stands now, as recorded */
	bool begun;         /* an earlier run at this very position has begun to make things */
};
/* Reads and judges; findings tell what speaks against making them. Changes nothing. */
int objects_plan(struct cutover *c, struct plan *p, struct err *e);
void objects_plan_fini(struct plan *p);
