/*
 * What sync knows of tables: the tracked structure from dm_meta, else the upstream's own, always checked
 * against the TABLE_MAP; and the downstream's, by column names. A mismatch is an error, never a guess.
 */
#include "units/sync/table.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/db/structure.h"
#include "common/sql/quote.h"
#include "units/sync/arrange.h"
#include "units/sync/copied.h"
#include "units/sync/extra.h"
#include "units/sync/hash.h"
#include "units/sync/hidden.h"
#include "units/sync/implied.h"
#include "units/sync/keys.h"
#include "units/sync/members.h"
#include "units/sync/routed.h"
#include "units/sync/ties.h"
#include "units/sync/unicode.h"
#include "units/sync/versions.h"

bool table_same_charset(const char *a, const char *b)
{
	const char *x = strcmp(a, "utf8mb3") == 0 ? "utf8" : a, *y = strcmp(b, "utf8mb3") == 0 ? "utf8" : b;

	return strcmp(x, y) == 0;
}

static void table_free(void *p)
{
	struct table *t = p;

	keys_free(&t->keys);
	ties_free(&t->ties);
	row_filter_free(&t->filter);
	if (t->logged != t->up)
		structure_free(&t->logged);
	structure_free(&t->up);
	structure_free(&t->down);
	route_extras_fini(&t->extras);
	free(t->extra);
	free(t->implied);
	free(t->target);
	free(t->on_update);
	free(t->schema);
	free(t->name);
	free(t->to_schema);
	free(t->to_name);
	free(t->head);
	free(t);
}

void tables_init(struct tables *t)
{
	t->map = map_new();
	t->maps_in = arena_new(4096);
}

void tables_fini(struct tables *t)
{
	tables_sweep(t);
	map_free(&t->map, table_free);
	routed_forget(t);
	map_free(&t->tied, NULL);
	map_free(&t->derived_said, NULL);
	ties_fini(t);
	arena_free(&t->maps_in);
	unicode_free(&t->unicode);
	db_close(&t->ask_up);
}

static struct buf map_key(struct str schema, struct str name)
{
	struct buf b = {0};

	buf_put(&b, schema.p, schema.n);
	buf_putc(&b, '\0');
	buf_put(&b, name.p, name.n);
	return b;
}

static void forget_one(struct tables *t, const char *schema, const char *name)
{
	struct buf key = map_key(str_of(schema), str_of(name));
	struct table *old = map_del(t->map, buf_str(&key));

	if (old) {
		old->next = t->forgotten;
		t->forgotten = old;
	}
	buf_free(&key);
}

/* The map must not change under a walk: one at a time. */
static void forget_all_merged(struct tables *t)
{
	struct table *found;

	do {
		size_t at = 0;
		void *value;

		found = NULL;
		while (!found && map_next(t->map, &at, NULL, &value))
			if (((struct table *)value)->merged == MERGED_HERE)
				found = value;
		if (found)
			forget_one(t, found->schema, found->name);
	} while (found);
}

void tables_forget(struct tables *t, const char *schema, const char *name)
{
	struct buf key = map_key(str_of(schema), str_of(name));
	const struct table *old = map_get(t->map, buf_str(&key));
	bool merged = !old || old->merged == MERGED_HERE;

	buf_free(&key);
	forget_one(t, schema, name);
	/* Others stand there too, each with what it knows of the downstream's table. One that was not met may
	 * be merged with any. */
	if (merged)
		forget_all_merged(t);
}

void tables_sweep(struct tables *t)
{
	while (t->forgotten) {
		struct table *old = t->forgotten;

		t->forgotten = old->next;
		table_free(old);
	}
}

void tables_forget_schema(struct tables *t, const char *schema)
{
	bool again = true;

	/* The map must not change under a walk: one at a time. */
	while (again) {
		size_t at = 0;
		void *value;

		again = false;
		while (!again && map_next(t->map, &at, NULL, &value)) {
			struct table *x = value;

			if (schema && strcmp(x->schema, schema) != 0)
				continue;
			tables_forget(t, x->schema, x->name);
			again = true;
		}
	}
}

struct db *tables_upstream(struct tables *t, struct err *e)
{
	struct db_options o = {.session = DB_PLAIN, .upstream = true};

	if (!t->ask_up)
		t->ask_up = db_open(t->upstream, &o, e);
	return t->ask_up;
}

/* The upstream's structure of this moment; a connection that broke meanwhile is made again once. */
struct structure *tables_upstream_now(
	struct tables *t, const char *schema, const char *name, bool *found, struct err *e)
{
	struct structure *s = NULL;

