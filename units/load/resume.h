#pragma once
#include "units/load/kept.h"

/* Going on with a copy that was interrupted, under a new snapshot (T23, T24; docs/design/copy.md). */
struct resume {
	bool on; /* something of it stays */
	struct kept kept;
};

/*
 * Before the plan is asked for: where another copy is recorded than the dump's, finds what of it may stay,
 * and tells the dump what is wanted. Where nothing is recorded, or nothing may stay, the copy is a new one
 * (on is false).
 */
int resume_ask(struct load *l, struct db *c, const struct record *r, struct resume *u, struct err *e);
/* The plan that came is of such a copy: the record, with what stays and what is of the new snapshot. */
int resume_begin(struct load *l, struct db *c, struct record *r, struct resume *u, struct err *e);
/* The first snapshot, and all tables of it, into the record of a new copy. */
void resume_put_new(const struct load *l, json_t *own);
/* What the plan's tables are by the record. */
void resume_mark(struct load *l, const json_t *own);
void resume_fini(struct resume *u);
