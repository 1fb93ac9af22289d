#pragma once
#include "units/load/load.h"

/* Where a table, or a sequence, of the plan stands downstream: its to_schema and to_name. */
int routed_names(const struct load *l, struct plan_item *t, struct err *e);
/*
 * The plan under the task's routes: every item's names downstream, and its statement with them.
 * Tables that have one target are merged; ERR_route_shared where they are not alike. Views, whose text names
 * tables, go from the plan with a line in the log. Without routes nothing changes.
 */
int routed_plan(struct load *l, struct err *e);
/* Nothing of an older snapshot is kept in its target: of none of the tables that it is merged with. */
bool routed_is_fresh(const struct load *l, const json_t *own, const struct plan_item *t);
/* As own ("taken", and which of these are "shared"): where the recorded tables stand that the task's rules
 * still want there. New reference. */
json_t *routed_targets(const struct load *l, const json_t *own);
/* A copy that goes on as it was planned: -1 with e where a table's place downstream was another one. */
int routed_check_places(const struct load *l, const json_t *own, struct err *e);
