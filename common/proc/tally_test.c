/* What a copy is said to be: never below what is done, right at the end, and nearer to it on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/config/json.h"
#include "common/proc/tally.h"

static struct tally_now all(struct tally *t)
{
	struct tally_now n;

	tally_all(t, &n);
	assert_true(n.whole.rows >= n.done.rows && n.whole.bytes >= n.done.bytes);
	return n;
}

static void counted_when_ended(void **state)
{
	struct tally *t = tally_new(2);

	(void)state;
	tally_expect(t, 0, (struct amount){1000, 200000});
	tally_expect(t, 1, (struct amount){500, 100000});
	assert_int_equal(all(t).whole.rows, 1500);
	assert_int_equal(all(t).whole.bytes, 300000);
	tally_add(t, 0, (struct amount){600, 60000}); /* the statistics were too high */
	assert_int_equal(all(t).whole.rows, 1500);
	tally_end(t, 0);
	tally_end(t, 0);
	assert_int_equal(all(t).whole.rows, 1100);
	assert_int_equal(all(t).ended, 1);
	/* chunks take 0.3 of the storage, as far as is known */
	assert_int_equal(all(t).whole.bytes, 60000 + 30000);
	tally_add(t, 1, (struct amount){900, 90000}); /* too low */
	assert_true(all(t).whole.rows > 1500 && all(t).whole.rows < 1600);
	tally_end(t, 1);
	assert_int_equal(all(t).whole.rows, 1500);
	assert_int_equal(all(t).whole.bytes, 150000);
	assert_int_equal(all(t).ended, all(t).tables);
	tally_free(&t);
}

/* Statistics say 1000, there are 1600: each stretch that is over brings the estimate nearer. */
static void stretches_correct(void **state)
{
	struct tally *t = tally_new(1);
	uint64_t last = 1000;

	(void)state;
	tally_expect(t, 0, (struct amount){1000, 1 << 20});
	tally_cut(t, 0, 8);
	for (unsigned i = 0; i < 8; i++) {
		tally_add(t, 0, (struct amount){200, 2000});
		tally_stretch_over(t, 0, 200);
		assert_true(all(t).whole.rows >= last);
		last = all(t).whole.rows;
		assert_true(i < 7 || (last >= 1600 && last < 1700));
	}
	tally_end(t, 0);
	assert_int_equal(all(t).whole.rows, 1600);
	tally_free(&t);
}

static void nothing_is_nothing(void **state)
{
	struct tally *t = tally_new(0), *none = NULL;
	struct tally_now n;

	(void)state;
	assert_int_equal(all(t).tables, 0);
	assert_int_equal(all(none).tables, 0);
	tally_add(t, 7, (struct amount){1, 1});
	tally_end(none, 0);
	tally_of(t, 3, &n);
	assert_int_equal(n.tables, 0);
	tally_free(&t);
	tally_free(&none);
	t = tally_new(1);
	tally_expect(t, 0, (struct amount){0, 16384}); /* InnoDB's first page */
	assert_int_equal(all(t).whole.bytes, 0);
	tally_free(&t);
}

static void name(const void *arg, unsigned table, struct buf *b)
{
	(void)arg;
	buf_putf(b, "`t`.`%u`", table);
}

static void those_under_way_are_told(void **state)
{
	struct tally *t = tally_new(40);
	json_t *o = json_object(), *list;

	(void)state;
	for (unsigned i = 0; i < 30; i++) {
		tally_expect(t, i, (struct amount){100 * (i + 1), 1 << 20});
		tally_add(t, i, (struct amount){10, 100});
	}
	tally_end(t, 29);
	tally_take(t, 29, (struct amount){9, 90});
	tally_status(t, &(struct tally_words){name, NULL, true}, o);
	list = json_object_get(o, "tables");
	assert_int_equal(json_num(o, "rows_taken", 0), 9);
	assert_int_equal(json_array_size(list), 20);
	tally_take(t, 29, (struct amount){1, 10});
	json_decref(o);
	o = json_object();
	tally_status(t, &(struct tally_words){name, NULL, false}, o);
	assert_null(json_object_get(o, "rows_taken"));
	list = json_object_get(o, "tables");
	assert_int_equal(json_num(o, "tables_total", 0), 40);
	assert_int_equal(json_num(o, "tables_done", 0), 1);
	assert_int_equal(json_num(o, "rows_done", 0), 300);
	assert_int_equal(json_array_size(list), 20);
	assert_string_equal(json_text(json_array_get(list, 0), "table", ""), "`t`.`28`");
	assert_int_equal(json_num(json_array_get(list, 0), "rows_estimated", 0), 2900);
	assert_int_equal(json_num(json_array_get(list, 0), "bytes_estimated", 0), 29000);
	assert_string_equal(json_text(json_array_get(list, 19), "table", ""), "`t`.`9`");
	json_decref(o);
	tally_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counted_when_ended),
		cmocka_unit_test(stretches_correct),
		cmocka_unit_test(nothing_is_nothing),
		cmocka_unit_test(those_under_way_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
