/*
 * tidegate_ddl and tidegate_structure: DDL is not transactional, so it is noted before and after, with the
 * structures it found, so that a restart can tell whether it was executed (T29).
 */
#include "units/sync/ddl_record.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/sql/quote.h"
#include "common/sql/shown.h"
#include "common/sql/value_format.h"
#include "units/sync/altered.h"
#include "units/sync/away.h"
#include "units/sync/ddl_gone.h"
#include "units/sync/ddl_utf8.h"
#include "units/sync/routed.h"

static void put_task(struct apply *a, struct buf *sql)
{
	buf_puts(sql, "task=");
	sql_put_string(sql, str_of(a->id.task));
	buf_puts(sql, " AND source=");
	sql_put_string(sql, str_of(a->id.source));
}

static void put_values(struct apply *a, struct buf *sql)
{
	sql_put_string(sql, str_of(a->id.task));
	buf_putc(sql, ',');
	sql_put_string(sql, str_of(a->id.source));
}

static void put_meta(struct apply *a, struct buf *sql, const char *table)
{
	sql_put_table(sql, str_of(a->id.schema), str_of(table));
}

static int run(struct db *d, struct buf *sql, struct err *e)
{
	int r = db_exec(d, buf_str(sql), e);

	buf_free(sql);
	return r;
}

bool ddl_place_is_part(const struct ddl_place *place)
{
	return strcmp(place->key, place->event) != 0;
}

bool ddl_place_is_told(const struct ddl_place *place)
{
	return ddl_place_is_part(place) && !place->replayed;
}

const char *ddl_schema_of(const struct sql_name *n, struct str schema, char out[257])
{
	if (n->schema[0])
		return n->schema;
	snprintf(out, 257, "%.*s", STR_ARG(schema));
	return out;
}

/* The watermark stays, and with it its GTID set (only this thread writes it). */
static int guard_here(struct apply *a, struct err *e)
{
	return apply_guard(a, a->db, a->slot.watermark, a->watermark_gtid, e);
}

static int commit_here(struct apply *a, struct err *e)
{
	return apply_commit(a, a->db, a->slot.watermark, a->watermark_gtid, e);
}

/* 1: found, 0: there is none. */
static int read_at(struct apply *a, const struct ddl_place *place, struct ddl_record *out, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int n;

	out->stage = DDL_NEW;
	buf_puts(&sql, "SELECT stage, before_structure, statement FROM ");
	put_meta(a, &sql, "tidegate_ddl");
	buf_puts(&sql, " WHERE ");
	put_task(a, &sql);
	buf_putf(&sql, " AND position='%s'", place->key);
	rows = db_query(a->ddl, buf_str(&sql), e);
	buf_free(&sql);
	if (!rows)
		return -1;
	n = db_fetch(rows, &v, e);
	if (n > 0) {
		out->stage = str_is(v[0], "doing") ? DDL_DOING : DDL_DONE;
		buf_put(&out->before, v[1].p, v[1].n);
		buf_put(&out->statement, v[2].p, v[2].n);
	}
	db_rows_close(&rows);
	return n;
}

/*
 * On another host the relay log may be another one, with the same transaction at another place: what was
 * recorded of it moves there. "+2" of an operator's second statement stays.
 */
static int move_here(struct apply *a, const struct trx *t, const struct ddl_place *place, struct err *e)
{
	const char *tail = place->key + strlen(place->event);
	struct buf sql = {0};
	char gtid[128];
	int r;

	gtid_event_text(&t->gtid, gtid, sizeof(gtid));
	if (guard_here(a, e) < 0)
		return -1;
	buf_puts(&sql, "UPDATE ");
	put_meta(a, &sql, "tidegate_ddl");
	buf_putf(&sql, " SET position='%s' WHERE ", place->key);
	put_task(a, &sql);
	buf_putf(&sql, " AND gtid='%s' AND position NOT LIKE '%u:%%' AND position LIKE '%%%s'", gtid,
		(unsigned)t->start.generation, tail);
	if (!*tail)
		buf_puts(&sql, " AND position NOT LIKE '%+%'");
	r = run(a->db, &sql, e);
	return r < 0 ? -1 : commit_here(a, e);
}

