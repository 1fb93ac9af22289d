#pragma once
#include "units/dump/catalog.h"

/* While we hold a lock: it waits for nobody's lock of a table for long, since who has that may wait for ours.
 */
int catalog_look_shortly(struct db *d, struct err *e);
/* While we hold none: it waits as the server has it. */
int catalog_look_patiently(struct db *d, struct err *e);
/*
 * Makes the list what it is now, by names; what is new is read, as long as clock_ms() is below until_ms (0:
 * nothing may be new or gone; UINT64_MAX: there is time). 1: so it is; 0 with e: it is not, and nothing has
 * changed: ERR_dump_changed, with the name, or somebody's lock was in the way.
 */
int catalog_renew(
	struct catalog *c, struct db *d, const struct rules *rules, uint64_t until_ms, struct err *e);
/*
 * Asks for every CREATE text again, once the snapshots are open; the newer AUTO_INCREMENT is kept. 1: they
 * are the same; 0 with e: one differs (ERR_dump_changed), and the next catalog_renew reads it, or somebody's
 * lock was in the way.
 */
int catalog_check(struct catalog *c, struct db *d, struct err *e);
/* The list is final: takes out what can't be shown, and says what is not copied. */
void catalog_leave_out(struct catalog *c);
