/*
 * Tables that somebody has made downstream: will rows go into them? As the load asks before it begins. A task
 * that only follows may begin at an older place, with DDL before it that brings what is missing: there it is
 * told only.
 */
#include "common/base/clock.h"
#include "common/db/structure.h"
#include "common/sql/takes.h"
#include "units/check/values.h"

struct fitting {
	struct check *c;
	struct some unfit, without; /* without: not there, although routes fill a column of it */
	struct some absent;         /* not there, and nothing is copied */
	struct values values;
};

/* The table that is there: is it one, and can what was written be taken back? */
static int check_kind(const struct check *c, const struct check_table *t, struct err *e)
{
	char type[DB_TABLE_TYPE], engine[DB_ENGINE];

	if (db_table_type(c->down, t->to.schema, t->to.table, type, NULL) == 0 &&
		str_is(str_of(type), "VIEW"))
		return err_set(e, ERR_load_failed, "it is a view there");
	if (db_engine_without_transactions(c->down, t->to.schema, t->to.table, engine, NULL) == 0 &&
		engine[0])
		return err_set(e, ERR_load_failed,
			"it is there already, with engine %s, which has no transactions", engine);
	return 0;
}

static void look_at(struct fitting *f, const struct check_table *t)
{
	struct structure *there = tables_structure(f->c->down, t->to.schema, t->to.table), *from = NULL;
	struct route_extras x = {0};
	struct err e = {0};

	/* -1: a place that routes can't tell is told by try_tables */
	if (route_extras(rules_route(f->c->rules), str_of(t->schema), str_of(t->name),
		    str_of(f->c->source ? f->c->source : ""), &x, &e) == 0) {
		from = there ? tables_structure(f->c->up, t->schema, t->name) : NULL;
		if (from && (check_kind(f->c, t, &e) < 0 ||
				    structure_takes(there, from, &x, check_copies(f->c), &e) < 0))
			some_add(&f->unfit, "`%s`.`%s`: %s", t->to.schema, t->to.table, e.text);
		else if (from)
			values_look_at(&f->values, t, from, there);
		else if (!there && x.n > 0)
			some_add(&f->without, "`%s`.`%s`.`%s` for `%s`.`%s`", t->to.schema, t->to.table,
				x.p[0].column, t->schema, t->name);
		else if (!there && !check_fills(f->c))
			some_add(&f->absent, "`%s`.`%s`", t->to.schema, t->to.table);
	}
	route_extras_fini(&x);
	structure_free(&there);
	structure_free(&from);
}

static void tell(struct check *c, const char *item, struct fitting *f)
{
	bool copies = check_copies(c);

	if (f->absent.n > 0)
		check_found(c, item, "warn", ERR_sync_no_table, db_where(c->down),
			"make the tables there, where no DDL statement of the binlog will do that, or take "
			"mode all, which copies",
			"nothing is copied, and these tables are not there: the first change of a row stops "
			"the task: %s",
			some_text(&f->absent));
	if (f->unfit.n > 0)
		check_found(c, item, copies ? "fail" : "warn", ERR_load_failed, db_where(c->down),
			copies ? "ALTER or DROP it there, or leave it out by block-allow-list"
			       : "ALTER it there, where no DDL statement of the binlog will do that",
			"rows can't be written into %s", some_text(&f->unfit));
	if (f->without.n > 0)
		check_found(c, item, "fail", ERR_load_failed, db_where(c->down),
			"make the table by hand, with that column",
			"the task's routes fill columns (extract-…) of tables that are not there: %s",
			some_text(&f->without));
}

void check_columns(struct check *c, const char *item)
{
	struct fitting f = {.c = c};
	size_t i;

	if (check_has_begun(c)) {
		check_passed(c, item, c->down);
		return;
	}
	for (i = 0; i < c->tables->n && i < TABLES_TRIED && clock_ms() < c->until_ms; i++)
		look_at(&f, &c->tables->p[i]);
	tell(c, item, &f);
	if (i < c->tables->n)
		check_rest(c, item, i, "the copy looks at each, the sync once it has rows");
	else if (f.unfit.n + f.without.n + f.absent.n == 0)
		check_passed(c, item, c->down);
	values_tell(c, &f.values);
	some_free(&f.unfit);
	some_free(&f.without);
	some_free(&f.absent);
}
