#pragma once
#include "common/base/map.h"
#include "common/db/dm_checkpoint.h"
#include "units/sync/trx.h"

struct apply;

/*
 * A task that was DM's: what its downstream may have already although our progress does not say so. Made at
 * the first start, kept in dm_meta.tidegate_takeover, so that a restart goes on as it was. Fixed once the
 * threads run.
 */
struct takeover {
	bool on;
	struct position until;       /* rows of transactions that begin before it may be there */
	struct gtid_set *until_gtid; /* the same, for another server's files; NULL: no GTIDs */
	struct map *tables;          /* "schema\0table" -> struct position: applied up to there */
};

void takeover_fini(struct takeover *k);
/* From DM's record: we start at `start`; the upstream's end is, or was a moment ago, `now` with `gtid`. */
int takeover_plan(struct takeover *k, const struct dm_checkpoint *dm, struct position start,
	struct position now, const char *gtid, struct err *e);
/* In a transaction of a->db. */
int takeover_record(struct apply *a, struct err *e);
/* Of an earlier process. */
int takeover_load(struct apply *a, struct err *e);
/* May the downstream have rows of t already? */
bool takeover_may_have(const struct takeover *k, const struct trx *t);
/* Has it all of this table up to `end`, surely? */
bool takeover_has(const struct takeover *k, struct str schema, struct str table, struct position end);
