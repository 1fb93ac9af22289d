/* GTID sets: what goes in comes out canonical, and comparing them is right where it hurts (holes, tags,
 * domains). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/binlog/gtid.h"

#define U1 "3e11fa47-71ca-11e1-9e33-c80aa9429562"
#define U2 "4e11fa47-71ca-11e1-9e33-c80aa9429562"

static struct gtid_set *parse(enum flavor f, const char *text)
{
	struct err e = {0};
	struct gtid_set *s = gtid_set_parse(f, str_of(text), &e);

	if (!s)
		fail_msg("%s", e.text);
	return s;
}

static void expect(enum flavor f, const char *in, const char *out)
{
	struct gtid_set *s = parse(f, in), *copy = gtid_set_copy(s);
	struct buf b = {0};

	gtid_set_text(copy, &b);
	assert_string_equal(buf_cstr(&b), out);
	buf_free(&b);
	gtid_set_free(&s);
	gtid_set_free(&copy);
}

static void test_canonical(void **state)
{
	(void)state;
	expect(FLAVOR_MYSQL, "", "");
	expect(FLAVOR_MYSQL, " \n", "");
	expect(FLAVOR_MYSQL, "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5", U1 ":1-5");
	expect(FLAVOR_MYSQL, U2 ":3,\n" U1 ":4-6:1-3:8", U1 ":1-6:8," U2 ":3");
	expect(FLAVOR_MYSQL, U1 ":5-9:1:3:2-4", U1 ":1-9");
	expect(FLAVOR_MYSQL, U1 ":1-2:Tag:1-3:5:b:1", U1 ":1-2:b:1:tag:1-3:5");
	expect(FLAVOR_MYSQL, U1 ":tag:1," U1 ":7", U1 ":7:tag:1");
	expect(FLAVOR_MYSQL, U1 ":9223372036854775807", U1 ":9223372036854775807");
	expect(FLAVOR_MARIADB, "1-2-5, 0-1-100", "0-1-100,1-2-5");
	expect(FLAVOR_MARIADB, "0-1-100,0-2-90", "0-1-100");
	expect(FLAVOR_MARIADB, "4294967295-4294967295-18446744073709551615",
		"4294967295-4294967295-18446744073709551615");
}

static void test_refused(void **state)
{
	static const char *const mysql[] = {"x", U1, U1 ":", U1 ":0", U1 ":5-3", U1 ":1-",
		U1 ":9223372036854775808", U1 ":1x", U1 ":1 " U2 ":1", U1 ":18446744073709551616",
		U1 ":aaaaaaaaaabbbbbbbbbbccccccccccddd:1", "3e11fa47:1", U1 ":1-99999999999999999999"};
	static const char *const maria[] = {"0", "0-1", "0-1-", "0-1-x", "4294967296-1-1",
		"0-1-18446744073709551616", "-1-1-1", "0-1-1;"};

	(void)state;
	for (size_t i = 0; i < sizeof(mysql) / sizeof(mysql[0]); i++) {
		struct err e = {0};

		assert_null(gtid_set_parse(FLAVOR_MYSQL, str_of(mysql[i]), &e));
		assert_int_equal(e.code, ERR_gtid_parse);
	}
	for (size_t i = 0; i < sizeof(maria) / sizeof(maria[0]); i++) {
		struct err e = {0};

		assert_null(gtid_set_parse(FLAVOR_MARIADB, str_of(maria[i]), &e));
		assert_int_equal(e.code, ERR_gtid_parse);
	}
}

static bool contains(enum flavor f, const char *big, const char *small)
{
	struct gtid_set *b = parse(f, big), *s = parse(f, small);
	bool r = gtid_set_contains(b, s);

	gtid_set_free(&b);
	gtid_set_free(&s);
	return r;
}

static void test_contains(void **state)
{
	(void)state;
	assert_true(contains(FLAVOR_MYSQL, U1 ":1-10", U1 ":3-4:9"));
	assert_true(contains(FLAVOR_MYSQL, U1 ":1-10", ""));
	assert_true(contains(FLAVOR_MYSQL, "", ""));
	assert_false(contains(FLAVOR_MYSQL, "", U1 ":1"));
	assert_false(contains(FLAVOR_MYSQL, U1 ":1-4:6-10", U1 ":4-6"));
	assert_false(contains(FLAVOR_MYSQL, U1 ":1-10", U2 ":1"));
	assert_false(contains(FLAVOR_MYSQL, U1 ":1-10", U1 ":t:1"));
	assert_true(contains(FLAVOR_MYSQL, U1 ":1:t:1-3", U1 ":t:2"));
	assert_true(contains(FLAVOR_MARIADB, "0-1-10,1-1-5", "0-7-10"));
	assert_false(contains(FLAVOR_MARIADB, "0-1-10", "0-1-11"));
	assert_false(contains(FLAVOR_MARIADB, "0-1-10", "1-1-1"));
}

static void expect_minus(enum flavor f, const char *a, const char *b, const char *out)
{
	struct gtid_set *x = parse(f, a), *y = parse(f, b);
	struct buf text = {0};

	gtid_set_subtract_text(x, y, &text);
	assert_string_equal(buf_cstr(&text), out);
	buf_free(&text);
	gtid_set_free(&x);
	gtid_set_free(&y);
}

static void test_subtract(void **state)
{
	(void)state;
	expect_minus(FLAVOR_MYSQL, U1 ":1-10", U1 ":1-7", U1 ":8-10");
	expect_minus(FLAVOR_MYSQL, U1 ":1-10", U1 ":3:5-6", U1 ":1-2:4:7-10");
	expect_minus(FLAVOR_MYSQL, U1 ":1-10:20-30", U1 ":5-25", U1 ":1-4:26-30");
	expect_minus(FLAVOR_MYSQL, U1 ":1-10", U1 ":1-10:12", "");
	expect_minus(FLAVOR_MYSQL, U1 ":1," U2 ":1", U1 ":1", U2 ":1");
	expect_minus(FLAVOR_MARIADB, "0-1-10,1-1-5", "0-1-9,1-1-5", "0-1-10");
}

static void test_add_has(void **state)
{
	struct binlog_gtid_event g = {.uuid = {1}, .gno = 1},
				 m = {.mariadb = true, .domain = 3, .server_id = 9, .seq = 7};
	struct gtid_set *s = gtid_set_new(FLAVOR_MYSQL), *t = gtid_set_new(FLAVOR_MARIADB);
	struct err e = {0};
	struct buf b = {0};

	(void)state;
	assert_false(gtid_set_has(s, &g));
	for (g.gno = 1; g.gno < 1000; g.gno += 2)
		assert_int_equal(gtid_set_add(s, &g, &e), 0);
	for (g.gno = 2; g.gno < 1000; g.gno += 2)
		assert_int_equal(gtid_set_add(s, &g, &e), 0);
	gtid_set_text(s, &b);
	assert_string_equal(buf_cstr(&b), "01000000-0000-0000-0000-000000000000:1-999");
	g.gno = 999;
	assert_true(gtid_set_has(s, &g));
	g.gno = 1000;
	assert_false(gtid_set_has(s, &g));
	g.anonymous = true;
	assert_int_equal(gtid_set_add(s, &g, &e), 0);
	assert_int_equal(gtid_set_add(s, &m, &e), -1);
	assert_int_equal(gtid_set_add(t, &m, &e), 0);
	assert_true(gtid_set_has(t, &m));
	m.seq = 8;
	assert_false(gtid_set_has(t, &m));
	buf_free(&b);
	gtid_set_free(&s);
	gtid_set_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_contains),
		cmocka_unit_test(test_subtract),
		cmocka_unit_test(test_add_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