	*found = false;
	for (int i = 0; i < 2 && !s; i++) {
		if (!tables_upstream(t, e))
			return NULL;
		err_clear(e);
		s = db_structure(t->ask_up, schema, name, found, e);
		if (s || e->code == 0)
			break;
		db_close(&t->ask_up);
	}
	return s;
}

/* One row of numbers: what a sequence's binlog looks like. */
static bool looks_like_sequence(const struct binlog_table *map)
{
	static const uint8_t types[] = {WIRE_LONGLONG, WIRE_LONGLONG, WIRE_LONGLONG, WIRE_LONGLONG,
		WIRE_LONGLONG, WIRE_LONGLONG, WIRE_TINY, WIRE_LONGLONG};

	return map->ncolumns == sizeof(types) && memcmp(map->types, types, sizeof(types)) == 0;
}

/* MariaDB's sequences log rows too (T18); they are no tables here. Where the downstream has none, one that is
 * gone from the upstream by now is known by its shape. */
static bool is_sequence(struct tables *t, const struct table *table, const struct binlog_table *map)
{
	struct err ignored;
	char type[DB_TABLE_TYPE] = "";

	if (!looks_like_sequence(map))
		return false;
	if (table->down)
		return db_table_type(t->ask_down, table->to_schema, table->to_name, type, &ignored) == 0 &&
		       strcmp(type, "SEQUENCE") == 0;
	if (!tables_upstream(t, &ignored))
		return false;
	if (db_table_type(t->ask_up, table->schema, table->name, type, &ignored) < 0) {
		db_close(&t->ask_up); /* it may be lost: nothing is known */
		return false;
	}
	return !type[0] || strcmp(type, "SEQUENCE") == 0;
}

void tables_put_place(struct buf *sql, const struct tables *t, const char *schema, const char *name)
{
	buf_puts(sql, " WHERE task=");
	sql_put_string(sql, str_of(t->id->task));
	buf_puts(sql, " AND source=");
	sql_put_string(sql, str_of(t->id->source));
	buf_puts(sql, " AND table_schema=");
	sql_put_string(sql, str_of(schema));
	buf_puts(sql, " AND table_name=");
	sql_put_string(sql, str_of(name));
}

struct structure *tables_tracked(struct tables *t, const char *schema, const char *name, struct err *e)
{
	struct buf sql = {0};
	struct structure *s = NULL;
	const struct str *v;
	struct db_rows *rows;

	buf_puts(&sql, "SELECT structure FROM ");
	sql_put_table(&sql, str_of(t->id->schema), STR_LIT("tidegate_structure"));
	tables_put_place(&sql, t, schema, name);
	rows = db_query(t->ask_down, buf_str(&sql), e);
	buf_free(&sql);
	if (!rows)
		return NULL;
	if (db_fetch(rows, &v, e) > 0) {
		json_t *o = json_parse(v[0], "a tracked structure", e);

		s = o ? structure_from_json(o, e) : NULL;
		json_decref(o);
	}
	db_rows_close(&rows);
	return s;
}

/* How each upstream column is written downstream, by name. */
static int fit_columns(struct table *t, struct err *e)
{
	t->target = xcalloc(t->up->ncolumns, sizeof(int));
	for (unsigned i = 0; i < t->up->ncolumns; i++) {
		int at = structure_column(t->down, t->up->columns[i].name);

		if (at < 0 && !t->up->columns[i].generated)
			return err_set(e, ERR_sync_columns, "%s has no column `%s` in the downstream",
				t->head, t->up->columns[i].name);
		if (at >= 0 && members_check(&t->up->columns[i], &t->down->columns[at], e) < 0)
			return err_add(e, "%s", t->head);
		t->target[i] = at >= 0 && t->down->columns[at].generated ? -1 : at;
	}
	t->key = t->up->key >= 0 ? &t->up->keys[t->up->key] : NULL;
	for (unsigned i = 0; t->key && i < t->key->ncolumns; i++)
		if (structure_column(t->down, t->up->columns[t->key->columns[i]].name) < 0)
			t->key = NULL;
	return 0;
}

/* Runs a query about one table of the downstream; fn sees each row's first column. */
static int ask_about(struct tables *ts, const struct table *t, const char *head, const char *tail,
	void (*fn)(struct table *t, struct str value), struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int n;

	buf_puts(&sql, head);
	sql_put_string(&sql, str_of(t->to_schema));
	buf_puts(&sql, tail);
	sql_put_string(&sql, str_of(t->to_name));
	rows = db_query(ts->ask_down, buf_str(&sql), e);
	buf_free(&sql);
	if (!rows)
		return -1;
	while ((n = db_fetch(rows, &v, e)) > 0)
		fn((struct table *)(uintptr_t)t, v[0]);
	db_rows_close(&rows);
	return n;
}

