#pragma once
#include "units/dump/dump.h"

/* A connection that holds off DDL in a MySQL where the user may (BACKUP_ADMIN). Begins as {0}. */
struct ddl_guard {
	struct db *c;
	bool held, given_up; /* given up: not to be tried again */
	uint64_t since_ms;
};

/*
 * Opens one snapshot on each of conns (DB_DUMP), all of the same moment, makes the catalog's list of names
 * that of this moment, and reads the position; the lock is gone when it returns. *keeper: a connection that
 * keeps the tables without snapshots locked, or NULL; to be disconnected once they are copied. *guard holds
 * off DDL from then on, if it may: until the structures were looked at once more.
 */
int lock_snapshot(
	struct dump *d, struct db **conns, struct db **keeper, struct ddl_guard *guard, struct err *e);
/* Ends the snapshots, for another try. */
int lock_give_back(
	struct dump *d, struct db **conns, struct db **keeper, struct ddl_guard *guard, struct err *e);
void lock_release_ddl(struct dump *d, struct ddl_guard *guard);
