/* The dump's pure parts: names, values, texts. Hostile names and values are the point. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "units/dump/catalog.h"
#include "units/dump/csv.h"
#include "units/dump/json.h"
#include "units/dump/name.h"
#include "units/dump/objfile.h"
#include "units/dump/options.h"
#include "units/dump/plan.h"
#include "units/dump/value.h"

/* --- names --- */

static void check_name(const char *schema, const char *table, struct name_part part, const char *want)
{
	struct buf b = {0};

	name_data(&b, str_of(schema), str_of(table), part, ".sql");
	assert_string_equal(buf_cstr(&b), want);
	buf_free(&b);
}

static void names_are_known_ones(void **state)
{
	struct buf b = {0};

	(void)state;
	check_name("app", "t", (struct name_part){0, 1, 0}, "app.t.0000000010000.sql");
	check_name("a", "b", (struct name_part){3, 123456789, 12}, "a.b.1234567890012.sql");
	name_schema_create(&b, str_of("app"), 0);
	assert_string_equal(buf_cstr(&b), "app-schema-create.sql");
	buf_clear(&b);
	name_table_schema(&b, str_of("app"), str_of("t"), 0);
	assert_string_equal(buf_cstr(&b), "app.t-schema.sql");
	buf_clear(&b);
	name_view_schema(&b, str_of("app"), str_of("v"), 0);
	assert_string_equal(buf_cstr(&b), "app.v-schema-view.sql");
	buf_clear(&b);
	name_sequence_schema(&b, str_of("app"), str_of("s"), 0);
	assert_string_equal(buf_cstr(&b), "app.s-schema-sequence.sql");
	buf_free(&b);
}

static void names_stay_in_the_folder(void **state)
{
	(void)state;
	check_name("..", "../../etc/passwd", (struct name_part){0, 0, 0},
		"%2E%2E.%2E%2E%2F%2E%2E%2Fetc%2Fpasswd.0000000000000.sql");
	check_name("a.b", "c~1", (struct name_part){0, 0, 0}, "a%2Eb.c%7E1.0000000000000.sql");
	check_name("\xc3\xbc", "x\ny", (struct name_part){0, 0, 0}, "%C3%BC.x%0Ay.0000000000000.sql");
}

