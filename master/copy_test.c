/* How far a copy is said to be: out of what dump and load report, and how fast, over time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/config/json.h"
#include "master/copy.h"

static json_t *parse(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);

	assert_non_null(o);
	return o;
}

static struct copy_now read_now(const char *text)
{
	json_t *o = parse(text);
	struct copy_now n;

	copy_read(o, &n);
	json_decref(o);
	return n;
}

static void the_dump_knows_the_whole(void **state)
{
	struct copy_now n =
		read_now("{\"dump\":{\"phase\":\"dump\",\"tables_total\":5,\"rows_done\":600,\"rows_"
			 "estimated\":1000,\"rows_taken\":100,\"bytes_estimated\":9000,\"bytes_taken\":"
			 "900},\"load\":{\"phase\":\"load\",\"tables_total\":5,\"rows_done\":100,\"rows_"
			 "estimated\":700,\"bytes_done\":900,\"bytes_estimated\":6300}}");

	(void)state;
	assert_true(n.rows == 100 && n.rows_whole == 1000 && n.bytes == 900 && n.bytes_whole == 9000);
	assert_true(n.counts && !n.complete && n.tables == 5);
}

/* The dump began anew with what was missing: what the load has from before counts too. */
static void a_copy_that_goes_on(void **state)
{
	struct copy_now n =
		read_now("{\"dump\":{\"phase\":\"dump\",\"tables_total\":5,\"rows_estimated\":300,\"rows_"
			 "taken\":50},\"load\":{\"phase\":\"load\",\"tables_total\":5,\"rows_done\":750,"
			 "\"rows_estimated\":1300}}");

	(void)state;
	assert_true(n.rows == 750 && n.rows_whole == 1000);
}

static void one_of_them_alone(void **state)
{
	struct copy_now n =
		read_now("{\"dump\":{\"phase\":\"dump\",\"tables_total\":2,\"rows_done\":10,\"rows_"
			 "estimated\":40},\"load\":{}}");

	(void)state;
	assert_true(n.rows == 10 && n.rows_whole == 40 && !n.complete);
	n = read_now("{\"dump\":{},\"load\":{\"phase\":\"load\",\"tables_total\":2,\"rows_done\":10,\"rows_"
		     "estimated\":5}}");
	assert_true(n.rows == 10 && n.rows_whole == 10 && !n.complete);
	n = read_now(
		"{\"load\":{\"phase\":\"done\",\"tables_total\":2,\"rows_done\":10,\"rows_estimated\":10}}");
	assert_true(n.complete);
	n = read_now("{}");
	assert_false(n.counts);
}

static void percent_is_careful(void **state)
{
	(void)state;
	assert_true(copy_percent(50, 200, false) == 25);
	assert_true(copy_percent(200, 200, false) < 100);
	assert_true(copy_percent(300, 200, false) < 100);
	assert_true(copy_percent(0, 0, false) == 0);
	assert_true(copy_percent(0, 0, true) == 100);
}

/* 1 MB a second in lumps of 5, one of 100 MB: the time left falls by about a second each second. */
static void the_time_left_is_smooth(void **state)
{
	struct copy_pace p = {0};
	double before = -1;

	(void)state;
	for (unsigned s = 1; s <= 80; s++) {
		struct copy_now n = {
			.rows = s / 5 * 50, .bytes = s / 5 * 5e6, .rows_whole = 1000, .bytes_whole = 100e6};

		copy_sample(&p, &n, 1000 * s);
		if (s > 30) {
			assert_true(p.bytes_s > 0.5e6 && p.bytes_s < 1.6e6);
			assert_true(p.left_s < before + 1 && p.left_s > before - 5);
		}
		before = p.left_s;
	}
	assert_true(before > 10 && before < 35);
}

/* Ten minutes paused: what was left then is left now. */
static void a_pause_takes_nothing_off(void **state)
{
	struct copy_pace p = {0};
	struct copy_now n = {.rows = 10, .bytes_whole = 100e6};

	(void)state;
	for (unsigned s = 1; s <= 20; s++) {
		n.bytes = s * 1e6;
		copy_sample(&p, &n, 1000 * s);
	}
	assert_true(p.left_s > 75 && p.left_s < 85);
	n.bytes += 1e6;
	copy_sample(&p, &n, 1000 * 620);
	assert_true(p.left_s > 75);
}

static void a_restart_is_no_speed(void **state)
{
	struct copy_pace p = {0};
	struct copy_now n = {.rows = 10, .bytes = 1000, .bytes_whole = 1e6};

	(void)state;
	copy_sample(&p, &n, 1000);
	n.bytes = 3000;
	copy_sample(&p, &n, 3000);
	assert_true(p.bytes_s == 1000 && p.left_s > 990);
	n = (struct copy_now){.bytes_whole = 1e6}; /* the unit is started again … */
	copy_sample(&p, &n, 4000);
	assert_true(p.left_s < 0);
	n.bytes = 500000; /* … and has counted what is there */
	n.rows = 5000;
	copy_sample(&p, &n, 6000);
	assert_true(p.bytes_s == 0 && p.left_s < 0);
	n.bytes += 4000;
	copy_sample(&p, &n, 8000);
	assert_true(p.bytes_s == 2000);
}

static void tables_are_joined(void **state)
{
	json_t *r = parse(
		"{\"dump\":{\"phase\":\"dump\",\"tables_total\":3,\"tables\":[{\"table\":\"a\",\"rows_done\":"
		"90,\"rows_estimated\":100,\"rows_taken\":40,\"bytes_estimated\":1000,\"bytes_taken\":400},"
		"{\"table\":\"b\",\"rows_done\":10,\"rows_estimated\":70}]},\"load\":{\"phase\":\"load\","
		"\"tables_total\":3,\"tables\":[{\"table\":\"a\",\"rows_done\":40,\"rows_estimated\":55,"
		"\"bytes_done\":400,\"bytes_estimated\":600}]}}");
	json_t *copy = copy_to_json(r, NULL), *list = json_object_get(copy, "tables");
	const json_t *a = json_array_get(list, 0), *b = json_array_get(list, 1);

	(void)state;
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(json_text(a, "table", ""), "a");
	assert_int_equal(json_num(a, "rows_estimated", 0), 100);
	assert_true(json_real_value(json_object_get(a, "percent")) == 40);
	assert_int_equal(json_num(b, "rows_done", -1), 0);
	assert_int_equal(json_num(b, "rows_estimated", 0), 70);
	assert_null(json_object_get(copy, "keys"));
	json_decref(copy);
	json_decref(r);
}

static void keys_are_told_while_they_are_made(void **state)
{
	json_t *r = parse("{\"load\":{\"phase\":\"load\",\"keys\":[{\"table\":\"a\",\"seconds\":7}]}}");
	json_t *copy = copy_to_json(r, NULL);
	const json_t *a = json_array_get(json_object_get(copy, "keys"), 0);

	(void)state;
	assert_string_equal(json_text(a, "table", ""), "a");
	assert_int_equal(json_num(a, "seconds", 0), 7);
	json_decref(copy);
	json_decref(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_dump_knows_the_whole),
		cmocka_unit_test(a_copy_that_goes_on),
		cmocka_unit_test(one_of_them_alone),
		cmocka_unit_test(percent_is_careful),
		cmocka_unit_test(the_time_left_is_smooth),
		cmocka_unit_test(a_pause_takes_nothing_off),
		cmocka_unit_test(a_restart_is_no_speed),
		cmocka_unit_test(tables_are_joined),
		cmocka_unit_test(keys_are_told_while_they_are_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
