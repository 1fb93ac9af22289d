#pragma once
#include "units/dump/dump.h"

/*
 * Opens one snapshot on each of conns (DB_DUMP), all of the same moment, and reads the position of that
 * moment; the lock is gone when it returns. *keeper: a connection that keeps the tables without snapshots
 * locked, or NULL; to be disconnected once they are copied.
 */
int lock_snapshot(struct dump *d, struct db **conns, struct db **keeper, struct err *e);
