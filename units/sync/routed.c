/*
 * What a task's routes forbid (docs/design/routing.md): statements about tables that are merged with others,
 * and statements about a whole database that is not one downstream. Called by ddl.c and table.c; without
 * routes it asks nobody.
 */
#include "units/sync/routed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/xalloc.h"
#include "common/sql/quote.h"
#include "common/sql/takes.h"
#include "units/sync/ddl_record.h"
#include "units/sync/elsewhere.h"
#include "units/sync/followed.h"
#include "units/sync/takeover.h"

bool routed_same(const char *schema_a, const char *name_a, const char *schema_b, const char *name_b)
{
	return strcasecmp(schema_a, schema_b) == 0 && strcasecmp(name_a, name_b) == 0;
}

/* --- who is followed --- */

static int add_rows(
	struct tables *ts, struct db *d, struct buf *sql, struct followed_list *out, struct err *e)
{
	struct db_rows *rows = d ? db_query(d, buf_str(sql), e) : NULL;
	const struct str *v;
	int n = -1;

	while (rows && (n = db_fetch(rows, &v, e)) > 0)
		if (v[1].n == 0 || rules_table(ts->rules, v[0], v[1]))
			followed_add(out, v[0], v[1]);
	db_rows_close(&rows);
	buf_free(sql);
	return n;
}

int routed_recorded(struct tables *ts, struct followed_list *out, struct err *e)
{
	struct buf sql = {0};

	buf_puts(&sql, "SELECT table_schema, table_name FROM ");
	sql_put_table(&sql, str_of(ts->id->schema), STR_LIT("tidegate_structure"));
	buf_puts(&sql, " WHERE task=");
	sql_put_string(&sql, str_of(ts->id->task));
	buf_puts(&sql, " AND source=");
	sql_put_string(&sql, str_of(ts->id->source));
	return add_rows(ts, ts->ask_down, &sql, out, e);
}

static int read_upstream(struct tables *ts, struct followed_list *out, struct err *e)
{
	struct buf sql = {0};

	buf_puts(&sql,
		"SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE<>'VIEW'");
	return add_rows(ts, tables_upstream(ts, e), &sql, out, e);
}

/* What rows were read of, on record or not. */
static void read_known(struct tables *ts, struct followed_list *out)
{
	size_t at = 0;
	void *value;

	while (map_next(ts->map, &at, NULL, &value)) {
		const struct table *t = value;

		if (t->wanted)
			followed_add(out, str_of(t->schema), str_of(t->name));
	}
}

struct map *routed_targets(struct tables *ts, struct err *e)
{
	struct map *m = map_new();
	struct followed_list l = {0};
	int r = routed_recorded(ts, &l, e) < 0 ? -1 : read_upstream(ts, &l, e);

	for (size_t i = 0; r >= 0 && i < l.n; i++) {
		struct route_name to, *up;
		struct buf key;

		if (!l.p[i].table[0])
			continue;
		r = route_table(rules_route(ts->rules), str_of(l.p[i].schema), str_of(l.p[i].table), &to, e);
		if (r < 0)
			break;
		key = route_key(str_of(to.schema), str_of(to.table));
		up = xcalloc(1, sizeof(*up));
		snprintf(up->schema, sizeof(up->schema), "%s", l.p[i].schema);
		snprintf(up->table, sizeof(up->table), "%s", l.p[i].table);
		free(map_put(m, buf_str(&key), up));
		buf_free(&key);
	}
	followed_fini(&l);
	if (r < 0)
		map_free(&m, free);
	return m;
}

/* --- one target for two --- */

static bool same_table(const struct followed *a, const struct followed *b)
{
	return strcmp(a->schema, b->schema) == 0 && strcmp(a->table, b->table) == 0;
}

static int check_sources(
	struct tables *ts, const struct followed *f, const struct route_name *to, struct err *e)
{
	struct route_name up;

	snprintf(up.schema, sizeof(up.schema), "%s", f->schema);
	snprintf(up.table, sizeof(up.table), "%s", f->table);
	return elsewhere_check(ts, &up, to, e);
}