static void on_update_column(struct table *t, struct str name)
{
	for (unsigned i = 0; i < t->up->ncolumns; i++)
		if (str_is_ci(name, t->up->columns[i].name))
			t->on_update[i] = true;
}

static void on_trigger(struct table *t, struct str name)
{
	(void)name;
	t->wanted = false; /* told by its caller */
}

static void on_own_reference(struct table *t, struct str name)
{
	(void)name;
	t->refers_to_itself = true;
}

/* What a writer must know beside the columns: those that change by themselves (T10), and triggers, which
 * would fire (T15). */
static int find_habits(struct tables *ts, struct table *t, struct err *e)
{
	const struct server *server = db_server(ts->ask_down);
	char engine[DB_ENGINE];

	t->lax_hint = server->flavor != FLAVOR_MARIADB;
	t->json_to = server->flavor == FLAVOR_MARIADB                             ? JSON_TO_TEXT
		     : server->flavor == FLAVOR_MYSQL && server->version >= 80004 ? JSON_TO_TYPES
										  : JSON_TO_CASTS;
	t->on_update = xcalloc(t->up->ncolumns, sizeof(bool));
	for (unsigned i = 0; i < t->up->ncolumns; i++)
		t->has_enum = t->has_enum || t->up->columns[i].kind == COLUMN_ENUM;
	if (ask_about(ts, t,
		    "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE EXTRA LIKE '%on update%' AND "
		    "TABLE_SCHEMA=",
		    " AND TABLE_NAME=", on_update_column, e) < 0 ||
		ask_about(ts, t,
			"SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA=",
			" AND EVENT_OBJECT_TABLE=", on_trigger, e) < 0 ||
		ask_about(ts, t,
			"SELECT CONSTRAINT_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE "
			"REFERENCED_TABLE_NAME=TABLE_NAME"
			" AND CONSTRAINT_SCHEMA=",
			" AND TABLE_NAME=", on_own_reference, e) < 0 ||
		db_engine_without_transactions(ts->ask_down, t->to_schema, t->to_name, engine, e) < 0)
		return -1;
	if (engine[0])
		return err_set(e, ERR_sync_engine, "%s in the downstream: %s", t->head, engine);
	if (!t->wanted)
		return err_set(e, ERR_sync_trigger, "%s in the downstream", t->head);
	return 0;
}

/* A filter may leave out what changes it in the upstream: then later columns have another one there. */
static int take_default(struct tables *ts, const struct table *t, struct structure *s, struct err *e)
{
	char charset[DB_CHARSET];

	if (!filter_concerns(rules_filter(ts->rules), str_of(t->schema), str_of(t->name)))
		return 0;
	if (db_table_charset(ts->ask_up, t->schema, t->name, charset, e) < 0) {
		db_close(&ts->ask_up);
		return err_add(e, "asking the upstream for the default charset of %s", t->head);
	}
	if (charset[0])
		s->charset = xstrdup(charset);
	return 0;
}

/* The upstream's structure must explain the TABLE_MAP: the tracked one, else what the upstream says now, else
 * the downstream's. */
static int find_up(struct tables *ts, struct table *t, const struct binlog_table *map, struct err *e)
{
	struct structure *s = tables_tracked(ts, t->schema, t->name, e);
	struct err first = {0}, later;
	bool found;

	if (e->code || (s && versions_complete(ts, t, map, s, e) < 0)) {
		structure_free(&s);
		return -1;
	}
	if (s && binlog_table_check(map, s, &first) == 0) {
		t->up = s;
		return 0;
	}
	structure_free(&s);
	err_clear(&later);
	s = tables_upstream_now(ts, t->schema, t->name, &found, &later);
	if (s && binlog_table_check(map, s, first.code ? &later : &first) == 0) {
		log_info("structure of %s taken from the upstream", t->head);
		t->of_now = t->versions_of_now = true;
		t->up = s;
		return take_default(ts, t, s, e);
	}
	if (s && versions_unknown(t, map, s, e) < 0) {
		structure_free(&s);
		return -1;
	}
	structure_free(&s);
	if (later.code && !first.code)
		first = later;
	if (!first.code)
		err_set(&first, ERR_sync_columns,
			"the structure of %s is not known: neither recorded nor in the upstream now",
			t->head);
	*e = first;
	return -1;
}

