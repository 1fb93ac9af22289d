/* Partial JSON updates: events that MySQL 9.7 wrote (binlog_row_value_options=PARTIAL_JSON), and changes by
 * hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/binlog/json.h"
#include "common/binlog/json_diff.h"
#include "common/binlog/row.h"
#include "common/binlog/sample_decode.h"
#include "common/binlog/samples_test.h"

/* CREATE TABLE d.j (id int PRIMARY KEY, a json, b json, c int) */
static const char table_map[] =
	"716c076b133d5a0000310000006602000000006c00000000000100016400016a000403f5f50302"
	"04040e01010063daf463";
/* b = JSON_ARRAY_INSERT(b, '$[1]', CAST('2020-01-01 01:02:03' AS DATETIME)) */
static const char array_insert[] =
	"716c076b273d5a0000510100009a05000000006c00000000001100020004ffff000100000074000000000200730012000100"
	"130003000216000c5d006162206303004700050100050200000d0001003a000b0001000c0c00782d79797979797979797979"
	"7979797979797979797979797979797979797979797979797979797979797979797979157a7a7a7a7a7a7a7a7a7a7a7a7a7a"
	"7a7a7a7a7a7a7a4400000002040043000501000502000503000c100032717171717171717171717171717171717171717171"
	"7171717171717171717171717171717171717171717171717171717171010000000101000100000000000000510000000205"
	"0050000501000f13000502000503000c1d000c08000000831042a51932717171717171717171717171717171717171717171"
	"71717171717171717171717171717171717171717171717171717171710100000093ca39a1";
/* a = JSON_REMOVE(JSON_SET(a, '$.a[2].x', 'n', '$."b c"', 1.5, '$.a[9]', 7), '$.a[0]'), c = 2; b is not
 * changed */
static const char several[] =
	"716c076b273d5a000040010000c907000000006c00000000001100020004ffff000100000074000000000200730012000100"
	"130003000216000c5d006162206303004700050100050200000d0001003a000b0001000c0c00782d79797979797979797979"
	"7979797979797979797979797979797979797979797979797979797979797979797979157a7a7a7a7a7a7a7a7a7a7a7a7a7a"
	"7a7a7a7a7a7a7a5100000002050050000501000f13000502000503000c1d000c08000000831042a519327171717171717171"
	"7171717171717171717171717171717171717171717171717171717171717171717171717171717171710100000001030001"
	"000000330000000008242e615b325d2e78030c016e0007242e2262206322070ff604020181050106242e615b395d03050700"
	"0206242e615b305d000000000200000006363561";

/* binlog_row_image=MINIMAL: b = JSON_SET(b, '$[0]', 'f') */
static const char minimal[] =
	"716c076b273d5a00003a000000f208000000006c00000000001100020004010400010000000102000a0000000004245b305d"
	"030c0166e5993041";

static char *hold;

static struct str bytes_of(const char *hex)
{
	size_t n;

	hold = sample_bytes(hex, &n);
	return (struct str){hold, n};
}

static void read_after(const char *event, struct buf *a, struct buf *b)
{
	struct binlog_value before[4], after[4];
	struct arena *mem = arena_new(0);
	struct binlog_format f = {0};
	struct binlog_table t;
	struct binlog_rows r;
	struct err e = {0};
	char *format, *map, *rows;

	assert_int_equal(binlog_read_format(bytes_of(mysql_format), &f, &e), 0);
	format = hold;
	assert_int_equal(binlog_read_table_map(bytes_of(table_map), &f, mem, &t, &e), 0);
	map = hold;
	if (binlog_rows_open(bytes_of(event), &f, &t, mem, &r, &e) < 0)
		fail_msg("%s", e.text);
	rows = hold;
	if (binlog_rows_next(&r, &t, before, after, &e) != 1)
		fail_msg("%s", e.text);
	if (binlog_json_text(after[1].raw, a, &e) < 0)
		fail_msg("%s %zu", e.text, after[1].raw.n);
	assert_int_equal(binlog_json_text(after[2].raw, b, &e), 0);
	assert_int_equal(binlog_rows_next(&r, &t, before, after, &e), 0);
	arena_free(&mem);
	free(format);
	free(map);
	free(rows);
}

