#pragma once
#include <jansson.h>

#include "units/load/load.h"

/* The downstream's schemas, tables and views. c: a DB_DDL connection; old, own: see own.h. */

/* Is it there? Free: it is not, or it is a table without rows. */
int target_is_free(
	struct db *c, const char *schema, const char *name, bool *there, bool *is_free, struct err *e);
/* One that another source has made, and where ours are merged with its rows: does it take them? */
int target_check_joined(struct db *c, const struct plan_item *t, struct err *e);
/* One that is not there: can it be made? */
int target_check_made(struct load *l, const struct plan_item *t, struct err *e);
/* Changes nothing but shared_release: which tables may be used, and how (own is filled).
 * ERR_load_target_not_empty, … */
int target_claim(struct load *l, struct db *c, const json_t *old, json_t *own, struct err *e);
/* Drops or empties what is ours, makes what is missing; own learns which keys wait for the rows ("late"). To
 * be repeated after a crash. */
int target_make(struct load *l, struct db *c, json_t *own, struct err *e);
/* own without what the plan no longer has. New reference. */
json_t *target_prune(const struct load *l, const json_t *own);
/* Which views may be made: added to own. */
int target_claim_views(struct load *l, struct db *c, json_t *own, struct err *e);
/* Makes them, in whatever order works; one that can't be made is a warning. */
int target_make_views(struct load *l, struct db *c, const json_t *own, struct err *e);
