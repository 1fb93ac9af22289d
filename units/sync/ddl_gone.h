#pragma once
#include "units/sync/ddl_record.h"

/* What was not done downstream: the upstream's structures move on, those of the downstream stay. In an open
 * transaction of a->db. */
int gone_track(struct apply *a, const struct ddl_place *place, const struct sql_ddl *ddl, struct str schema,
	struct err *e);
/* Of a statement that the event filter cut in two: the structure that the upstream has now, if that is known.
 */
int gone_keep_shape(
	struct apply *a, const struct ddl_place *place, const char *schema, const char *name, struct err *e);
/* Whether the text of one that can't be read may name it. */
bool gone_may_name(struct str text, struct str name);
/* Of such a one: nothing is known any more of what its text may name. ERR_route_merged where that
 * is a table that is merged with others. */
int gone_unread(struct apply *a, struct str statement, struct err *e);
