/* Places in keys, pure parts: which key, literals, ranges as conditions, guesses half way, and the SELECT
 * that they make. What servers say to them: tests/c05-any-key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/config/json.h"
#include "units/dump/key.h"
#include "units/dump/middle.h"
#include "units/dump/range.h"
#include "units/dump/reader.h"

/* --- a table --- */

static struct column columns[] = {
	{.name = "a", .type = "bigint(20)", .kind = COLUMN_INT, .charset = "", .collation = ""},
	{.name = "g",
		.type = "int(11)",
		.kind = COLUMN_INT,
		.generated = true,
		.charset = "",
		.collation = ""},
	{.name = "b`",
		.type = "varchar(9)",
		.kind = COLUMN_TEXT,
		.charset = "utf8mb4",
		.collation = "utf8mb4_bin"},
	{.name = "f", .type = "float", .kind = COLUMN_FLOAT, .charset = "", .collation = ""},
	{.name = "c", .type = "date", .kind = COLUMN_DATE, .charset = "", .collation = ""},
	{.name = "n",
		.type = "char(9)",
		.kind = COLUMN_TEXT,
		.charset = "utf8mb4",
		.collation = "utf8mb4_0900_bin"},
};
static unsigned only_char[] = {5};
static unsigned abc[] = {0, 2, 4}, af[] = {0, 3}, only_g[] = {1};
static char primary[] = "PRIMARY", one[] = "one", two[] = "two";
static struct key keys[] = {{.name = primary,
	.primary = true,
	.unique = true,
	.columns = abc,
	.ncolumns = 3,
	.usable = true,
	.ordered = true}};
static struct structure structure = {
	.schema = "a", .table = "t", .columns = columns, .ncolumns = 5, .keys = keys, .nkeys = 1, .key = 0};
static char schema[] = "a", name[] = "t", create[] = "CREATE TABLE";

static struct item item_of(struct structure *s)
{
	return (struct item){.schema = schema,
		.name = name,
		.create = create,
		.structure = s,
		.transactional = true,
		.innodb = true};
}

/* Literals separated by spaces. */
static struct tuple place(const char *text)
{
	struct tuple t = {0};

	while (*text) {
		size_t n = strcspn(text, " ");

		tuple_add(&t, (struct str){text, n});
		text += n + (text[n] == ' ');
	}
	return t;
}

/* --- which key --- */

static void rows_are_read_by_the_key_that_keeps_them(void **state)
{
	struct key several[] = {
		{.name = two, .unique = true, .columns = abc, .ncolumns = 2, .usable = true, .ordered = true},
		{.name = one,
			.unique = true,
			.columns = abc,
			.ncolumns = 1,
			.usable = true,
			.ordered = true}};
	struct structure s = structure;
	struct item t = item_of(&s);
	char text[] = "CREATE TABLE `t` (\n  `a` int,\n  UNIQUE KEY `one` (`a`),\n  UNIQUE KEY `two` "
		      "(`a`,`b```)\n)";

	(void)state;
	assert_ptr_equal(key_of(&t), &keys[0]);
	assert_true(key_cuts(&t));
	s.keys = several;
	s.nkeys = 2;
	t.create = text;
	assert_ptr_equal(key_of(&t), &several[1]); /* the first that was made */
	t.innodb = false;                          /* whose other engines' rows are kept by is not known */
	assert_null(key_of(&t));
	assert_false(key_cuts(&t));
	t.innodb = true;
	t.transactional = false;
	assert_null(key_of(&t));
}

