/*
 * The task's expressions against the upstream's tables of this moment: a column that is not there, a
 * comparison that can't be judged exactly. Called by upstream.c.
 */
#include "common/db/structure.h"
#include "units/check/check.h"

/* 0, 1: there is no such table, or -1. */
static int try_filter(
	struct db *d, struct row_filters *f, const char *schema, const char *table, struct err *e)
{
	struct row_filter *bound = NULL;
	bool found = false;
	struct structure *s = db_structure(d, schema, table, &found, e);
	int r = s ? row_filter_bind(&bound, f, s, db_server(d), e) : found || e->code ? -1 : 1;

	row_filter_free(&bound);
	structure_free(&s);
	return r;
}

void check_filters(struct check *c, struct db *d)
{
	struct row_filters *f = rules_row_filters(c->rules);
	const char *schema, *table;
	struct err e = {0};

	for (size_t i = 0; row_filters_table(f, i, &schema, &table); i++) {
		int r;

		err_clear(&e);
		r = try_filter(d, f, schema, table, &e);
		if (r > 0)
			check_found(c, "table_schema", "warn", 0, db_where(d),
				"correct the schema and table of the expression-filter, unless it is made "
				"later",
				"an expression-filter is for the table `%s`.`%s`, which is not there", schema,
				table);
		if (r < 0)
			check_found(c, "table_schema", "fail", e.code, db_where(d),
				err_info(e.code)->workaround, "%s", e.text);
	}
}
