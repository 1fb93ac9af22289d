#pragma once
#include "common/db/meta.h"

/*
 * What DM recorded of a task in the meta schema that both use: how far its sync unit was. Read only; DM's
 * tables are never written.
 */
struct dm_point {
	char file[256]; /* "" : none */
	uint64_t offset;
};

struct dm_table_point {
	char *schema, *table;
	struct dm_point at; /* everything of this table up to here is applied, though the whole is not */
};

struct dm_checkpoint {
	struct dm_point at;   /* everything before is applied */
	struct dm_point exit; /* nothing behind is; file "": not known */
	char *gtid;           /* as recorded beside `at`: without enable-gtid it may be of long before */
	struct dm_table_point *tables;
	size_t n;
};

/*
 * 1: it is there, 0: DM has none of this task and source. -1: ERR_dm_unresolved where DM stands in the middle
 * of what only DM can end (a merge of shards, an online DDL, its load).
 */
int dm_checkpoint_read(struct db *d, const struct meta_id *id, struct dm_checkpoint *c, struct err *e);
void dm_checkpoint_fini(struct dm_checkpoint *c);
/* Has this task followed the binlog before (a row of tidegate_slot with a position)? */
int meta_has_followed(struct db *d, const struct meta_id *id, bool *yes, struct err *e);
