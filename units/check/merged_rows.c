/*
 * Tables whose rows may meet others' downstream, by routes of the task's own or of another source: what the
 * load, or the sync once it has rows, would refuse of them.
 */
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/sql/takes.h"
#include "units/check/items.h"

enum how { ALONE, SHARED, MERGED }; /* SHARED: with those of other sources only */

struct meeting {
	struct check *c;
	const char *item;
	enum how *how; /* of each of the tables */
	size_t n;      /* of those that are not alone */
};

static void note_pair(void *arg, const struct check_table *a, const struct check_table *b)
{
	struct meeting *m = arg;

	if (!tables_is_routed(a) && !tables_is_routed(b))
		return;
	m->how[a - m->c->tables->p] = MERGED;
	m->how[b - m->c->tables->p] = MERGED;
}

static void find(struct meeting *m)
{
	const struct tables *all = m->c->tables;
	struct err ignored = {0};

	tables_each_pair(all, note_pair, m);
	for (size_t i = 0; i < all->n; i++) {
		const struct check_table *t = &all->p[i];

		if (m->how[i] == ALONE &&
			rules_shared(m->c->rules, str_of(t->schema), str_of(t->name), &t->to, &ignored) > 0)
			m->how[i] = SHARED;
		m->n += m->how[i] != ALONE;
	}
}

static void add(struct some *s, const struct check_table *t)
{
	some_add(s, "`%s`.`%s`", t->schema, t->name);
}

/* --- rules that leave rows out --- */

static bool is_ignored(const struct check *c, const struct check_table *t, enum event_id kind)
{
	return filter_rows(rules_filter(c->rules), str_of(t->schema), str_of(t->name), kind).action ==
	       FILTER_IGNORE;
}

/* A table that loses all its changes is not followed. */
static bool loses_rows(const struct check *c, const struct check_table *t)
{
	if (is_ignored(c, t, EVENT_insert))
		return !is_ignored(c, t, EVENT_update) || !is_ignored(c, t, EVENT_delete);
	return row_filters_name(rules_row_filters(c->rules), str_of(t->schema), str_of(t->name));
}

static bool look_at_filters(struct meeting *m)
{
	struct some found = {0};

	for (size_t i = 0; check_follows(m->c) && i < m->c->tables->n; i++)
		if (m->how[i] != ALONE && loses_rows(m->c, &m->c->tables->p[i]))
			add(&found, &m->c->tables->p[i]);
	if (found.n == 0)
		return false;
	check_found(m->c, m->item, "fail", ERR_route_shared, db_where(m->c->up),
		"take the rule away, or give the table a target of its own by `routes`, or leave it out by "
		"block-allow-list",
		"routes merge tables of which rows, not their changes, are left out by filters or "
		"expression-filter, which is not supported yet: %s",
		some_text(&found));
	some_free(&found);
	return true;
}

/* --- foreign keys, within one source --- */

static const char ties[] =
	"SELECT DISTINCT TABLE_SCHEMA, TABLE_NAME, REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME FROM "
	"information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_TABLE_NAME IS NOT NULL ORDER BY 1, 2, 3, 4";

/* As that server calls it; NULL: not wanted. */
static const struct check_table *known(
	const struct check *c, struct db *d, struct str schema, struct str name)
{
	size_t at = 0;

	return d == c->up ? tables_find(c->tables, schema, name, &at)
			  : tables_find_to(
				    c->tables, schema, name, check_number(d, "lower_case_table_names") == 0);
}

static void note_tie(const struct meeting *m, const struct check_table *t, bool up, struct some *found)
{
	if (!t || m->how[t - m->c->tables->p] != MERGED)
		return;
	if (up)
		add(found, t);
	else
		some_add(found, "`%s`.`%s`", t->to.schema, t->to.table);
}

