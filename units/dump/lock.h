#pragma once
#include "units/dump/dump.h"

/* A connection that holds off DDL; NULL: nobody does. */
struct ddl_guard {
	struct db *c;
	uint64_t since_ms;
};

/*
 * Opens one snapshot on each of conns (DB_DUMP), all of the same moment, and reads the position of that
 * moment; the lock is gone when it returns. *keeper: a connection that keeps the tables without snapshots
 * locked, or NULL; to be disconnected once they are copied. *guard is let go where the lock is not to be had
 * with it.
 */
int lock_snapshot(
	struct dump *d, struct db **conns, struct db **keeper, struct ddl_guard *guard, struct err *e);
/*
 * Holds off DDL in a MySQL where the user may (BACKUP_ADMIN), from before the list of tables is read until
 * lock_release_ddl: so that what was listed is what the snapshots see.
 */
int lock_hold_ddl(struct dump *d, struct ddl_guard *guard, struct err *e);
void lock_release_ddl(struct dump *d, struct ddl_guard *guard);
