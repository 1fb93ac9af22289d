/*
 * Tables without a key: some servers make none, and rows of those without any are found by all their columns.
 */
#include <stdlib.h>

#include "common/base/xalloc.h"
#include "units/check/items.h"

/* FILLED: a unique key over columns that can't be NULL; WHOLE: and over no mere beginnings of them. */
enum { UNIQUE = 1, PRIMARY = 2, FILLED = 4, WHOLE = 8 };

/* What the downstream makes no table without; 0: it makes any. What MySQL takes for a primary key MariaDB
 * does, too (tried on MySQL 9.7, MariaDB 10.11, 11.4 and 11.8). */
static unsigned char must_have(struct db *d)
{
	if (check_number(d, "sql_require_primary_key") != 0)
		return PRIMARY | WHOLE;
	return check_number(d, "innodb_force_primary_key") != 0 ? PRIMARY | FILLED : 0;
}

/* From MySQL 8.0.30 on it may make a column and a primary key itself. */
static bool makes_keys(struct db *d)
{
	return check_number(d, "sql_generate_invisible_primary_key") != 0;
}

static unsigned char what_it_is(const struct str *v)
{
	bool filled = str_is(v[3], "0"), whole = filled && str_is(v[4], "0");

	return (unsigned char)(UNIQUE | (str_is_ci(v[2], "PRIMARY") ? PRIMARY : 0) | (filled ? FILLED : 0) |
			       (whole ? WHOLE : 0));
}

/* Of each table what it has. NULL: can't be asked. */
static unsigned char *read_keys(struct check *c)
{
	unsigned char *has = xcalloc(c->tables->n + 1, 1);
	struct buf sql = {0};
	struct err e = {0};
	struct db_rows *rows;
	const struct str *v;
	size_t at = 0;

	buf_puts(&sql, "SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, MAX(NULLABLE='YES' "
		       "OR COLUMN_NAME IS NULL), MAX(SUB_PART IS NOT NULL) FROM "
		       "information_schema.STATISTICS WHERE NON_UNIQUE=0 AND "
		       "TABLE_SCHEMA");
	tables_put_schemas(c->tables, &sql);
	buf_puts(&sql, " GROUP BY TABLE_SCHEMA, TABLE_NAME, INDEX_NAME");
	rows = db_query(c->up, buf_str(&sql), &e);
	buf_free(&sql);
	while (rows && db_fetch(rows, &v, &e) > 0) {
		const struct check_table *t = tables_find(c->tables, v[0], v[1], &at);

		if (t)
			has[t - c->tables->p] |= what_it_is(v);
	}
	db_rows_close(&rows);
	if (e.code) {
		free(has);
		has = NULL;
	}
	return has;
}

static void look_for(
	struct check *c, const unsigned char *has, unsigned char what, bool made, struct some *out)
{
	for (size_t i = 0; i < c->tables->n; i++) {
		const struct check_table *t = &c->tables->p[i];

		if (has[i] & what)
			continue;
		if (made && tables_is_there(c->down, t))
			continue;
		some_add(out, "`%s`.`%s`", t->schema, t->name);
	}
}

/* Of tables that are to be made there. */
static void tell_must_have(struct check *c, const char *item, struct some *without)
{
	if (without->n > 0 && makes_keys(c->down))
		check_found(c, item, "warn", 0, db_where(c->down),
			"give them a primary key in the upstream, or SET GLOBAL "
			"sql_require_primary_key=OFF, sql_generate_invisible_primary_key=OFF",
			"it gives tables without a primary key a column and a key of its own, my_row_id; "
			"an ALTER TABLE that adds a primary key to one will stop the task: %s",
			some_text(without));
	else if (without->n > 0)
		check_found(c, item, "fail", ERR_check_failed, db_where(c->down),
			"SET GLOBAL sql_require_primary_key=OFF (innodb_force_primary_key of MariaDB), or "
			"make the tables there by hand, or give them a primary key in the upstream",
			"it makes no table without a primary key, and these have none: %s",
			some_text(without));
}

void check_keys(struct check *c, const char *item)
{
	struct some without = {0}, slow = {0};
	unsigned char *has, what = check_copies(c) ? must_have(c->down) : 0;

	if (check_too_many(c, item) || c->tables->n == 0 || !(has = read_keys(c)))
		return;
	if (what)
		look_for(c, has, what, true, &without);
	if (check_follows(c))
		look_for(c, has, UNIQUE, false, &slow);
	tell_must_have(c, item, &without);
	if (slow.n > 0)
		check_found(c, item, "warn", 0, db_where(c->up), "give them a primary key",
			"rows of tables without any unique key are found by all their columns, slowly: %s",
			some_text(&slow));
	else if (without.n == 0)
		check_passed(c, item, c->up);
	some_free(&without);
	some_free(&slow);
	free(has);
}
