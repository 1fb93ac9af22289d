/* The record of a transaction that is applied in parts: its line, whose it is, and that another one is seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "units/sync/part.h"
#include "units/sync/runs.h"

static void test_line(void **state)
{
	struct part p = {.start = {1, 3, 4711}, .gtid = "0-1-7", .rows = 1000, .hash = 0xabc}, again = {0};
	struct part more = p;
	struct runs runs = {0};
	struct buf text = {0};
	struct err e = {0};

	(void)state;
	part_text(&again, &text); /* nothing is pending */
	assert_int_equal(text.n, 0);
	buf_puts(&text, "1:3:9000 1:3:9100 -\n");
	part_text(&p, &text);
	assert_string_equal(
		buf_cstr(&text), "1:3:9000 1:3:9100 -\npart 1:3:4711 0-1-7 1000 0000000000000abc\n");
	assert_int_equal(part_parse(&again, buf_str(&text), &e), 0);
	assert_int_equal(position_cmp(again.start, p.start), 0);
	assert_string_equal(again.gtid, "0-1-7");
	assert_int_equal(again.rows, 1000);
	assert_int_equal(again.hash, 0xabc);
	/* Intervals are read from the same text. */
	assert_int_equal(runs_parse(&runs, buf_str(&text), &e), 0);
	assert_int_equal(runs.n, 1);
	/* Of two rows the one that is further counts. */
	more.rows = 2000;
	buf_clear(&text);
	part_text(&more, &text);
	part_text(&p, &text);
	assert_int_equal(part_parse(&again, buf_str(&text), &e), 0);
	assert_int_equal(again.rows, 2000);
	assert_int_equal(part_parse(&again, STR_LIT("part nonsense\n"), &e), -1);
	runs_fini(&runs);
	buf_free(&text);
}

static void test_whose(void **state)
{
	struct trx t = {.start = {1, 3, 4711},
		.has_gtid = true,
		.gtid = {.mariadb = true, .domain = 0, .server_id = 1, .seq = 7}};
	struct part p = {0};

	(void)state;
	assert_false(part_is(&p, &t));
	part_begin(&p, &t);
	assert_string_equal(p.gtid, "0-1-7");
	assert_true(part_is(&p, &t));
	t.start.offset++;
	assert_false(part_is(&p, &t));
	t.start = (struct position){2, 1, 500}; /* another server: by its GTID */
	assert_true(part_is(&p, &t));
	t.gtid.seq++;
	assert_false(part_is(&p, &t));
	t.gtid.seq--;
	p.gtid[0] = '\0';
	assert_false(part_is(&p, &t));
}

static void test_hash(void **state)
{
	struct structure up = {.ncolumns = 2};
	struct table a = {.head = "`a`.`b`", .up = &up}, b = {.head = "`a`.`c`", .up = &up};
	struct binlog_value x[2] = {{.present = true, .raw = {"12", 2}}, {.present = true, .raw = {"3", 1}}};
	struct binlog_value y[2] = {{.present = true, .raw = {"1", 1}}, {.present = true, .raw = {"23", 2}}};
	struct binlog_value null[2] = {{.present = true, .raw = {"12", 2}}, {.present = true, .null = true}};
	struct binlog_value absent[2] = {{.present = true, .raw = {"12", 2}}, {0}};
	struct binlog_value diffs[2][2] = {
		{{.present = true, .raw = {"12", 2}}, {.diff = true, .raw = {"3", 1}}},
		{{.present = true, .raw = {"12", 2}}, {.diff = true, .raw = {"4", 1}}}};
	const struct change all[] = {{.table = &a, .kind = BINLOG_INSERT, .after = x},
		{.table = &a, .kind = BINLOG_INSERT, .after = y},
		{.table = &a, .kind = BINLOG_INSERT, .after = null},
		{.table = &a, .kind = BINLOG_INSERT, .after = absent},
		{.table = &a, .kind = BINLOG_UPDATE, .before = x, .after = absent},
		{.table = &a, .kind = BINLOG_UPDATE, .before = x, .after = diffs[0]},
		{.table = &a, .kind = BINLOG_UPDATE, .before = x, .after = diffs[1]},
		{.table = &b, .kind = BINLOG_INSERT, .after = x},
		{.table = &a, .kind = BINLOG_DELETE, .before = x},
		{.table = &a, .kind = BINLOG_UPDATE, .before = x, .after = y}};
	const size_t n = sizeof(all) / sizeof(*all);
	struct part whole = {0}, pieces = {0};
	uint64_t seen[sizeof(all) / sizeof(*all)];

	(void)state;
	for (size_t i = 0; i < n; i++) {
		struct part one = {0};

		part_add(&one, &all[i], 1);
		seen[i] = one.hash;
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(seen[i], seen[k]);
	}
	/* However it is cut. */
	part_add(&whole, all, n);
	part_add(&pieces, all, 3);
	part_add(&pieces, all + 3, n - 3);
	assert_int_equal(whole.rows, n);
	assert_int_equal(whole.hash, pieces.hash);
	assert_int_equal(pieces.rows, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_whose),
		cmocka_unit_test(test_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
