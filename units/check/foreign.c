/*
 * Foreign keys that lead out of the wanted tables, where the upstream does not log what they do, so that the
 * downstream has to, and checks them: as the sync asks at its first row, which a copy of hours stands before.
 */
#include "common/sql/foreign.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/sql/quote.h"
#include "units/check/items.h"

/* Of a row of REFERENTIAL_CONSTRAINTS. */
enum { CHILD_SCHEMA, CHILD, PARENT_SCHEMA, PARENT, NAME, ON_DELETE, ON_UPDATE };

enum { RULES_S = 10 };

struct leading {
	struct check *c;
	const struct check_table *child; /* whose are read, of the upstream's */
	struct some acts, others;
	bool exact;                   /* downstream, names that differ in case only are two */
	struct map *places;           /* names downstream -> struct check_table */
	struct map *kinds;            /* what acts downstream, as kind_of has it */
	struct some deletes, updates; /* what the upstream has more, of tables that are there */
	struct err failed, unseen;    /* why the downstream's, the upstream's could not be seen */
	bool cut;                     /* there was no time for all schemas */
};

/* Those that a copy makes, be it out of files. */
static void note_upstream(void *arg, const struct foreign *f)
{
	struct leading *l = arg;
	const char *schema = f->schema[0] ? f->schema : l->child->schema;

	if (!rules_table(l->c->rules, str_of(schema), str_of(f->table)))
		some_add(f->acts ? &l->acts : &l->others, "`%s`.`%s` to `%s`.`%s`", l->child->schema,
			l->child->name, schema, f->table);
}

static size_t read_upstream(struct leading *l)
{
	struct tables *all = l->c->tables;
	struct buf create = {0};
	size_t i;

	for (i = 0; i < all->n && i < TABLES_TRIED && clock_ms() < l->c->until_ms; i++) {
		l->child = &all->p[i];
		buf_clear(&create);
		tables_create(all, l->c->up, l->child, &create);
		if (memmem(create.p, create.n, "FOREIGN KEY", 11) && !tables_is_there(l->c->down, l->child))
			foreign_each(buf_str(&create), db_server(l->c->up), note_upstream, l);
	}
	buf_free(&create);
	return i;
}

/* --- those that are there --- */

/* As the server tells names apart. Owned by the caller. */
static struct buf place_of(const struct leading *l, struct str schema, struct str table)
{
	struct buf key = {0};

	if (!l->exact)
		return route_key(schema, table);
	buf_put_str(&key, schema);
	buf_put_str(&key, table);
	return key;
}

static void note_places(struct leading *l)
{
	const struct tables *all = l->c->tables;

	for (size_t i = 0; i < all->n; i++) {
		struct buf key = place_of(l, str_of(all->p[i].to.schema), str_of(all->p[i].to.table));

		map_put(l->places, buf_str(&key), &all->p[i]);
		buf_free(&key);
	}
}

static const struct check_table *find_place(const struct leading *l, struct str schema, struct str table)
{
	struct buf key = place_of(l, schema, table);
	const struct check_table *t = map_get(l->places, buf_str(&key));

	buf_free(&key);
	return t;
}

static bool acts(struct str rule)
{
	return rule.n > 0 && !str_is(rule, "RESTRICT") && !str_is(rule, "NO ACTION");
}

/* As the sync compares (acting.c), but for the columns. TiDB tells the child's schema for the parent's. */
static struct buf kind_of(const struct leading *l, const struct str *v, int action)
{
	bool own = db_server(l->c->down)->flavor == FLAVOR_TIDB;
	struct buf child = route_key(v[CHILD_SCHEMA], v[CHILD]);
	struct buf parent = route_key(own ? (struct str){0} : v[PARENT_SCHEMA], v[PARENT]), kind = {0};

	buf_put_str(&kind, buf_str(&child));
	buf_put_str(&kind, buf_str(&parent));
	buf_putf(&kind, "%d%.*s", action, STR_ARG(v[action]));
	buf_free(&child);
	buf_free(&parent);
	return kind;
}

static void note_kinds(struct leading *l, const struct str *v)
{
	for (int i = ON_DELETE; i <= ON_UPDATE; i++) {
		struct buf kind;

		if (!acts(v[i]))
			continue;
		kind = kind_of(l, v, i);
		map_put(l->kinds, buf_str(&kind), l);
		buf_free(&kind);
	}
}

