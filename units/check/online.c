/*
 * Tables of gh-ost and pt-osc in the upstream: a shadow that the sync would not know, and ordinary tables
 * that only have such a name. Of a task that follows the binlog.
 */
#include "common/sql/quote.h"
#include "units/check/items.h"

static bool is_on_record(const struct check *c, struct str schema, struct str table)
{
	struct buf where = {0};
	bool found;

	if (!c->down)
		return false;
	buf_puts(&where, " AND table_schema=");
	sql_put_string(&where, schema);
	buf_puts(&where, " AND table_name=");
	sql_put_string(&where, table);
	found = check_is_recorded(c, "tidegate_online", buf_cstr(&where));
	buf_free(&where);
	return found;
}

struct seen {
	struct some shadows, others;
};

static void look_at(struct check *c, struct seen *s, const struct str *v)
{
	const struct online *o = rules_online(c->rules);
	enum online_kind kind = online_kind(o, v[1]);

	if (kind == ONLINE_REAL)
		return;
	if (kind == ONLINE_SHADOW && rules_table(c->rules, v[0], online_real(o, v[1]))) {
		if (c->afresh || !is_on_record(c, v[0], v[1]))
			some_add(&s->shadows, "`%.*s`.`%.*s`", STR_ARG(v[0]), STR_ARG(v[1]));
	} else if (rules_listed(c->rules, v[0], v[1])) {
		some_add(&s->others, "`%.*s`.`%.*s`", STR_ARG(v[0]), STR_ARG(v[1]));
	}
}

static void tell(struct check *c, const char *item, struct seen *s)
{
	if (s->shadows.n)
		check_found(c, item, check_goes_on(c) ? "warn" : "fail", ERR_sync_online, db_where(c->up),
			"wait until gh-ost or pt-osc has ended, or drop it if it was given up; rename it if "
			"it is a table like others, or set shadow-table-rules",
			"shadows of tables that an online change of structure is at work on: %s; what was "
			"done with them before is not known, so their exchange would stop the task",
			some_text(&s->shadows));
	if (s->others.n)
		check_found(c, item, "warn", 0, db_where(c->up),
			"if they are tables like others, rename them, set shadow-table-rules and "
			"trash-table-rules, or online-ddl: false",
			"left out, as their names are those of gh-ost's or pt-osc's tables: %s",
			some_text(&s->others));
	if (s->shadows.n + s->others.n == 0)
		check_passed(c, item, c->up);
}

void check_online(struct check *c, const char *item)
{
	struct seen s = {0};
	struct err e = {0};
	struct db_rows *rows;
	const struct str *v;
	int r;

	if (!rules_online(c->rules))
		return;
	rows = db_query(c->up,
		STR_LIT("SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES"
			" WHERE TABLE_TYPE NOT LIKE '%VIEW' ORDER BY 1, 2"),
		&e);
	r = rows ? 1 : -1;
	while (r > 0 && (r = db_fetch(rows, &v, &e)) > 0)
		look_at(c, &s, v);
	db_rows_close(&rows);
	if (r < 0)
		check_denied(c, item, c->up, "SELECT ON *.*", &e);
	else
		tell(c, item, &s);
	some_free(&s.shadows);
	some_free(&s.others);
}
