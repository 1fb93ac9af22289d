#pragma once
#include <jansson.h>

#include "units/load/load.h"
#include "units/load/others.h"

/*
 * Targets that another source of the task has on record, too, and that are not shared (join.h): its rows must
 * neither meet ours nor go. c: a
 * DB_DDL connection.
 */

/*
 * Before ours are claimed: what a source whose copy is done, and which is not followed, had made or taken,
 * and what is gone or empty by now, is its own no more: it is taken off its record.
 */
int shared_release(struct load *l, struct db *c, struct err *e);
/*
 * ERR_route_shared where another source has a target that is ours too, by own (on record already, so that of
 * two that come at once at least one sees the other). Those are taken out of own: they are not ours to drop
 * or empty, whatever becomes of the other source.
 */
int shared_check(struct load *l, struct db *c, json_t *own, struct err *e);
/* A target has rows: if another source has it on record, e becomes what shared_check says. */
void shared_blame(struct load *l, struct db *c, struct err *e);
/*
 * Another one's list, changed, on record; only if that is still what was read: who has begun another copy
 * meanwhile has it. One that is not done begins anew, if ever, and claims then.
 */
int shared_put_record(struct load *l, struct db *c, const struct other *o, struct err *e);