/* ERR_route_merged where another table has its target. */
static int check_name(
	struct tables *ts, const struct followed_list *l, const struct followed *m, struct err *e)
{
	const struct route *r = rules_route(ts->rules);
	struct route_name mine, other;

	if (route_table(r, str_of(m->schema), str_of(m->table), &mine, e) < 0)
		return -1;
	for (size_t i = 0; i < l->n; i++) {
		const struct followed *o = &l->p[i];

		if (!o->table[0] || same_table(o, m))
			continue;
		if (route_table(r, str_of(o->schema), str_of(o->table), &other, e) < 0)
			return -1;
		if (routed_same(mine.schema, mine.table, other.schema, other.table))
			return err_set(e, ERR_route_merged, "`%s`.`%s` and `%s`.`%s` both go to `%s`.`%s`",
				m->schema, m->table, o->schema, o->table, mine.schema, mine.table);
	}
	return check_sources(ts, m, &mine, e);
}

/* Those that the statement names, as they are before it; of CREATE TABLE … LIKE the model stays as it is. */
static int check_named(struct apply *a, const struct followed_list *l, const struct sql_ddl *ddl,
	struct str schema, struct err *e)
{
	unsigned n = ddl->verb == SQL_VERB_CREATE_TABLE ? 1 : ddl->ntables;
	char name[ROUTE_NAME];

	for (unsigned i = 0; i < n; i++) {
		struct followed f = {.schema = name, .table = (char *)(uintptr_t)ddl->tables[i].table};

		if (ddl->tables[i].schema[0])
			f.schema = (char *)(uintptr_t)ddl->tables[i].schema;
		else
			snprintf(name, sizeof(name), "%.*s", STR_ARG(schema));
		if (rules_table(a->rules, str_of(f.schema), str_of(f.table)) &&
			check_name(&a->tables, l, &f, e) < 0)
			return -1;
	}
	return 0;
}

static int check_tables(struct apply *a, const struct sql_ddl *ddl, struct str schema, struct err *e)
{
	struct followed_list l = {0};
	int r = routed_recorded(&a->tables, &l, e) < 0 ? -1 : read_upstream(&a->tables, &l, e);

	read_known(&a->tables, &l);
	if (r >= 0)
		r = check_named(a, &l, ddl, schema, e);
	if (r >= 0)
		followed_move(&l, ddl, schema);
	for (size_t i = 0; r >= 0 && i < l.n; i++)
		if (l.p[i].moved)
			r = check_name(&a->tables, &l, &l.p[i], e);
	followed_fini(&l);
	return r < 0 ? -1 : 0;
}

/* --- rows --- */

/* On record for a target: one table of the upstream, or two at least. */
struct owner {
	struct route_name up, other; /* other: table "" */
};

/* Does the sync write any? What the event filter leaves out whole shares nothing, unless it is on record: the
 * copy has brought its rows. */
static bool writes_rows(const struct tables *ts, const struct followed *f)
{
	static const enum event_id kinds[] = {EVENT_insert, EVENT_update, EVENT_delete};

	for (unsigned i = 0; i < 3; i++)
		if (filter_rows(rules_filter(ts->rules), str_of(f->schema), str_of(f->table), kinds[i])
				.action != FILTER_IGNORE)
			return true;
	return false;
}

static bool is_name(const struct route_name *n, const char *schema, const char *table)
{
	return strcmp(n->schema, schema) == 0 && strcmp(n->table, table) == 0;
}

static int add_owner(struct tables *ts, const char *schema, const char *table, struct err *e)
{
	struct route_name to, *name;
	struct owner *o;
	struct buf key;

	if (route_table(rules_route(ts->rules), str_of(schema), str_of(table), &to, e) < 0)
		return -1;
	key = route_key(str_of(to.schema), str_of(to.table));
	o = map_get(ts->owners, buf_str(&key));
	if (o && is_name(&o->up, schema, table)) {
		buf_free(&key);
		return 0;
	}
	name = o ? &o->other : NULL;
	if (!o) {
		o = xcalloc(1, sizeof(*o));
		map_put(ts->owners, buf_str(&key), o);
		name = &o->up;
	}
	snprintf(name->schema, sizeof(name->schema), "%s", schema);
	snprintf(name->table, sizeof(name->table), "%s", table);
	buf_free(&key);
	return 0;
}

