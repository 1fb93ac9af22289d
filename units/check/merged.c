/*
 * Tables that the task's routes merge into one: what DM calls schema_of_shard_tables and auto_increment_ID.
 * Their CREATE statements are compared as the load does before it makes the target. Sequences can't be
 * merged.
 */
#include "common/base/clock.h"
#include "common/sql/alike.h"
#include "units/check/items.h"

struct looking {
	struct check *c;
	struct some unlike, counting, unseen, sequences;
	struct err failed; /* what kept from looking for sequences */
};

static void add(struct some *s, const struct check_table *a, const struct check_table *b)
{
	some_add(s, "`%s`.`%s` and `%s`.`%s`", a->schema, a->name, b->schema, b->name);
}

static void note_unlike(
	struct looking *k, const struct check_table *a, const struct check_table *b, const char *why)
{
	some_add(&k->unlike, "`%s`.`%s` and `%s`.`%s` (%s)", a->schema, a->name, b->schema, b->name, why);
}

static void compare(struct looking *k, const struct check_table *a, const struct check_table *b)
{
	struct buf x = {0}, y = {0}, why = {0};
	const struct server *from = db_server(k->c->up);

	tables_create(k->c->tables, k->c->up, a, &x);
	tables_create(k->c->tables, k->c->up, b, &y);
	if (check_copies(k->c) && !tables_is_one_place(a, b))
		note_unlike(k, a, b, "their names downstream differ in case");
	else if (x.n > 0 && y.n > 0 && !alike(buf_str(&x), buf_str(&y), from, &why))
		note_unlike(k, a, b, buf_cstr(&why));
	if (y.n > 0 && alike_counts(buf_str(&y), from))
		add(&k->counting, a, b);
	buf_free(&x);
	buf_free(&y);
	buf_free(&why);
}

static void look_at_pair(void *arg, const struct check_table *a, const struct check_table *b)
{
	struct looking *k = arg;

	if (!tables_is_routed(a) && !tables_is_routed(b))
		return;
	if (clock_ms() >= k->c->until_ms)
		add(&k->unseen, a, b);
	else
		compare(k, a, b);
}

/* all: those before it. */
static void look_at_sequence(struct looking *k, struct tables *all, const struct str *v)
{
	const struct check_table *other, *t;
	size_t before = all->n;

	tables_add(all, k->c->rules, v);
	if (all->n == before)
		return;
	t = &all->p[before];
	other = tables_find_to(k->c->tables, str_of(t->to.schema), str_of(t->to.table), false);
	if (!other)
		other = tables_find_to(all, str_of(t->to.schema), str_of(t->to.table), false);
	if (other != t && (tables_is_routed(t) || tables_is_routed(other)))
		add(&k->sequences, other, t);
}

/* Only a copy looks, before it makes anything. */
static void look_at_sequences(struct looking *k)
{
	struct check *c = k->c;
	struct tables *all;
	struct db_rows *rows;
	const struct str *v;

	if (!check_copies(c) || db_server(c->up)->flavor != FLAVOR_MARIADB)
		return;
	all = tables_new();
	rows = db_query(c->up,
		STR_LIT("SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE "
			"TABLE_TYPE='SEQUENCE' ORDER BY 1, 2"),
		&k->failed);
	while (rows && db_fetch(rows, &v, &k->failed) > 0)
		if (rules_table(c->rules, v[0], v[1]))
			look_at_sequence(k, all, v);
	db_rows_close(&rows);
	tables_free(&all);
}

static void tell(struct looking *k, const char *item)
{
	struct check *c = k->c;

	/* Where none is made, rows go by the names of columns. */
	if (k->unlike.n > 0)
		check_found(c, item, check_copies(c) ? "fail" : "warn", ERR_route_shared, db_where(c->up),
			err_info(ERR_route_shared)->workaround,
			"the task's routes merge tables that are not alike: %s", some_text(&k->unlike));
	if (k->sequences.n > 0)
		check_found(c, item, "fail", ERR_route_shared, db_where(c->up),
			err_info(ERR_route_shared)->workaround,
			"the task's routes give one target to several, one of which is a sequence: %s",
			some_text(&k->sequences));
	if (k->unseen.n > 0)
		check_found(c, item, "warn", 0, db_where(c->up), "",
			"there was no time to compare all tables that the task's routes merge: %s",
			some_text(&k->unseen));
	if (k->failed.code)
		check_found(c, item, "warn", k->failed.code, db_where(c->up), "",
			"sequences that the task's routes may merge were not looked for: %s", k->failed.text);
	if (k->unlike.n + k->unseen.n + k->sequences.n == 0 && !k->failed.code)
		check_passed(c, item, c->up);
	if (k->counting.n > 0)
		check_found(c, "auto_increment_ID", "warn", 0, db_where(c->up),
			"see that no two rows have one number",
			"the task's routes merge tables that count by AUTO_INCREMENT, and rows with the same "
			"number stop the task: %s",
			some_text(&k->counting));
}

/* Of a task that has begun they may be in the middle of an ALTER that an operator does one by one. */
void check_merged(struct check *c, const char *item)
{
	struct looking k = {.c = c};

	if (!rules_route(c->rules) || check_goes_on(c))
		return;
	tables_each_pair(c->tables, look_at_pair, &k);
	look_at_sequences(&k);
	tell(&k, item);
	some_free(&k.unlike);
	some_free(&k.unseen);
	some_free(&k.counting);
	some_free(&k.sequences);
}
