/*
 * The structure that a DDL statement leads to in the upstream while the downstream does without it, or before
 * it is decided whether it does. The downstream is asked, as it knows its own words best. Called by
 * ddl_filter.c with nothing else under way; never touches a table of the user's.
 */
#include "units/sync/shape.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/db/structure.h"
#include "common/sql/create.h"
#include "common/sql/dialect.h"
#include "common/sql/quote.h"
#include "units/sync/altered.h"
#include "units/sync/ddl_session.h"

static void name_of(const struct apply *a, char out[64])
{
	snprintf(out, 64, "tidegate_shape_%016" PRIx64, meta_hash(&a->id));
}

static void put_name(const struct apply *a, struct buf *sql)
{
	char name[64];

	name_of(a, name);
	sql_put_table(sql, str_of(a->id.schema), str_of(name));
}

static int drop(struct apply *a, struct err *e)
{
	struct buf sql = {0};
	int r;

	buf_puts(&sql, "DROP TABLE IF EXISTS ");
	put_name(a, &sql);
	r = db_exec(a->ddl, buf_str(&sql), e);
	buf_free(&sql);
	return r;
}

static struct structure *look(struct apply *a, struct err *e)
{
	char name[64], charset[DB_CHARSET];
	struct structure *s;
	bool found;

	name_of(a, name);
	s = db_structure(a->ddl, a->id.schema, name, &found, e);
	if (s && db_table_charset(a->ddl, a->id.schema, name, charset, e) == 0 && charset[0])
		s->charset = xstrdup(charset);
	return s;
}

/* What columns get that say nothing of it: as the upstream had it, or as the downstream has it. */
static int set_default(struct apply *a, const char *charset, struct err *e)
{
	struct buf sql = {0};
	int r;

	if (!charset[0])
		return 0;
	buf_puts(&sql, "ALTER TABLE ");
	put_name(a, &sql);
	buf_putf(&sql, " DEFAULT CHARACTER SET %s", charset);
	r = db_exec(a->ddl, buf_str(&sql), e);
	buf_free(&sql);
	return r;
}

/* {column: default or null}. */
static json_t *read_defaults(struct apply *a, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;
	json_t *o = json_object();
	const struct str *v;
	char name[64];
	int n;

	name_of(a, name);
	buf_puts(&sql,
		"SELECT COLUMN_NAME, COLUMN_DEFAULT FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=");
	sql_put_string(&sql, str_of(a->id.schema));
	buf_puts(&sql, " AND TABLE_NAME=");
	sql_put_string(&sql, str_of(name));
	rows = db_query(a->ddl, buf_str(&sql), e);
	buf_free(&sql);
	while (rows && (n = db_fetch(rows, &v, e)) > 0) {
		char column[300];

		snprintf(column, sizeof(column), "%.*s", STR_ARG(v[0]));
		json_object_set_new(o, column, v[1].p ? json_stringn_nocheck(v[1].p, v[1].n) : json_null());
	}
	db_rows_close(&rows);
	return o;
}

/* "int(11) unsigned" and "int unsigned": how wide it is shown says nothing. Others must be spelt alike. */
static bool same_type(const struct column *a, const struct column *b)
{
	bool integer = a->kind == COLUMN_INT;
	size_t n = strcspn(a->type, "( "), m = strcspn(b->type, "( ");

	if (a->kind != b->kind || a->is_unsigned != b->is_unsigned)
		return false;
	return integer ? n == m && strncasecmp(a->type, b->type, n) == 0 : strcmp(a->type, b->type) == 0;
}

static bool same_column(const struct column *a, const struct column *b)
{
	return strcasecmp(a->name, b->name) == 0 && same_type(a, b) &&
	       table_same_charset(a->charset ? a->charset : "", b->charset ? b->charset : "");
}

static bool same_columns(const struct structure *a, const struct structure *b)
{
	if (!a || !b || a->ncolumns != b->ncolumns)
		return false;
	for (unsigned i = 0; i < a->ncolumns; i++)
		if (!same_column(&a->columns[i], &b->columns[i]))
			return false;
	return true;
}

static int translate(struct apply *a, const struct trx *t, const struct binlog_query *q, struct str text,
	struct buf *out, struct err *e)
{
	struct sql_dialects d = {.from = &t->format.server,
		.to = db_server(a->ddl),
		.sql_mode = q ? q->sql_mode : 0,
		.collations = a->collations,
		.rows = SQL_ROWS_BY_KEY};
	struct buf notes = {0};
	int r = sql_translate(text, &d, out, &notes, e);

	buf_free(&notes);
	return r;
}

/* Where both sides have the same columns (*like), all that a structure does not hold comes along (defaults).
 */
