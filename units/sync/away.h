#pragma once
#include "units/sync/apply.h"

/*
 * The upstream, for a DDL statement that hangs on what it says. Where it can't be reached it is waited for, a
 * minute once in the life of the process. NULL with e: that of the connection; a->tables.away: in vain.
 */
struct db *away_upstream(struct apply *a, const char *why, struct err *e);