int ddl_record_read(struct apply *a, const struct trx *t, const struct ddl_place *place,
	struct ddl_record *out, struct err *e)
{
	int r = read_at(a, place, out, e);

	if (r != 0 || t->start.generation == 1 || !trx_is_named(t))
		return r < 0 ? -1 : 0;
	return move_here(a, t, place, e) < 0 || read_at(a, place, out, e) < 0 ? -1 : 0;
}

/* " AUTO_INCREMENT=7" can change by a restart of the server; a statement that sets it can be executed twice.
 */
static void put_without_counter(struct buf *out, struct str shown)
{
	static const char word[] = " AUTO_INCREMENT=";
	const char *at = shown.p, *end = shown.p + shown.n, *found;

	while ((found = memmem(at, (size_t)(end - at), word, sizeof(word) - 1))) {
		buf_put(out, at, (size_t)(found - at));
		at = found + sizeof(word) - 1;
		while (at < end && *at >= '0' && *at <= '9')
			at++;
	}
	buf_put(out, at, (size_t)(end - at));
}

/* SHOW CREATE …'s second column; nothing where there is no such thing. */
static int put_shown(struct apply *a, const char *what, const char *schema, const char *name, struct buf *out,
	struct err *e)
{
	struct buf sql = {0}, utf8 = {0};
	struct err mine = {0};
	struct db_rows *rows;
	const struct str *v;

	buf_putf(&sql, "SHOW CREATE %s ", what);
	if (name)
		sql_put_table(&sql, str_of(schema), str_of(name));
	else
		sql_put_ident(&sql, str_of(schema));
	buf_puts(out, buf_cstr(&sql));
	buf_puts(out, ": ");
	rows = db_query(a->ddl, buf_str(&sql), &mine);
	buf_free(&sql);
	if (rows && db_fetch(rows, &v, &mine) > 0 && db_columns(rows) > 1) {
		shown_put_utf8(&utf8, v[1], db_server(a->ddl));
		put_without_counter(out, buf_str(&utf8));
	}
	buf_free(&utf8);
	db_rows_close(&rows);
	buf_putc(out, '\n');
	/* 1146: no such table, 1049: no such database: that is the answer. */
	if (mine.code && mine.sql_errno != 1146 && mine.sql_errno != 1049) {
		*e = mine;
		return -1;
	}
	return 0;
}

static bool of_database(enum sql_verb v)
{
	return v == SQL_VERB_CREATE_DATABASE || v == SQL_VERB_ALTER_DATABASE || v == SQL_VERB_DROP_DATABASE;
}

int ddl_picture(struct apply *a, const struct sql_ddl *ddl, struct str schema, struct buf *out, struct err *e)
{
	char name[257];

	if (of_database(ddl->verb)) {
		snprintf(name, sizeof(name), "%.*s", STR_ARG(schema));
		return put_shown(a, "DATABASE", ddl->schema[0] ? ddl->schema : name, NULL, out, e);
	}
	for (unsigned i = 0; i < ddl->ntables; i++)
		if (put_shown(a, sql_verb_is_sequence(ddl->verb) ? "SEQUENCE" : "TABLE",
			    ddl_schema_of(&ddl->tables[i], schema, name), ddl->tables[i].table, out, e) < 0)
			return -1;
	return 0;
}

bool ddl_picture_has_any(struct str picture)
{
	return picture.n > 3 && memcmp(picture.p + picture.n - 3, ": \n", 3) != 0;
}

/* In an open transaction. */
static int put_record(struct apply *a, const struct trx *t, const struct ddl_place *place, const char *stage,
	struct str statement, struct str before, struct err *e)
{
	struct buf sql = {0}, text = {0};
	char gtid[128] = "";

