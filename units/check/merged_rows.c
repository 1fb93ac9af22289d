/*
 * Tables whose rows may meet others' downstream, by routes of the task's own or of another source: what the
 * load, or the sync once it has rows, would refuse of them.
 */
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/sql/foreign.h"
#include "common/sql/takes.h"
#include "units/check/items.h"

enum how { ALONE, SHARED, MERGED }; /* SHARED: with those of other sources only */

struct meeting {
	struct check *c;
	const char *item;
	enum how *how;    /* of each of the tables */
	size_t n, merged; /* how many are not alone; of them, MERGED */
	bool goes_on;
	struct map *first; /* of each target */
};

/* --- which they are --- */

static bool is_ignored(const struct check *c, const struct check_table *t, enum event_id kind)
{
	return filter_rows(rules_filter(c->rules), str_of(t->schema), str_of(t->name), kind).action ==
	       FILTER_IGNORE;
}

/* Where nothing is copied, a table that loses all its changes shares nothing. */
static bool counts(const struct check *c, const struct check_table *t)
{
	return check_copies(c) || !is_ignored(c, t, EVENT_insert) || !is_ignored(c, t, EVENT_update) ||
	       !is_ignored(c, t, EVENT_delete);
}

/* As the load does, each with the first of its target. */
static void note_target(struct meeting *m, size_t i)
{
	const struct tables *all = m->c->tables;
	struct check_table *t = &all->p[i], *first;
	struct buf key = route_key(str_of(t->to.schema), str_of(t->to.table));

	first = map_get(m->first, buf_str(&key));
	if (!first)
		map_put(m->first, buf_str(&key), t);
	buf_free(&key);
	if (!first || (!tables_is_routed(t) && !tables_is_routed(first)))
		return;
	m->how[i] = MERGED;
	m->how[first - all->p] = MERGED;
}

static void find(struct meeting *m)
{
	const struct tables *all = m->c->tables;
	struct err ignored = {0};

	for (size_t i = 0; i < all->n; i++)
		if (counts(m->c, &all->p[i]))
			note_target(m, i);
	for (size_t i = 0; i < all->n; i++) {
		const struct check_table *t = &all->p[i];

		if (m->how[i] == ALONE && counts(m->c, t) &&
			rules_shared(m->c->rules, str_of(t->schema), str_of(t->name), &t->to, &ignored) > 0)
			m->how[i] = SHARED;
		m->n += m->how[i] != ALONE;
		m->merged += m->how[i] == MERGED;
	}
}

/* --- rules that leave rows out --- */

/* A table that loses all its changes is not followed. */
static bool loses_rows(const struct check *c, const struct check_table *t)
{
	bool update = is_ignored(c, t, EVENT_update), delete = is_ignored(c, t, EVENT_delete);

	if (is_ignored(c, t, EVENT_insert))
		return !update || !delete;
	/* A row that is there under the key that it had before. */
	if (update && !delete)
		return true;
	return row_filters_hide(rules_row_filters(c->rules), str_of(t->schema), str_of(t->name));
}

static bool look_at_filters(const struct meeting *m)
{
	struct some found = {0};

	for (size_t i = 0; i < m->c->tables->n; i++) {
		const struct check_table *t = &m->c->tables->p[i];

		if (m->how[i] != ALONE && loses_rows(m->c, t))
			some_add(&found, "`%s`.`%s`", t->schema, t->name);
	}
	if (found.n == 0)
		return false;
	check_found(m->c, m->item, "fail", ERR_route_shared, db_where(m->c->up),
		"take the rule away, or give the table a target of its own by `routes`, or leave it out by "
		"block-allow-list",
		"routes merge tables of which filters or expression-filter leave out inserts, or some rows, "
		"or updates, but not their later changes, which is not supported yet: %s",
		some_text(&found));
	some_free(&found);
	return true;
}

/* --- foreign keys, within one source --- */

struct ties {
	const struct meeting *m;
	struct some found;
	const struct check_table *child; /* whose are read, of the upstream's */
};

