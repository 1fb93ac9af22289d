#pragma once
#include "units/sync/table.h"

/*
 * Tables tied by foreign keys in the downstream: cascades and checks there see rows of both, so that their
 * changes keep the upstream's order (T13).
 */

/* Reads them anew (checked: the downstream checks and cascades at all), and tells the tables that are known.
 * Nothing may be under way. */
int ties_read(struct tables *ts, bool checked, struct err *e);
/* Tells a table that is new. */
void ties_learn(struct tables *ts, struct table *t);
void ties_fini(struct tables *ts);
