#pragma once
#include "common/sql/route.h"
#include "units/sync/table.h"

/*
 * Which targets the other sources of the task have, by the downstream's records: whatever their routes are
 * now, and also where a source has left the task (docs/design/routing.md). Kept in ts->elsewhere until
 * forgotten.
 */
int elsewhere_read(struct tables *ts, struct err *e);
void elsewhere_forget(struct tables *ts);
/* Behind elsewhere_read. The source, borrowed; NULL: none has it on record. table NULL: any in that schema.
 */
const char *elsewhere_source(const struct tables *ts, const char *to_schema, const char *to_table);
/* The same, one that is about to drop or empty it, as its copy begins anew. */
const char *elsewhere_maker(const struct tables *ts, const char *to_schema, const char *to_table);
/*
 * Behind elsewhere_read, of a statement about the table up, whose target is `to`: ERR_route_merged where
 * another source has that target, ERR_route_unknown where one may have it for all that is on record.
 */
int elsewhere_check(
	struct tables *ts, const struct route_name *up, const struct route_name *to, struct err *e);
