/* Values one by one: decimals, old times, JSON, compressed columns. The bytes are those that servers write.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/binlog/json.h"
#include "common/binlog/row.h"
#include "common/binlog/sample_decode.h"

static char none[] = "", name[] = "c", utf8mb3[] = "utf8mb3", gbk[] = "gbk";

static void expect(uint8_t type, uint16_t meta, const char *hex, struct column c, const char *want)
{
	struct binlog_value v = {.present = true, .type = type, .meta = meta};
	struct buf sql = {0};
	struct err e = {0};
	char *p = sample_bytes(hex, &v.raw.n);

	v.raw.p = p;
	c.name = name;
	c.type = none;
	c.charset = c.charset ? c.charset : none;
	if (binlog_put_literal(&sql, &v, &c, &e) < 0)
		assert_null(want);
	else
		assert_string_equal(buf_cstr(&sql), want ? want : "(to be refused)");
	buf_free(&sql);
	free(p);
}

static void test_integers(void **state)
{
	struct column s = {.kind = COLUMN_INT}, u = {.kind = COLUMN_INT, .is_unsigned = true};

	(void)state;
	expect(WIRE_TINY, 0, "ff", s, "-1");
	expect(WIRE_TINY, 0, "ff", u, "255");
	expect(WIRE_INT24, 0, "000080", s, "-8388608");
	expect(WIRE_INT24, 0, "000080", u, "8388608");
	expect(WIRE_LONGLONG, 0, "0000000000000080", s, "-9223372036854775808");
	expect(WIRE_LONGLONG, 0, "ffffffffffffffff", u, "18446744073709551615");
	expect(WIRE_YEAR, 0, "00", u, "0");
	expect(WIRE_YEAR, 0, "ff", u, "2155");
	expect(WIRE_BIT, 0x0800, "8000000000000001", s, "9223372036854775809");
	expect(WIRE_ENUM, 2, "0001", s, "256");
	expect(WIRE_SET, 8, "ffffffffffffffff", s, "18446744073709551615");
}

static void test_reals(void **state)
{
	struct column f = {.kind = COLUMN_FLOAT};

	(void)state;
	expect(WIRE_FLOAT, 4, "cdcc8c3f", f, "1.1000000238418579e+00");
	expect(WIRE_DOUBLE, 8, "0100000000000000", f, "4.9406564584124654e-324");
	expect(WIRE_DOUBLE, 8, "0000000000000080", f, "-0.0000000000000000e+00");
	expect(WIRE_DOUBLE, 8, "000000000000f07f", f, NULL);
	expect(WIRE_FLOAT, 4, "0000c07f", f, NULL);
}

static void test_decimals(void **state)
{
	struct column d = {.kind = COLUMN_DECIMAL};

	(void)state;
	expect(WIRE_NEWDECIMAL, 4 << 8 | 14, "810dfb38d204d2", d, "1234567890.1234");
	expect(WIRE_NEWDECIMAL, 4 << 8 | 14, "7ef204c72dfb2d", d, "-1234567890.1234");
	expect(WIRE_NEWDECIMAL, 0 << 8 | 1, "80", d, "0");
	expect(WIRE_NEWDECIMAL, 1 << 8 | 1, "89", d, "0.9");
	expect(WIRE_NEWDECIMAL, 2 << 8 | 5, "800000", d, "0.00");
}

static void test_times(void **state)
{
	struct column t = {.kind = COLUMN_TIME};

	(void)state;
	expect(WIRE_TIME2, 0, "800000", t, "'00:00:00'");
	expect(WIRE_TIME2, 0, "7fffff", t, "'-00:00:01'");
	expect(WIRE_TIME2, 1, "7ffffff6", t, "'-00:00:00.1'");
	expect(WIRE_TIME2, 6, "7ffffffffffe", t, "'-00:00:00.000002'");
	expect(WIRE_TIME, 0, "6e23fe", t, "'-12:20:02'");
	expect(WIRE_DATETIME2, 0, "8000000000", t, "'0000-00-00 00:00:00'");
	expect(WIRE_TIMESTAMP2, 0, "00000000", t, "'0000-00-00 00:00:00'");
	expect(WIRE_TIMESTAMP2, 2, "0000000001", t, "'1970-01-01 00:00:00.01'");
	expect(WIRE_TIMESTAMP2, 0, "ffffffff", t, "'2106-02-07 06:28:15'");
	expect(WIRE_TIMESTAMP2, 0, "5e0be100", t, "'2020-01-01 00:00:00'");
	expect(WIRE_TIMESTAMP2, 0, "65e0517f", t, "'2024-02-29 09:42:23'");
	expect(WIRE_DATE, 0, "000000", t, "'0000-00-00'");
	expect(WIRE_DATE, 0, "9f1f4e", t, "'9999-12-31'");
	expect(WIRE_DATETIME, 0, "ffffffffffffff00", t,
		"'5759-40-37 92:79:35'"); /* no clock, but no crash either */
}