/* What the event filter says of its rows: the same for all of a kind. */
static void ask_filter(struct tables *ts, struct table *t)
{
	static const enum event_id kinds[] = {[BINLOG_INSERT] = EVENT_insert,
		[BINLOG_UPDATE] = EVENT_update,
		[BINLOG_DELETE] = EVENT_delete};
	unsigned out = 0;

	for (unsigned i = 0; t->wanted && i < 3; i++) {
		t->rows[i] =
			filter_rows(rules_filter(ts->rules), str_of(t->schema), str_of(t->name), kinds[i]);
		out += t->rows[i].action == FILTER_IGNORE;
	}
	t->left_out = out == 3;
	t->wanted = t->wanted && !t->left_out;
}

/* NULL with e where the routes give it no name. */
static struct table *table_new(struct tables *ts, const struct binlog_table *map, struct err *e)
{
	struct table *t = xcalloc(1, sizeof(*t));
	struct route_name to = {"", ""};
	struct buf head = {0};

	t->schema = xstrndup(map->schema.p, map->schema.n);
	t->name = xstrndup(map->table.p, map->table.n);
	t->wanted = rules_table(ts->rules, map->schema, map->table);
	if (t->wanted && route_table(rules_route(ts->rules), map->schema, map->table, &to, e) < 0) {
		table_free(t);
		return NULL;
	}
	t->to_schema = xstrdup(to.schema);
	t->to_name = xstrdup(to.table);
	sql_put_table(&head, str_of(to.schema), str_of(to.table));
	t->head = xstrdup(buf_cstr(&head));
	buf_free(&head);
	ask_filter(ts, t);
	t->copied = ts->copied ? copied_find(ts->copied, map->schema, map->table) : NULL;
	return t;
}

static void needs_unicode(struct tables *ts, struct table *t)
{
	bool needs = false;

	for (unsigned i = 0; i < t->up->ncolumns; i++)
		needs = needs || unicode_must(&t->up->columns[i], t->to);
	if (!needs)
		return;
	if (!ts->unicode)
		ts->unicode = unicode_new(ts->upstream);
	t->unicode = ts->unicode;
}

static int learn(struct tables *ts, struct table *t, const struct binlog_table *map, struct err *e)
{
	bool found;

	err_clear(e);
	t->from = ts->from.flavor;
	t->to = db_server(ts->ask_down)->flavor;
	t->down = db_structure(ts->ask_down, t->to_schema, t->to_name, &found, e);
	if (!t->down && e->code)
		return -1;
	if (is_sequence(ts, t, map)) {
		log_info("left out: %s is a sequence; its value is set at cutover", t->head);
		t->wanted = false;
		return 0;
	}
	if (!t->down)
		return err_set(e, ERR_sync_no_table, "%s", t->head);
	if (find_up(ts, t, map, e) < 0 || extra_learn(ts, t, e) < 0 || hidden_check(t, map, e) < 0 ||
		versions_learn(t, map, e) < 0 || fit_columns(t, e) < 0 || find_habits(ts, t, e) < 0 ||
		routed_meet(ts, t, e) < 0)
		return -1;
	if (row_filter_bind(&t->filter, rules_row_filters(ts->rules), t->logged, &ts->from, e) < 0)
		return -1;
	implied_learn(t, map, db_server(ts->ask_down));
	needs_unicode(ts, t);
	derived_warn(ts, t);
	arrange_find(ts, t);
	keys_learn(t);
	ties_learn(ts, t);
	return routed_check_merged(t, e);
}

const struct structure *tables_known(struct tables *t, const char *schema, const char *name)
{
	struct buf key = map_key(str_of(schema), str_of(name));
	const struct table *x = map_get(t->map, buf_str(&key));

	buf_free(&key);
	return x ? x->logged : NULL;
}

struct table *tables_get(struct tables *ts, struct binlog_table *map, struct err *e)
{
	struct buf key = map_key(map->schema, map->table);
	struct table *t = map_get(ts->map, buf_str(&key));

	if (t && t->wanted && binlog_table_check(map, t->logged, NULL) < 0) {
		/* Changed without a DDL that was seen (say, one that was passed by): look again. */
		tables_forget(ts, t->schema, t->name);
		t = NULL;
	}
	if (!t) {
		t = table_new(ts, map, e);
		if (t && t->wanted && learn(ts, t, map, e) < 0) {
			table_free(t);
			t = NULL;
		} else if (t) {
			map_put(ts->map, buf_str(&key), t);
		}
	}
	if (t && t->wanted)
		binlog_table_adopt(map, t->logged);
	buf_free(&key);
	return t;
}