/* By its name downstream. */
static bool is_merged(const struct meeting *m, struct str schema, struct str name)
{
	struct buf key = route_key(schema, name);
	const struct check_table *t = map_get(m->first, buf_str(&key));

	buf_free(&key);
	return t && m->how[t - m->c->tables->p] == MERGED;
}

static void note_foreign(void *arg, const struct foreign *f)
{
	struct ties *s = arg;
	const struct check_table *child = s->child;
	const char *schema = f->schema[0] ? f->schema : child->schema;
	struct route_name to;
	struct err ignored = {0};

	if (is_merged(s->m, str_of(child->to.schema), str_of(child->to.table)) ||
		(route_table(rules_route(s->m->c->rules), str_of(schema), str_of(f->table), &to, &ignored) >=
				0 &&
			is_merged(s->m, str_of(to.schema), str_of(to.table))))
		some_add(&s->found, "`%s`.`%s` to `%s`.`%s`", child->schema, child->name, schema, f->table);
}

/* As the load reads them; how many tables were looked at. */
static size_t read_upstream(struct ties *s)
{
	struct tables *all = s->m->c->tables;
	struct buf create = {0};
	size_t i;

	for (i = 0; i < all->n && i < TABLES_TRIED && clock_ms() < s->m->c->until_ms; i++) {
		s->child = &all->p[i];
		buf_clear(&create);
		tables_create(all, s->m->c->up, s->child, &create);
		foreign_each(buf_str(&create), db_server(s->m->c->up), note_foreign, s);
	}
	buf_free(&create);
	return i;
}

/* As the sync does. True: they can't be seen, which is told. */
static bool read_downstream(struct ties *s)
{
	static const char sql[] =
		"SELECT CONSTRAINT_SCHEMA, TABLE_NAME, UNIQUE_CONSTRAINT_SCHEMA, REFERENCED_TABLE_NAME FROM "
		"information_schema.REFERENTIAL_CONSTRAINTS";
	struct check *c = s->m->c;
	struct err e = {0};
	struct db_rows *rows = db_query(c->down, str_of(sql), &e);
	const struct str *v;

	while (rows && db_fetch(rows, &v, &e) > 0) {
		if (is_merged(s->m, v[0], v[1]) || is_merged(s->m, v[2], v[3]))
			some_add(&s->found, "`%.*s`.`%.*s` to `%.*s`.`%.*s`", STR_ARG(v[0]), STR_ARG(v[1]),
				STR_ARG(v[2]), STR_ARG(v[3]));
	}
	db_rows_close(&rows);
	if (e.code)
		check_found(c, s->m->item, "warn", 0, db_where(c->down), err_info(e.code)->workaround,
			"its foreign keys could not be seen: %s", e.text);
	return e.code != 0;
}

/* Of a task that copies nothing it is not known whether more than one of the tables has rows yet. */
static const char *state_of(const struct check *c)
{
	return check_copies(c) ? "fail" : "warn";
}

static bool tell_ties(struct ties *s, const struct db *d)
{
	bool any = s->found.n > 0;

	if (any)
		check_found(s->m->c, s->m->item, state_of(s->m->c), ERR_route_shared, db_where(d),
			"give the tables targets of their own by `routes`, or DROP the foreign keys",
			"foreign keys of tables that routes merge, or to such tables, are not supported yet: "
			"%s",
			some_text(&s->found));
	some_free(&s->found);
	return any;
}

static bool look_at_ties(const struct meeting *m)
{
	struct ties up = {.m = m}, down = {.m = m};
	size_t seen = m->c->tables->n;
	bool bad = false;

	if (check_copies(m->c) && !m->goes_on)
		seen = read_upstream(&up);
	if (check_follows(m->c) && !check_logs_cascades(m->c))
		bad = read_downstream(&down);
	bad = tell_ties(&up, m->c->up) || bad;
	bad = tell_ties(&down, m->c->down) || bad;
	if (seen < m->c->tables->n) {
		check_rest(m->c, m->item, seen, "the copy looks at each before it makes any");
		bad = true;
	}
	return bad;
}

/* --- keys of tables that are there --- */