static void keys_that_cannot_cut_do_not(void **state)
{
	struct key k = keys[0];
	struct structure s = structure;
	struct item t = item_of(&s);

	(void)state;
	s.keys = &k;
	k.columns = af;
	k.ncolumns = 2;
	assert_non_null(key_of(&t)); /* read by it, but FLOAT has no literal */
	assert_false(key_cuts(&t));
	k = keys[0];
	k.columns = only_char;
	k.ncolumns = 1;
	assert_true(key_cuts(&t));
	t.mariadb = true; /* its index does not compare as its WHERE does */
	assert_false(key_cuts(&t));
	k = keys[0];
	k.ordered = false; /* descending, or a hash */
	assert_null(key_of(&t));
	k = (struct key){.name = one,
		.unique = true,
		.columns = only_g,
		.ncolumns = 1,
		.usable = true,
		.ordered = true};
	columns[1].is_virtual = true;
	assert_null(key_of(&t));
	columns[1].is_virtual = false;
	s.nkeys = 0;
	assert_null(key_of(&t));
}

/* --- literals --- */

static void check_literal(enum column_kind kind, const char *charset, struct str v, const char *want)
{
	struct column c = {.name = one, .kind = kind, .charset = (char *)(uintptr_t)charset};
	struct buf b = {0};

	assert_int_equal(key_put_literal(&b, &c, v), want != NULL);
	assert_string_equal(buf_cstr(&b), want ? want : "");
	buf_free(&b);
}

static void literals_carry_their_charset(void **state)
{
	(void)state;
	check_literal(COLUMN_INT, "", STR_LIT("-9223372036854775808"), "-9223372036854775808");
	check_literal(COLUMN_DECIMAL, "", STR_LIT("0.10"), "0.10");
	check_literal(COLUMN_TEXT, "latin1", STR_LIT("a' \xff"), "_latin1 x'612720FF'");
	check_literal(COLUMN_TEXT, "utf8mb4", STR_LIT(""), "_utf8mb4 ''");
	check_literal(COLUMN_TEXT, "utf8mb3", STR_LIT("\xc3\xa4"), "_utf8mb3 x'C3A4'");
	check_literal(COLUMN_BINARY, "", STR_LIT("\0"), "_binary x'00'");
	check_literal(COLUMN_DATETIME, "", STR_LIT("0000-00-00 00:00:00.0"), "'0000-00-00 00:00:00.0'");
	check_literal(COLUMN_UUID, "", STR_LIT("0123abcd-0000-0000-0000-000000000000"),
		"_utf8mb4 '0123abcd-0000-0000-0000-000000000000'");
	check_literal(COLUMN_INET6, "", STR_LIT("::ffff:1.2.3.4"), "_utf8mb4 '::ffff:1.2.3.4'");
}

static void what_has_no_literal_gets_none(void **state)
{
	(void)state;
	check_literal(COLUMN_INT, "", (struct str){NULL, 0}, NULL);
	check_literal(COLUMN_INT, "", STR_LIT("1 OR 1"), NULL);
	check_literal(COLUMN_INT, "", STR_LIT(""), NULL);
	check_literal(COLUMN_DATE, "", STR_LIT("'--"), NULL);
	check_literal(COLUMN_DATE, "", STR_LIT("1\0"), NULL);
	check_literal(COLUMN_TEXT, "utf8mb4", STR_LIT("\xff"), NULL);
	check_literal(COLUMN_TEXT, "utf8mb3", STR_LIT("a\xc3"), NULL);
	check_literal(COLUMN_TEXT, "ascii", STR_LIT("\xc3\xa4"), NULL);
	check_literal(COLUMN_FLOAT, "", STR_LIT("1"), NULL);
	check_literal(COLUMN_ENUM, "utf8mb4", STR_LIT("a"), NULL);
}

/* --- ranges --- */

static void check_range(const char *lo, const char *hi, const char *want)
{
	struct range r = {place(lo), place(hi)};
	struct buf b = {0};

	assert_int_equal(range_put(&b, &structure, &keys[0], &r), *want != '\0');
	assert_string_equal(buf_cstr(&b), want);
	buf_free(&b);
	range_free(&r);
}