int tables_cascades_logged(struct tables *t, const struct server *from, bool *logged, struct err *e)
{
	char value[16] = "";
	bool found;

	*logged = false;
	if (from->flavor != FLAVOR_MYSQL || from->version < MYSQL_LOGS_CASCADES)
		return 0;
	if (!tables_upstream(t, e) || db_value(t->ask_up, "SELECT @@innodb_native_foreign_keys", value,
					      sizeof(value), &found, e) < 0)
		return err_add(e, "asking the upstream whether it logs cascades");
	*logged = strcmp(value, "0") == 0;
	return 0;
}

static bool leaves_out(const struct tables *t, struct str schema, struct str table, enum event_id id)
{
	return filter_rows(rules_filter(t->rules), schema, table, id).action == FILTER_IGNORE;
}

/*
 * The parent's rows are left out as they go or change, and those of the child are not: they would stay. By an
 * expression it may be some of them, and one that leaves a filter is deleted downstream alone, with its
 * children: whatever the child's filters are.
 */
static bool loses_cascade(const struct tables *t, const struct str *v)
{
	bool deletes = !str_is(v[5], "RESTRICT") && !str_is(v[5], "NO ACTION"),
	     updates = !str_is(v[6], "RESTRICT") && !str_is(v[6], "NO ACTION");
	enum event_id becomes = str_is(v[5], "CASCADE") ? EVENT_delete : EVENT_update;

	if ((deletes && row_filters_change(rules_row_filters(t->rules), v[2], v[3], true)) ||
		(updates && row_filters_change(rules_row_filters(t->rules), v[2], v[3], false)))
		return true;
	if (deletes && leaves_out(t, v[2], v[3], EVENT_delete) && !leaves_out(t, v[0], v[1], becomes))
		return true;
	return updates && leaves_out(t, v[2], v[3], EVENT_update) && !leaves_out(t, v[0], v[1], EVENT_update);
}

/*
 * A table of the downstream under the name that the upstream has for it: v[0] and v[1]. targets NULL: there
 * are no routes, and it is the same. False: no table that is wanted.
 */
static bool is_wanted_down(const struct tables *t, const struct map *targets, struct str *v)
{
	const struct route_name *up;
	struct buf key;

	if (!targets)
		return rules_table(t->rules, v[0], v[1]);
	key = route_key(v[0], v[1]);
	up = map_get(targets, buf_str(&key));
	buf_free(&key);
	if (up) {
		v[0] = str_of(up->schema);
		v[1] = str_of(up->table);
	}
	return up != NULL;
}

/* A row of REFERENTIAL_CONSTRAINTS: may the upstream's change of the parent be one that nobody sees? */
static bool hides_cascade(const struct tables *t, const struct map *targets, const struct str *row)
{
	struct str v[7];

	memcpy(v, row, sizeof(v));
	if (!is_wanted_down(t, targets, v))
		return false;
	return !is_wanted_down(t, targets, v + 2) || loses_cascade(t, v);
}

int tables_check_cascades(struct tables *t, struct err *e)
{
	static const char sql[] =
		"SELECT CONSTRAINT_SCHEMA, TABLE_NAME, UNIQUE_CONSTRAINT_SCHEMA, REFERENCED_TABLE_NAME, "
		"CONSTRAINT_NAME, DELETE_RULE, UPDATE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS "
		"WHERE DELETE_RULE NOT IN ('RESTRICT','NO ACTION') OR UPDATE_RULE NOT IN ('RESTRICT','NO "
		"ACTION')";
	struct map *targets = rules_route(t->rules) ? routed_targets(t, e) : NULL;
	struct db_rows *rows = NULL;
	const struct str *v;
	int n = -1;

	if (targets || !rules_route(t->rules))
		rows = db_query(t->ask_down, STR_LIT(sql), e);
	while (rows && (n = db_fetch(rows, &v, e)) > 0)
		if (hides_cascade(t, targets, v)) {
			n = err_set(e, ERR_sync_cascade, "`%.*s`.`%.*s`, foreign key `%.*s` to `%.*s`.`%.*s`",
				STR_ARG(v[0]), STR_ARG(v[1]), STR_ARG(v[4]), STR_ARG(v[2]), STR_ARG(v[3]));
			break;
		}
	db_rows_close(&rows);
	map_free(&targets, free);
	return n;
}