static void look_for_ties(const struct meeting *m, struct db *d, struct some *found)
{
	bool up = d == m->c->up;
	struct err ignored = {0};
	struct db_rows *rows = db_query(d, str_of(ties), &ignored);
	const struct str *v;

	while (rows && db_fetch(rows, &v, &ignored) > 0) {
		const struct check_table *child = known(m->c, d, v[0], v[1]);

		note_tie(m, child, up, found);
		if (child || !up)
			note_tie(m, known(m->c, d, v[2], v[3]), up, found);
	}
	db_rows_close(&rows);
}

static bool look_at_ties(struct meeting *m)
{
	struct some found = {0};

	look_for_ties(m, m->c->up, &found);
	if (found.n == 0)
		look_for_ties(m, m->c->down, &found);
	if (found.n == 0)
		return false;
	check_found(m->c, m->item, "fail", ERR_route_shared, db_where(m->c->up),
		"give the tables targets of their own by `routes`, or DROP the foreign keys",
		"foreign keys of, or to, tables that routes merge are not supported yet: %s",
		some_text(&found));
	some_free(&found);
	return true;
}

/* --- keys of tables that are there --- */

/* Could a change be made to another table's row? */
static bool is_another(const struct check *c, const struct check_table *t)
{
	struct structure *there = tables_structure(c->down, t->to.schema, t->to.table),
			 *from = there ? tables_structure(c->up, t->schema, t->name) : NULL;
	struct route_extras x = {0};
	struct err ignored = {0};
	bool found = from && from->key >= 0 &&
		     route_extras(rules_route(c->rules), str_of(t->schema), str_of(t->name),
			     str_of(c->source), &x, &ignored) == 0 &&
		     !structure_names_one(there, from, &from->keys[from->key], &x);

	route_extras_fini(&x);
	structure_free(&there);
	structure_free(&from);
	return found;
}

/* Each target is told once. */
static void note_another(const struct check_table *t, struct map *told, struct some *found)
{
	struct buf key = route_key(str_of(t->to.schema), str_of(t->to.table));

	if (!map_put(told, buf_str(&key), told))
		some_add(found, "`%s`.`%s` for `%s`.`%s`", t->to.schema, t->to.table, t->schema, t->name);
	buf_free(&key);
}

static bool look_at_keys(struct meeting *m)
{
	const struct tables *all = m->c->tables;
	struct map *told;
	struct some found = {0};

	if (!check_follows(m->c) || check_has_begun(m->c))
		return false;
	told = map_new();
	for (size_t i = 0; i < all->n && i < TABLES_TRIED && clock_ms() < m->c->until_ms; i++)
		if (m->how[i] != ALONE && is_another(m->c, &all->p[i]))
			note_another(&all->p[i], told, &found);
	map_free(&told, NULL);
	if (found.n == 0)
		return false;
	check_found(m->c, m->item, "fail", ERR_route_shared, db_where(m->c->down),
		"ALTER it there: ADD a UNIQUE KEY over columns of the upstream's key",
		"tables that routes merge are there already, and no unique key there lies within the "
		"upstream's, so a change could be made to another one's row: %s",
		some_text(&found));
	some_free(&found);
	return true;
}

static void tell_safe_mode(struct meeting *m)
{
	struct some all = {0};

	if (!check_follows(m->c) || !json_flag(m->c->sync, "safe_mode", false))
		return;
	for (size_t i = 0; i < m->c->tables->n; i++)
		if (m->how[i] != ALONE)
			add(&all, &m->c->tables->p[i]);
	check_found(m->c, m->item, "warn", 0, db_where(m->c->down), "nothing, or leave safe-mode out",
		"safe-mode is on, and tables that routes merge are written without it: %s", some_text(&all));
	some_free(&all);
}

void check_merged_rows(struct check *c, const char *item)
{
	struct meeting m = {.c = c, .item = item};
	bool bad = false;

	if (!rules_route(c->rules))
		return;
	m.how = xcalloc(c->tables->n + 1, sizeof(*m.how));
	find(&m);
	if (m.n > 0) {
		bad = look_at_filters(&m);
		bad = look_at_ties(&m) || bad;
		bad = look_at_keys(&m) || bad;
		tell_safe_mode(&m);
	}
	if (!bad)
		check_passed(c, item, c->up);
	free(m.how);
}
