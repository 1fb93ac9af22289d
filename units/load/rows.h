#pragma once
#include "units/load/apply.h"

/*
 * The rows of a spool file into the downstream, within the applier's transaction, by the fastest way that
 * this downstream has (docs/design/copy.md, "Ways to load"). rows: how many it says that it took.
 */
int rows_put(struct applier *a, const struct chunk *k, uint64_t *rows, struct err *e);
/* Statements that are prepared belong to the connection: before it is closed. */
void rows_forget(struct applier *a);
/* Which way the applier's connection goes; for the log. */
const char *rows_way_name(const struct applier *a);
