/*
 * What the other sources of a task have downstream: their copies put each of their tables on record before a
 * row of it comes, their syncs each that they meet. Must never take a source of which nothing is known for
 * one that has nothing there.
 */
#include "units/sync/elsewhere.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/map.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/sql/quote.h"

struct elsewhere {
	struct map *targets; /* route_key -> source */
	struct map *schemas; /* route_key of a schema and "" -> source */
	struct map *made;    /* as targets: what is about to be made anew */
	struct map *known;   /* sources whose copy has put all of its tables on record */
};

static struct db_rows *ask(struct tables *ts, const char *columns, const char *table, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;

	buf_putf(&sql, "SELECT %s FROM ", columns);
	sql_put_table(&sql, str_of(ts->id->schema), str_of(table));
	buf_puts(&sql, " WHERE task=");
	sql_put_string(&sql, str_of(ts->id->task));
	buf_puts(&sql, " AND source<>");
	sql_put_string(&sql, str_of(ts->id->source));
	rows = db_query(ts->ask_down, buf_str(&sql), e);
	buf_free(&sql);
	return rows;
}

static void put(struct map *m, struct str schema, struct str table, struct str source)
{
	struct buf key = route_key(schema, table);

	free(map_put(m, buf_str(&key), xstrndup(source.p, source.n)));
	buf_free(&key);
}

static void add_target(struct elsewhere *x, struct str schema, struct str table, struct str source)
{
	put(x->targets, schema, table, source);
	put(x->schemas, schema, STR_LIT(""), source);
}

static int read_structures(struct tables *ts, struct elsewhere *x, struct err *e)
{
	struct db_rows *rows = ask(ts, "source, table_name, " META_TARGETS, "tidegate_structure", e);
	const struct str *v;
	int n = -1;

	while (rows && (n = db_fetch(rows, &v, e)) > 0)
		if (v[1].n > 0) /* else a database */
			add_target(x, v[2], v[3], v[0]);
	db_rows_close(&rows);
	return n;
}

static bool has(const json_t *own, const char *kind, const char *schema, const char *name)
{
	return json_object_get(json_object_get(json_object_get(own, kind), schema), name) != NULL;
}

/* What its copy has made, taken or joined (units/load/own.h). */
static void add_own(struct elsewhere *x, const json_t *own, bool begins, struct str source)
{
	static const char *const kinds[] = {"made", "taken", "joined"};
	const char *schema, *name;
	json_t *names, *value;

	for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++)
		json_object_foreach(json_object_get(own, kinds[k]), schema, names)
			json_object_foreach(names, name, value) {
				add_target(x, str_of(schema), str_of(name), source);
				if (begins && !has(own, "joined", schema, name) &&
					!has(own, "ready", schema, name))
					put(x->made, str_of(schema), str_of(name), source);
			}
}

/* v: source, stage, copy_id, plan. DM's tables were not copied by us. */
static int add_plan(struct elsewhere *x, const struct str *v, struct err *e)
{
	json_t *own = v[3].n > 0 ? json_parse(v[3], "the record of another source", e) : json_object();

	if (!own)
		return -1;
	add_own(x, own, str_is(v[1], "schema"), v[0]);
	json_decref(own);
	if ((str_is(v[1], "load") || str_is(v[1], "done")) && !str_is(v[2], "dm"))
		map_put(x->known, v[0], x);
	return 0;
}

static int read_plans(struct tables *ts, struct elsewhere *x, struct err *e)
{
	struct db_rows *rows = ask(ts, "source, stage, copy_id, plan", "tidegate_plan", e);
	const struct str *v;
	int n = -1;

	while (rows && (n = db_fetch(rows, &v, e)) > 0)
		if (add_plan(x, v, e) < 0) {
			n = -1;
			break;
		}
	db_rows_close(&rows);
	return n;
}

void elsewhere_forget(struct tables *ts)
{
	struct elsewhere *x = ts->elsewhere;

	ts->elsewhere = NULL;
	if (!x)
		return;
	map_free(&x->targets, free);
	map_free(&x->schemas, free);
	map_free(&x->made, free);
	map_free(&x->known, NULL);
	free(x);
}

int elsewhere_read(struct tables *ts, struct err *e)
{
	struct elsewhere *x = xcalloc(1, sizeof(*x));

	elsewhere_forget(ts);
	x->targets = map_new();
	x->schemas = map_new();
	x->made = map_new();
	x->known = map_new();
	ts->elsewhere = x;
	if (read_structures(ts, x, e) == 0 && read_plans(ts, x, e) == 0)
		return 0;
	elsewhere_forget(ts);
	return -1;
}

static const char *source_in(const struct map *m, const char *schema, const char *table)
{
	struct buf key = route_key(str_of(schema), str_of(table));
	const char *source = map_get(m, buf_str(&key));

	buf_free(&key);
	return source;
}

const char *elsewhere_source(const struct tables *ts, const char *to_schema, const char *to_table)
{
	return to_table ? source_in(ts->elsewhere->targets, to_schema, to_table)
			: source_in(ts->elsewhere->schemas, to_schema, "");
}

const char *elsewhere_maker(const struct tables *ts, const char *to_schema, const char *to_table)
{
	return source_in(ts->elsewhere->made, to_schema, to_table);
}

static int check_known(
	struct tables *ts, const struct route_name *up, const struct route_name *to, struct err *e)
{
	int shared = rules_shared(ts->rules, str_of(up->schema), str_of(up->table), to, e);
	const struct rules_other *o;

	for (size_t i = 0; shared > 0 && (o = rules_other(ts->rules, i)); i++)
		if (route_may_lead(o->route, to->schema, to->table) &&
			!map_get(ts->elsewhere->known, str_of(o->source)))
			return err_set(e, ERR_route_unknown,
				"routes of source %s may lead to `%s`.`%s`, where `%s`.`%s` is, and which "
				"tables of it do is not on record",
				o->source, to->schema, to->table, up->schema, up->table);
	return shared < 0 ? -1 : 0;
}

int elsewhere_check(
	struct tables *ts, const struct route_name *up, const struct route_name *to, struct err *e)
{
	const char *source = elsewhere_source(ts, to->schema, to->table);

	if (source)
		return err_set(e, ERR_route_merged, "`%s`.`%s` and a table of source %s both go to `%s`.`%s`",
			up->schema, up->table, source, to->schema, to->table);
	return check_known(ts, up, to, e);
}
