/*
 * Tables that the task's routes merge into one: what DM calls schema_of_shard_tables and auto_increment_ID.
 * The load compares their CREATE statements before it makes the target.
 */
#include "common/base/clock.h"
#include "units/check/items.h"

struct looking {
	struct check *c;
	struct some unlike, counting, unseen;
};

static bool counts(const struct structure *s)
{
	for (unsigned i = 0; i < s->ncolumns; i++)
		if (s->columns[i].auto_increment)
			return true;
	return false;
}

static bool are_alike(const struct structure *a, struct structure *b)
{
	json_t *m, *n;
	bool alike;

	structure_rename(b, a->schema, a->table);
	m = structure_to_json(a);
	n = structure_to_json(b);
	alike = json_equal(m, n);
	json_decref(m);
	json_decref(n);
	return alike;
}

static void add(struct some *s, const struct check_table *a, const struct check_table *b)
{
	some_add(s, "`%s`.`%s` and `%s`.`%s`", a->schema, a->name, b->schema, b->name);
}

static void look_at_pair(void *arg, const struct check_table *a, const struct check_table *b)
{
	struct looking *k = arg;
	bool late = clock_ms() >= k->c->until_ms;
	struct structure *x = late ? NULL : tables_structure(k->c->up, a->schema, a->name),
			 *y = x ? tables_structure(k->c->up, b->schema, b->name) : NULL;

	if (late)
		add(&k->unseen, a, b);
	else if (x && y && !are_alike(x, y)) /* one may be gone by now, or is told by try_tables */
		add(&k->unlike, a, b);
	else if (x && y && counts(x))
		add(&k->counting, a, b);
	structure_free(&x);
	structure_free(&y);
}

void check_merged(struct check *c, const char *item)
{
	struct looking k = {.c = c};

	if (!rules_route(c->rules))
		return;
	tables_each_pair(c->tables, look_at_pair, &k);
	if (k.unlike.n > 0)
		check_found(c, item, "fail", ERR_route_shared, db_where(c->up),
			err_info(ERR_route_shared)->workaround,
			"the task's routes merge tables whose columns or keys are not alike: %s",
			some_text(&k.unlike));
	if (k.unseen.n > 0)
		check_found(c, item, "warn", 0, db_where(c->up), "",
			"there was no time to compare all tables that the task's routes merge: %s",
			some_text(&k.unseen));
	if (k.unlike.n + k.unseen.n == 0)
		check_passed(c, item, c->up);
	if (k.counting.n > 0)
		check_found(c, "auto_increment_ID", "warn", 0, db_where(c->up),
			"see that no two rows have one number",
			"the task's routes merge tables that count by AUTO_INCREMENT, and rows with the same "
			"number stop the task: %s",
			some_text(&k.counting));
	some_free(&k.unlike);
	some_free(&k.unseen);
	some_free(&k.counting);
}