/* Could a change be made to another table's row? */
static bool is_another(const struct check *c, const struct check_table *t, const struct structure *there)
{
	struct structure *from = tables_structure(c->up, t->schema, t->name);
	struct route_extras x = {0};
	struct err ignored = {0};
	bool found = from && from->key >= 0 &&
		     route_extras(rules_route(c->rules), str_of(t->schema), str_of(t->name),
			     str_of(c->source), &x, &ignored) == 0 &&
		     !structure_names_one(there, from, &from->keys[from->key], &x);

	route_extras_fini(&x);
	structure_free(&from);
	return found;
}

static const struct structure absent; /* stands for a table that is not there */

static void free_structure(void *s)
{
	struct structure *x = s;

	if (s != &absent)
		structure_free(&x);
}

/* Each target is asked for once; NULL: it is not there. */
static const struct structure *there_of(const struct check *c, const struct check_table *t, struct map *known)
{
	struct buf key = route_key(str_of(t->to.schema), str_of(t->to.table));
	const struct structure *s = map_get(known, buf_str(&key));

	if (!s) {
		s = tables_structure(c->down, t->to.schema, t->to.table);
		s = s ? s : &absent;
		map_put(known, buf_str(&key), (void *)(uintptr_t)s);
	}
	buf_free(&key);
	return s == &absent ? NULL : s;
}

static bool look_at_keys(const struct meeting *m)
{
	const struct tables *all = m->c->tables;
	struct map *known = map_new();
	struct some found = {0};
	size_t seen = 0;
	bool bad;

	for (size_t i = 0; i < all->n && seen < TABLES_TRIED && clock_ms() < m->c->until_ms; i++) {
		const struct check_table *t = &all->p[i];
		const struct structure *there;

		if (m->how[i] == ALONE)
			continue;
		seen++;
		there = there_of(m->c, t, known);
		if (there && is_another(m->c, t, there))
			some_add(&found, "`%s`.`%s` for `%s`.`%s`", t->to.schema, t->to.table, t->schema,
				t->name);
	}
	map_free(&known, free_structure);
	bad = found.n > 0 || seen < m->n;
	if (found.n > 0)
		check_found(m->c, m->item, state_of(m->c), ERR_route_shared, db_where(m->c->down),
			"ALTER it there: a UNIQUE KEY over columns of the upstream's key, or, where two "
			"tables may have "
			"the same keys, columns in it that `routes` fill (extract-table, extract-schema, "
			"extract-source)",
			"tables that routes merge are there already, and no unique key there lies within the "
			"upstream's, so a change could be made to another one's row: %s",
			some_text(&found));
	else if (bad)
		check_rest(m->c, m->item, seen, "the sync looks at each once it has rows");
	some_free(&found);
	return bad;
}

static bool tell_safe_mode(const struct meeting *m)
{
	struct some all = {0};

	if (!json_flag(m->c->sync, "safe_mode", false))
		return false;
	for (size_t i = 0; i < m->c->tables->n; i++)
		if (m->how[i] != ALONE)
			some_add(&all, "`%s`.`%s`", m->c->tables->p[i].schema, m->c->tables->p[i].name);
	check_found(m->c, m->item, "warn", 0, db_where(m->c->down), "nothing, or leave safe-mode out",
		"safe-mode is on, and tables that routes merge are written without it: %s", some_text(&all));
	some_free(&all);
	return true;
}

void check_merged_rows(struct check *c, const char *item)
{
	struct meeting m = {.c = c, .item = item};
	bool told = false;

	if (!rules_route(c->rules))
		return;
	m.how = xcalloc(c->tables->n + 1, sizeof(*m.how));
	m.first = map_new();
	find(&m);
	if (m.n > 0) {
		m.goes_on = check_goes_on(c);
		told = m.merged > 0 && look_at_ties(&m);
		if (check_follows(c)) {
			told = look_at_filters(&m) || told;
			told = (!check_has_begun(c) && look_at_keys(&m)) || told;
			told = tell_safe_mode(&m) || told;
		}
	}
	if (!told)
		check_passed(c, item, c->up);
	map_free(&m.first, NULL);
	free(m.how);
}
