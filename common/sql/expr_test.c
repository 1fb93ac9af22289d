/* Expressions over one row: what is true, what is refused and how that is said. The servers' own verdicts:
 * tests/b05-expressions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/sql/expr_decimal.h"
#include "common/sql/expr_sample.h"
#include "common/sql/row_filter.h"

enum verdict { NO, YES, UNKNOWN, RANGE, UNDECIDED };

static const struct {
	const char *text;
	enum verdict verdict;
} rows[] = {
	{"i = 5", YES},
	{"I = 5 AND neg < 0", YES},
	{"`i` <> 5 || FALSE", NO},
	{"nul = 1", UNKNOWN},
	{"nul <=> NULL", YES},
	{"nul = 1 AND i = 4", NO},
	{"nul = 1 OR i = 5", YES},
	{"NOT nul", UNKNOWN},
	{"nul IS UNKNOWN", YES},
	{"nul IS NOT TRUE", YES},
	{"i XOR nul", UNKNOWN},
	{"i XOR neg", NO},
	{"! i = 0", YES},
	{"NOT i = 4", YES},
	{"i IN (1, NULL)", UNKNOWN},
	{"i IN (1, 5, NULL)", YES},
	{"i NOT IN (1, 2)", YES},
	{"i BETWEEN 5 AND 6", YES},
	{"i NOT BETWEEN NULL AND 4", YES},
	{"1 + 2 * 3 = 7 AND -7 % 3 = -1 AND -7 DIV 2 = -3", YES},
	{"i - -5 = 10", YES},
	{"b + 1 > 0", RANGE},
	{"u * 2 > 0", RANGE},
	{"u - 1 = 18446744073709551614", YES},
	{"i % 0", UNKNOWN},
	{"i / 2 = 2.5", YES},
	{"i / 1e1 = 0.5e0", YES},
	{"d = 2.5", YES},
	{"d * d = 6.25", YES},
	{"d + 0.0005 = 2.5005", YES},
	{"ROUND(d) = 3 AND ROUND(-2.5) = -3 AND FLOOR(-2.5) = -3 AND CEILING(-2.5) = -2", YES},
	{"ABS(neg) = 7 AND SIGN(d) = 1", YES},
	{"ABS(COALESCE(neg, 0.5)) = 7 AND ABS(IFNULL(neg, 1e0)) = 7", YES},
	{"g = '1.50x'", YES},
	{"u = '18446744073709551615'", UNDECIDED},
	{"u - 18437736874454810624 = '9007199254740991'", YES},
	{"u - 18437736874454810623 = '9007199254740993'", UNDECIDED}, /* 2^53, as a double */
	{"v = 'aBC '", YES},
	{"v < 'abd'", YES},
	{"v LIKE 'a%' AND v LIKE '_b_' AND v NOT LIKE 'b%'", YES},
	{"'100%' LIKE '100!%' ESCAPE '!'", YES},
	{"vb = 'Abc'", YES},
	{"vb = 'abc'", NO},
	{"vb LIKE 'Abc'", NO},
	{"x = 'Ab '", NO},
	{"x = 0x4162", YES},
	{"far = '\xe6\x97\xa5\xe6\x9c\xac'", YES},
	{"far > 'zzz'", YES},
	{"acute = 'ete'", UNDECIDED},
	{"acute = '\xc3\xa9t\xc3\xa9'", YES},
	{"acute COLLATE utf8mb4_bin = 'ete'", NO},
	{"odd COLLATE utf8mb4_bin = 'ch'", YES},
	{"CHAR_LENGTH(far) = 2 AND LENGTH(far) = 6", YES},
	{"CONCAT(v, '-', i, '-', d) = 'abc-5-2.500'", YES},
	{"SUBSTRING(v, 2) = 'bc' AND SUBSTRING(v FROM -2 FOR 1) = 'b' AND LEFT(v, 1) = 'a' AND RIGHT(v, 9) = "
	 "v",
		YES},
	{"UPPER(vb) = 'ABC' AND LOWER(x) = 'Ab' AND TRIM(vb) = 'Abc'", YES},
	{"REPLACE(v, 'b', 'yy') = 'Ayyc'", YES},
	{"IFNULL(nul, 3) = 3 AND COALESCE(nul, NULL, i) = 5 AND NULLIF(i, 5) IS NULL AND ISNULL(nul)", YES},
	{"CASE WHEN i > 9 THEN 'a' WHEN i > 3 THEN 'b' END = 'b'", YES},
	{"CASE v WHEN 'x' THEN 1 WHEN 'ABC' THEN 2 ELSE 3 END = 2", YES},
	{"da = '2024-02-29' AND da < '2024-02-29 00:00:01' AND dt > da", YES},
	{"dt BETWEEN TIMESTAMP '2024-02-29 10:11:12' AND '2024-02-29 10:11:13'", YES},
	{"t = '-10:10:10' AND HOUR(t) = 10", YES},
	{"YEAR(dt) = 2024 AND MONTH(da) = 2 AND DAY(da) = 29 AND HOUR(dt) = 10 AND MICROSECOND(dt) = 345000",
		YES},
	{"WEEKDAY(da) = 3 AND DAYOFWEEK(da) = 5 AND DAYOFYEAR(da) = 60 AND QUARTER(da) = 1", YES},
	{"DATEDIFF('2024-03-01', da) = 1 AND TO_DAYS(da) = 739310 AND DATE(dt) = da", YES},
	{"e = 'IT''S' AND e = 2", YES},
	{"j IS NOT NULL", YES},
	{"y >= 2024", YES},
	{"X'41' = 'A'", YES},
	{"i = 0x05 AND i = b'101'", YES},
	{"'a' = 'A'", UNDECIDED},
	{"/* why */ i = 5 -- so", YES},
};