static int read_owners(struct tables *ts, struct err *e)
{
	struct followed_list l = {0};
	size_t recorded;
	int r;

	routed_forget(ts);
	r = routed_recorded(ts, &l, e);
	recorded = l.n;
	/* Seen by now or not: what may be there twice must not go over another one's rows, and what may
	 * change a row that is not there must not meet it. */
	if (r >= 0 && (ts->safe_mode || (ts->takeover && ts->takeover->on) || rules_filter(ts->rules) ||
			      rules_row_filters(ts->rules)))
		r = read_upstream(ts, &l, e);
	if (r >= 0)
		r = elsewhere_read(ts, e);
	ts->owners = map_new();
	for (size_t i = 0; r >= 0 && i < l.n; i++)
		if (l.p[i].table[0] && (i < recorded || writes_rows(ts, &l.p[i])))
			r = add_owner(ts, l.p[i].schema, l.p[i].table, e);
	followed_fini(&l);
	if (r < 0)
		routed_forget(ts);
	return r < 0 ? -1 : 0;
}

void routed_forget(struct tables *ts)
{
	map_free(&ts->owners, free);
	elsewhere_forget(ts);
}

static const struct owner *owner_of(const struct tables *ts, const struct table *t)
{
	struct buf key = route_key(str_of(t->to_schema), str_of(t->to_name));
	const struct owner *o = map_get(ts->owners, buf_str(&key));

	buf_free(&key);
	return o;
}

int routed_merged(struct tables *ts, const char *schema, const char *name, struct err *e)
{
	struct route_name to;
	const struct owner *o;
	struct buf key;
	int shared;

	if (!rules_route(ts->rules))
		return 0;
	if (((!ts->owners || !ts->elsewhere) && read_owners(ts, e) < 0) ||
		route_table(rules_route(ts->rules), str_of(schema), str_of(name), &to, e) < 0)
		return -1;
	key = route_key(str_of(to.schema), str_of(to.table));
	o = map_get(ts->owners, buf_str(&key));
	buf_free(&key);
	if (o && (o->other.table[0] || !is_name(&o->up, schema, name)))
		return MERGED_HERE;
	if (elsewhere_source(ts, to.schema, to.table))
		return MERGED_ELSEWHERE;
	/* Its rows may come at any time. */
	shared = rules_shared(ts->rules, str_of(schema), str_of(name), &to, e);
	return shared > 0 ? MERGED_MAYBE : shared;
}

/* Under the lock that the copies of all sources take before they decide what they may drop. */
static int record_locked(struct tables *ts, const struct buf *sql, struct err *e)
{
	int r = db_exec(ts->ask_down, STR_LIT("BEGIN"), e);

	if (r == 0)
		r = meta_lock(ts->ask_down, ts->id->schema, e);
	if (r == 0)
		r = db_exec(ts->ask_down, buf_str(sql), e);
	if (r < 0)
		db_exec(ts->ask_down, STR_LIT("ROLLBACK"), NULL);
	return r < 0 ? -1 : db_exec(ts->ask_down, STR_LIT("COMMIT"), e);
}

/* Whoever decides about its target behind this knows of us, and whoever has before, we know of. */
static int record(struct tables *ts, const struct table *t, struct err *e)
{
	struct buf sql = {0};
	int r;

	/* The connection is one that a newer owner ends. What is there meanwhile counts more. */
	r = ddl_record_put(&sql, "INSERT IGNORE", ts, t->logged, "0:0:0", e);
	if (r == 0)
		r = record_locked(ts, &sql, e);
	buf_free(&sql);
	if (r < 0)
		return err_add(e, "recording the structure of %s", t->head);
	return elsewhere_read(ts, e) < 0 ? -1 : add_owner(ts, t->schema, t->name, e);
}

