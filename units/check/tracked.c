/*
 * `binlog-schema`: the structures that the sync of a paused task will read rows with, in the downstream's
 * tidegate_structure. A change is made as the task's owner: older owners are ended first (T3), and the write
 * stands behind the guard of slot 0, so that a sync that was started meanwhile is seen.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "common/config/json.h"
#include "common/db/structure.h"
#include "common/sql/create.h"
#include "common/sql/quote.h"
#include "units/check/check.h"

enum { LIST_MAX = 7 << 19 }; /* as it is said in JSON: a message holds it */

struct tracked {
	struct check *c;
	struct db *d; /* downstream */
	struct meta_id id;
	const char *schema, *table;
};

static void put_text(struct buf *sql, const char *text)
{
	buf_puts(sql, "_utf8mb4");
	sql_put_string(sql, str_of(text));
}

static void put_where(struct buf *sql, const struct tracked *t)
{
	const char *const pairs[][2] = {{"task", t->id.task}, {"source", t->id.source},
		{"table_schema", t->schema}, {"table_name", t->table}};

	buf_puts(sql, " WHERE table_name<>''");
	for (size_t i = 0; i < 4; i++) {
		if (!*pairs[i][1])
			continue;
		buf_putf(sql, " AND %s=", pairs[i][0]);
		put_text(sql, pairs[i][1]);
	}
}

static void put_meta(struct buf *sql, const struct tracked *t, const char *table)
{
	sql_put_table(sql, str_of(t->id.schema), str_of(table));
}

static int unknown(const struct tracked *t, struct err *e)
{
	return err_set(e, ERR_structure_unknown, "no structure of `%s`.`%s` is recorded for source %s",
		t->schema, t->table, t->id.source);
}

/* --- list --- */

static int too_much(struct err *e)
{
	return err_set(e, ERR_usage, "more than %.1f MiB of structures: name a database, or a table",
		LIST_MAX / 1048576.0);
}

static int put_one(struct str text, struct buf *out, struct err *e)
{
	json_t *o = json_parse(text, "a tracked structure", e);
	struct structure *s = o ? structure_from_json(o, e) : NULL;

	json_decref(o);
	if (!s)
		return -1;
	if (out->n)
		buf_puts(out, ";\n");
	structure_put_create(s, out);
	structure_free(&s);
	if (out->n > LIST_MAX)
		return too_much(e);
	return 0;
}

static size_t said_size(const struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++) {
		unsigned char c = (unsigned char)b->p[i];

		n += c < ' ' ? strlen("\\u0000") : c == '"' || c == '\\' ? 2 : 1;
	}
	return n;
}

static int list(struct tracked *t, struct buf *out, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int n;

	buf_puts(&sql, "SELECT structure FROM ");
	put_meta(&sql, t, "tidegate_structure");
	put_where(&sql, t);
	buf_puts(&sql, " ORDER BY table_schema, table_name");
	rows = db_query(t->d, buf_str(&sql), e);
	buf_free(&sql);
	if (!rows)
		return -1;
	while ((n = db_fetch(rows, &v, e)) > 0)
		if (put_one(v[0], out, e) < 0) {
			n = -1;
			break;
		}
	db_rows_close(&rows);
	if (n == 0 && said_size(out) > LIST_MAX)
		n = too_much(e);
	return n == 0 && out->n == 0 && *t->table ? unknown(t, e) : n;
}

/* --- the structure to be recorded --- */

static int default_collation(struct db *up, const char *schema, char *out, size_t size, struct err *e)
{
	struct buf sql = {0};
	bool found;
	int r;

	buf_puts(&sql, "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME=");
	sql_put_string(&sql, str_of(schema));
	r = db_value(up, buf_cstr(&sql), out, size, &found, e);
	buf_free(&sql);
	if (r == 0 && !found)
		out[0] = '\0';
	return r;
}

/* The statement is the upstream's: its words, and its database's default. */
static struct structure *from_text(const struct tracked *t, struct db *up, const char *text, struct err *e)
{
	char collation[128] = "";
	struct structure *s;

