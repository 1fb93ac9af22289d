/*
 * Tables without a key: some servers make none, and rows of those without any are found by all their columns.
 */
#include <stdlib.h>

#include "common/base/xalloc.h"
#include "units/check/items.h"

enum { UNIQUE = 1, PRIMARY = 2 };

static bool must_have(struct db *d)
{
	return check_number(d, "sql_require_primary_key") != 0 ||
	       check_number(d, "innodb_force_primary_key") != 0;
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

	buf_puts(&sql, "SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME FROM information_schema.STATISTICS WHERE "
		       "NON_UNIQUE=0 AND SEQ_IN_INDEX=1 AND TABLE_SCHEMA");
	tables_put_schemas(c->tables, &sql);
	rows = db_query(c->up, buf_str(&sql), &e);
	buf_free(&sql);
	while (rows && db_fetch(rows, &v, &e) > 0) {
		const struct check_table *t = tables_find(c->tables, v[0], v[1], &at);

		if (t)
			has[t - c->tables->p] |=
				(unsigned char)(str_is_ci(v[2], "PRIMARY") ? PRIMARY | UNIQUE : UNIQUE);
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

void check_keys(struct check *c, const char *item)
{
	struct some without = {0}, slow = {0};
	unsigned char *has;

	if (check_too_many(c, item) || c->tables->n == 0 || !(has = read_keys(c)))
		return;
	if (check_copies(c) && must_have(c->down))
		look_for(c, has, PRIMARY, true, &without);
	if (check_follows(c))
		look_for(c, has, UNIQUE, false, &slow);
	if (without.n > 0)
		check_found(c, item, "fail", ERR_check_failed, db_where(c->down),
			"SET GLOBAL sql_require_primary_key=OFF (innodb_force_primary_key of MariaDB), or "
			"make the tables there by hand, or give them a primary key in the upstream",
			"it makes no table without a primary key, and these have none: %s",
			some_text(&without));
	else if (slow.n > 0)
		check_found(c, item, "warn", 0, db_where(c->up), "give them a primary key",
			"rows of tables without any unique key are found by all their columns, slowly: %s",
			some_text(&slow));
	else
		check_passed(c, item, c->up);
	some_free(&without);
	some_free(&slow);
	free(has);
}