static int check_maker(const struct tables *ts, const struct table *t, struct err *e)
{
	const char *source = elsewhere_maker(ts, t->to_schema, t->to_name);

	return source ? err_set(e, ERR_link, "source %s is about to make %s", source, t->head) : 0;
}

static void put_which(const struct tables *ts, const struct table *t, struct buf *sql)
{
	buf_puts(sql, " WHERE task=");
	sql_put_string(sql, str_of(ts->id->task));
	buf_puts(sql, " AND source=");
	sql_put_string(sql, str_of(ts->id->source));
	buf_puts(sql, " AND table_schema=");
	sql_put_string(sql, str_of(t->schema));
	buf_puts(sql, " AND table_name=");
	sql_put_string(sql, str_of(t->name));
}

enum { AS_RECORDED, ELSEWHERE, NOT_RECORDED };

/* ELSEWHERE: by other routes. */
static int was_elsewhere(struct tables *ts, const struct table *t, struct route_name *was, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int n = -1, r = -1;

	buf_puts(&sql, "SELECT target_schema, target_table FROM ");
	sql_put_table(&sql, str_of(ts->id->schema), STR_LIT("tidegate_structure"));
	put_which(ts, t, &sql);
	rows = db_query(ts->ask_down, buf_str(&sql), e);
	buf_free(&sql);
	if (rows && (n = db_fetch(rows, &v, e)) > 0) {
		snprintf(was->schema, sizeof(was->schema), "%.*s", STR_ARG(v[0]));
		snprintf(was->table, sizeof(was->table), "%.*s", STR_ARG(v[1]));
		r = is_name(was, t->to_schema, t->to_name) ? AS_RECORDED : ELSEWHERE;
	} else if (n == 0) {
		r = NOT_RECORDED;
	}
	db_rows_close(&rows);
	return r;
}

/* An operator who gives it another place moves it by hand; but what another source has is not that. What only
 * the upstream told of is recorded: it may be gone from there when somebody asks again. */
static int keep_place(struct tables *ts, const struct table *t, struct err *e)
{
	struct route_name was = {"", ""};
	struct buf sql = {0};
	int r = was_elsewhere(ts, t, &was, e);

	if (r == NOT_RECORDED)
		return record(ts, t, e);
	if (r != ELSEWHERE)
		return r;
	if (was.table[0] && elsewhere_source(ts, t->to_schema, t->to_name))
		return err_set(e, ERR_route_failed,
			"`%s`.`%s` is `%s`.`%s` by the records, and the task's routes lead to %s now, which "
			"source %s has: put them back",
			t->schema, t->name, was.schema, was.table, t->head,
			elsewhere_source(ts, t->to_schema, t->to_name));
	buf_puts(&sql, "UPDATE ");
	sql_put_table(&sql, str_of(ts->id->schema), STR_LIT("tidegate_structure"));
	buf_puts(&sql, " SET target_schema=");
	sql_put_string(&sql, str_of(t->to_schema));
	buf_puts(&sql, ", target_table=");
	sql_put_string(&sql, str_of(t->to_name));
	put_which(ts, t, &sql);
	r = record_locked(ts, &sql, e);
	buf_free(&sql);
	return r;
}

int routed_meet(struct tables *ts, struct table *t, struct err *e)
{
	int merged = routed_merged(ts, t->schema, t->name, e);
	const struct owner *o;

	if (merged < 0 || !rules_route(ts->rules))
		return merged;
	t->merged = (enum table_merged)merged;
	o = owner_of(ts, t);
	if (o && (is_name(&o->up, t->schema, t->name) || is_name(&o->other, t->schema, t->name)))
		return keep_place(ts, t, e) < 0 ? -1 : check_maker(ts, t, e);
	/* The first of its target does not know yet that it is not alone. */
	if (o)
		tables_forget(ts, o->up.schema, o->up.table);
	return record(ts, t, e) < 0 ? -1 : check_maker(ts, t, e);
}

