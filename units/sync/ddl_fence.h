#pragma once
#include "units/sync/apply.h"

/*
 * A swap of tables by RENAME leaves no trace in the structures. So the same statement renames a table of ours
 * in the meta schema: where that one is, there the others are (T29).
 */
/* Names the task and source where a name of them must be short and plain. */
uint64_t ddl_fence_hash(const struct apply *a);
/* Made anew, before the statement's doing record. */
int ddl_fence_make(struct apply *a, struct err *e);
/* ", fence TO its other name", for the end of a RENAME TABLE. */
void ddl_fence_put(const struct apply *a, struct buf *sql);
/* 1: it has moved, 0: it has not, -1: e. No fence at all: ERR_sync_ddl_unproved. */
int ddl_fence_moved(struct apply *a, struct err *e);
void ddl_fence_drop(struct apply *a);