/* Without routes the sync takes a parent that the upstream has not for a wanted one as well. */
static void note_downstream(struct leading *l, const struct str *v)
{
	bool wanted = !rules_route(l->c->rules) && rules_table(l->c->rules, v[PARENT_SCHEMA], v[PARENT]);
	bool any = acts(v[ON_DELETE]) || acts(v[ON_UPDATE]);

	note_kinds(l, v);
	if (!find_place(l, v[CHILD_SCHEMA], v[CHILD]) || find_place(l, v[PARENT_SCHEMA], v[PARENT]))
		return;
	some_add(any && !wanted ? &l->acts : &l->others, "`%.*s`.`%.*s` to `%.*s`.`%.*s`",
		STR_ARG(v[CHILD_SCHEMA]), STR_ARG(v[CHILD]), STR_ARG(v[PARENT_SCHEMA]), STR_ARG(v[PARENT]));
}

/* A schema at a time: of all at once some servers open each table that they have. -1: it can't be seen. */
static int read_schema(struct leading *l, struct db *d, struct str schema,
	void (*note)(struct leading *l, const struct str *v), struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int n = -1;

	buf_puts(&sql, "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, UNIQUE_CONSTRAINT_SCHEMA, "
		       "REFERENCED_TABLE_NAME, CONSTRAINT_NAME, DELETE_RULE, UPDATE_RULE FROM "
		       "information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA=");
	sql_put_string(&sql, schema);
	rows = db_query(d, buf_str(&sql), e);
	buf_free(&sql);
	while (rows && (n = db_fetch(rows, &v, e)) > 0)
		note(l, v);
	db_rows_close(&rows);
	return n;
}

/* Of the wanted tables' schemas, by their names on that side. What is not reached is told. */
static int read_schemas(struct leading *l, struct db *d, bool upstream,
	void (*note)(struct leading *l, const struct str *v), struct err *e)
{
	const struct tables *all = l->c->tables;
	struct map *seen = map_new();
	int r = 0;

	for (size_t i = 0; r == 0 && i < all->n; i++) {
		const char *schema = upstream ? all->p[i].schema : all->p[i].to.schema;

		if (map_put(seen, str_of(schema), &all->p[i]))
			continue;
		l->cut = l->cut || clock_ms() >= l->c->until_ms;
		if (l->cut)
			break;
		r = read_schema(l, d, str_of(schema), note, e);
	}
	map_free(&seen, NULL);
	return r;
}

/* By a connection of its own: where a schema's many tables take longer than that one waits, the others of the
 * check go on. */
static void read_side(
	struct leading *l, bool upstream, void (*note)(struct leading *l, const struct str *v), struct err *e)
{
	const struct db_options o = {.session = DB_PLAIN, .upstream = upstream, .read_timeout_s = RULES_S};
	struct db *d = db_open(upstream ? &l->c->upstream : &l->c->downstream, &o, e);

	if (d)
		read_schemas(l, d, upstream, note, e);
	db_close(&d);
}

static void read_downstream(struct leading *l)
{
	l->exact = check_number(l->c->down, "lower_case_table_names") == 0;
	note_places(l);
	read_side(l, false, note_downstream, &l->failed);
}

/* --- those that the upstream has, and tables that somebody has made downstream have not --- */

/* Of tables that an online change is at work on, and of what filters leave out, the sync asks nothing. */
static bool is_asked(const struct rules *r, const struct str *v)
{
	const struct online *o = rules_online(r);

	return rules_table(r, v[CHILD_SCHEMA], v[CHILD]) && online_kind(o, v[CHILD]) == ONLINE_REAL &&
	       online_kind(o, v[PARENT]) == ONLINE_REAL;
}

static bool is_left_out(const struct rules *r, const struct str *v, int action)
{
	enum event_id becomes =
		action == ON_DELETE && str_is(v[action], "CASCADE") ? EVENT_delete : EVENT_update;

	return filter_rows(rules_filter(r), v[CHILD_SCHEMA], v[CHILD], becomes).action == FILTER_IGNORE;
}

/* By its name downstream, where it has one. False: routes give none. */
static bool rename_one(const struct rules *r, struct str *v, struct route_name *to)
{
	struct err ignored = {0};

	if (!rules_table(r, v[0], v[1]))
		return true;
	if (route_table(rules_route(r), v[0], v[1], to, &ignored) < 0)
		return false;
	v[0] = str_of(to->schema);
	v[1] = str_of(to->table);
	return true;
}

static void note_missing(struct leading *l, const struct str *up, const struct str *v, int action)
{
	struct buf kind = kind_of(l, v, action);

	if (!map_get(l->kinds, buf_str(&kind)))
		some_add(action == ON_DELETE ? &l->deletes : &l->updates,
			"`%.*s`.`%.*s`, foreign key `%.*s` to `%.*s`.`%.*s` ON %s %.*s",
			STR_ARG(v[CHILD_SCHEMA]), STR_ARG(v[CHILD]), STR_ARG(up[NAME]),
			STR_ARG(v[PARENT_SCHEMA]), STR_ARG(v[PARENT]),
			action == ON_DELETE ? "DELETE" : "UPDATE", STR_ARG(up[action]));
	buf_free(&kind);
}

