/*
 * Which tables' changes may be folded, which only kept together, and which must stay among those of other
 * tables (T7, T9, T13). Called by whoever owns struct tables.
 */
#include "units/sync/arrange.h"

static struct buf name_of(struct str schema, struct str table)
{
	struct buf b = {0};

	buf_put(&b, schema.p, schema.n);
	buf_putc(&b, '\0');
	buf_put(&b, table.p, table.n);
	/* As some servers compare names; more than that only ties a table that is free. */
	for (size_t i = 0; i < b.n; i++)
		if (b.p[i] >= 'A' && b.p[i] <= 'Z')
			b.p[i] = (char)(b.p[i] + 'a' - 'A');
	return b;
}

static bool is_ascii(const char *z)
{
	while (*z && !(*z & 0x80))
		z++;
	return *z == '\0';
}

/* Where it is not known which tables are tied, and for names that servers fold in ways of their own: tied. */
static bool is_tied(const struct tables *ts, const struct table *t)
{
	struct buf name;
	bool tied;

	if (!ts->tied)
		return true;
	if (map_count(ts->tied) == 0)
		return false;
	if (!is_ascii(t->schema) || !is_ascii(t->name))
		return true;
	name = name_of(str_of(t->schema), str_of(t->name));
	tied = map_get(ts->tied, buf_str(&name)) != NULL;
	buf_free(&name);
	return tied;
}

/* The downstream's only unique key, if it is the one that names rows in the stream. */
static const struct key *only_key(const struct table *t)
{
	const struct key *only = NULL;
	unsigned same = 0;

	for (unsigned i = 0; i < t->down->nkeys; i++) {
		if (t->down->keys[i].unique && only)
			return NULL;
		if (t->down->keys[i].unique)
			only = &t->down->keys[i];
	}
	if (!only || !only->usable || !t->key || only->ncolumns != t->key->ncolumns)
		return NULL;
	for (unsigned k = 0; k < t->key->ncolumns; k++)
		for (unsigned d = 0; d < only->ncolumns; d++)
			same += t->target[t->key->columns[k]] == (int)only->columns[d];
	return same == only->ncolumns ? only : NULL;
}

/* Nothing in a row of the downstream but what the stream says, or what is computed from it. */
static bool covers(const struct table *t)
{
	for (unsigned d = 0; d < t->down->ncolumns; d++) {
		bool written = t->down->columns[d].generated;

		for (unsigned i = 0; i < t->up->ncolumns && !written; i++)
			written = t->target[i] == (int)d;
		if (!written)
			return false;
	}
	return true;
}

/*
 * Folding turns a delete and an insert into an update, and an update of the key into the two: the same only
 * where a row has nothing of its own downstream. It puts deletes first: right only where one key is all that
 * rows can collide in.
 */
void arrange_find(const struct tables *ts, struct table *t)
{
	const struct key *only = only_key(t);
	const struct server *down = db_server(ts->ask_down);

	t->order = is_tied(ts, t) ? TABLE_TIED : only && covers(t) ? TABLE_FOLDED : TABLE_ALONE;
	t->upsert = t->order == TABLE_FOLDED && only->primary;
	t->row_alias = down->flavor == FLAVOR_MYSQL && down->version >= 80020;
}

int arrange_read(struct tables *ts, struct err *e)
{
	static const char sql[] =
		"SELECT CONSTRAINT_SCHEMA, TABLE_NAME, UNIQUE_CONSTRAINT_SCHEMA, REFERENCED_TABLE_NAME "
		"FROM information_schema.REFERENTIAL_CONSTRAINTS";
	struct db_rows *rows = db_query(ts->ask_down, STR_LIT(sql), e);
	const struct str *v;
	size_t at = 0;
	void *table;
	int n;

	if (!rows)
		return -1;
	map_free(&ts->tied, NULL);
	ts->tied = map_new();
	while ((n = db_fetch(rows, &v, e)) > 0)
		for (int side = 0; side < 4; side += 2) {
			struct buf name = name_of(v[side], v[side + 1]);

			map_put(ts->tied, buf_str(&name), ts);
			buf_free(&name);
		}
	db_rows_close(&rows);
	while (n == 0 && map_next(ts->map, &at, NULL, &table))
		if (((struct table *)table)->wanted)
			arrange_find(ts, table);
	return n;
}