	if (trx_is_named(t))
		gtid_event_text(&t->gtid, gtid, sizeof(gtid));
	buf_puts(&sql, "REPLACE INTO ");
	put_meta(a, &sql, "tidegate_ddl");
	buf_puts(&sql, " (task, source, position, epoch, gtid, stage, statement, before_structure) VALUES (");
	put_values(a, &sql);
	buf_putf(&sql, ",'%s',%llu,'%s','%s',", place->key, (unsigned long long)a->id.epoch, gtid, stage);
	ddl_put_utf8(&text, statement);
	sql_put_string(&sql, buf_str(&text));
	buf_free(&text);
	buf_putc(&sql, ',');
	sql_put_string(&sql, before);
	buf_putc(&sql, ')');
	return run(a->db, &sql, e) < 0 ? err_add(e, "recording a DDL statement") : 0;
}

int ddl_record_doing(struct apply *a, const struct trx *t, const struct ddl_place *place,
	struct str statement, struct str before, struct err *e)
{
	if (guard_here(a, e) < 0 || put_record(a, t, place, "doing", statement, before, e) < 0)
		return -1;
	return commit_here(a, e);
}

int ddl_record_failed(struct apply *a, const struct ddl_place *place, struct err *e)
{
	struct buf sql = {0};

	if (guard_here(a, e) < 0)
		return -1;
	buf_puts(&sql, "DELETE FROM ");
	put_meta(a, &sql, "tidegate_ddl");
	buf_puts(&sql, " WHERE ");
	put_task(a, &sql);
	buf_putf(&sql, " AND position='%s' AND stage='doing'", place->key);
	return run(a->db, &sql, e) < 0 ? -1 : commit_here(a, e);
}

int ddl_record_forget(struct apply *a, const char *schema, const char *name, struct err *e)
{
	struct buf sql = {0};

	routed_forget(&a->tables);
	buf_puts(&sql, "DELETE FROM ");
	put_meta(a, &sql, "tidegate_structure");
	buf_puts(&sql, " WHERE ");
	put_task(a, &sql);
	buf_puts(&sql, " AND table_schema=");
	sql_put_string(&sql, str_of(schema));
	if (name) {
		buf_puts(&sql, " AND table_name=");
		sql_put_string(&sql, str_of(name));
	}
	return run(a->db, &sql, e);
}

int ddl_record_put(struct buf *sql, const char *verb, const struct tables *ts, const struct structure *s,
	const char *at, struct err *e)
{
	const struct meta_id *id = ts->id;
	struct buf text = {0};
	struct route_name to;
	json_t *o;

	if (route_table(rules_route(ts->rules), str_of(s->schema), str_of(s->table), &to, e) < 0)
		return -1;
	o = structure_to_json(s);
	json_write(o, &text);
	json_decref(o);
	buf_putf(sql, "%s INTO ", verb);
	sql_put_table(sql, str_of(id->schema), STR_LIT("tidegate_structure"));
	buf_puts(sql,
		" (task, source, table_schema, table_name, position, structure, target_schema, target_table) "
		"VALUES (");
	sql_put_string(sql, str_of(id->task));
	buf_putc(sql, ',');
	sql_put_string(sql, str_of(id->source));
	buf_putc(sql, ',');
	sql_put_string(sql, str_of(s->schema));
	buf_putc(sql, ',');
	sql_put_string(sql, str_of(s->table));
	buf_putf(sql, ",'%s',", at);
	sql_put_string(sql, buf_str(&text));
	buf_putc(sql, ',');
	sql_put_string(sql, str_of(to.schema));
	buf_putc(sql, ',');
	sql_put_string(sql, str_of(to.table));
	buf_putc(sql, ')');
	buf_free(&text);
	return 0;
}

int ddl_record_keep(struct apply *a, const struct structure *s, const char *at, struct err *e)
{
	struct buf sql = {0};

	routed_forget(&a->tables);
	return ddl_record_put(&sql, "REPLACE", &a->tables, s, at, e) < 0 ? -1 : run(a->db, &sql, e);
}

int ddl_record_default(struct apply *a, const char *schema, struct position at, struct err *e)
{
	struct buf sql = {0};
	char where[64];

	position_store(at, where, sizeof(where));
	buf_puts(&sql, "REPLACE INTO ");
	put_meta(a, &sql, "tidegate_structure");
	buf_puts(&sql, " (task, source, table_schema, table_name, position, structure) VALUES (");
	put_values(a, &sql);
	buf_putc(&sql, ',');
	sql_put_string(&sql, str_of(schema));
	buf_putf(&sql, ",'','%s','{}')", where);
	return run(a->db, &sql, e);
}

