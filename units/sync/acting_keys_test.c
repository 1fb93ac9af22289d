/*
 * Which foreign keys that act one side has more than the other, from rows of information_schema by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "units/sync/acting_keys.h"

static struct acting_side *up, *down;

static int open_sides(void **state)
{
	(void)state;
	up = acting_side_new();
	down = acting_side_new();
	return 0;
}

static int close_sides(void **state)
{
	(void)state;
	acting_side_free(&up);
	acting_side_free(&down);
	return 0;
}

/* Of the table app.child. */
static void key(struct acting_side *s, const char *name, const char *parent_schema, const char *parent,
	const char *on_delete, const char *on_update)
{
	const struct str row[RULE_N] = {str_of("app"), str_of("child"), str_of(parent_schema), str_of(parent),
		str_of(name), str_of(on_delete), str_of(on_update)};

	acting_side_add(s, row, row);
}

static void column(struct acting_side *s, const char *name, const char *child, const char *parent)
{
	const struct str row[] = {
		str_of("app"), str_of("child"), str_of(name), str_of(child), str_of(parent)};

	acting_side_column(s, row);
}

static size_t missing(bool own_schema)
{
	struct map *m = acting_missing(up, down, own_schema);
	size_t n = map_count(m);

	acting_missing_free(&m);
	return n;
}

static void same_whatever_its_name_and_order(void **state)
{
	(void)state;
	key(up, "a", "app", "Parent", "CASCADE", "RESTRICT");
	column(up, "a", "x", "id");
	column(up, "a", "y", "part");
	key(down, "b", "app", "parent", "CASCADE", "NO ACTION");
	column(down, "b", "Y", "part");
	column(down, "b", "x", "ID");
	assert_int_equal(missing(false), 0);
	/* Twice the same key does what one does. */
	key(up, "c", "app", "parent", "CASCADE", "RESTRICT");
	column(up, "c", "x", "id");
	column(up, "c", "y", "part");
	assert_int_equal(missing(false), 0);
}

/* One on another column must not pass for it. */
static void other_columns(void **state)
{
	(void)state;
	key(up, "a", "app", "parent", "CASCADE", "CASCADE");
	column(up, "a", "x", "id");
	key(down, "a", "app", "parent", "CASCADE", "CASCADE");
	column(down, "a", "y", "id");
	assert_int_equal(missing(false), 2);
	key(down, "b", "app", "parent", "CASCADE", "RESTRICT");
	column(down, "b", "x", "id");
	assert_int_equal(missing(false), 1);
	key(down, "c", "app", "parent", "RESTRICT", "CASCADE");
	column(down, "c", "x", "id");
	assert_int_equal(missing(false), 0);
}

static void other_action(void **state)
{
	struct map *m;
	size_t at = 0;
	void *value;

	(void)state;
	key(up, "a", "app", "parent", "CASCADE", "SET NULL");
	column(up, "a", "x", "id");
	key(down, "a", "app", "parent", "SET NULL", "SET NULL");
	column(down, "a", "x", "id");
	m = acting_missing(up, down, false);
	assert_int_equal(map_count(m), 1);
	assert_true(map_next(m, &at, NULL, &value));
	assert_string_equal(((struct acting_missing *)value)->text,
		"`app`.`child`, foreign key `a` to `app`.`parent` ON DELETE CASCADE");
	assert_true(((struct acting_missing *)value)->deletes);
	acting_missing_free(&m);
}

/* A server that shows a key without its columns. */
static void columns_not_shown(void **state)
{
	(void)state;
	key(up, "a", "app", "parent", "CASCADE", "RESTRICT");
	column(up, "a", "x", "id");
	assert_int_equal(missing(false), 1);
	key(down, "a", "app", "parent", "CASCADE", "RESTRICT");
	assert_int_equal(missing(false), 0);
	key(down, "b", "app", "parent", "CASCADE", "RESTRICT");
	column(down, "b", "y", "id");
	assert_int_equal(missing(false), 0);
}

/* TiDB tells the child's database for the parent's. */
static void schema_of_the_parent(void **state)
{
	(void)state;
	key(up, "a", "other", "parent", "CASCADE", "RESTRICT");
	column(up, "a", "x", "id");
	key(down, "a", "app", "parent", "CASCADE", "RESTRICT");
	column(down, "a", "x", "id");
	assert_int_equal(missing(false), 1);
	assert_int_equal(missing(true), 0);
	key(up, "b", "other", "parents", "CASCADE", "RESTRICT");
	column(up, "b", "x", "id");
	assert_int_equal(missing(true), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(same_whatever_its_name_and_order, open_sides, close_sides),
		cmocka_unit_test_setup_teardown(other_columns, open_sides, close_sides),
		cmocka_unit_test_setup_teardown(other_action, open_sides, close_sides),
		cmocka_unit_test_setup_teardown(columns_not_shown, open_sides, close_sides),
		cmocka_unit_test_setup_teardown(schema_of_the_parent, open_sides, close_sides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
