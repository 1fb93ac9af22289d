/*
 * Groups of tables tied by foreign keys: a forest of names, each pointing to another of its group. Names
 * without regard to case: some servers fold them. Scheduler's thread only.
 */
#include "units/sync/ties.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "units/sync/keys.h"

struct tie {
	struct tie *up; /* itself: the root */
	uint64_t group;
};

static struct buf name_of(struct str schema, struct str table)
{
	struct buf b = {0};

	buf_put(&b, schema.p, schema.n);
	buf_putc(&b, '\0');
	buf_put(&b, table.p, table.n);
	for (size_t i = 0; i < b.n; i++) {
		if (b.p[i] & 0x80) { /* servers fold these in ways of their own: all such names are one */
			buf_clear(&b);
			buf_putc(&b, (char)0x80);
			return b;
		}
		if (b.p[i] >= 'A' && b.p[i] <= 'Z')
			b.p[i] = (char)(b.p[i] + 32);
	}
	return b;
}

static struct tie *root_of(struct tie *t)
{
	while (t->up != t)
		t = t->up = t->up->up;
	return t;
}

static struct tie *tie_of(struct tables *ts, struct str schema, struct str table, bool make)
{
	struct buf name = name_of(schema, table);
	struct tie *t = map_get(ts->ties, buf_str(&name));

	if (!t && make) {
		t = xcalloc(1, sizeof(*t));
		t->up = t;
		t->group = map_count(ts->ties) + 1;
		map_put(ts->ties, buf_str(&name), t);
	}
	buf_free(&name);
	return t;
}

void ties_learn(struct tables *ts, struct table *t)
{
	struct tie *found = ts->ties ? tie_of(ts, str_of(t->schema), str_of(t->name), false) : NULL;

	keys_set_group(t, found ? root_of(found)->group : 0);
}

void ties_fini(struct tables *ts)
{
	map_free(&ts->ties, free);
}

int ties_read(struct tables *ts, bool checked, struct err *e)
{
	static const char sql[] = "SELECT DISTINCT TABLE_SCHEMA, TABLE_NAME, REFERENCED_TABLE_SCHEMA, "
				  "REFERENCED_TABLE_NAME FROM information_schema.KEY_COLUMN_USAGE "
				  "WHERE REFERENCED_TABLE_NAME IS NOT NULL";
	struct db_rows *rows;
	const struct str *v;
	size_t at = 0;
	void *table;
	int n = 0;

	ties_fini(ts);
	ts->ties = map_new();
	rows = checked ? db_query(ts->ask_down, STR_LIT(sql), e) : NULL;
	if (checked && !rows)
		return -1;
	while (rows && (n = db_fetch(rows, &v, e)) > 0)
		root_of(tie_of(ts, v[0], v[1], true))->up = root_of(tie_of(ts, v[2], v[3], true));
	db_rows_close(&rows);
	while (n == 0 && map_next(ts->map, &at, NULL, &table))
		ties_learn(ts, table);
	return n;
}
