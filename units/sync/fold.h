#pragma once
#include "common/binlog/row.h"
#include "units/sync/table.h"

/*
 * The changes of one batch, held until its end so that each table's go together, and what happens to one row
 * becomes one change. Only tables for which that is right (table_order, docs/design/apply.md). Pure: no
 * network. One applier's.
 */
struct fold;

struct fold *fold_new(void);
void fold_free(struct fold **f);
/*
 * Takes a change; the images and their bytes are borrowed until fold_clear. False: it is not one for here, or
 * contradicts what is held of its row: all that is held goes out first, then this change by itself.
 */
bool fold_add(struct fold *f, const struct table *t, enum binlog_change change,
	const struct binlog_value *before, const struct binlog_value *after);
/* Changes taken since fold_clear. */
size_t fold_count(const struct fold *f);
/* n changes of this kind of a folded table follow, and no others before the next call; 0: the table is done.
 */
typedef int fold_run(void *arg, const struct table *t, enum binlog_change change, size_t n, struct err *e);
typedef int fold_emit(void *arg, const struct table *t, enum binlog_change change,
	const struct binlog_value *before, const struct binlog_value *after, struct err *e);
/*
 * Hands out what is left of the changes, table by table: deletes, then updates, then inserts where rows are
 * folded, run by run (run may be NULL); in their order where not. Ends
 * at the first call that does not return 0, with its result.
 */
int fold_each(const struct fold *f, fold_run *run, fold_emit *emit, void *arg, struct err *e);
/* Are this table's changes handed out in their order? Else each row is in them once, and they may go in any.
 */
bool fold_ordered(const struct fold *f, const struct table *t);
void fold_clear(struct fold *f);
