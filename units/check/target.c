/*
 * What is in the downstream already: triggers, rows in tables that the copy is to fill, and a setting that
 * keeps everybody from writing.
 */
#include "common/sql/quote.h"
#include "units/check/items.h"

/* Are names that differ in case only two there? */
static bool has_letters(struct db *d)
{
	return check_number(d, "lower_case_table_names") == 0;
}

/* Each would run for every row that is written, and nothing a client can set keeps it from that (T15). Seen
 * with the TRIGGER privilege only, which target_privilege asks for. */
void check_triggers(struct check *c, const char *item)
{
	bool exact = has_letters(c->down);
	struct err e = {0};
	struct db_rows *rows = db_query(c->down,
		STR_LIT("SELECT TRIGGER_SCHEMA, TRIGGER_NAME, EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE FROM "
			"information_schema.TRIGGERS ORDER BY 1, 2"),
		&e);
	struct some found = {0};
	struct buf mend = {0};
	const struct str *v;

	while (rows && db_fetch(rows, &v, &e) > 0) {
		if (!tables_find_to(c->tables, v[2], v[3], exact))
			continue;
		some_add(&found, "`%.*s`.`%.*s` on `%.*s`", STR_ARG(v[0]), STR_ARG(v[1]), STR_ARG(v[3]));
		buf_puts(&mend, mend.n ? "; DROP TRIGGER " : "DROP TRIGGER ");
		sql_put_table(&mend, v[0], v[1]);
	}
	db_rows_close(&rows);
	if (found.n > 0)
		check_found(c, item, "fail", ERR_sync_trigger, db_where(c->down), buf_cstr(&mend),
			"tables that the task writes have triggers there, which would run for each row: %s",
			some_text(&found));
	else if (e.code)
		check_found(c, item, "warn", 0, db_where(c->down), err_info(e.code)->workaround,
			"triggers could not be seen: %s", e.text);
	else
		check_passed(c, item, c->down);
	some_free(&found);
	buf_free(&mend);
}

static bool has_rows(struct db *d, struct str schema, struct str table)
{
	struct buf sql = {0};
	char text[8];
	bool found = false;

	buf_puts(&sql, "SELECT 1 FROM ");
	sql_put_table(&sql, schema, table);
	buf_puts(&sql, " LIMIT 1");
	if (db_value(d, buf_cstr(&sql), text, sizeof(text), &found, NULL) < 0)
		found = false;
	buf_free(&sql);
	return found;
}

/* Tables of the target that are there: schema, NUL, table, NUL. -1: that can't be seen, which is told. */
static int list_there(struct check *c, const char *item, struct buf *out)
{
	bool exact = has_letters(c->down);
	struct err failed = {0};
	struct db_rows *rows = db_query(c->down,
		STR_LIT("SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE "
			"TABLE_TYPE IN ('BASE TABLE','SYSTEM VERSIONED') ORDER BY 1, 2"),
		&failed);
	const struct str *v;

	while (rows && db_fetch(rows, &v, &failed) > 0) {
		if (!tables_find_to(c->tables, v[0], v[1], exact))
			continue;
		for (int i = 0; i < 2; i++) {
			buf_put(out, v[i].p, v[i].n);
			buf_putc(out, '\0');
		}
	}
	db_rows_close(&rows);
	if (failed.code)
		check_found(c, item, "warn", failed.code, db_where(c->down), "",
			"which tables it has could not be seen: %s", failed.text);
	return failed.code ? -1 : 0;
}

/* Rows of another source of the task may be there, and are merged with ours: the load knows by the records.
 */
static bool is_shared(const struct check *c, struct str schema, struct str table)
{
	const struct check_table *t = tables_find_to(c->tables, schema, table, has_letters(c->down));
	struct err ignored;

	return t && rules_shared(c->rules, str_of(t->schema), str_of(t->name), &t->to, &ignored) > 0;
}

void check_empty(struct check *c, const char *item)
{
	struct buf there = {0}, mend = {0};
	struct some full = {0};
	bool seen;

	if (check_has_begun(c) || check_too_many(c, item))
		return;
	seen = list_there(c, item, &there) == 0;
	for (const char *p = there.p; p < there.p + there.n;) {
		struct str schema = str_of(p), table = str_of(p + schema.n + 1);

		p = table.p + table.n + 1;
		if (is_shared(c, schema, table) || !has_rows(c->down, schema, table))
			continue;
		some_add(&full, "`%.*s`.`%.*s`", STR_ARG(schema), STR_ARG(table));
		buf_puts(&mend, mend.n ? "; DROP TABLE " : "DROP TABLE ");
		sql_put_table(&mend, schema, table);
	}
	if (full.n > 0)
		check_found(c, item, rules_route(c->rules) ? "warn" : "fail", ERR_load_target_not_empty,
			db_where(c->down), buf_cstr(&mend),
			"tables that the copy is to fill have rows, and were not made by this task: %s",
			some_text(&full));
	else if (seen)
		check_passed(c, item, c->down);
	some_free(&full);
	buf_free(&there);
	buf_free(&mend);
}

/* A change of nothing, of a table of ours that is there by now: servers look at this first. */
void check_read_only(struct check *c, const char *item)
{
	enum { READ_ONLY = 1290, READ_ONLY_TRANSACTION = 1792, READ_ONLY_MODE = 1836 };
	struct buf sql = {0};
	struct err e = {0};
	int r;

	buf_puts(&sql, "DELETE FROM ");
	sql_put_table(&sql, str_of(c->meta_schema), STR_LIT("tidegate_slot"));
	buf_puts(&sql, " WHERE 1=0");
	r = db_exec(c->down, buf_str(&sql), &e);
	buf_free(&sql);
	if (r < 0 && (e.sql_errno == READ_ONLY || e.sql_errno == READ_ONLY_TRANSACTION ||
			     e.sql_errno == READ_ONLY_MODE))
		check_found(c, item, "fail", e.code, db_where(c->down),
			"SET GLOBAL read_only=OFF, or name the server that is written to", "%s", e.text);
	else if (r == 0)
		check_passed(c, item, c->down);
}
