#pragma once
#include "units/sync/table.h"

/*
 * Columns of the downstream that a task's routes fill with parts of the upstream's names (extract-table, …):
 * to whoever writes rows they are columns of the upstream's table, behind those that it has, with one value
 * each.
 */

/* t->up, as the stream has it, becomes t->logged; with these columns it is t->up. They are a part of the key
 * that names rows, unless the downstream has that key as it is. */
int extra_learn(struct tables *ts, struct table *t, struct err *e);
/* A row's values, of t->up->ncolumns: the last ones. NULL: nothing. */
void extra_fill(const struct table *t, struct binlog_value *row);