static int make(struct apply *a, const struct trx *t, const struct shape_of *what,
	const struct structure *was, bool *like, struct err *e)
{
	struct structure renamed = *was, *down;
	struct buf sql = {0}, text = {0};
	struct route_name there;
	char name[64], charset[DB_CHARSET] = "";
	bool found;
	int r = 0;

	if (route_table(rules_route(a->rules), str_of(what->schema), str_of(what->name), &there, e) < 0)
		return -1;
	down = db_structure(a->ddl, there.schema, there.table, &found, e);
	if (!down && e->code)
		return -1;
	if (was->charset)
		snprintf(charset, sizeof(charset), "%s", was->charset);
	else if (down && db_table_charset(a->ddl, there.schema, there.table, charset, e) < 0)
		r = -1;
	name_of(a, name);
	renamed.charset = NULL; /* set_default's */
	renamed.schema = (char *)(uintptr_t)a->id.schema;
	renamed.table = name;
	*like = same_columns(was, down);
	if (r == 0 && *like) {
		buf_puts(&sql, "CREATE TABLE ");
		put_name(a, &sql);
		buf_puts(&sql, " LIKE ");
		sql_put_table(&sql, str_of(there.schema), str_of(there.table));
	} else if (r == 0) {
		structure_put_create(&renamed, &text);
		r = translate(a, t, NULL, buf_str(&text), &sql, e);
	}
	if (r == 0)
		r = db_exec(a->ddl, buf_str(&sql), e);
	if (r == 0)
		r = set_default(a, charset, e);
	structure_free(&down);
	buf_free(&sql);
	buf_free(&text);
	return r;
}

static int run(struct apply *a, const struct trx *t, const struct shape_of *what, struct err *e)
{
	struct buf text = {0}, sql = {0};
	struct err ignored;
	int r;

	buf_put(&text, what->text.p, what->at);
	put_name(a, &text);
	buf_put(&text, what->text.p + what->end, what->text.n - what->end);
	r = translate(a, t, what->q, buf_str(&text), &sql, e);
	if (r == 0)
		r = ddl_session(a, t, &(struct ddl_session){what->q, NULL, NULL, false, true}, e);
	if (r == 0) {
		r = db_exec(a->ddl, buf_str(&sql), e);
		if (ddl_session_reset(a, r < 0 ? &ignored : e) < 0)
			r = -1;
	}
	buf_free(&text);
	buf_free(&sql);
	return r;
}

/* As it is to be recorded: with the upstream's kinds where the downstream has substitutes. */
static void fit(struct apply *a, const struct trx *t, const struct shape_of *what,
	const struct structure *was, struct shape *out)
{
	struct altered x = {.schema = what->schema,
		.name = what->name,
		.was = was,
		.made = what->create,
		.text = what->text,
		.sql_mode = what->q->sql_mode,
		.from = &t->format.server,
		.to = db_server(a->ddl)->flavor};
	struct err ignored = {0};
	struct structure *now;
	bool there;

	now = tables_upstream_now(&a->tables, what->schema, what->name, &there, &ignored);
	out->after = altered_fit(out->after, &x, now);
	structure_free(&now);
}

/* What was made out of a structure alone has none. */
static void forget_defaults(struct structure *s)
{
	for (unsigned i = 0; i < s->ncolumns; i++)
		s->columns[i].no_default = false;
}

static int look_at_both(struct apply *a, const struct trx *t, const struct shape_of *what,
	const struct structure *was, struct shape *out, struct err *e)
{
	bool like = false;

	if (!what->create && make(a, t, what, was, &like, e) < 0)
		return -1;
	if (!what->create)
		out->before = look(a, e);
	if (like)
		out->defaults[0] = read_defaults(a, e);
	if (e->code || run(a, t, what, e) < 0)
		return -1;
	out->after = look(a, e);
	if (out->after && !what->create && !like)
		forget_defaults(out->after);
	out->defaults[1] = read_defaults(a, e);
	if (out->after)
		structure_rename(out->after, what->schema, what->name);
	return e->code ? -1 : 0;
}

int shape_try(
	struct apply *a, const struct trx *t, const struct shape_of *what, struct shape *out, struct err *e)
{
	struct structure *tracked = NULL;
	const struct structure *was = tables_known(&a->tables, what->schema, what->name);
	struct err ignored;
	int r;

	*out = (struct shape){0};
	err_clear(e);
	if (!was && !what->create)
		was = tracked = tables_tracked(&a->tables, what->schema, what->name, e);
	if (e->code)
		return -1;
	if (!was && !what->create)
		return 0;
	r = drop(a, e) < 0 ? -1 : look_at_both(a, t, what, what->create ? NULL : was, out, e);
	if (r == 0)
		fit(a, t, what, what->create ? NULL : was, out);
	structure_free(&tracked);
	drop(a, &ignored);
	if (r == 0)
		return 0;
	shape_fini(out);
	if (err_act(e->code) == ERR_ACT_RETRY)
		return -1;
	log_warn("what becomes of `%s`.`%s` in the upstream can't be seen in the downstream: %s",
		what->schema, what->name, e->text);
	err_clear(e);
	return 0;
}

void shape_fini(struct shape *s)
{
	structure_free(&s->before);
	structure_free(&s->after);
	json_decref(s->defaults[0]);
	json_decref(s->defaults[1]);
	*s = (struct shape){0};
}

bool shape_other_default(const struct shape *s, const char *was, const char *now)
{
	const json_t *a = json_object_get(s->defaults[0], was), *b = json_object_get(s->defaults[1], now);

	/* information_schema says NULL in words on MariaDB, where the default is that one. */
	return a && b && !json_equal(a, b);
}