static void test_text(void **state)
{
	struct column c = {.kind = COLUMN_TEXT, .charset = utf8mb3},
		      g = {.kind = COLUMN_TEXT, .charset = gbk};
	struct column b = {.kind = COLUMN_BINARY, .length = 3}, z = {.kind = COLUMN_BINARY};

	(void)state;
	expect(WIRE_VARCHAR, 10, "6127", c, "_utf8'a\\''");
	/* A character of two bytes whose second is a backslash: it is escaped like any other byte. */
	expect(WIRE_VARCHAR, 10, "d55c", g, "_gbk'\xd5\\\\'");
	expect(WIRE_STRING, 3, "61", b, "x'610000'");
	expect(WIRE_VARCHAR, 3, "61", b, "x'61'");
	expect(WIRE_MARIA_VARCHAR_COMPRESSED, 10, "", z, "''");
	expect(WIRE_MARIA_VARCHAR_COMPRESSED, 10, "0041", z, "x'41'");
	expect(WIRE_MARIA_VARCHAR_COMPRESSED, 10, "89024b4c0400", z, "x'6161'");
	expect(WIRE_MARIA_VARCHAR_COMPRESSED, 10, "89034b4c0400", z, NULL);
	expect(WIRE_MARIA_VARCHAR_COMPRESSED, 10, "8cffffffff4b4c0400", z, NULL);
	expect(WIRE_STRING, 16, "12345678", (struct column){.kind = COLUMN_UUID},
		"_utf8mb4'12345678-0000-0000-0000-000000000000'");
	expect(WIRE_STRING, 4, "7f000001", (struct column){.kind = COLUMN_INET4}, "_utf8mb4'127.0.0.1'");
	expect(WIRE_LONG, 0, "01000000", (struct column){.kind = COLUMN_INT}, "1");
}

/* In hex a large value would be twice as long. */
static void test_large_bytes(void **state)
{
	enum { SIZE = 64 * 1024 + 1 };
	static char bytes[SIZE];
	struct column c = {.name = name, .type = none, .charset = none, .kind = COLUMN_BINARY};
	struct binlog_value v = {.present = true, .type = WIRE_BLOB, .meta = 4, .raw = {bytes, SIZE - 1}};
	struct buf sql = {0};
	struct err e;

	(void)state;
	memset(bytes, 'a', SIZE);
	bytes[0] = '\'';
	assert_int_equal(binlog_put_literal(&sql, &v, &c, &e), 0);
	assert_memory_equal(sql.p, "x'2761", 6);
	buf_clear(&sql);
	v.raw.n++;
	assert_int_equal(binlog_put_literal(&sql, &v, &c, &e), 0);
	assert_memory_equal(sql.p, "_binary'\\'aaa", 12);
	assert_int_equal(sql.n, 7 + 2 + 1 + SIZE);
	buf_free(&sql);
}

