#pragma once
#include "common/base/map.h"
#include "common/db/meta.h"
#include "units/sync/trx.h"

/*
 * A full copy that was interrupted is of several moments: tables that were complete are of an older snapshot,
 * others are mixed, and we start from the oldest (T23, T24; docs/design/copy.md). What each table has already
 * is told here, for each transaction. Read from the load's record at the start, then fixed.
 */
struct copied_snapshot {
	struct position at;
	struct gtid_set *gtid; /* for another server's files; NULL: none */
};

/* A table that is not wholly of the newest snapshot. */
struct copied_table {
	const struct copied_snapshot *first, *last; /* the oldest and newest that its rows are of */
	const struct copied_snapshot *newest;       /* of the whole copy */
	bool cascades; /* foreign keys that change rows tie it to others, all of the same snapshot */
};

struct copied {
	struct copied_snapshot *snapshots; /* ascending */
	unsigned n;
	struct map *tables; /* "schema\0table" -> struct copied_table; those of the newest snapshot are not in
			       it */
};

/* The record as the load left it (tidegate_plan.plan): 1, or 0 where there is none. n stays 0 where it is of
 * one moment. */
int copied_load(struct copied *c, struct db *d, const struct meta_id *id, struct err *e);
/* The same from its text. */
int copied_read(struct copied *c, struct str plan, struct err *e);
void copied_fini(struct copied *c);
/* NULL: the table is of the newest snapshot, or the copy of one only. */
const struct copied_table *copied_find(const struct copied *c, struct str schema, struct str table);
/* What t does to that table was seen by the snapshot that it is of: it is passed by. */
bool copied_has(const struct copied *c, struct str schema, struct str table, const struct trx *t);
/* Some of the table's rows may be as t leaves them, or later. */
bool copied_again(const struct copied_table *k, const struct trx *t);
/* Its foreign keys' other ends may be of another moment still. */
bool copied_untied(const struct copied_table *k, const struct trx *t);