/* Columns of s that other has too, in the order of s: the n-th of them, NULL behind the last. */
static const char *common(const struct structure *s, const struct structure *other, unsigned *at)
{
	while (*at < s->ncolumns) {
		const char *name = s->columns[(*at)++].name;

		if (structure_column(other, name) >= 0)
			return name;
	}
	return NULL;
}

static bool has_own(const struct structure *s, const struct structure *other)
{
	for (unsigned i = 0; i < s->ncolumns; i++)
		if (structure_column(other, s->columns[i].name) < 0)
			return true;
	return false;
}

/* Bytes of rows would be other letters, numbers of an ENUM other members. */
static bool reads_otherwise(const struct column *up, const struct column *down)
{
	bool members = down->kind == COLUMN_ENUM || down->kind == COLUMN_SET;

	if (up->kind != down->kind || (!members && down->kind != COLUMN_TEXT))
		return false;
	return (members && strcmp(up->type, down->type) != 0) ||
	       (!table_same_charset(up->charset, down->charset) &&
		       !(value_is_utf8(up->charset) && value_is_utf8(down->charset)));
}

/* A skipped statement is at hand: where it can't have changed a column, the upstream's of now is a later one.
 */
static bool values_contradict(const struct structure *up, const struct structure *down,
	const struct altered *x, const struct ddl_place *place)
{
	for (unsigned i = 0; i < down->ncolumns; i++) {
		int at = structure_column(up, down->columns[i].name);

		if (at >= 0 && reads_otherwise(&up->columns[at], &down->columns[i]) &&
			(ddl_place_is_part(place) || altered_may_change(x, down->columns[i].name)))
			return true;
	}
	return false;
}

/* The order of the columns is another one, or one may have been renamed: read by position, values would go
 * astray. */
static bool contradicts(const struct structure *up, const struct structure *down)
{
	unsigned i = 0, k = 0;
	const char *a, *b;

	do {
		a = common(up, down, &i);
		b = common(down, up, &k);
		if (a && b && strcasecmp(a, b) != 0)
			return true;
	} while (a && b);
	return has_own(up, down) && has_own(down, up);
}

/* An operator replaced a statement of an upstream that is gone: nobody can say that it has another result. */
static bool is_gone(struct apply *a, const struct altered *x, const struct ddl_place *place)
{
	struct err why = {0};

	if (!ddl_place_is_part(place) ||
		away_upstream(a, "to compare a table that an operator changed", &why) || !a->tables.away)
		return false;
	log_warn("`%s`.`%s` counts as changed by the upstream as it was by the operator, as the upstream "
		 "can't be asked",
		x->schema, x->name);
	return true;
}

/*
 * What an operator put in the place of the upstream's statement need not have its result. The upstream knows,
 * but may be ahead already: so the downstream's structure, unless the upstream's contradicts it. Each
 * TABLE_MAP is checked against what is chosen here.
 */
static struct structure *after_told(
	struct apply *a, const struct altered *x, const struct ddl_place *place, bool *found, struct err *e)
{
	struct structure *up, *down;
	bool there;

	err_clear(e);
	up = tables_upstream_now(&a->tables, x->schema, x->name, &there, e);
	if (!up && e->code) {
		if (!is_gone(a, x, place))
			return NULL;
		err_clear(e);
	}
	down = tables_after_ddl(&a->tables, x, found, e);
	if (!up || (!down && e->code) ||
		(down && !contradicts(up, down) && !values_contradict(up, down, x, place))) {
		structure_free(&up);
		return down;
	}
	structure_free(&down);
	*found = true;
	return up;
}

/* Of an ALTER TABLE that the event filter cut: the downstream's structure is not the upstream's any more. */
static bool is_shaped(const struct ddl_place *place, const char *schema, const char *name)
{
	const struct ddl_cut *c = place->cut;

	return c && c->shaped &&
	       (!c->shape || (strcmp(c->shape->schema, schema) == 0 && strcmp(c->shape->table, name) == 0));
}