static void names_fit_and_differ(void **state)
{
	char longest[64 * 4 + 1], other[64 * 4 + 1];
	struct buf a = {0}, b = {0};

	(void)state;
	memset(longest, '\xf0', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	memcpy(other, longest, sizeof(other));
	other[sizeof(other) - 2] = 'x';
	name_data(&a, str_of(longest), str_of(longest), (struct name_part){7, 999999999, 9999}, ".rows");
	name_data(&b, str_of(longest), str_of(other), (struct name_part){8, 999999999, 9999}, ".rows");
	assert_true(a.n < 250);
	assert_false(str_eq(buf_str(&a), buf_str(&b)));
	buf_clear(&a);
	name_table_schema(&a, str_of(longest), str_of("t"), 12);
	assert_non_null(strstr(buf_cstr(&a), ".t~12-schema.sql"));
	buf_free(&a);
	buf_free(&b);
}

/* --- values --- */

static void check_value(enum value_format f, struct str v, enum value_put how, const char *want)
{
	struct buf b = {0};

	assert_int_equal(value_put(&b, f, v), how);
	assert_string_equal(buf_cstr(&b), want);
	buf_free(&b);
}

static void numbers_pass_as_they_are(void **state)
{
	static const char *const good[] = {"0", "-1", "00042", "18446744073709551615",
		"-0.000000000000000000000000000001", "1e-45", NULL};

	(void)state;
	for (const char *const *g = good; *g; g++)
		check_value(VALUE_NUMBER, str_of(*g), VALUE_OK, *g);
	check_value(VALUE_NUMBER, (struct str){NULL, 0}, VALUE_OK, "NULL");
	check_value(VALUE_DOUBLE, str_of("-0"), VALUE_OK, "-0e0");
	check_value(VALUE_DOUBLE, str_of("0.1"), VALUE_OK, "0.1e0");
	check_value(VALUE_DOUBLE, str_of("1.7976931348623157e308"), VALUE_OK, "1.7976931348623157e308");
}

static void what_is_no_number_is_refused(void **state)
{
	static const char *const bad[] = {"", "-", ".", "1)", "1;DROP TABLE t", "0x10", "1e", "1e+", "nan",
		"inf", " 1", "1 ", "--1", "1.2.3", "1/*", NULL};

	(void)state;
	for (const char *const *b = bad; *b; b++)
		check_value(VALUE_NUMBER, str_of(*b), VALUE_MALFORMED, "");
	check_value(VALUE_DOUBLE, STR_LIT("1\0"), VALUE_MALFORMED, "");
	check_value(VALUE_ENUM_NUMBER, STR_LIT("'a'"), VALUE_MALFORMED, "");
}

static void text_can_end_neither_value_nor_line(void **state)
{
	struct buf b = {0};

	(void)state;
	value_put(&b, VALUE_STRING, STR_LIT("a'b\\c;\n\r\0\x1a\"),(1"));
	assert_null(memchr(b.p, '\n', b.n));
	assert_null(memchr(b.p, '\0', b.n));
	assert_string_equal(buf_cstr(&b), "'a\\'b\\\\c;\\n\\r\\0\\Z\"),(1'");
	buf_free(&b);
	check_value(VALUE_STRING, STR_LIT(""), VALUE_OK, "''");
	check_value(VALUE_UTF8MB4, STR_LIT("\xff"), VALUE_MALFORMED, "");
	check_value(VALUE_UTF8MB4, STR_LIT("{\"a\": \"\\n\"}"), VALUE_OK, "_utf8mb4'{\"a\": \"\\\\n\"}'");
}

static void check_decimal(const char *text, bool want)
{
	assert_int_equal(json_has_decimal(str_of(text)), want);
}

static void decimals_in_json_are_seen(void **state)
{
	(void)state;
	check_decimal("1.5", false);
	check_decimal("[0.0, -0.0, 1.0, 100.0, 1e300, 5e-324, 0.1, 1.7976931348623157e308]", false);
	check_decimal("[0.30000000000000004, 123456789012345.67, 2.2250738585072014e-308]", false);
	check_decimal("[18446744073709551615, -9223372036854775808]", false);
	check_decimal("\"1.50\"", false);
	check_decimal("{\"1.50\": \"\\\"2.50\"}", false);
	check_decimal("1.50", true);
	check_decimal("[1, {\"a\": -0.10}]", true);
	check_decimal("12345678901234567890.1234567890", true);
	check_decimal("0.123456789012345678901234567890", true);
	check_decimal("18446744073709551616", true);
	check_decimal("0.00", true);
	check_decimal("", false);
	check_decimal("\"", false);
	check_decimal("\"\\", false);
}

static void check_json(const char *text, const char *want)
{
	check_value(VALUE_JSON, str_of(text), VALUE_OK, want);
}

static void decimals_in_json_are_made_again(void **state)
{
	(void)state;
	check_json("[1.5]", "_utf8mb4'[1.5]'");
	check_json("1.50", "/*!50708 CAST(1.50 AS JSON) *//*M! _utf8mb4'1.50' */");
	check_json("{\"a*/\": [1.50, {\"x\": null}, true], \"b\": -2.0}",
		"/*!50708 "
		"JSON_OBJECT(JSON_UNQUOTE(_utf8mb4'\"a*\\/\"'),JSON_ARRAY(1.50,CAST(_utf8mb4'{\"x\": null}' "
		"AS JSON),"
		"CAST(_utf8mb4'true' AS JSON)),JSON_UNQUOTE(_utf8mb4'\"b\"'),CAST(_utf8mb4'-2.0' AS JSON)) "
		"*//*M! "
		"_utf8mb4'{\"a*\\/\": [1.50, {\"x\": null}, true], \"b\": -2.0}' */");
	/* A server that skips one of the forms sees no comment begin in it, and none end. */
	check_json("[1.50, \"/var/*\", \"*/* /*/ \\\\*/\"]",
		"/*!50708 JSON_ARRAY(1.50,CAST(_utf8mb4'\"/var/\\*\"' AS JSON),"
		"CAST(_utf8mb4'\"*\\/\\* /\\*\\/ \\\\\\\\*\\/\"' AS JSON)) *//*M! "
		"_utf8mb4'[1.50, \"/var/\\*\", \"*\\/\\* /\\*\\/ \\\\\\\\*\\/\"]' */");
	/* Nonsense goes over as text: the downstream refuses it. */
	check_json("[1.50", "_utf8mb4'[1.50'");
	check_json("{1.50}", "_utf8mb4'{1.50}'");
	check_json("[1.50 1.50]", "_utf8mb4'[1.50 1.50]'");
	check_json("{\"a\": 1.50, \"b\"}", "_utf8mb4'{\"a\": 1.50, \"b\"}'");
	check_json("1.50;DROP", "_utf8mb4'1.50;DROP'");
}

static void bytes_are_hex_until_they_are_many(void **state)
{
	size_t n = 70000;
	char *large = calloc(1, n);
	struct buf b = {0};

	(void)state;
	check_value(VALUE_BYTES, STR_LIT("\x01\xff"), VALUE_OK, "x'01FF'");
	check_value(VALUE_BYTES, STR_LIT(""), VALUE_OK, "''");
	value_put(&b, VALUE_BYTES, (struct str){large, n});
	assert_int_equal(b.p[0], '\'');
	assert_int_equal(b.n, 2 * n + 2); /* each NUL is \0 */
	buf_free(&b);
	free(large);
}

static enum value_format enum_format(const char *type)
{
	struct column c = {.kind = COLUMN_ENUM,
		.type = (char *)(uintptr_t)type,
		.charset = (char *)(uintptr_t) "utf8mb4"};

	return value_format_of(&c);
}

static void enum_error_value_is_told(void **state)
{
	(void)state;
	assert_int_equal(enum_format("enum('a','b')"), VALUE_ENUM);
	assert_int_equal(enum_format("enum('it''s','b')"), VALUE_ENUM);
	assert_int_equal(enum_format("enum('a''','b''')"), VALUE_ENUM);
	assert_int_equal(enum_format("enum('a\\'',',''')"), VALUE_ENUM);
	assert_int_equal(enum_format("enum('','b')"), VALUE_ENUM_NUMBER);
	assert_int_equal(enum_format("enum('b','')"), VALUE_ENUM_NUMBER);
	assert_int_equal(enum_format("enum('x'"), VALUE_ENUM);
	assert_int_equal(enum_format("enum("), VALUE_ENUM);
	check_value(VALUE_ENUM, STR_LIT("a"), VALUE_OK, "'a'");
	check_value(VALUE_ENUM, STR_LIT(""), VALUE_ENUM_ERROR, "0");
	check_value(VALUE_ENUM_NUMBER, STR_LIT("0"), VALUE_ENUM_ERROR, "0");
	check_value(VALUE_ENUM_NUMBER, STR_LIT("10"), VALUE_OK, "10");
	check_value(VALUE_ENUM, (struct str){NULL, 0}, VALUE_OK, "NULL");
}

static void check_select(enum column_kind kind, const char *type, const char *charset, const char *want)
{
	struct column c = {.name = (char *)(uintptr_t) "a`b",
		.kind = kind,
		.type = (char *)(uintptr_t)type,
		.charset = (char *)(uintptr_t)charset};
	struct buf b = {0};

	value_put_select(&b, &c);
	assert_string_equal(buf_cstr(&b), want);
	buf_free(&b);
}

static void columns_are_selected_so_that_no_bit_is_lost(void **state)
{
	(void)state;
	check_select(COLUMN_FLOAT, "float", "", "`a``b`*1e0");
	check_select(COLUMN_TEXT, "varchar(10)", "gbk", "`a``b`");
	check_select(COLUMN_TEXT, "varchar(10)", "gb18030",
		"IF(LENGTH(CONVERT(`a``b` USING utf8mb4))-LENGTH(REPLACE(CONVERT(`a``b` USING "
		"utf8mb4),_utf8mb4'?',"
		"_utf8mb4''))<>CHAR_LENGTH(`a``b`)-CHAR_LENGTH(REPLACE(`a``b`,_utf8mb4'?',_utf8mb4'')),x'FF',"
		"CAST(CONVERT(`a``b` USING utf8mb4) AS BINARY))");
	check_select(COLUMN_SET, "set('a')", "gb18030", "CONVERT(`a``b` USING utf8mb4)");
	check_select(COLUMN_SET, "set('a','')", "gb18030", "CAST(`a``b` AS UNSIGNED)");
	check_select(COLUMN_JSON, "json", "utf8mb4", "`a``b`");
	check_select(COLUMN_INET6, "inet6", "", "`a``b`");
	check_select(COLUMN_ENUM, "enum('')", "latin1", "`a``b`+0");
}

/* --- texts --- */

static void metadata_is_as_dm_reads_it(void **state)
{
	struct dump d = {.started = "2026-01-02 03:04:05",
		.snapshot = {"mysql-bin.000003", 4711, (char *)(uintptr_t) "0-1-9"}};
	struct buf b = {0};

	(void)state;
	plan_put_metadata(&b, &d, "2026-01-02 03:05:00");
	assert_string_equal(buf_cstr(&b), "Started dump at: 2026-01-02 03:04:05\nSHOW MASTER STATUS:\n\tLog: "
					  "mysql-bin.000003\n\tPos: 4711\n"
					  "\tGTID:0-1-9\n\nFinished dump at: 2026-01-02 03:05:00\n");
	buf_free(&b);
}

/* --- objects --- */

static void check_create(const char *mode, const char *create, const char *want)
{
	struct object o = {.create = (char *)(uintptr_t)create, .sql_mode = (char *)(uintptr_t)mode};
	struct server s = {FLAVOR_MARIADB, 101100};
	struct buf b = {0};

	objfile_put_create(&b, &o, &s);
	assert_string_equal(buf_cstr(&b), want);
	buf_free(&b);
}

/* Readers cut a file of objects at ";\n", wherever it stands. */
static void a_create_ends_once(void **state)
{
	(void)state;
	check_create("", "CREATE PROCEDURE p()\nBEGIN\n SELECT 1;\n SELECT ';';\nEND",
		"CREATE PROCEDURE p()\nBEGIN\n SELECT 1; \n SELECT ';'; \nEND;\n");
	check_create("", "CREATE FUNCTION f() RETURNS TEXT RETURN 'a;\nb' -- it's;\n",
		"CREATE FUNCTION f() RETURNS TEXT RETURN 'a;\\nb' -- it's; \n;\n");
	check_create("NO_BACKSLASH_ESCAPES", "CREATE FUNCTION f() RETURNS TEXT RETURN 'a\\';\n",
		"CREATE FUNCTION f() RETURNS TEXT RETURN 'a\\'; \n;\n");
	check_create("NO_BACKSLASH_ESCAPES",
		"CREATE FUNCTION f() RETURNS TEXT COMMENT 'c;\n' RETURN CONCAT('a;\n;\nb', \"x;\n\")",
		"CREATE FUNCTION f() RETURNS TEXT COMMENT 'c; \n' RETURN CONCAT('a;' '\n;' '\nb', \"x;\" "
		"\"\n\");\n");
}

/* --- CSV --- */

static void csv_tells_null_from_texts(void **state)
{
	static const struct csv_form dumpling = {",", "\"", "\\N", true}, bare = {"|+|", "", "<null>", true},
				     words = {"|", "", "nil", true};
	struct column c[] = {{.name = (char *)"i\"d", .kind = COLUMN_INT},
		{.name = (char *)"g", .kind = COLUMN_INT, .generated = true},
		{.name = (char *)"v", .kind = COLUMN_TEXT}};
	struct structure s = {.columns = c, .ncolumns = 3};
	static const struct {
		const struct csv_form *form;
		struct str v[2];
		const char *want;
	} all[] = {
		{&dumpling, {{"1", 1}, {"a,\"b\r\n\\", 7}}, "1,\"a,\\\"b\\r\\n\\\\\"\r\n"},
		{&dumpling, {{"-1", 2}, {NULL, 0}}, "-1,\\N\r\n"},
		{&dumpling, {{NULL, 0}, {"\\N", 2}}, "\\N,\"\\\\N\"\r\n"},
		{&dumpling, {{"0", 1}, {"", 0}}, "0,\"\"\r\n"},
		{&bare, {{"1", 1}, {"<null>", 6}}, "1|+|\\<null>\r\n"},
		{&bare, {{"1", 1}, {NULL, 0}}, "1|+|<null>\r\n"},
		{&bare, {{"1", 1}, {"a|b", 3}}, "1|+|a\\|b\r\n"},
		{&words, {{"1", 1}, {"nil", 3}}, "1|n\\il\r\n"},
	};
	struct buf b = {0};

	(void)state;
	csv_put_header(&b, &dumpling, &s);
	assert_string_equal(buf_cstr(&b), "\"i\\\"d\",\"v\"\r\n");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		buf_clear(&b);
		csv_put_row(&b, all[i].form, &s, all[i].v);
		assert_string_equal(buf_cstr(&b), all[i].want);
	}
	buf_free(&b);
}