/* As MariaDB 10.11 and 11.8 say them (tests/c02-follow/test_values.py asks for all patterns). */
static void test_addresses(void **state)
{
	static const struct {
		const char *hex, *text;
	} all[] = {
		{"20010db8000100020003000000040005", "_utf8mb4'2001:db8:1:2:3::4:5'"},
		{"20010000000100000002000000030000", "_utf8mb4'2001::1:0:2:0:3:0'"},
		{"20010000000100000000000200000000", "_utf8mb4'2001:0:1::2:0:0'"},
		{"00000001000200030004000500060007", "_utf8mb4'::1:2:3:4:5:6:7'"},
		{"00010002000300040005000600070000", "_utf8mb4'1:2:3:4:5:6:7::'"},
		{"00000000000000000000000000000000", "_utf8mb4'::'"},
		{"00000000000000000000000000000001", "_utf8mb4'::1'"},
		{"00000000000000000000000000010001", "_utf8mb4'::0.1.0.1'"},
		{"00000000000000000000ffff00000000", "_utf8mb4'::ffff:0.0.0.0'"},
		{"00000000000000000000ffffc0000201", "_utf8mb4'::ffff:192.0.2.1'"},
		{"00000000000000000000fffec0000201", "_utf8mb4'::fffe:c000:201'"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		expect(WIRE_STRING, 16, all[i].hex, (struct column){.kind = COLUMN_INET6}, all[i].text);
}

static void expect_json(const char *hex, const char *want)
{
	struct buf out = {0};
	struct err e = {0};
	size_t n;
	char *p = sample_bytes(hex, &n);

	if (binlog_json_text((struct str){p, n}, &out, &e) < 0)
		assert_null(want);
	else
		assert_string_equal(buf_cstr(&out), want ? want : "(to be refused)");
	for (size_t i = 1; i < n; i++) {
		char *part = malloc(i);

		assert_non_null(part);
		memcpy(part, p, i);
		binlog_json_text((struct str){part, i}, &out, &e);
		free(part);
	}
	buf_free(&out);
	free(p);
}

static void test_json(void **state)
{
	(void)state;
	expect_json("", "null");
	expect_json("0401", "true");
	expect_json("05ffff", "-1");
	expect_json("0affffffffffffffff", "18446744073709551615");
	expect_json("0b000000000000f03f", "1.0");
	expect_json("0b0000000000000080", "-0.0");
	expect_json("0b9a9999999999b93f", "0.1");
	expect_json("0b0080e03779c34143", "1e16");
	expect_json("0b00407a10f35a2d42", "63039965245.125");
	expect_json("0b5555555555555540", "85.33333333333333");
	expect_json("0c03610a22", "\"a\\n\\\"\"");
	expect_json("0c0101", "\"\\u0001\"");
	/* {"a": [1, "x"]} */
	expect_json("00010018000b000100020c006102000c000501000c0a000178", "{\"a\": [1, \"x\"]}");
	expect_json("0000000400", "{}");
	expect_json("0200000400", "[]");
	expect_json("02010007000501"
		    "00",
		"[1]");
	/* A value that points at itself, and one that says it is longer than it is. */
	expect_json("020100070002"
		    "0000",
		NULL);
	expect_json("02ffff07000501"
		    "00",
		NULL);
	expect_json("0cffffffffff", NULL);
}

static void expect_json_to(enum json_to to, const char *hex, const char *want)
{
	struct buf out = {0};
	struct err e = {0};
	size_t n;
	char *p = sample_bytes(hex, &n);

	if (binlog_put_json(&out, (struct str){p, n}, to, &e) < 0)
		assert_null(want);
	else
		assert_string_equal(buf_cstr(&out), want ? want : "(to be refused)");
	for (size_t i = 1; i < n; i++) {
		char *part = malloc(i);

		assert_non_null(part);
		memcpy(part, p, i);
		binlog_put_json(&out, (struct str){part, i}, to, &e);
		free(part);
	}
	buf_free(&out);
	free(p);
}

static void expect_json_sql(const char *hex, const char *want)
{
	expect_json_to(JSON_TO_CASTS, hex, want);
}

/* Bytes and bits, where any type can be had and where not. */
static void test_json_bytes(void **state)
{
	(void)state;
	expect_json_sql("0f100105", "_utf8mb4'\"base64:type16:BQ==\"'");
	expect_json_sql("0ffc0105", "_utf8mb4'\"base64:type252:BQ==\"'");
	expect_json_to(JSON_TO_TYPES, "0f1002aa05",
		"CAST((SELECT c FROM JSON_TABLE(JSON_ARRAY(43525),_utf8mb4'$[*]' COLUMNS(c BIT(16) PATH "
		"_utf8mb4'$' ERROR ON ERROR)) t) AS JSON)");
	expect_json_to(JSON_TO_TYPES, "0ffc0105",
		"CAST((SELECT c FROM JSON_TABLE(JSON_ARRAY(x'05'),_utf8mb4'$[*]' COLUMNS(c LONGBLOB PATH "
		"_utf8mb4'$' ERROR ON ERROR)) t) AS JSON)");
	expect_json_to(JSON_TO_TYPES, "0ffe0105",
		"CAST((SELECT c FROM JSON_TABLE(JSON_ARRAY(x'05'),_utf8mb4'$[*]' COLUMNS(c BINARY(1) PATH "
		"_utf8mb4'$' ERROR ON ERROR)) t) AS JSON)");
	expect_json_to(JSON_TO_TYPES, "0ffa0105",
		"CAST(IF(1,CAST(x'05' AS BINARY),CAST('' AS BINARY(65536))) AS JSON)");
	expect_json_to(JSON_TO_TYPES, "0ff90105", "_utf8mb4'\"base64:type249:BQ==\"'");
	expect_json_to(JSON_TO_TYPES, "0ffd0105", "_utf8mb4'\"base64:type253:BQ==\"'");
	expect_json_to(JSON_TO_TYPES, "0f10090000000000000000ff", "_utf8mb4'\"base64:type16:AAAAAAAAAAD/\"'");
}

/* Values whose text would come back as another kind. */
static void test_json_expressions(void **state)
{
	(void)state;
	expect_json_sql("02010007000501"
			"00",
		"_utf8mb4'[1]'");
	expect_json_sql("0ff6070a028000000132", "CAST(CAST(1.50 AS DECIMAL(10,2)) AS JSON)");
	expect_json_sql("02"
			"01001000"
			"0f0700"
			"f6070a028000000132",
		"CAST(JSON_ARRAY(CAST(1.50 AS DECIMAL(10,2))) AS JSON)");
	expect_json_sql("02"
			"02001500"
			"0f0a00"
			"0c1300"
			"f6070a028000000132"
			"0178",
		"CAST(JSON_ARRAY(CAST(1.50 AS DECIMAL(10,2)),CAST(_utf8mb4'\"x\"' AS JSON)) AS JSON)");
	expect_json_sql("0f0f024142", "CAST(CAST(x'4142' AS BINARY) AS JSON)");
	expect_json_sql("0ff6", NULL);
	expect_json_sql("020100070002"
			"0000",
		NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_reals),
		cmocka_unit_test(test_decimals),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_large_bytes),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_expressions),
		cmocka_unit_test(test_json_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