/*
 * Nobody has noted how the upstream had it, and a filter may have left out what made it so: the downstream
 * can't tell. Its next rows are read with the upstream's own structure.
 */
static bool is_unknown(const struct apply *a, const struct altered *x)
{
	return !x->was && !x->made && !x->told &&
	       filter_concerns(rules_filter(a->rules), str_of(x->schema), str_of(x->name));
}

static int track(struct apply *a, const struct altered *x, const struct ddl_place *place, struct err *e)
{
	struct structure *s;
	bool found;
	int r;

	tables_forget(&a->tables, x->schema, x->name);
	if (is_shaped(place, x->schema, x->name))
		return gone_keep_shape(a, place, x->schema, x->name, e);
	if (x->stays && x->was)
		return ddl_record_keep(a, x->was, place->event, e);
	if (is_unknown(a, x))
		return ddl_record_forget(a, x->schema, x->name, e);
	s = place->told ? after_told(a, x, place, &found, e) : tables_after_ddl(&a->tables, x, &found, e);
	if (!s)
		return e->code ? -1 : ddl_record_forget(a, x->schema, x->name, e);
	r = ddl_record_keep(a, s, place->event, e);
	structure_free(&s);
	return r;
}

/* A table that a statement names: its structure before it, of which some are owned. */
struct before {
	const struct structure *was;
	struct structure *owned;
	bool made; /* there was none: the statement made it */
};

static bool same_name(const struct sql_name *a, const struct sql_name *b, struct str schema)
{
	char x[257], y[257];

	return strcmp(ddl_schema_of(a, schema, x), ddl_schema_of(b, schema, y)) == 0 &&
	       strcmp(a->table, b->table) == 0;
}

/* What the table that has this name behind the statement was called before it; NULL: it was made by it. */
static const struct sql_name *name_before(
	const struct sql_ddl *ddl, const struct sql_name *name, struct str schema)
{
	unsigned pairs = ddl->verb == SQL_VERB_RENAME_TABLE ? ddl->ntables / 2 : ddl->rename ? 1 : 0;

	for (unsigned i = pairs; i-- > 0;)
		if (same_name(&ddl->tables[2 * i + 1], name, schema))
			name = &ddl->tables[2 * i];
	if (ddl->verb != SQL_VERB_CREATE_TABLE || ddl->if_not_exists)
		return name;
	return ddl->like ? &ddl->tables[1] : NULL;
}

static int look_before(
	struct apply *a, const struct sql_name *n, struct str schema, struct before *out, struct err *e)
{
	char name[257];
	const char *s;

	out->was = out->owned = NULL;
	err_clear(e);
	if (!n)
		return 0;
	s = ddl_schema_of(n, schema, name);
	out->was = tables_known(&a->tables, s, n->table);
	if (!out->was)
		out->was = out->owned = tables_tracked(&a->tables, s, n->table, e);
	return e->code ? -1 : 0;
}

/* All of them are looked at before any is recorded: names may have changed places. */
static int track_tables(struct apply *a, const struct trx *t, const struct ddl_place *place,
	const struct sql_ddl *ddl, struct str schema, struct err *e)
{
	struct before *before = xcalloc(ddl->ntables + 1, sizeof(*before));
	char name[257];
	int r = 0;

	for (unsigned i = 0; r == 0 && i < ddl->ntables; i++) {
		const struct sql_name *from = name_before(ddl, &ddl->tables[i], schema);

		before[i].made = from == NULL;
		r = look_before(a, from, schema, &before[i], e);
	}
	for (unsigned i = 0; r == 0 && i < ddl->ntables; i++) {
		struct altered x = {.schema = ddl_schema_of(&ddl->tables[i], schema, name),
			.name = ddl->tables[i].table,
			.was = before[i].was,
			.made = before[i].made,
			.text = place->text,
			.sql_mode = place->sql_mode,
			.from = &t->format.server,
			.to = db_server(a->ddl)->flavor,
			.told = place->told,
			.stays = !place->told && i == 0 && ddl->verb == SQL_VERB_CREATE_TABLE &&
				 ddl->if_not_exists};

		r = track(a, &x, place, e);
	}
	for (unsigned i = 0; i < ddl->ntables; i++)
		structure_free(&before[i].owned);
	free(before);
	return r;
}