static void changes_give_the_value_after(void **state)
{
	struct buf a = {0}, b = {0};

	(void)state;
	read_after(array_insert, &a, &b);
	assert_string_equal(buf_cstr(&a),
		"{\"a\": [1, 2, {\"x\": \"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\"}], "
		"\"b c\": \"zzzzzzzzzzzzzzzzzzzzz\"}");
	assert_string_equal(buf_cstr(&b), "[1, \"2020-01-01 01:02:03.000000\", 2, 3, "
					  "\"qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq\"]");
	buf_clear(&a);
	buf_clear(&b);
	read_after(several, &a, &b);
	assert_string_equal(buf_cstr(&a), "{\"a\": [2, {\"x\": \"n\"}, 7], \"b c\": 1.5}");
	assert_non_null(strstr(buf_cstr(&b), "2020-01-01"));
	buf_free(&a);
	buf_free(&b);
}

static void without_a_value_before_it_is_sql(void **state)
{
	struct binlog_value before[4], after[4];
	struct arena *mem = arena_new(0);
	struct binlog_format f = {0};
	struct binlog_table t;
	struct binlog_rows r;
	struct buf sql = {0};
	struct err e = {0};
	char *held[3];

	(void)state;
	assert_int_equal(binlog_read_format(bytes_of(mysql_format), &f, &e), 0);
	held[0] = hold;
	assert_int_equal(binlog_read_table_map(bytes_of(table_map), &f, mem, &t, &e), 0);
	held[1] = hold;
	assert_int_equal(binlog_rows_open(bytes_of(minimal), &f, &t, mem, &r, &e), 0);
	held[2] = hold;
	assert_int_equal(binlog_rows_next(&r, &t, before, after, &e), 1);
	for (unsigned i = 0; i < t.ncolumns; i++) {
		assert_false(after[i].diff && after[i].present);
		if (!after[i].diff)
			continue;
		assert_int_equal(
			binlog_put_json_diff(&sql, STR_LIT("`a`"), after[i].raw, JSON_TO_CASTS, &e), 0);
		buf_putc(&sql, ';');
	}
	assert_string_equal(
		buf_cstr(&sql), "JSON_REPLACE(`a`,_utf8mb4'$[0]',CAST(_utf8mb4'\"f\"' AS JSON));");
	buf_free(&sql);
	arena_free(&mem);
	for (unsigned i = 0; i < 3; i++)
		free(held[i]);
}

static void put_diff(struct buf *b, uint8_t op, const char *path, const char *value, size_t n)
{
	buf_put_u8(b, op);
	buf_put_u8(b, (uint8_t)strlen(path));
	buf_puts(b, path);
	if (op == 2)
		return;
	buf_put_u8(b, (uint8_t)n);
	buf_put(b, value, n);
}

/* {} and what is done to it; NULL: it does not fit. */
static const char *applied(struct buf *diffs, struct buf *text)
{
	static const char empty[] = "\x00\x00\x00\x04\x00";
	struct arena *a = arena_new(0);
	struct err e = {0};
	struct str after;
	int r = binlog_json_apply((struct str){empty, 5}, buf_str(diffs), a, &after, &e);

	buf_clear(text);
	if (r == 0)
		assert_int_equal(binlog_json_text(after, text, &e), 0);
	else
		assert_int_equal(e.code, ERR_sync_binlog);
	arena_free(&a);
	return r == 0 ? buf_cstr(text) : NULL;
}

static void changes_by_hand(void **state)
{
	static const char one[] = "\x05\x01\x00", minus[] = "\x05\xff\xff", array[] = "\x02\x00\x00\x04\x00",
			  yes[] = "\x04\x01", word[] = "\x0c\x02xy";
	struct buf d = {0}, text = {0};

	(void)state;
	put_diff(&d, 1, "$.bb", one, 3);
	put_diff(&d, 1, "$.a", array, 5);
	put_diff(&d, 1, "$.a[0]", minus, 3);
	put_diff(&d, 1, "$.a[9]", yes, 2);
	put_diff(&d, 1, "$.a[1]", word, 4);
	put_diff(&d, 1, "$.\"q \\\"\\u000a\"", one, 3);
	put_diff(&d, 0, "$.bb", word, 4);
	assert_string_equal(
		applied(&d, &text), "{\"a\": [-1, \"xy\", true], \"bb\": \"xy\", \"q \\\"\\n\": 1}");
	put_diff(&d, 2, "$.a[1]", NULL, 0);
	put_diff(&d, 2, "$.bb", NULL, 0);
	assert_string_equal(applied(&d, &text), "{\"a\": [-1, true], \"q \\\"\\n\": 1}");
	put_diff(&d, 0, "$", minus, 3);
	assert_string_equal(applied(&d, &text), "-1");
	buf_free(&d);
	buf_free(&text);
}