	if (default_collation(up, t->schema, collation, sizeof(collation), e) < 0)
		return NULL;
	s = structure_from_create(str_of(text), db_server(up), collation, e);
	if (s && (strcasecmp(s->table, t->table) != 0 ||
			 (*s->schema && strcasecmp(s->schema, t->schema) != 0))) {
		err_set(e, ERR_sql_parse, "the statement makes `%s`, not `%s`.`%s`", s->table, t->schema,
			t->table);
		structure_free(&s);
	}
	return s;
}

static struct structure *from_server(struct db *d, const char *schema, const char *table, struct err *e)
{
	bool found;
	struct structure *s = db_structure(d, schema, table, &found, e);

	if (!s && !e->code)
		err_set(e, ERR_structure_not_there, "%s has no table `%s`.`%s`", db_where(d), schema, table);
	return s;
}

/* By the name that the task's routes give it there. */
static struct structure *from_target(const struct tracked *t, struct err *e)
{
	struct structure *s;
	struct route_name to;

	if (route_table(rules_route(t->c->rules), str_of(t->schema), str_of(t->table), &to, e) < 0)
		return NULL;
	s = from_server(t->d, to.schema, to.table, e);
	if (s)
		structure_forget_end(s);
	return s;
}

static struct structure *wanted_structure(const struct tracked *t, struct err *e)
{
	const char *from = json_text(t->c->ask, "from", "");
	struct db_options o = {.session = DB_PLAIN, .upstream = true, .read_timeout_s = 30};
	struct structure *s;
	struct db *up;

	if (strcmp(from, "target") == 0)
		return from_target(t, e);
	up = db_open(&t->c->upstream, &o, e);
	if (!up)
		return NULL;
	s = strcmp(from, "source") == 0 ? from_server(up, t->schema, t->table, e)
					: from_text(t, up, json_text(t->c->ask, "text", ""), e);
	db_close(&up);
	return s;
}

/* --- changing --- */

/* Where the task stands; only to be seen. */
static int position_now(struct tracked *t, char *out, size_t size, struct err *e)
{
	struct buf sql = {0};
	bool found;
	int r;

	buf_puts(&sql, "SELECT position FROM ");
	put_meta(&sql, t, "tidegate_slot");
	buf_puts(&sql, " WHERE task=");
	put_text(&sql, t->id.task);
	buf_puts(&sql, " AND source=");
	put_text(&sql, t->id.source);
	buf_puts(&sql, " AND slot=1");
	r = db_value(t->d, buf_cstr(&sql), out, size, &found, e);
	buf_free(&sql);
	if (r == 0 && !found)
		snprintf(out, size, "0:0:0");
	return r;
}

static int put_replace(struct tracked *t, const struct structure *s, struct buf *sql, struct err *e)
{
	struct buf text = {0};
	struct route_name to;
	char position[64];
	json_t *o;

	if (route_table(rules_route(t->c->rules), str_of(t->schema), str_of(t->table), &to, e) < 0)
		return -1;
	o = structure_to_json(s);
	json_object_set_new(o, "schema", json_string(t->schema));
	json_object_set_new(o, "table", json_string(t->table));
	json_write(o, &text);
	json_decref(o);
	buf_puts(sql, "REPLACE INTO ");
	put_meta(sql, t, "tidegate_structure");
	buf_puts(sql,
		" (task, source, table_schema, table_name, position, structure, target_schema, target_table) "
		"VALUES (");
	put_text(sql, t->id.task);
	buf_putc(sql, ',');
	put_text(sql, t->id.source);
	buf_putc(sql, ',');
	put_text(sql, t->schema);
	buf_putc(sql, ',');
	put_text(sql, t->table);
	if (position_now(t, position, sizeof(position), e) < 0) {
		buf_free(&text);
		return -1;
	}
	buf_putf(sql, ",'%s',", position);
	put_text(sql, buf_cstr(&text));
	buf_putc(sql, ',');
	put_text(sql, to.schema);
	buf_putc(sql, ',');
	put_text(sql, to.table);
	buf_putc(sql, ')');
	buf_free(&text);
	return 0;
}