/* May a change come of a row that is not there, or is there under the key that it had before? Without deletes
 * alone (all of them, or some), and without updates and deletes, none does: a key that is used again is an
 * error as it comes. */
static bool loses_track(const struct table *t)
{
	return (t->filter && row_filter_hides(t->filter)) || t->rows[BINLOG_INSERT].action == FILTER_IGNORE ||
	       (t->rows[BINLOG_UPDATE].action == FILTER_IGNORE &&
		       t->rows[BINLOG_DELETE].action != FILTER_IGNORE);
}

int routed_check_merged(const struct table *t, struct err *e)
{
	if (!t->merged)
		return 0;
	/* It could find another one's. */
	if (loses_track(t))
		return err_set(e, ERR_route_shared,
			"`%s`.`%s` is merged, or may be, with others into %s, and a rule of filters or "
			"expression-filter may leave out rows that come there, or updates, but not what "
			"becomes of them later: not supported yet",
			t->schema, t->name, t->head);
	/* Another source's parents and children are its own. */
	if (t->ties && t->merged == MERGED_HERE)
		return err_set(e, ERR_route_shared,
			"`%s`.`%s` is merged with others into %s, which has foreign keys: not "
			"supported yet",
			t->schema, t->name, t->head);
	/* A row without a key is any of those that are alike. */
	if (t->key && !structure_names_one(t->down, t->up, t->key, NULL))
		return err_set(e, ERR_route_shared,
			"`%s`.`%s` is merged, or may be, with others into %s, where no unique key lies "
			"within its own: a "
			"change could be made to another one's row",
			t->schema, t->name, t->head);
	return 0;
}

/* --- whole databases --- */

/* What is in it downstream must be what is in it upstream. */
static int check_member(struct tables *ts, const struct followed *f, struct str from, const char *to,
	bool drop, struct err *e)
{
	const struct route *r = rules_route(ts->rules);
	struct route_name name = {"", ""};
	bool ours = str_is(from, f->schema), there;
	int m = f->table[0] ? route_table(r, str_of(f->schema), str_of(f->table), &name, e)
			    : route_schema(r, str_of(f->schema), name.schema, e);

	if (m < 0)
		return -1;
	there = strcasecmp(name.schema, to) == 0;
	if (there && !ours)
		return err_set(e, ERR_route_statement, "`%s` holds what is of `%s` too", to, f->schema);
	if (drop && ours && !there)
		return err_set(e, ERR_route_statement, "`%s`.`%s` is not in `%s`, but in `%s`", f->schema,
			f->table, to, name.schema);
	if (!drop || !ours || !f->table[0] || check_sources(ts, f, &name, e) == 0)
		return 0;
	/* Nothing that is said in its place would drop the others alone. */
	if (e->code == ERR_route_merged || e->code == ERR_route_unknown)
		e->code = ERR_route_statement;
	return -1;
}

/* What moves the default of all that comes there. */
static int check_alone(struct tables *ts, const char *to, struct err *e)
{
	const char *source = elsewhere_source(ts, to, NULL);

	return source ? err_set(e, ERR_route_statement, "`%s` holds tables of source %s too", to, source) : 0;
}

static int check_members(struct tables *ts, const struct followed_list *l, struct str from, const char *to,
	bool drop, struct err *e)
{
	for (size_t i = 0; i < l->n; i++)
		if (check_member(ts, &l->p[i], from, to, drop, e) < 0)
			return -1;
	return 0;
}

/* Under what names the tables of this database stand there. */
static int names_in(
	const struct route *r, const struct followed_list *l, struct str from, struct map *out, struct err *e)
{
	for (size_t i = 0; i < l->n; i++) {
		struct route_name to;
		struct buf key;

		if (!l->p[i].table[0] || !str_is(from, l->p[i].schema))
			continue;
		if (route_table(r, from, str_of(l->p[i].table), &to, e) < 0)
			return -1;
		key = route_key(str_of(to.schema), str_of(to.table));
		map_put(out, buf_str(&key), out);
		buf_free(&key);
	}
	return 0;
}

