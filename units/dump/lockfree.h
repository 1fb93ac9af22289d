#pragma once
#include "units/dump/dump.h"

/*
 * The one moment without a lock, where the server tells each snapshot's own binlog position (MariaDB): 1: the
 * snapshots are open on conns and d->snapshot is theirs; 0: not here, or not under this load: take a lock.
 */
int lockfree_snapshot(struct dump *d, struct db **conns, struct db *lister, struct err *e);
