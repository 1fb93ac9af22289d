#pragma once
#include "units/dump/dump.h"

/*
 * Opens one snapshot on each of conns (DB_DUMP), all of the same moment, and reads the position of that
 * moment; the lock is gone when it returns. *keeper: a connection that keeps the tables without snapshots
 * locked, or NULL; to be disconnected once they are copied.
 */
int lock_snapshot(struct dump *d, struct db **conns, struct db **keeper, struct err *e);
/*
 * Holds off DDL in a MySQL where the user may (BACKUP_ADMIN), from before the list of tables is read until
 * lock_release_ddl: so that what was listed is what the snapshots see. *guard NULL: it is not held off.
 */
int lock_hold_ddl(struct dump *d, struct db **guard, struct err *e);
void lock_release_ddl(struct dump *d, struct db **guard, uint64_t since_ms);
