#pragma once
#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/str.h"

/*
 * The changes of a partial JSON update (op, path, value; one after the other), made to the binary JSON
 * before: the binary JSON after, in the arena. -1: ERR_sync_binlog, damaged, or one that does not fit the
 * value.
 */
int binlog_json_apply(struct str base, struct str diffs, struct arena *a, struct str *out, struct err *e);