static void ranges_are_open_below_and_closed_above(void **state)
{
	(void)state;
	check_range("", "", "");
	check_range("-5", "", "`a`>-5");
	check_range("", "5", "`a`<=5");
	check_range("-5", "5", "`a`>-5 AND `a`<=5");
	check_range("1 2 3", "", "`a`>=1 AND (`a`>1 OR (`a`=1 AND (`b```>2 OR (`b```=2 AND (`c`>3)))))");
	check_range("", "1 2", "`a`<=1 AND (`a`<1 OR (`a`=1 AND (`b```<=2)))");
	check_range("1 2", "3", "`a`>=1 AND (`a`>1 OR (`a`=1 AND (`b```>2))) AND `a`<=3");
}

static void a_range_within_one_value_says_so(void **state)
{
	(void)state;
	check_range("1 2 3", "1 2 9", "`a`=1 AND `b```=2 AND `c`>3 AND `c`<=9");
	check_range("1 2 3", "1 4 1",
		"`a`=1 AND `b```>=2 AND (`b```>2 OR (`b```=2 AND (`c`>3))) AND `b```<=4 AND (`b```<4 OR "
		"(`b```=4 AND "
		"(`c`<=1)))");
	check_range("1 2 3", "1 2 3", "`a`=1 AND `b```=2 AND `c`>3 AND `c`<=3");
}

static void check_json(const char *text, int want)
{
	struct err e = {0};
	json_t *o = json_parse(str_of(text), "test", &e), *back;
	struct tuple t;
	struct buf b = {0};

	assert_non_null(o);
	assert_int_equal(tuple_from_json(&t, o, 2, &e), want);
	if (want == 0) {
		back = tuple_to_json(&t);
		json_write(back, &b);
		assert_string_equal(buf_cstr(&b), text);
		json_decref(back);
	}
	buf_free(&b);
	tuple_free(&t);
	json_decref(o);
}

/* They come back from the downstream, and go into SQL. */
static void only_literals_of_ours_are_taken_back(void **state)
{
	(void)state;
	check_json("[\"1\",\"_utf8mb4 x'61FF'\"]", 0);
	check_json("[\"-1.5\",\"_utf8mb4 ''\"]", 0);
	check_json("[\"-1.5\",\"_utf8mb4 '::1'\"]", 0);
	check_json("[\"'2026-01-02 03:04:05.6'\",\"'::1'\"]", 0);
	check_json("[\"1\"]", -1);
	check_json("[\"1\",2]", -1);
	check_json("[\"1\",\"\"]", -1);
	check_json("[\"1\",\"1 OR 1\"]", -1);
	check_json("[\"1\",\"'a' OR 'b'\"]", -1);
	check_json("[\"1\",\"_utf8mb4 x'61' OR 1\"]", -1);
	check_json("[\"1\",\"_utf8mb4 SLEEP(9)\"]", -1);
	check_json("[\"1\",\"_utf8mb4 x\"]", -1);
	check_json("[\"1\",\"'\"]", -1);
	check_json("[\"1\",\"_\"]", -1);
	check_json("[\"1\",\"@@version\"]", -1);
	check_json("{}", -1);
}

/* --- half way --- */

static void check_middle(struct column c, const char *lo, const char *hi, const char *want)
{
	struct buf b = {0};

	if (!c.collation)
		c.collation = schema;
	assert_int_equal(middle_of(&b, &c, lo, hi), want != NULL);
	assert_string_equal(buf_cstr(&b), want ? want : "");
	buf_free(&b);
}

static struct column of(enum column_kind kind)
{
	static char type[] = "x";

	return (struct column){.name = one, .type = type, .kind = kind};
}