/* Slot 0 as it was found, its version one greater: whoever took over since has made it another one. */
static int guard(struct tracked *t, const struct meta_slot *s, struct err *e)
{
	struct meta_progress p = {.watermark = s->watermark,
		.base = s->base,
		.gtid = s->gtid,
		.applied = s->applied,
		.head = s->head};
	struct buf sql = {0};
	int r;

	meta_slot_guard(&sql, &t->id, s, &p);
	r = db_exec(t->d, buf_str(&sql), e);
	buf_free(&sql);
	if (r == 0 && db_affected(t->d) != 1)
		return err_set(e, ERR_bad_stage,
			"the task was started meanwhile: pause it, and ask again (source %s)", t->id.source);
	return r;
}

static int write_guarded(struct tracked *t, const struct meta_slot *s, const struct buf *sql, struct err *e)
{
	if (db_exec(t->d, STR_LIT("BEGIN"), e) < 0)
		return -1;
	if (guard(t, s, e) < 0 || db_exec(t->d, buf_str(sql), e) < 0) {
		db_exec(t->d, STR_LIT("ROLLBACK"), NULL);
		return -1;
	}
	return db_exec(t->d, STR_LIT("COMMIT"), e);
}

static int as_owner(struct tracked *t, const struct buf *sql, struct err *e)
{
	struct meta_slot s = {0};
	int r = -1;

	if (meta_take_over(t->d, &t->id, e) < 0 ||
		meta_note_connection(t->d, &t->id, db_connection_id(t->d), e) < 0)
		return -1;
	if (meta_slot_load(t->d, &t->id, 0, &s, e) == 0)
		r = write_guarded(t, &s, sql, e);
	meta_slot_fini(&s);
	meta_forget_connection(t->d, &t->id, db_connection_id(t->d), NULL);
	return r;
}

static int update(struct tracked *t, struct err *e)
{
	struct structure *s;
	struct buf sql = {0};
	int r;

	if (!rules_table(t->c->rules, str_of(t->schema), str_of(t->table)))
		return err_set(
			e, ERR_usage, "`%s`.`%s` is left out by the task's rules", t->schema, t->table);
	s = wanted_structure(t, e);
	if (!s)
		return -1;
	r = put_replace(t, s, &sql, e) < 0 ? -1 : as_owner(t, &sql, e);
	structure_free(&s);
	buf_free(&sql);
	return r;
}

static int delete (struct tracked *t, struct err *e)
{
	struct buf sql = {0}, found = {0};
	int r = list(t, &found, e);

	/* One that can't be read any more may be what is to go. */
	if (r == 0 || e->code == ERR_internal || e->code == ERR_proto) {
		err_clear(e);
		buf_puts(&sql, "DELETE FROM ");
		put_meta(&sql, t, "tidegate_structure");
		put_where(&sql, t);
		r = as_owner(t, &sql, e);
	}
	buf_free(&sql);
	buf_free(&found);
	return r;
}

static int answer(struct tracked *t, struct buf *out, struct err *e)
{
	const char *op = json_text(t->c->ask, "op", "");
	struct db_options o = {.session = DB_PLAIN, .read_timeout_s = 600};
	int r;

	t->d = db_open(&t->c->downstream, &o, e);
	if (!t->d || meta_setup(t->d, t->id.schema, e) < 0)
		return -1;
	r = strcmp(op, "list") == 0     ? list(t, out, e)
	    : strcmp(op, "update") == 0 ? update(t, e)
	    : strcmp(op, "delete") == 0 ? delete (t, e)
					: err_set(e, ERR_usage, "binlog-schema %.20s", op);
	return r;
}

void check_tracked(struct check *c)
{
	struct tracked t = {.c = c,
		.id = {c->meta_schema, c->task, c->source, c->epoch},
		.schema = json_text(c->ask, "schema", ""),
		.table = json_text(c->ask, "table", "")};
	struct buf out = {0};
	struct err e = {0};
	int r = answer(&t, &out, &e);

	check_found(c, "binlog_schema", r < 0 ? "fail" : "success", r < 0 ? e.code : 0,
		t.d ? db_where(t.d) : "the downstream", "", "%s", r < 0 ? e.text : buf_cstr(&out));
	db_close(&t.d);
	buf_free(&out);
}