static void what_does_not_fit_is_an_error(void **state)
{
	static const struct {
		uint8_t op;
		const char *path;
	} bad[] = {{0, "$.x"}, {2, "$.x"}, {1, "$[0]"}, {1, "$.x.y"}, {2, "$"}, {1, "$"}, {3, "$"}, {1, "x"},
		{1, "$.\"a"}, {0, "$[1]"}, {1, "$."}, {0, "$.a[x]"}};
	struct buf text = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct buf d = {0};

		put_diff(&d, bad[i].op, bad[i].path, "\x05\x01\x00", 3);
		if (applied(&d, &text))
			fail_msg("%s: %s", bad[i].path, buf_cstr(&text));
		buf_free(&d);
	}
	buf_free(&text);
}

/* MySQL logs "last" as its user wrote it; it counts from the end as it is at that moment. */
static void from_the_end(void **state)
{
	static const char n[4][4] = {"\x05\x01\x00", "\x05\x02\x00", "\x05\x03\x00", "\x05\x04\x00"},
			  array[] = "\x02\x00\x00\x04\x00";
	struct buf d = {0}, text = {0};

	(void)state;
	put_diff(&d, 1, "$.a", array, 5);
	put_diff(&d, 1, "$.a[last]", n[0], 3);   /* into nothing */
	put_diff(&d, 1, "$.a[1]", n[1], 3);      /* [1, 2] */
	put_diff(&d, 1, "$.a[last]", n[2], 3);   /* [1, 3, 2] */
	put_diff(&d, 0, "$.a[last-1]", n[3], 3); /* [1, 4, 2] */
	put_diff(&d, 1, "$.a[last-7]", n[2], 3); /* [3, 1, 4, 2] */
	put_diff(&d, 0, "$.a[0][last]", n[0], 3);
	assert_string_equal(applied(&d, &text), "{\"a\": [1, 1, 4, 2]}");
	put_diff(&d, 2, "$.a[last-3]", NULL, 0);
	put_diff(&d, 2, "$.a[last]", NULL, 0);
	assert_string_equal(applied(&d, &text), "{\"a\": [1, 4]}");
	put_diff(&d, 2, "$.a[last-2]", NULL, 0);
	assert_null(applied(&d, &text));
	buf_free(&d);
	buf_free(&text);
}

/* The first change is the innermost; inserts into arrays and objects differ; MariaDB's values are text. */
static void changes_as_functions(void **state)
{
	struct buf diffs = {0}, sql = {0};
	struct err e = {0};

	(void)state;
	put_diff(&diffs, JSON_DIFF_INSERT, "$.a[1]", "\x05\x07\x00", 3);
	put_diff(&diffs, JSON_DIFF_INSERT, "$.n", "\x0c\x01x", 3);
	put_diff(&diffs, JSON_DIFF_REMOVE, "$.\"b c\"", NULL, 0);
	assert_int_equal(binlog_put_json_diff(&sql, STR_LIT("`j`"), buf_str(&diffs), JSON_TO_CASTS, &e), 0);
	assert_string_equal(buf_cstr(&sql),
		"JSON_REMOVE(JSON_INSERT(JSON_ARRAY_INSERT(`j`,_utf8mb4'$.a[1]',CAST(_utf8mb4'7' AS JSON)),"
		"_utf8mb4'$.n',CAST(_utf8mb4'\"x\"' AS JSON)),_utf8mb4'$.\"b c\"')");
	buf_clear(&sql);
	assert_int_equal(binlog_put_json_diff(&sql, STR_LIT("`j`"), buf_str(&diffs), JSON_TO_TEXT, &e), 0);
	assert_string_equal(buf_cstr(&sql),
		"JSON_REMOVE(JSON_INSERT(JSON_ARRAY_INSERT(`j`,_utf8mb4'$.a[1]',JSON_COMPACT(_utf8mb4'7')),"
		"_utf8mb4'$.n',JSON_COMPACT(_utf8mb4'\"x\"')),_utf8mb4'$.\"b c\"')");
	/* Cut anywhere, it is an error or a shorter list. */
	for (size_t n = 0; n < diffs.n; n++) {
		buf_clear(&sql);
		binlog_put_json_diff(&sql, STR_LIT("`j`"), (struct str){diffs.p, n}, JSON_TO_CASTS, &e);
	}
	buf_free(&diffs);
	buf_free(&sql);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_give_the_value_after),
		cmocka_unit_test(changes_as_functions),
		cmocka_unit_test(without_a_value_before_it_is_sql),
		cmocka_unit_test(changes_by_hand),
		cmocka_unit_test(from_the_end),
		cmocka_unit_test(what_does_not_fit_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
