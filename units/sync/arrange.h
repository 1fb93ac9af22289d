#pragma once
#include "units/sync/table.h"

/*
 * In which order a table's changes must be made within one downstream transaction, and whether changed rows
 * may be upserted: told in t->order, t->upsert, t->row_alias (docs/design/apply.md).
 */

/* Asks the downstream which tables foreign keys tie to others, and tells the tables that are known. Nothing
 * may be under way. Before the first rows, and after each DDL with REFERENCES. */
int arrange_read(struct tables *ts, struct err *e);
/* Tells a table whose structures of both sides are known. */
void arrange_find(const struct tables *ts, struct table *t);