static void note_rule(struct leading *l, const struct str *up)
{
	const struct rules *r = l->c->rules;
	struct check_table child = {0};
	struct route_name parent;
	struct str v[ON_UPDATE + 1];

	memcpy(v, up, sizeof(v));
	if (!is_asked(r, up) || !(acts(v[ON_DELETE]) || acts(v[ON_UPDATE])) ||
		!rename_one(r, v + CHILD_SCHEMA, &child.to) || !rename_one(r, v + PARENT_SCHEMA, &parent) ||
		!tables_is_there(l->c->down, &child))
		return;
	for (int i = ON_DELETE; i <= ON_UPDATE; i++)
		if (acts(v[i]) && !is_left_out(r, up, i))
			note_missing(l, up, v, i);
}

/* By the same list as the sync: what the upstream's account doesn't see there, it doesn't ask for. */
static void read_rules(struct leading *l)
{
	if (!l->failed.code && !l->cut)
		read_side(l, true, note_rule, &l->unseen);
}

static void tell_missing(struct check *c, const char *item, struct some *s, const char *state)
{
	if (s->n > 0)
		check_found(c, item, state, ERR_sync_cascade_missing, db_where(c->down),
			"ALTER TABLE … ADD FOREIGN KEY there, with these actions (and want the parent table, "
			"too); or end the actions in the upstream; or, if it is ON DELETE CASCADE, have `filters` leave out the child's "
			"events `delete` (all of them, and those alone)",
			"tables that are there have not the foreign keys by which the upstream changes "
			"rows, and its binlog does not hold these changes: %s",
			some_text(s));
}

static void tell(struct leading *l, const char *item)
{
	const struct check *c = l->c;

	if (l->acts.n > 0)
		check_found(l->c, item, "fail", ERR_sync_cascade, db_where(c->up),
			err_info(ERR_sync_cascade)->workaround,
			"foreign keys that change rows of wanted tables lead to tables that are not wanted, "
			"and the upstream's binlog does not hold these changes: %s",
			some_text(&l->acts));
	if (l->others.n > 0)
		check_found(l->c, item, "warn", 0, db_where(c->down),
			"want the parent tables too, or DROP these foreign keys in the downstream once the "
			"copy has made them",
			"foreign keys of wanted tables lead to tables that are not wanted: a row whose "
			"parent the downstream has not stops the task: %s",
			some_text(&l->others));
	/* Files may be older than the upstream's key, which the binlog then brings. */
	tell_missing(l->c, item, &l->deletes, check_copies(c) ? "fail" : "warn");
	tell_missing(l->c, item, &l->updates, "warn");
	if (l->failed.code)
		check_found(l->c, item, "warn", l->failed.code, db_where(c->down), "",
			"its foreign keys could not be seen: %s", l->failed.text);
	if (l->unseen.code)
		check_found(l->c, item, "warn", l->unseen.code, db_where(c->up), "",
			"its foreign keys could not be seen: %s", l->unseen.text);
	if (l->cut)
		check_found(l->c, item, "warn", 0, db_where(c->down), "",
			"there was no time to look at the foreign keys of all its schemas: the sync looks at "
			"them once it has rows");
}

static bool found_any(const struct leading *l)
{
	return l->acts.n + l->others.n + l->deletes.n + l->updates.n > 0 || l->failed.code ||
	       l->unseen.code || l->cut;
}

void check_foreign(struct check *c, const char *item)
{
	struct leading l = {.c = c};
	bool begun = check_has_begun(c);
	size_t seen = c->tables->n;

	if (check_logs_cascades(c)) {
		check_passed(c, item, c->up);
		return;
	}
	l.places = map_new();
	l.kinds = map_new();
	if (check_fills(c) && !begun)
		seen = read_upstream(&l);
	read_downstream(&l);
	if (!begun)
		read_rules(&l);
	tell(&l, item);
	if (seen < c->tables->n)
		check_rest(c, item, seen, "the sync looks at them once it has rows");
	else if (!found_any(&l))
		check_passed(c, item, c->up);
	map_free(&l.places, NULL);
	map_free(&l.kinds, NULL);
	err_clear(&l.failed);
	some_free(&l.acts);
	some_free(&l.others);
	some_free(&l.deletes);
	some_free(&l.updates);
}
