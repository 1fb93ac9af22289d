/*
 * Default charsets and collations of databases, which a CREATE TABLE without words about them takes. Called
 * by ddl*.c.
 */
#include <stdio.h>
#include <string.h>

#include "common/sql/dialect.h"
#include "common/sql/quote.h"
#include "units/sync/table.h"

struct defaults {
	char charset[DB_CHARSET], collation[DB_CHARSET];
};

static int read_defaults(struct db *d, const char *schema, struct defaults *out, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int n = -1;

	*out = (struct defaults){"", ""};
	buf_puts(&sql,
		"SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA "
		"WHERE SCHEMA_NAME=");
	sql_put_string(&sql, str_of(schema));
	rows = db_query(d, buf_str(&sql), e);
	buf_free(&sql);
	if (rows && (n = db_fetch(rows, &v, e)) > 0) {
		snprintf(out->charset, sizeof(out->charset), "%.*s", STR_ARG(v[0]));
		snprintf(out->collation, sizeof(out->collation), "%.*s", STR_ARG(v[1]));
	}
	db_rows_close(&rows);
	return n < 0 ? -1 : 0;
}

/* What both have now; "" where one side has no such database. */
static int both_defaults(struct tables *t, const char *schema, const char *to, struct defaults *up,
	struct defaults *down, struct err *e)
{
	struct db *ask = tables_upstream(t, e);

	if (!ask || read_defaults(ask, schema, up, e) < 0) {
		db_close(&t->ask_up);
		return err_add(e, "asking the upstream for the default charset of `%s`", schema);
	}
	return read_defaults(t->ask_down, to, down, e);
}

int tables_common_default(
	struct tables *t, const char *schema, const char *to, char charset[DB_CHARSET], struct err *e)
{
	struct defaults up, down;

	charset[0] = '\0';
	if (both_defaults(t, schema, to, &up, &down, e) < 0)
		return -1;
	if (up.charset[0] && down.charset[0] && table_same_charset(up.charset, down.charset))
		snprintf(charset, DB_CHARSET, "%s", down.charset);
	return 0;
}

/* 1: the same on both sides now (or one side has no such database), 0: not. */
static int same_default(struct tables *t, const char *schema, const char *to, struct err *e)
{
	struct defaults up, down;
	struct buf where = {0};
	bool charset;

	if (both_defaults(t, schema, to, &up, &down, e) < 0)
		return -1;
	if (!up.charset[0] || !down.charset[0])
		return 1;
	charset = table_same_charset(up.charset, down.charset);
	if (charset &&
		sql_collation_fits(str_of(up.collation), str_of(down.collation), db_server(t->ask_down)))
		return 1;
	buf_putf(&where, strcmp(schema, to) == 0 ? "the downstream" : "`%s` of the downstream", to);
	if (charset)
		err_set(e, ERR_sync_default_charset,
			"database `%s`: %s in the upstream, %s in %s: ALTER DATABASE `%s` COLLATE %s there",
			schema, up.collation, down.collation, buf_cstr(&where), to,
			sql_collation_near(str_of(up.collation), db_server(t->ask_down)));
	else
		err_set(e, ERR_sync_default_charset, "database `%s`: %s in the upstream, %s in %s", schema,
			up.charset, down.charset, buf_cstr(&where));
	buf_free(&where);
	return 0;
}

/*
 * Once both were the same, or the stream has set it, both move alike: ALTER DATABASE comes through the
 * stream, and the upstream's present default may be a later one. Noted by ddl_record_default.
 */
int tables_check_default(struct tables *t, const char *schema, const char *to, struct err *e)
{
	char routed[ROUTE_NAME], one[8];
	struct buf sql = {0};
	bool noted;
	int r;

	if (route_schema(rules_route(t->rules), str_of(schema), routed, e) < 0)
		return -1;
	/* A database of its own, by a route of the table: nothing moves it with the upstream's. */
	if (strcmp(routed, to) != 0)
		return same_default(t, schema, to, e) == 1 ? 0 : -1;
	buf_puts(&sql, "SELECT 1 FROM ");
	sql_put_table(&sql, str_of(t->id->schema), STR_LIT("tidegate_structure"));
	tables_put_place(&sql, t, schema, "");
	r = db_value(t->ask_down, buf_cstr(&sql), one, sizeof(one), &noted, e);
	buf_free(&sql);
	if (r < 0 || noted)
		return r;
	return same_default(t, schema, to, e) == 1 ? 0 : -1;
}

int tables_each_same_default(
	struct tables *t, int (*fn)(void *arg, const char *schema, struct err *e), void *arg, struct err *e)
{
	struct db *ask = tables_upstream(t, e);
	struct db_rows *rows;
	struct buf names = {0};
	const struct str *v;
	char to[ROUTE_NAME];
	struct err not_same;
	int n, r = 0;

	rows = ask ? db_query(ask, STR_LIT("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA"), e) : NULL;
	if (!rows)
		return -1;
	while ((n = db_fetch(rows, &v, e)) > 0)
		if (rules_schema(t->rules, v[0]))
			buf_put(&names, v[0].p, v[0].n), buf_putc(&names, '\0');
	db_rows_close(&rows);
	for (size_t at = 0; n == 0 && r >= 0 && at < names.n; at += strlen(names.p + at) + 1) {
		r = route_schema(rules_route(t->rules), str_of(names.p + at), to, &not_same);
		if (r >= 0)
			r = same_default(t, names.p + at, to, &not_same);
		if (r < 0)
			*e = not_same;
		else if (r > 0)
			r = fn(arg, names.p + at, e);
	}
	buf_free(&names);
	return n < 0 || r < 0 ? -1 : 0;
}
