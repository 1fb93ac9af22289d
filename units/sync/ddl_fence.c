/*
 * The fence of a RENAME that swaps tables: an empty table of this task and source in the meta schema, which
 * the statement takes along. Called by ddl_do.c; never touches a table of the user's.
 */
#include "units/sync/ddl_fence.h"

#include <inttypes.h>

#include "common/sql/quote.h"

uint64_t ddl_fence_hash(const struct apply *a)
{
	return meta_hash(&a->id);
}

/* 0: as it was made, 1: moved. */
static void put_name(const struct apply *a, struct buf *sql, int moved)
{
	char name[64];

	snprintf(name, sizeof(name), "tidegate_fence_%016" PRIx64 "_%d", ddl_fence_hash(a), moved);
	sql_put_table(sql, str_of(a->id.schema), str_of(name));
}

static int run(struct apply *a, const char *verb, int moved, const char *rest, struct err *e)
{
	struct buf sql = {0};
	int r;

	buf_puts(&sql, verb);
	put_name(a, &sql, moved);
	buf_puts(&sql, rest);
	r = db_exec(a->ddl, buf_str(&sql), e);
	buf_free(&sql);
	return r;
}

int ddl_fence_make(struct apply *a, struct err *e)
{
	if (run(a, "DROP TABLE IF EXISTS ", 1, "", e) < 0 ||
		run(a, "CREATE TABLE IF NOT EXISTS ", 0, " (id int PRIMARY KEY) ENGINE=InnoDB", e) < 0)
		return err_add(e, "making a fence for RENAME");
	return 0;
}

void ddl_fence_put(const struct apply *a, struct buf *sql)
{
	buf_puts(sql, ", ");
	put_name(a, sql, 0);
	buf_puts(sql, " TO ");
	put_name(a, sql, 1);
}

int ddl_fence_moved(struct apply *a, struct err *e)
{
	enum { NO_SUCH_TABLE = 1146 };

	for (int moved = 0; moved < 2; moved++) {
		if (run(a, "SELECT 1 FROM ", moved, " LIMIT 1", e) == 0)
			return moved;
		if (e->sql_errno != NO_SUCH_TABLE)
			return -1;
	}
	return err_set(e, ERR_sync_ddl_unproved, "the fence in `%s` is gone", a->id.schema);
}

void ddl_fence_drop(struct apply *a)
{
	struct err ignored;

	run(a, "DROP TABLE IF EXISTS ", 1, "", &ignored);
}
