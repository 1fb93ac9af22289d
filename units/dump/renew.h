#pragma once
#include "units/dump/catalog.h"

/*
 * Makes the list what it is now, by names; what is new is read, as long as that is not more than `most`
 * tables and others. 1: so it is; 0: there was more, or (most 0) there was a difference, and nothing has
 * changed.
 */
int catalog_renew(struct catalog *c, struct db *d, const struct rules *rules, unsigned most, struct err *e);
/*
 * Asks for every CREATE text again, once the snapshots are open; the newer AUTO_INCREMENT is kept. 1: they
 * are the same; 0 with e, ERR_dump_changed: one differs, and the next catalog_renew reads it.
 */
int catalog_check(struct catalog *c, struct db *d, struct err *e);
/* The list is final: takes out what can't be shown, and says what is not copied. */
void catalog_leave_out(struct catalog *c);
