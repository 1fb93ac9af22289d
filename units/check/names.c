/*
 * Names of schemas and tables: which of them the binlog leaves out, and what becomes of their letters' case.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/db/status.h"
#include "units/check/items.h"

/* --- binlog-do-db, binlog-ignore-db: lists with commas, in the answer to "where are you" --- */

static bool is_in(struct str list, const char *schema)
{
	size_t n = strlen(schema);

	for (const char *p = list.p, *end = list.p + list.n, *stop; p < end; p = stop + 1) {
		stop = memchr(p, ',', (size_t)(end - p));
		stop = stop ? stop : end;
		if ((size_t)(stop - p) == n && memcmp(p, schema, n) == 0)
			return true;
	}
	return false;
}

static void look_at_lists(struct check *c, const char *item, struct str only, struct str without)
{
	const char *last = "";
	struct some lost = {0};

	for (size_t i = 0; i < c->tables->n; i++) {
		const char *schema = c->tables->p[i].schema;

		if (strcmp(last, schema) == 0)
			continue;
		last = schema;
		if ((only.n > 0 && !is_in(only, schema)) || is_in(without, schema))
			some_add(&lost, "`%s`", schema);
	}
	if (lost.n > 0)
		check_found(c, item, "fail", ERR_check_failed, db_where(c->up),
			"take binlog-do-db and binlog-ignore-db out of the upstream's configuration, and "
			"restart it",
			"changes of %s are not in the binlog (binlog-do-db=%.*s, binlog-ignore-db=%.*s)",
			some_text(&lost), STR_ARG(only), STR_ARG(without));
	else if (only.n > 0 || without.n > 0)
		check_found(c, item, "warn", 0, db_where(c->up),
			"take binlog-do-db and binlog-ignore-db out of the upstream's configuration, and "
			"restart it; until then name each table's schema by USE before DDL",
			"statements that change structures or TRUNCATE are kept out of the binlog by their "
			"session's default database (in MariaDB with binlog-do-db also where it has none), "
			"whatever tables they name "
			"(binlog-do-db=%.*s, binlog-ignore-db=%.*s)",
			STR_ARG(only), STR_ARG(without));
	else
		check_passed(c, item, c->up);
	some_free(&lost);
}

void check_binlog_db(struct check *c, const char *item)
{
	struct err e = {0};
	struct db_rows *rows = db_master_status_rows(c->up, &e);
	const struct str *v;
	char *only = NULL, *without = NULL;

	/* What can't be asked, and a binlog that is off, have their own findings. */
	if (rows && db_fetch(rows, &v, &e) > 0 && db_columns(rows) > 3) {
		only = xstrndup(v[2].p ? v[2].p : "", v[2].n);
		without = xstrndup(v[3].p ? v[3].p : "", v[3].n);
	}
	db_rows_close(&rows);
	if (only)
		look_at_lists(c, item, str_of(only), str_of(without));
	free(only);
	free(without);
}

/* --- letters --- */

static bool has_capitals(const char *name)
{
	while (*name && !isupper((unsigned char)*name))
		name++;
	return *name != '\0';
}

static void add_pair(void *pairs, const struct check_table *a, const struct check_table *b)
{
	if (!tables_is_routed(a) && !tables_is_routed(b))
		some_add(pairs, "`%s`.`%s` and `%s`.`%s`", a->schema, a->name, b->schema, b->name);
}

/* Tables that are one for the downstream. Those of routes are merged, and looked at by merged.c. */
static bool look_for_pairs(struct check *c, const char *item)
{
	struct some pairs = {0};

	tables_each_pair(c->tables, add_pair, &pairs);
	if (pairs.n > 0)
		check_found(c, item, "fail", ERR_route_shared, db_where(c->down),
			err_info(ERR_route_shared)->workaround,
			"tables whose names differ in case only are one there (lower_case_table_names=%u): "
			"%s",
			(unsigned)check_number(c->down, "lower_case_table_names"), some_text(&pairs));
	some_free(&pairs);
	return pairs.n > 0;
}

static void look_for_capitals(struct check *c, const char *item)
{
	struct some names = {0};

	for (size_t i = 0; i < c->tables->n; i++) {
		const struct route_name *to = &c->tables->p[i].to;

		if (has_capitals(to->schema) || has_capitals(to->table))
			some_add(&names, "`%s`.`%s`", to->schema, to->table);
	}
	if (names.n > 0)
		check_found(c, item, "warn", 0, db_where(c->down),
			"rename them by `routes`, or use a server with lower_case_table_names=0",
			"names are kept in lower case there (lower_case_table_names=1): %s",
			some_text(&names));
	else
		check_passed(c, item, c->down);
	some_free(&names);
}

void check_case(struct check *c, const char *item)
{
	uint64_t up = check_number(c->up, "lower_case_table_names"),
		 down = check_number(c->down, "lower_case_table_names");

	if (down != 0 && look_for_pairs(c, item))
		return;
	if (up == 0 && down == 1)
		look_for_capitals(c, item);
	else if (up == 2 && down == 0 && check_follows(c)) /* with 1 the sync writes them in small letters */
		check_found(c, item, "warn", 0, db_where(c->up),
			"write the names of tables as the upstream lists them, in lower case, in statements "
			"too; or use a downstream with lower_case_table_names=1",
			"statements there may write a table's name in any case "
			"(lower_case_table_names=%u), and the downstream knows it in one only: a DDL "
			"statement that writes it otherwise stops the task",
			(unsigned)up);
	else
		check_passed(c, item, c->down);
}
