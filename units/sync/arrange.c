/*
 * Which tables' changes may be folded, which only kept together, and which must stay among those of other
 * tables (T7, T9, T13). Called by whoever owns struct tables.
 */
#include "units/sync/arrange.h"

#include "common/base/log.h"
#include "common/sql/value_format.h"
#include "units/sync/bulk.h"
#include "units/sync/join.h"
#include "units/sync/takeover.h"

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

/* What a foreign key makes of a table; values of the map of names. */
static const char by_key[] = "it refers, or is referred to", acts[] = "and its changes make others";

/* NULL: no foreign key. Where it is not known, and for names that servers fold in ways of their own: the
 * most.
 */
static const char *tie_of(const struct tables *ts, const struct table *t)
{
	const char *tie;
	struct buf name;

	if (!ts->tied)
		return acts;
	if (map_count(ts->tied) == 0)
		return NULL;
	if (!is_ascii(t->to_schema) || !is_ascii(t->to_name))
		return acts;
	name = name_of(str_of(t->to_schema), str_of(t->to_name));
	tie = map_get(ts->tied, buf_str(&name));
	buf_free(&name);
	return tie;
}

static bool same_columns(const struct table *t, const struct key *down)
{
	unsigned same = 0;

	for (unsigned k = 0; k < t->key->ncolumns; k++)
		for (unsigned d = 0; d < down->ncolumns; d++)
			same += t->target[t->key->columns[k]] == (int)down->columns[d];
	return same == down->ncolumns && down->ncolumns == t->key->ncolumns;
}

/* The downstream's only unique key, if it is the one that names rows in the stream. */
static const struct key *only_key(const struct table *t)
{
	const struct key *only = NULL;

	for (unsigned i = 0; i < t->down->nkeys; i++) {
		if (t->down->keys[i].unique && only)
			return NULL;
		if (t->down->keys[i].unique)
			only = &t->down->keys[i];
	}
	return only && only->usable && t->key && same_columns(t, only) ? only : NULL;
}

/* TiDB hands a SET of an upsert's new row on as text, in which a member '' is none, and can't cast it. */
static bool can_upsert(const struct table *t)
{
	for (unsigned i = 0; t->to == FLAVOR_TIDB && i < t->down->ncolumns; i++)
		if (value_format_of(&t->down->columns[i]) == VALUE_SET_NUMBER)
			return false;
	return true;
}

/* Whatever a row collides with must be the row itself, or be written again by what follows. */
static enum table_safe find_safe(const struct tables *ts, const struct table *t)
{
	/* What DM has merged it has written so until now. */
	enum table_merged least = ts->takeover && ts->takeover->on ? MERGED_MAYBE : MERGED_NOT;
	unsigned unique = 0;
	bool named = false;

	for (unsigned i = 0; i < t->down->nkeys; i++) {
		const struct key *k = &t->down->keys[i];

		unique += k->unique;
		named |= k->unique && k->usable && t->key && same_columns(t, k);
	}
	/* Of merged tables it may be another one's. */
	return !named || t->merged > least    ? TABLE_SAFE_NOT
	       : unique == 1 && can_upsert(t) ? TABLE_SAFE_UPSERT
					      : TABLE_SAFE_REPLACE;
}

/* The columns by which rows are named are a unique key of the downstream: an update can't meet two rows. */
static bool is_unique(const struct table *t)
{
	for (unsigned i = 0; i < t->down->nkeys; i++)
		if (t->down->keys[i].usable && same_columns(t, &t->down->keys[i]))
			return true;
	return false;
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

static bool keeps_history(const struct structure *s)
{
	return s->row_end && s->row_end[0];
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
	const char *tie = tie_of(ts, t);

	t->safe = find_safe(ts, t);
	t->acts = tie == acts;
	if (ts->safe_mode && t->safe == TABLE_SAFE_NOT)
		log_warn("%s %s: they are written as without safe-mode", t->head,
			t->merged == MERGED_MAYBE ? "may hold rows of several tables"
			: t->merged               ? "holds rows of several tables"
				    : "has no unique key in the downstream by which rows are named");
	t->order = tie ? TABLE_TIED : only && covers(t) ? TABLE_FOLDED : TABLE_ALONE;
	/* MariaDB counts the old form of a row too, which goes to the table's history. */
	t->upsert = t->order == TABLE_FOLDED && only->primary && !ts->no_upserts && !keeps_history(t->down) &&
		    can_upsert(t);
	t->bulk = bulk_can(t);
	t->bulk_update = t->bulk && t->key && join_can_key(t) && is_unique(t);
	t->join = join_can(t, down);
	t->row_alias = down->flavor == FLAVOR_MYSQL && down->version >= 80020;
}

static void note_tie(struct tables *ts, const struct str name_at[2], bool parent_acts)
{
	struct buf name = name_of(name_at[0], name_at[1]);

	if (map_get(ts->tied, buf_str(&name)) != acts)
		map_put(ts->tied, buf_str(&name), (void *)(uintptr_t)(parent_acts ? acts : by_key));
	buf_free(&name);
}

int arrange_read(struct tables *ts, struct err *e)
{
	static const char sql[] =
		"SELECT CONSTRAINT_SCHEMA, TABLE_NAME, UNIQUE_CONSTRAINT_SCHEMA, REFERENCED_TABLE_NAME, "
		"UPDATE_RULE IN ('CASCADE','SET NULL','SET DEFAULT') "
		"OR DELETE_RULE IN ('CASCADE','SET NULL','SET DEFAULT') "
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
			note_tie(ts, v + side, side == 2 && str_is(v[4], "1"));
		}
	db_rows_close(&rows);
	while (n == 0 && map_next(ts->map, &at, NULL, &table))
		if (((struct table *)table)->wanted)
			arrange_find(ts, table);
	return n;
}