static void half_way_between_numbers(void **state)
{
	(void)state;
	check_middle(of(COLUMN_INT), "0", "10", "5");
	check_middle(of(COLUMN_INT), "5", "6", "5");
	check_middle(of(COLUMN_INT), "5", "5", NULL);
	check_middle(of(COLUMN_INT), "6", "5", NULL);
	check_middle(of(COLUMN_INT), "-10", "10", "0");
	check_middle(of(COLUMN_INT), "-11", "10", "-1");
	check_middle(of(COLUMN_INT), "-2", "-1", "-2");
	check_middle(of(COLUMN_INT), "-4", "-1", "-3");
	check_middle(of(COLUMN_INT), "-9223372036854775808", "9223372036854775807", "-1");
	check_middle(of(COLUMN_INT), "0", "18446744073709551615", "9223372036854775807");
	check_middle(of(COLUMN_INT), "18446744073709551613", "18446744073709551615", "18446744073709551614");
	check_middle(of(COLUMN_INT), "x", "1", NULL);
	check_middle(of(COLUMN_DECIMAL), "-1.50", "2.50", "0.500000");
	check_middle(of(COLUMN_DECIMAL), "2", "1", NULL);
	check_middle(of(COLUMN_FLOAT), "1", "2", NULL);
}

static void half_way_between_moments(void **state)
{
	(void)state;
	check_middle(of(COLUMN_DATE), "'2026-01-01'", "'2026-03-01'", "'2026-01-30'");
	check_middle(of(COLUMN_DATE), "'2024-02-28'", "'2024-03-01'", "'2024-02-29'");
	check_middle(of(COLUMN_DATE), "'1899-12-31'", "'1900-01-02'", "'1900-01-01'");
	check_middle(of(COLUMN_DATE), "'0000-00-00'", "'2000-01-01'", "'0999-12-31'");
	check_middle(of(COLUMN_DATE), "'0000-00-00'", "'0001-02-03'", NULL);
	check_middle(of(COLUMN_DATETIME), "'2026-01-01 00:00:00'", "'2026-01-02 00:00:00'",
		"'2026-01-01 12:00:00'");
	check_middle(of(COLUMN_TIMESTAMP), "'2026-01-01 00:00:00.0'", "'2026-01-01 00:00:00.5'",
		"'2026-01-01 00:00:00.250000'");
	check_middle(of(COLUMN_TIME), "'-838:59:59'", "'838:59:59'", "'00:00:00'");
	check_middle(of(COLUMN_TIME), "'-10:00:00'", "'00:00:00'", "'-05:00:00'");
}

static void half_way_between_bytes(void **state)
{
	(void)state;
	check_middle(of(COLUMN_BINARY), "_binary x'00'", "_binary x'FF'", "_binary x'7F'");
	check_middle(of(COLUMN_BINARY), "_binary x'AB10'", "_binary x'AB20'", "_binary x'AB18'");
	check_middle(of(COLUMN_BINARY), "_binary x'AB10'", "_binary x'AB11'", "_binary x'AB1080'");
	check_middle(of(COLUMN_BINARY), "_binary ''", "_binary x'00'", NULL);
	check_middle(of(COLUMN_BINARY), "_binary ''", "_binary x'0001'", "_binary x'000080'");
	check_middle(
		of(COLUMN_INET4), "_utf8mb4 '10.0.0.1'", "_utf8mb4 '10.255.0.1'", "_utf8mb4 '10.127.0.0'");
	check_middle(of(COLUMN_INET6), "_utf8mb4 '::'", "_utf8mb4 'ffff::'", "_utf8mb4 '7f00::'");
	check_middle(of(COLUMN_UUID), "_utf8mb4 '00000000-0000-4000-8000-000000000000'",
		"_utf8mb4 'ffffffff-ffff-4fff-bfff-ffffffffffff'",
		"_utf8mb4 '00000000-0000-4000-8000-7f0000000000'");
	check_middle(of(COLUMN_UUID), "_utf8mb4 '01900000-0000-7000-8000-000000000000'",
		"_utf8mb4 '01980000-0000-7000-8000-000000000000'",
		"_utf8mb4 '01940000-0000-7000-8000-000000000000'");
}