static const char *const refused[][2] = {
	{"'10x' LIKE '10%%' ESCAPE '%'", "not % or _"},
	{"", "it ends where"},
	{"i =", "at character 4"},
	{"i = 1 = 1", "two comparisons in a row"},
	{"i = 1 IS NULL", "two comparisons in a row"},
	{"nothing = 1", "`s`.`t` has no column `nothing`, at character 1"},
	{"i / 3 = 1", "at character 3"},
	{"v", "text is no condition"},
	{"NOW() > dt", "the function NOW is not known"},
	{"odd = 'ch'", "COLLATE utf8mb4_bin"},
	{"v = vb", "different collations"},
	{"j = 1", "can't be compared|not compared"},
	{"da = 1", "a date is not compared with an integer"},
	{"da = '2023-02-29'", "in the calendar"},
	{"y = 24", "a YEAR compares with years"},
	{"i IN (1, 'a')", "not compared"},
	{"g XOR 1", "XOR"},
	{"t.i = 1", "a column's name alone"},
	{"v LIKE i", "a string literal"},
	{"IF(i, 1, 'a')", "several kinds"},
	{"@x = 1", "not understood here"},
	{"LEFT(v)", "another argument"},
	{"LEFT(v, 1, 2)", "should be"},
	{"'a' 'b' = v", "one string alone"},
	{"_utf8'a' = v", "of the words before a string"},
	{"i REGEXP 'a'", "not understood here"},
	{"i << 1", "not understood here"},
	{"i = 'a", "not closed"},
};

static enum verdict judge(const char *text, const struct structure *s, struct arena *a)
{
	struct expr_options o = {.server = {FLAVOR_MYSQL, 90700}};
	struct expr_row row = expr_sample_row();
	enum expr_truth t;
	struct err e = {0};
	struct expr *x = expr_new(text, &o, s, &e);
	int r;

	if (!x)
		print_error("%s\n", e.text);
	assert_non_null(x);
	r = expr_eval(x, &row, a, &t, &e);
	expr_free(&x);
	if (r == 0)
		return t == EXPR_TRUE ? YES : t == EXPR_FALSE ? NO : UNKNOWN;
	assert_int_equal(e.code, ERR_expression);
	return strstr(e.text, "out of range") ? RANGE : UNDECIDED;
}

static void test_verdicts(void **state)
{
	struct structure *s = expr_sample_structure();
	struct arena *a = arena_new(0);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum verdict v = judge(rows[i].text, s, a);

		if (v != rows[i].verdict)
			fail_msg("%s: %u, not %u", rows[i].text, (unsigned)v, (unsigned)rows[i].verdict);
	}
	arena_free(&a);
	structure_free(&s);
}

/* "a|b": one of them. */
static bool says(const char *text, const char *wanted)
{
	char first[100];
	size_t n = strcspn(wanted, "|");

	memcpy(first, wanted, n);
	first[n] = 0;
	return strstr(text, first) || (wanted[n] && strstr(text, wanted + n + 1));
}

static void test_refusals(void **state)
{
	struct structure *s = expr_sample_structure();
	struct expr_options o = {.server = {FLAVOR_MARIADB, 101100}};

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct err e = {0};
		struct expr *x = expr_new(refused[i][0], &o, s, &e);

		if (x || !says(e.text, refused[i][1]))
			fail_msg(
				"%s: \"%s\", not \"%s\"", refused[i][0], x ? "taken" : e.text, refused[i][1]);
		assert_true(strchr(e.text, '\n') == NULL);
	}
	structure_free(&s);
}

static void test_modes(void **state)
{
	struct structure *s = expr_sample_structure();
	struct expr_options o = {
		.server = {FLAVOR_MYSQL, 80400}, .ansi_quotes = true, .no_backslash_escapes = true};
	struct expr_row row = expr_sample_row();
	struct arena *a = arena_new(0);
	enum expr_truth t;
	struct err e = {0};
	struct expr *x = expr_new("\"i\" = 5 AND 'a\\' = 'a\\' AND v LIKE 'a\\bc'", &o, s, &e);

	(void)state;
	assert_non_null(x);
	assert_int_equal(expr_eval(x, &row, a, &t, &e), 0);
	assert_int_equal(t, EXPR_FALSE);
	expr_free(&x);
	arena_free(&a);
	structure_free(&s);
}

