/*
 * tidegate_ddl and tidegate_structure: DDL is not transactional, so it is noted before and after, with the
 * structures it found, so that a restart can tell whether it was executed (T29).
 */
#include "units/sync/ddl_record.h"

#include <string.h>

#include "common/config/json.h"
#include "common/sql/quote.h"

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

const char *ddl_schema_of(const struct sql_name *n, struct str schema, char out[257])
{
	if (n->schema[0])
		return n->schema;
	snprintf(out, 257, "%.*s", STR_ARG(schema));
	return out;
}

int ddl_record_read(
	struct apply *a, struct position at, enum ddl_stage *stage, struct buf *before, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	char where[64];
	int n;

	*stage = DDL_NEW;
	position_store(at, where, sizeof(where));
	buf_puts(&sql, "SELECT stage, before_structure FROM ");
	put_meta(a, &sql, "tidegate_ddl");
	buf_puts(&sql, " WHERE ");
	put_task(a, &sql);
	buf_putf(&sql, " AND position='%s'", where);
	rows = db_query(a->ddl, buf_str(&sql), e);
	buf_free(&sql);
	if (!rows)
		return -1;
	n = db_fetch(rows, &v, e);
	if (n > 0) {
		*stage = str_is(v[0], "done") ? DDL_DONE : DDL_DOING;
		buf_put(before, v[1].p, v[1].n);
	}
	db_rows_close(&rows);
	return n < 0 ? -1 : 0;
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
	struct buf sql = {0};
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
	if (rows && db_fetch(rows, &v, &mine) > 0 && db_columns(rows) > 1)
		put_without_counter(out, v[1]);
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
		if (put_shown(a, "TABLE", ddl_schema_of(&ddl->tables[i], schema, name), ddl->tables[i].table,
			    out, e) < 0)
			return -1;
	return 0;
}

int ddl_record_doing(
	struct apply *a, const struct trx *t, struct str statement, struct str before, struct err *e)
{
	struct buf sql = {0};
	const char *there = a->watermark_gtid;
	char at[64], gtid[128] = "";

	position_store(t->event, at, sizeof(at));
	if (t->has_gtid)
		gtid_event_text(&t->gtid, gtid, sizeof(gtid));
	/* The watermark stays, and with it its GTID set (only this thread writes it). */
	if (apply_guard(a, a->db, a->slot.watermark, there, e) < 0)
		return -1;
	buf_puts(&sql, "INSERT INTO ");
	put_meta(a, &sql, "tidegate_ddl");
	buf_puts(&sql, " (task, source, position, epoch, gtid, stage, statement, before_structure) VALUES (");
	put_values(a, &sql);
	buf_putf(&sql, ",'%s',%llu,'%s','doing',", at, (unsigned long long)a->id.epoch, gtid);
	sql_put_string(&sql, statement);
	buf_putc(&sql, ',');
	sql_put_string(&sql, before);
	buf_putc(&sql, ')');
	if (run(a->db, &sql, e) < 0)
		return err_add(e, "recording a DDL statement");
	return apply_commit(a, a->db, a->slot.watermark, there, e);
}

static int forget_structure(struct apply *a, const char *schema, const char *name, struct err *e)
{
	struct buf sql = {0};

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

static int keep_structure(struct apply *a, const struct structure *s, const char *at, struct err *e)
{
	json_t *o = structure_to_json(s);
	struct buf sql = {0}, text = {0};

	json_write(o, &text);
	json_decref(o);
	buf_puts(&sql, "REPLACE INTO ");
	put_meta(a, &sql, "tidegate_structure");
	buf_puts(&sql, " (task, source, table_schema, table_name, position, structure) VALUES (");
	put_values(a, &sql);
	buf_putc(&sql, ',');
	sql_put_string(&sql, str_of(s->schema));
	buf_putc(&sql, ',');
	sql_put_string(&sql, str_of(s->table));
	buf_putf(&sql, ",'%s',", at);
	sql_put_string(&sql, buf_str(&text));
	buf_putc(&sql, ')');
	buf_free(&text);
	return run(a->db, &sql, e);
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

static int track(struct apply *a, const char *schema, const char *name, const char *at, struct err *e)
{
	struct structure *s;
	bool found;
	int r;

	tables_forget(&a->tables, schema, name);
	s = tables_after_ddl(&a->tables, schema, name, &found, e);
	if (!s)
		return e->code ? -1 : forget_structure(a, schema, name, e);
	r = keep_structure(a, s, at, e);
	structure_free(&s);
	return r;
}

static int track_all(
	struct apply *a, const struct trx *t, const struct sql_ddl *ddl, struct str schema, struct err *e)
{
	char name[257], at[64];

	position_store(t->event, at, sizeof(at));

	if (ddl->verb == SQL_VERB_DROP_DATABASE) {
		tables_forget_schema(&a->tables, ddl->schema);
		return forget_structure(a, ddl->schema, NULL, e);
	}
	if (of_database(ddl->verb)) {
		snprintf(name, sizeof(name), "%.*s", STR_ARG(schema));
		return ddl_record_default(a, ddl->schema[0] ? ddl->schema : name, t->event, e);
	}
	for (unsigned i = 0; i < ddl->ntables; i++)
		if (track(a, ddl_schema_of(&ddl->tables[i], schema, name), ddl->tables[i].table, at, e) < 0)
			return -1;
	return 0;
}

int ddl_record_done(
	struct apply *a, const struct trx *t, const struct sql_ddl *ddl, struct str schema, struct err *e)
{
	struct position watermark = t->inside ? a->slot.watermark : t->end;
	struct buf sql = {0};
	char at[64];

	position_store(t->event, at, sizeof(at));
	if (apply_guard(a, a->db, watermark, a->gtid_text, e) < 0 || track_all(a, t, ddl, schema, e) < 0)
		return -1;
	/* Earlier records have served: the watermark is behind them. */
	buf_puts(&sql, "DELETE FROM ");
	put_meta(a, &sql, "tidegate_ddl");
	buf_puts(&sql, " WHERE ");
	put_task(a, &sql);
	buf_putf(&sql, " AND stage='done' AND position<>'%s'", at);
	if (run(a->db, &sql, e) < 0)
		return -1;
	buf_puts(&sql, "UPDATE ");
	put_meta(a, &sql, "tidegate_ddl");
	buf_puts(&sql, " SET stage='done' WHERE ");
	put_task(a, &sql);
	buf_putf(&sql, " AND position='%s'", at);
	if (run(a->db, &sql, e) < 0)
		return -1;
	return apply_commit(a, a->db, watermark, a->gtid_text, e);
}
