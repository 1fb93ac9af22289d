#pragma once
#include "units/sync/decode.h"
#include "units/sync/depend.h"

/*
 * Tables tied by foreign keys in the downstream: checks and cascades there see rows of both, so that changes
 * of one referenced key keep the upstream's order (T13).
 */
struct table_ties;

/* Reads them anew (checked: the downstream checks and cascades at all), and tells the tables that are known.
 * Nothing may be under way. */
int ties_read(struct tables *ts, bool checked, struct err *e);
/* Tells a table that is new. */
void ties_learn(struct tables *ts, struct table *t);
void ties_fini(struct tables *ts);
void ties_free(struct table_ties **t);
/* Adds what the change touches by foreign keys. */
void ties_touch(struct touch *to, const struct change *c);
/* Adds what any change of the table could touch so. */
void ties_touch_table(struct touch *to, const struct table *t);

/* One column of one constraint; for ties_read, and for tests: ties_end when all are there. */
struct tie_column {
	struct str constraint, schema, table, column, parent_schema, parent_table, parent_column;
	bool on_delete, on_update; /* rows of the child follow by themselves */
};
void ties_begin(struct tables *ts);
void ties_add(struct tables *ts, const struct tie_column *c);
void ties_end(struct tables *ts);