/* The downstream's alone: what is known of both is looked up again, with the upstream's as it was. */
static int keep_tables(struct apply *a, const struct ddl_place *place, const struct sql_ddl *ddl,
	struct str schema, struct err *e)
{
	struct before before;
	char name[257];
	int r = 0;

	for (unsigned i = 0; r == 0 && i < ddl->ntables; i++) {
		r = look_before(a, &ddl->tables[i], schema, &before, e);
		tables_forget(&a->tables, ddl_schema_of(&ddl->tables[i], schema, name), ddl->tables[i].table);
		if (r == 0 && before.was)
			r = ddl_record_keep(a, before.was, place->event, e);
		structure_free(&before.owned);
	}
	return r;
}

/* What becomes of both sides' defaults is in track_default. */
static int track_injected(struct apply *a, const struct ddl_place *place, const struct sql_ddl *ddl,
	struct str schema, struct err *e)
{
	char name[257];
	const char *of = ddl->schema;

	if (!of_database(ddl->verb))
		return keep_tables(a, place, ddl, schema, e);
	if (!of[0]) {
		snprintf(name, sizeof(name), "%.*s", STR_ARG(schema));
		of = name;
	}
	tables_forget_schema(&a->tables, of);
	return ddl_record_forget(a, of, "", e);
}

static int forget_tables(struct apply *a, const struct sql_ddl *ddl, struct str schema, struct err *e)
{
	char name[257];

	for (unsigned i = 0; i < ddl->ntables; i++) {
		const char *s = ddl_schema_of(&ddl->tables[i], schema, name);

		tables_forget(&a->tables, s, ddl->tables[i].table);
		if (ddl_record_forget(a, s, ddl->tables[i].table, e) < 0)
			return -1;
	}
	return 0;
}

/*
 * CREATE or ALTER DATABASE was done, so that both sides' defaults are one. Not so where an operator had only
 * one of them changed, and where CREATE found what was there: that says nothing of either, unless it is by a
 * route what another database made of it. What is not on record is compared before each table.
 */
static int track_default(struct apply *a, const struct trx *t, const struct ddl_place *place,
	const struct sql_ddl *ddl, const char *schema, struct err *e)
{
	bool there = ddl->verb == SQL_VERB_CREATE_DATABASE && place->was_there;

	if (place->told || ddl_place_is_told(place) || (there && rules_route(a->rules)))
		return ddl_record_forget(a, schema, "", e);
	return there && ddl->if_not_exists ? 0 : ddl_record_default(a, schema, t->event, e);
}

static int track_all(struct apply *a, const struct trx *t, const struct ddl_place *place,
	const struct sql_ddl *ddl, struct str schema, struct err *e)
{
	char name[257];

	if (place->injected)
		return track_injected(a, place, ddl, schema, e);
	if (sql_ddl_drops_database(ddl)) {
		tables_forget_schema(&a->tables, ddl->schema);
		if (ddl_record_forget(a, ddl->schema, NULL, e) < 0)
			return -1;
		if (ddl->verb == SQL_VERB_DROP_DATABASE)
			return 0;
	}
	if (of_database(ddl->verb)) {
		snprintf(name, sizeof(name), "%.*s", STR_ARG(schema));
		return track_default(a, t, place, ddl, ddl->schema[0] ? ddl->schema : name, e);
	}
	/* Rows of sequences are left out, so they are no tables to us. */
	return sql_verb_is_sequence(ddl->verb) ? forget_tables(a, ddl, schema, e)
					       : track_tables(a, t, place, ddl, schema, e);
}

/* Earlier records have served: the watermark is behind them, or (it stays) they are of an earlier event. */
static int drop_served(struct apply *a, const struct ddl_place *place, struct err *e)
{
	struct buf sql = {0};

	buf_puts(&sql, "DELETE FROM ");
	put_meta(a, &sql, "tidegate_ddl");
	buf_puts(&sql, " WHERE ");
	put_task(a, &sql);
	buf_putf(&sql, " AND position<>'%s'", place->key);
	if (place->stays)
		buf_putf(&sql, " AND stage<>'doing' AND position<>'%s' AND position NOT LIKE '%s+%%'",
			place->event, place->event);
	return run(a->db, &sql, e);
}

