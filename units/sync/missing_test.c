/* Which rows may be passed by as missing, and how much the log hears of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "units/sync/missing.h"

static struct table table = {.schema = "app", .name = "t", .head = "`app`.`t`"};

static void test_may_pass(void **state)
{
	struct packet p = {.single = true};
	struct statement update = {.table = &table, .change = BINLOG_UPDATE, .rows = 1};
	struct statement insert = {.table = &table, .change = BINLOG_INSERT, .rows = 1};
	struct statement many = {.table = &table, .change = BINLOG_DELETE, .rows = 3};
	struct missing m = {.count = true};

	(void)state;
	assert_true(missing_may_pass(&m, &p, &update, 0));
	assert_false(missing_may_pass(&m, &p, &update, 2));
	assert_false(missing_may_pass(&m, &p, &insert, 0));
	assert_false(missing_may_pass(&m, &p, &many, 0));
	p.single = false; /* folded, or many rows a statement: first it is to be seen which one */
	assert_false(missing_may_pass(&m, &p, &update, 0));
	p.single = true;
	m.count = false;
	assert_false(missing_may_pass(&m, &p, &update, 0));
}

static void test_lines(void **state)
{
	struct missing m = {.count = true};
	struct packet p = {.single = true};
	struct statement s = {.table = &table, .change = BINLOG_DELETE, .rows = 1, .at = {1, 3, 4711}};
	static const char text[] = "DELETE FROM `app`.`t` WHERE (`id`='a\nb')";

	(void)state;
	buf_puts(&p.sql, text);
	s.where = 29;
	s.end = sizeof(text) - 2;
	for (unsigned i = 0; i < MISSING_LINES + 5; i++)
		missing_note(&m, &p, &s, "bin");
	assert_int_equal(m.rows, MISSING_LINES + 5);
	assert_int_equal(m.nlines, MISSING_LINES);
	assert_int_equal(m.ntables, 1);
	assert_non_null(strstr(buf_cstr(&m.lines),
		"DELETE of a row that is not there, passed by: `app`.`t`, `id`='a b', "
		"transaction at 1:bin.000003:4711\n"));
	missing_clear(&m);
	assert_int_equal(m.rows + m.nlines + m.ntables + m.lines.n, 0);
	missing_fini(&m);
	buf_free(&p.sql);
}

/* The first hundred one by one, then a number once a minute. */
static void test_bounds(void **state)
{
	struct missing_log l;

	(void)state;
	missing_log_init(&l);
	assert_int_equal(missing_may_say(&l, 60, 1000), 60);
	assert_int_equal(missing_held(&l, 100000), 0);
	assert_int_equal(missing_may_say(&l, 60, 2000), 40);
	assert_int_equal(missing_held(&l, 2000 + MISSING_EVERY_MS - 1), 0);
	assert_int_equal(missing_may_say(&l, 7, 3000), 0);
	assert_int_equal(missing_held(&l, 2000 + MISSING_EVERY_MS), 27);
	assert_int_equal(missing_held(&l, 900000), 0);
	assert_int_equal(missing_may_say(&l, 1, 900000), 0);
	assert_int_equal(missing_held(&l, 900001), 1);
	assert_int_equal(missing_rows(&l), 128);
	missing_log_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_may_pass),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
