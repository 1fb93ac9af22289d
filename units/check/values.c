/*
 * Values that a table which is there holds otherwise, or not at all, though it has all columns. Called by
 * columns.c with both structures; all of it is told, and refuses nothing, as the rows themselves may fit.
 */
#include "units/check/values.h"

#include <string.h>

#include "common/sql/fits.h"

static void look_at_column(
	struct values *v, const struct check_table *t, const struct column *from, const struct column *there)
{
	enum fit fit = fit_column(from, there);

	if (fit != FIT_ALL)
		some_add(fit == FIT_OTHER ? &v->other : &v->refused,
			"`%s`.`%s`.`%s`: %.60s here, %.60s%s%s there", t->to.schema, t->to.table, there->name,
			from->type, there->type, there->charset[0] ? " in " : "", there->charset);
	else if (from->nullable && !there->nullable)
		some_add(&v->refused, "`%s`.`%s`.`%s`: NULL here, NOT NULL there", t->to.schema, t->to.table,
			there->name);
}

static void look_at_keys(struct values *v, const struct check_table *t, const struct structure *from,
	const struct structure *there)
{
	for (unsigned i = 0; i < there->nkeys; i++)
		if (fit_key_is_stricter(there, &there->keys[i], from)) {
			some_add(&v->keys, "`%s`.`%s`: %s", t->to.schema, t->to.table, there->keys[i].name);
			v->primary = v->primary || there->keys[i].primary;
		}
}

void values_look_at(struct values *v, const struct check_table *t, const struct structure *from,
	const struct structure *there)
{
	for (unsigned i = 0; i < from->ncolumns; i++) {
		const struct column *c = &from->columns[i];
		int at = structure_column(there, c->name);

		if (at >= 0 && !c->generated && !there->columns[at].generated)
			look_at_column(v, t, c, &there->columns[at]);
	}
	look_at_keys(v, t, from, there);
}

static void tell(struct check *c, struct some *s, const char *mend, const char *what)
{
	if (s->n > 0)
		check_found(c, VALUES_ITEM, "warn", 0, db_where(c->down), mend, "%s: %s", what, some_text(s));
}

void values_tell(struct check *c, struct values *v)
{
	bool any = v->other.n + v->refused.n + v->keys.n > 0;

	tell(c, &v->other, "give the columns there the upstream's types",
		"values become others without an error (rounded, cut, padded) in columns of tables that are "
		"there");
	tell(c, &v->refused, "give the columns there types that hold all of the upstream's",
		"a value that does not go into the column of a table that is there stops the task");
	tell(c, &v->keys,
		v->primary ? "see that the upstream's rows obey them"
			   : "drop these keys there, or see that the upstream's rows obey them",
		"tables that are there have unique keys that the upstream has not: rows that are one for "
		"them "
		"stop the task, or replace each other in safe mode");
	if (!any)
		check_passed(c, VALUES_ITEM, c->down);
	some_free(&v->other);
	some_free(&v->refused);
	some_free(&v->keys);
}