static int mark_done(struct apply *a, const struct ddl_place *place, struct err *e)
{
	struct buf sql = {0};

	buf_puts(&sql, "UPDATE ");
	put_meta(a, &sql, "tidegate_ddl");
	buf_puts(&sql, " SET stage='done' WHERE ");
	put_task(a, &sql);
	buf_putf(&sql, " AND position='%s'", place->key);
	return run(a->db, &sql, e);
}

static int guard_behind(struct apply *a, const struct trx *t, const struct ddl_place *place, struct err *e)
{
	return place->stays ? guard_here(a, e) : apply_guard(a, a->db, t->end, a->gtid_text, e);
}

static int put_notes(struct apply *a, const struct ddl_place *place, struct err *e)
{
	const struct buf *notes = place->notes;
	size_t n;

	for (size_t at = 0; notes && at < notes->n; at += n + 1) {
		n = strlen(notes->p + at);
		if (db_exec(a->db, (struct str){notes->p + at, n}, e) < 0)
			return err_add(e, "recording an online change of structure");
	}
	return 0;
}

static int commit_behind(struct apply *a, const struct trx *t, const struct ddl_place *place, struct err *e)
{
	if (put_notes(a, place, e) < 0)
		return -1;
	return place->stays ? commit_here(a, e) : apply_commit(a, a->db, t->end, a->gtid_text, e);
}

/* The upstream's own statement, which was not executed as it is. */
static int track_told(struct apply *a, const struct trx *t, const struct ddl_place *place,
	const struct sql_ddl *ddl, struct str schema, struct err *e)
{
	return sql_ddl_drops_database(ddl) ? gone_track(a, place, ddl, schema, e)
					   : track_all(a, t, place, ddl, schema, e);
}

int ddl_record_done(struct apply *a, const struct trx *t, const struct ddl_place *place,
	const struct sql_ddl *ddl, struct str schema, struct err *e)
{
	if (guard_behind(a, t, place, e) < 0 || track_all(a, t, place, ddl, schema, e) < 0 ||
		(place->also && track_told(a, t, place, place->also, schema, e) < 0) ||
		(place->cut && place->cut->gone && gone_track(a, place, place->cut->gone, schema, e) < 0) ||
		drop_served(a, place, e) < 0 || mark_done(a, place, e) < 0)
		return -1;
	return commit_behind(a, t, place, e);
}

int ddl_record_skipped(struct apply *a, const struct trx *t, const struct ddl_place *place,
	struct str statement, const struct sql_ddl *ddl, struct str schema, struct err *e)
{
	if (guard_behind(a, t, place, e) < 0 || track_told(a, t, place, ddl, schema, e) < 0 ||
		drop_served(a, place, e) < 0 ||
		put_record(a, t, place, "skipped", statement, (struct str){"", 0}, e) < 0)
		return -1;
	return commit_behind(a, t, place, e);
}

int ddl_record_filtered(struct apply *a, const struct trx *t, const struct ddl_place *place,
	const struct sql_ddl *ddl, struct str schema, struct err *e)
{
	if (guard_behind(a, t, place, e) < 0 || gone_track(a, place, ddl, schema, e) < 0 ||
		(place->cut->gone && place->cut->gone->verb != ddl->verb &&
			gone_track(a, place, place->cut->gone, schema, e) < 0))
		return -1;
	return commit_behind(a, t, place, e);
}

int ddl_record_unread(struct apply *a, const struct trx *t, const struct ddl_place *place,
	struct str statement, struct err *e)
{
	if (guard_behind(a, t, place, e) < 0 || gone_unread(a, statement, e) < 0)
		return -1;
	return commit_behind(a, t, place, e);
}

int ddl_record_passed(struct apply *a, const struct trx *t, const struct ddl_place *place, struct err *e)
{
	if (place->stays && (!place->notes || place->notes->n == 0))
		return 0;
	return guard_behind(a, t, place, e) < 0 ? -1 : commit_behind(a, t, place, e);
}