static int not_ours(struct str from, const char *to, struct str table, struct err *e)
{
	return err_set(e, ERR_route_statement,
		"DROP DATABASE `%.*s` would drop `%s`.`%.*s` in the downstream too, which is not known as "
		"the target of a table of it",
		STR_ARG(from), to, STR_ARG(table));
}

/* What stands there must be known as this database's: all of it goes. SHOW, as the server itself knows
 * whether case counts in the name. */
static int check_all_ours(
	struct tables *ts, const struct map *ours, struct str from, const char *to, struct err *e)
{
	struct buf sql = {0};
	struct err mine = {0};
	struct db_rows *rows;
	const struct str *v;
	int n = -1;

	buf_puts(&sql, "SHOW FULL TABLES FROM ");
	sql_put_ident(&sql, str_of(to));
	rows = db_query(ts->ask_down, buf_str(&sql), &mine);
	buf_free(&sql);
	while (rows && (n = db_fetch(rows, &v, &mine)) > 0) {
		struct buf key = route_key(str_of(to), v[0]);

		if (!map_get(ours, buf_str(&key)))
			n = not_ours(from, to, v[0], &mine);
		buf_free(&key);
		if (n < 0)
			break;
	}
	db_rows_close(&rows);
	/* 1049: there is no such database. */
	if (n >= 0 || mine.sql_errno == 1049)
		return 0;
	*e = mine;
	return -1;
}

static int check_dropped(
	struct apply *a, const struct followed_list *l, struct str from, const char *to, struct err *e)
{
	struct map *ours = map_new();
	int r = names_in(rules_route(a->rules), l, from, ours, e);

	if (r == 0)
		r = check_all_ours(&a->tables, ours, from, to, e);
	map_free(&ours, NULL);
	return r;
}

static int check_database(struct apply *a, const struct sql_ddl *ddl, struct str schema, struct err *e)
{
	struct str from = ddl->schema[0] ? str_of(ddl->schema) : schema;
	bool drop = sql_ddl_drops_database(ddl);
	char name[ROUTE_NAME];
	struct followed_list l = {0};
	int r = route_schema(rules_route(a->rules), from, name, e);

	if (r >= 0)
		r = routed_recorded(&a->tables, &l, e) < 0 ? -1 : read_upstream(&a->tables, &l, e);
	read_known(&a->tables, &l);
	if (r >= 0)
		r = check_members(&a->tables, &l, from, name, drop, e);
	if (r >= 0 && !drop)
		r = check_alone(&a->tables, name, e);
	if (r >= 0 && drop)
		r = check_dropped(a, &l, from, name, e);
	followed_fini(&l);
	return r < 0 ? -1 : 0;
}

int routed_database_shared(struct apply *a, const struct sql_ddl *ddl, const char *to, struct err *e)
{
	struct err mine = {0};

	if (!rules_route(a->rules))
		return 0;
	if (strcmp(ddl->schema, to) != 0)
		return 1;
	if (check_database(a, ddl, str_of(ddl->schema), &mine) == 0)
		return 0;
	if (mine.code == ERR_route_statement)
		return 1;
	*e = mine;
	return -1;
}

int routed_check(struct apply *a, const struct sql_ddl *ddl, struct str schema, bool told, struct err *e)
{
	if (!rules_route(a->rules))
		return 0;
	/* As it is now. */
	if (elsewhere_read(&a->tables, e) < 0)
		return -1;
	if (sql_ddl_drops_database(ddl))
		return check_database(a, ddl, schema, e);
	switch (ddl->verb) {
	case SQL_VERB_ALTER_DATABASE:
		return check_database(a, ddl, schema, e);
	case SQL_VERB_CREATE_TABLE:
	case SQL_VERB_RENAME_TABLE:
	case SQL_VERB_ALTER_TABLE:
	case SQL_VERB_DROP_TABLE:
	case SQL_VERB_TRUNCATE:
	case SQL_VERB_CREATE_INDEX:
	case SQL_VERB_DROP_INDEX:
		return told ? 0 : check_tables(a, ddl, schema, e);
	default:
		return 0;
	}
}