static void check_dialect(const char *separator, const char *delimiter, const char *null_value, bool good)
{
	struct dump d = {0};
	struct err e = {0};
	json_t *o = json_pack("{s:s, s:{s:s, s:i, s:s, s:s}, s:{s:s, s:s, s:s, s:s, s:s}}", "mode", "dump",
		"upstream", "host", "localhost", "port", 3306, "user", "u", "password", "p", "options", "dir",
		"x", "filetype", "csv", "csv_separator", separator, "csv_delimiter", delimiter,
		"csv_null_value", null_value);
	int r = options_read(&d, o, &e);

	if ((r == 0) != good || (!good && !strstr(e.text, "csv-")))
		fail_msg("<%s> <%s> <%s>: %d, %s", separator, delimiter, null_value, r, e.text);
	rules_free(&d.rules);
	free(d.source);
	free(d.job_name);
	json_decref(o);
}

static void csv_that_could_not_be_read_is_refused(void **state)
{
	(void)state;
	check_dialect(",", "\"", "\\N", true);
	check_dialect("|+|", "", "<null>", true);
	check_dialect("|", "'", "", true);
	check_dialect(",", "\"", "NU,LL", false);
	check_dialect("|+|", "\"", "x|+", false); /* x|+|+| */
	check_dialect(",", "\"", "NU\nLL", false);
	check_dialect(",", "\"", "\"NULL", false);
	check_dialect(",", "\"", "NULL\\", false);
	check_dialect("\"|", "\"", "NULL", false);
	check_dialect("|", "|'", "NULL", false);
	check_dialect("|\n", "'", "NULL", false);
	check_dialect("|", "'\r", "NULL", false);
	check_dialect(",", ",", "NULL", false);
	check_dialect("", "'", "NULL", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_known_ones),
		cmocka_unit_test(names_stay_in_the_folder),
		cmocka_unit_test(names_fit_and_differ),
		cmocka_unit_test(numbers_pass_as_they_are),
		cmocka_unit_test(what_is_no_number_is_refused),
		cmocka_unit_test(text_can_end_neither_value_nor_line),
		cmocka_unit_test(decimals_in_json_are_seen),
		cmocka_unit_test(decimals_in_json_are_made_again),
		cmocka_unit_test(bytes_are_hex_until_they_are_many),
		cmocka_unit_test(enum_error_value_is_told),
		cmocka_unit_test(columns_are_selected_so_that_no_bit_is_lost),
		cmocka_unit_test(metadata_is_as_dm_reads_it),
		cmocka_unit_test(a_create_ends_once),
		cmocka_unit_test(csv_tells_null_from_texts),
		cmocka_unit_test(csv_that_could_not_be_read_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
