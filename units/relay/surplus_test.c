/* What an upstream lacks, by MariaDB's GTIDs: for each domain the last one that was read must be known there
 * by its own server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "units/relay/surplus.h"

static void expect(const char *ours, const char *state, const char *lost)
{
	struct buf b = {0};

	surplus_mariadb(ours, state, &b);
	assert_string_equal(buf_cstr(&b), lost);
	buf_free(&b);
}

static void nothing_is_lost(void **state)
{
	(void)state;
	expect("", "", "");
	expect("0-1-100", "0-1-100,", "");
	expect("0-1-100,7-1-5", "0-1-100,0-2-140,7-1-9,", "");
	/* A replica made from a copy: its binlog begins later, its position is told by gtid_slave_pos. */
	expect("0-1-100", ",0-1-100,", "");
	expect("0-1-100", "0-2-101,0-1-100,", "");
}

static void what_is_lost_is_named(void **state)
{
	(void)state;
	expect("0-1-103", "0-1-90", "0-1-103 (there until 0-1-90)");
	expect("0-1-103", "", "0-1-103 (of server 1 nothing there)");
	/* Promoted at 90, it has written on: a greater number, but not ours. */
	expect("0-1-103", "0-1-90,0-2-200", "0-1-103 (there until 0-1-90)");
	expect("0-1-103,7-1-5", "0-2-200,7-1-5", "0-1-103 (of server 1 nothing there)");
	expect("0-1-103,7-1-5", "0-1-90,7-1-4,", "0-1-103 (there until 0-1-90), 7-1-5 (there until 7-1-4)");
	expect("0-1-103", "10-1-103,0-11-103", "0-1-103 (of server 1 nothing there)");
	expect("4294967295-4294967295-18446744073709551615", "4294967295-4294967295-18446744073709551614",
		"4294967295-4294967295-18446744073709551615 (there until "
		"4294967295-4294967295-18446744073709551614)");
}

static void expect_unlogged(const char *binlog, const char *replicated, const char *text)
{
	struct buf b = {0};

	surplus_unlogged("0-1-105", binlog, replicated, &b);
	assert_string_equal(buf_cstr(&b), text);
	buf_free(&b);
}

/* Its binlog begins behind what it has replicated: that must be what we have, neither more nor less. */
static void what_was_never_logged_is_named(void **state)
{
	(void)state;
	expect_unlogged("0-1-110,0-2-111", "0-1-110", "");
	expect_unlogged("0-2-106", "0-1-105", "");
	expect_unlogged("0-1-105,0-2-111", "0-3-110", "");
	expect_unlogged("0-2-111", "0-1-110", "behind 0-1-105 up to 110");
	expect_unlogged("", "7-1-3,0-1-106", "behind 0-1-105 up to 106");
	/* What it lacks is the other error's. */
	expect_unlogged("0-2-111", "0-1-90", "");
}

static void damaged_text_ends_the_list(void **state)
{
	(void)state;
	expect("0-1", "0-1-5", "");
	expect("0-1-7", "0-1-5x0-1-9", "0-1-7 (there until 0-1-5)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost),
		cmocka_unit_test(what_is_lost_is_named),
		cmocka_unit_test(what_was_never_logged_is_named),
		cmocka_unit_test(damaged_text_ends_the_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