static void half_way_between_texts(void **state)
{
	static char utf8[] = "utf8mb4", utf16[] = "utf16", ci[] = "utf8mb4_general_ci", bin[] = "utf8mb4_bin";
	struct column c = of(COLUMN_TEXT);

	(void)state;
	c.charset = utf8;
	c.collation = ci;
	check_middle(c, "_utf8mb4 x'61'", "_utf8mb4 x'7A'", "_utf8mb4 x'6D'");       /* a z: m */
	check_middle(c, "_utf8mb4 x'41'", "_utf8mb4 x'7A'", "_utf8mb4 x'6D'");       /* A z: m */
	check_middle(c, "_utf8mb4 x'30'", "_utf8mb4 x'66'", "_utf8mb4 x'37'");       /* 0 f: 7 */
	check_middle(c, "_utf8mb4 x'4131'", "_utf8mb4 x'6139'", "_utf8mb4 x'6135'"); /* A1 a9: a5 */
	check_middle(c, "_utf8mb4 ''", "_utf8mb4 x'6A'", "_utf8mb4 x'39'");
	check_middle(c, "_utf8mb4 x'C3A4'", "_utf8mb4 x'C3B6'", NULL); /* half a character */
	c.collation = bin;
	check_middle(c, "_utf8mb4 x'5A'", "_utf8mb4 x'61'", "_utf8mb4 x'5D'");
	c.charset = utf16;
	check_middle(c, "_utf16 x'0041'", "_utf16 x'005A'", NULL);
}

/* --- the SELECT --- */

static void check_select(const struct item *t, struct stretch s, const char *want)
{
	struct buf b = {0};

	reader_put_select(&b, t, &s, false);
	assert_string_equal(buf_cstr(&b), want);
	buf_free(&b);
}

static void selects_name_stored_columns_and_their_range(void **state)
{
	struct item t = item_of(&structure);
	struct range r = {place("1 2 3"), place("1 2 9")};
	json_t *partitions = json_pack("[s, s]", "p0", "p`1");

	(void)state;
	check_select(&t, (struct stretch){0},
		"SELECT `a`,`b```,`f`*1e0,`c` FROM `a`.`t` FORCE INDEX (`PRIMARY`) ORDER BY `a`,`b```,`c`");
	check_select(&t, (struct stretch){.range = r, .partitions = partitions},
		"SELECT `a`,`b```,`f`*1e0,`c` FROM `a`.`t` PARTITION (`p0`,`p``1`) FORCE INDEX (`PRIMARY`) "
		"WHERE `a`=1 AND "
		"`b```=2 AND `c`>3 AND `c`<=9 ORDER BY `a`,`b```,`c`");
	columns[4].generated = true; /* its place is needed all the same */
	check_select(&t, (struct stretch){0},
		"SELECT `a`,`b```,`f`*1e0,`c` FROM `a`.`t` FORCE INDEX (`PRIMARY`) ORDER BY `a`,`b```,`c`");
	columns[4].generated = false;
	t.transactional = false;
	check_select(&t, (struct stretch){0}, "SELECT `a`,`b```,`f`*1e0,`c` FROM `a`.`t`");
	json_decref(partitions);
	range_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_read_by_the_key_that_keeps_them),
		cmocka_unit_test(keys_that_cannot_cut_do_not),
		cmocka_unit_test(literals_carry_their_charset),
		cmocka_unit_test(what_has_no_literal_gets_none),
		cmocka_unit_test(ranges_are_open_below_and_closed_above),
		cmocka_unit_test(a_range_within_one_value_says_so),
		cmocka_unit_test(only_literals_of_ours_are_taken_back),
		cmocka_unit_test(half_way_between_numbers),
		cmocka_unit_test(half_way_between_moments),
		cmocka_unit_test(half_way_between_bytes),
		cmocka_unit_test(half_way_between_texts),
		cmocka_unit_test(selects_name_stored_columns_and_their_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