static void test_check_alone(void **state)
{
	struct expr_options o = {.server = {FLAVOR_MYSQL, 80400}};
	struct err e = {0};

	(void)state;
	assert_int_equal(expr_check("anything > 5", &o, &e), 0);
	assert_int_equal(expr_check("anything >", &o, &e), -1);
	assert_int_equal(e.code, ERR_config_bad);
}

static void test_decimals(void **state)
{
	static const char *const sums[][4] = {/* a, b, a + b, a * b */
		{"1", "2", "3", "2"}, {"0.1", "-0.10", "0.00", "-0.010"},
		{"999999999.999999999", "0.000000001", "1000000000.000000000", "0.999999999999999999"},
		{"-123456789012345678901234567890", "1", "-123456789012345678901234567889",
			"-123456789012345678901234567890"}};
	struct expr_decimal a, b, r;
	char text[EXPR_DECIMAL_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
		assert_true(expr_decimal_read(str_of(sums[i][0]), &a));
		assert_true(expr_decimal_read(str_of(sums[i][1]), &b));
		assert_true(expr_decimal_add(&a, &b, &r));
		expr_decimal_text(&r, text);
		assert_string_equal(text, sums[i][2]);
		assert_true(expr_decimal_multiply(&a, &b, &r));
		expr_decimal_text(&r, text);
		assert_string_equal(text, sums[i][3]);
	}
	assert_false(expr_decimal_read(STR_LIT("1.0000000000000000000000000000001"), &a));
	assert_false(expr_decimal_read(STR_LIT("12x"), &a));
}

static enum row_verdict filtered(const char *json, enum row_change change)
{
	struct structure *s = expr_sample_structure();
	struct server server = {FLAVOR_MYSQL, 80400};
	struct expr_row row = expr_sample_row();
	struct arena *a = arena_new(0);
	json_t *list = json_loads(json, 0, NULL);
	struct row_filters *f = NULL;
	struct row_filter *bound = NULL;
	enum row_verdict v = ROW_KEEP;
	struct err e = {0};

	assert_int_equal(row_filters_new(&f, list, true, &e), 0);
	assert_int_equal(row_filter_bind(&bound, f, s, &server, &e), 0);
	if (bound)
		assert_int_equal(row_filter_judge(bound, change, change == ROW_INSERT ? NULL : &row,
					 change == ROW_DELETE ? NULL : &row, a, &v, &e),
			0);
	row_filter_free(&bound);
	row_filters_free(&f);
	json_decref(list);
	arena_free(&a);
	structure_free(&s);
	return v;
}

#define FILTER(more) "{\"name\":\"f\",\"schema\":\"s\",\"table\":\"t\"," more "}"

static void test_filters(void **state)
{
	static const char insert[] = "[" FILTER("\"insert\":\"i = 5\"") "]",
			  both[] = "[" FILTER("\"update_old\":\"i = 5\",\"update_new\":\"i = 6\"") "]",
			  across[] = "[" FILTER("\"insert\":\"i = 5\",\"across\":true") "]",
			  several[] =
				  "[" FILTER("\"delete\":\"i = 6\"") "," FILTER("\"delete\":\"i = 5\"") "]";

	(void)state;
	assert_int_equal(filtered(insert, ROW_INSERT), ROW_SKIP);
	assert_int_equal(filtered(insert, ROW_UPDATE), ROW_KEEP);
	assert_int_equal(filtered(insert, ROW_DELETE), ROW_KEEP);
	assert_int_equal(filtered(both, ROW_UPDATE), ROW_KEEP);
	assert_int_equal(filtered("[" FILTER("\"update_new\":\"i = 5\"") "]", ROW_UPDATE), ROW_SKIP);
	assert_int_equal(filtered("[" FILTER("\"insert\":\"nul = 5\"") "]", ROW_INSERT), ROW_KEEP);
	assert_int_equal(filtered(several, ROW_DELETE), ROW_SKIP);
	assert_int_equal(filtered(across, ROW_INSERT), ROW_SKIP);
	assert_int_equal(filtered(across, ROW_UPDATE), ROW_SKIP);
	assert_int_equal(filtered(across, ROW_DELETE), ROW_SKIP);
	assert_int_equal(filtered("[{\"name\":\"f\",\"schema\":\"S\",\"table\":\"t\",\"insert\":\"i = 5\"}]",
				 ROW_INSERT),
		ROW_KEEP);
}

static void test_filters_refused(void **state)
{
	static const char *const bad[] = {"[" FILTER("\"name2\":1") "]",
		"[" FILTER("\"insert\":\"i\",\"delete\":\"i\"") "]", "[" FILTER("\"insert\":\"i =\"") "]",
		"[" FILTER("\"delete\":\"i\",\"across\":true") "]", "[{\"name\":\"f\",\"insert\":\"i\"}]"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *list = json_loads(bad[i], 0, NULL);
		struct row_filters *f = NULL;
		struct err e = {0};

		assert_int_equal(row_filters_new(&f, list, true, &e), -1);
		assert_int_equal(e.code, ERR_config_bad);
		json_decref(list);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_verdicts), cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_modes), cmocka_unit_test(test_check_alone),
		cmocka_unit_test(test_decimals), cmocka_unit_test(test_filters),
		cmocka_unit_test(test_filters_refused)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
