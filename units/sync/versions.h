#pragma once
#include "units/sync/altered.h"
#include "units/sync/decode.h"

/*
 * MariaDB's tables WITH SYSTEM VERSIONING (T18). The stream has a deleted row as an update of its end, and
 * the old form of a changed one as an insert: what is followed are the changes of the rows that are there.
 */

/* Whether s, a recorded structure, keeps history where the record does not say so: as the upstream says now.
 * -1: it could not be asked. */
int versions_complete(struct tables *ts, struct table *t, const struct binlog_table *map, struct structure *s,
	struct err *e);
/* ERR_sync_columns where the rows have a hidden period, and now (s, the upstream's) there is none. */
int versions_unknown(
	const struct table *t, const struct binlog_table *map, const struct structure *s, struct err *e);
/* Of a table whose structures are known: where a row's end is. */
int versions_learn(struct table *t, const struct binlog_table *map, struct err *e);
/* Of a versioned table's row: *keep false (it is history), or the change as it is to the rows that are there.
 */
int versions_turn(struct change *c, bool *keep, struct err *e);
/* s is as the downstream has it, which need not keep history: as the upstream has it behind the statement. */
void versions_after_ddl(struct structure *s, const struct altered *x);
