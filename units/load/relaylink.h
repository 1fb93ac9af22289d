#pragma once
#include "units/load/load.h"
#include "units/load/scan.h"

/* What the load asks the relay of its source. Each waits as long as it takes, until the load is told to end.
 */

/*
 * Looks through the binlog from one snapshot to a later one. 1: done; 0: the relay log can't serve that (any
 * more), or it is not of one server: e says why; -1: e.
 */
int relaylink_scan(struct load *l, const struct plan_snapshot *from, const struct plan_snapshot *to,
	struct scan *s, struct err *e);
/* The relay keeps its log from this snapshot on, as long as it has it (T21). */
int relaylink_pin(struct load *l, const struct plan_snapshot *at, struct err *e);
