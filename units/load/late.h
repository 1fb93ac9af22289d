#pragma once
#include <jansson.h>

#include "units/load/load.h"

/*
 * Keys that are made when a table's rows are there (docs/design/copy.md, "Keys behind the rows"): own's
 * "late",
 * {"schema":{"table":{"name":"KEY …"}}}. A worker that has put a table's last chunk makes that table's, all
 * in one ALTER.
 */
void late_begin(struct load *l, const json_t *own);
void late_end(struct load *l);
/* "keys": tables whose keys are made at this moment, as a thread each does one; nothing where there is none.
 * Under l->lock. */
void late_status(const struct load *l, json_t *out);
/* A worker has taken a chunk of this table; it is in. last: no other of the table comes. */
void late_chunk_taken(struct load *l, unsigned table, bool last);
void late_chunk_done(struct load *l, unsigned table);
/* Makes the keys of tables that are whole now; all: no chunk comes any more. */
int late_make(struct load *l, bool all, struct err *e);
