#pragma once
#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/binlog/json.h"

/*
 * The changes of a partial JSON update (op, path, value; one after the other), made to the binary JSON
 * before: the binary JSON after, in the arena. -1: ERR_sync_binlog, damaged, or one that does not fit the
 * value.
 */
int binlog_json_apply(struct str base, struct str diffs, struct arena *a, struct str *out, struct err *e);

enum { JSON_DIFF_REPLACE = 0, JSON_DIFF_INSERT = 1, JSON_DIFF_REMOVE = 2 };
/*
 * The same as an SQL expression on what `column` (SQL) holds. A path that leads nowhere there changes
 * nothing; in MariaDB the expression is NULL for what its functions can't read.
 */
int binlog_put_json_diff(
	struct buf *sql, struct str column, struct str diffs, enum json_to to, struct err *e);
