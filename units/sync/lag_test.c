/* Lag by the upstream's clock, and rates, with made-up clocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above. */
#include <cmocka.h>

#include "units/sync/lag.h"
#include "units/sync/pace.h"

#define S UINT64_C(1000000)

/* The upstream's clock is two hours behind ours, which is 1,000,000 s at our process's start. */
#define NONE -1e5
enum { THERE = 1000000 - 7200, WALL = 1000000, BOOT = 500 };

static struct position pos(uint64_t offset)
{
	return (struct position){1, 3, offset};
}

/* s seconds after the start; applied up to offset, whose transaction was committed `commit` seconds after it.
 */
static struct lag_at at(double s, uint64_t offset, double commit, bool all)
{
	uint64_t us = (uint64_t)(s * 1e6);

	return (struct lag_at){.now_us = BOOT * S + us,
		.wall_us = WALL * S + us,
		.watermark = pos(offset),
		.commit_us = commit == NONE ? 0 : (uint64_t)((THERE + commit) * 1e6),
		.all = all};
}

static void heard(struct lag *l, double s, uint64_t end, const struct lag_at *a)
{
	uint64_t us = (uint64_t)(s * 1e6);

	lag_heard(l,
		&(struct msg_upstream_at){
			.asked_us = BOOT * S + us, .clock_us = THERE * S + us, .at = pos(end)},
		a);
}

static uint64_t ms(struct lag *l, struct lag_at a)
{
	struct lag_now n = lag_of(l, &a);

	assert_true(n.known);
	return n.ms;
}

static void test_idle(void **state)
{
	struct lag l;
	struct lag_at a = at(1, 100, NONE, true);

	(void)state;
	lag_begin(&l, BOOT * S);
	heard(&l, 1, 100, &a);
	assert_int_equal(ms(&l, at(1.2, 100, NONE, true)), 0);
	a = at(500, 100, NONE, true);
	heard(&l, 500, 100, &a);
	assert_int_equal(ms(&l, at(501, 100, NONE, true)), 0);
	/* At rest it is asked rarely, and an answer counts for longer. */
	a = at(506, 100, NONE, true);
	assert_int_equal(ms(&l, a), 6000);
	a.rare = true;
	assert_int_equal(ms(&l, a), 0);
	a = at(512, 100, NONE, true);
	a.rare = true;
	assert_int_equal(ms(&l, a), 0);
	a = at(514, 100, NONE, true);
	a.rare = true;
	assert_int_equal(ms(&l, a), 14000);
	/* The relay has everything of before; there is more since. */
	a = at(600, 100, NONE, true);
	heard(&l, 600, 200, &a);
	assert_int_equal(ms(&l, at(600.5, 100, NONE, true)), 100500);
}

static void test_behind(void **state)
{
	struct lag l;
	struct lag_at a = at(1, 100, 0.5, false);

	(void)state;
	lag_begin(&l, BOOT * S);
	heard(&l, 1, 900, &a);
	assert_int_equal(
		ms(&l, at(1.25, 100, 0.5, false)), 750); /* by the commit's time, to the millisecond */
	a = at(5, 200, 2, false);
	heard(&l, 5, 1000, &a);
	assert_int_equal(ms(&l, at(5, 200, 2, false)), 3000);
	/* The end of second 1 is reached by something that has no time of its own. */
	assert_int_equal(ms(&l, at(6, 950, 0.5, false)), 4000);
	a = at(7, 950, 0.5, false);
	heard(&l, 7, 1000, &a);
	assert_int_equal(ms(&l, at(7.5, 1000, 0.5, true)), 0);
	assert_int_equal(ms(&l, at(7.5, 1000, 0.5, false)), 500); /* the relay has more: since second 7 */
}

static void test_cut_off(void **state)
{
	struct lag l;
	struct lag_at a = at(1, 100, 0.5, true);
	struct lag_now n;

	(void)state;
	lag_begin(&l, BOOT * S);
	heard(&l, 1, 100, &a);
	assert_int_equal(ms(&l, at(3.9, 100, 0.5, true)), 0);
	assert_int_equal(ms(&l, at(4.5, 100, 0.5, true)), 3500);
	/* The relay was started again, and has heard nothing. */
	a = at(50, 100, 0.5, true);
	lag_heard(&l, &(struct msg_upstream_at){0}, &a);
	n = lag_of(&l, &a);
	assert_true(n.known && n.heard && n.ms == 49000 && n.heard_ms == 49000);
	a = at(61, 100, 0.5, true);
	heard(&l, 61, 100, &a);
	assert_int_equal(ms(&l, at(61, 100, 0.5, true)), 0);
}

static void test_unknown(void **state)
{
	struct lag l;
	struct lag_at a = at(30, 100, NONE, true);
	struct lag_now n;

	(void)state;
	lag_begin(&l, BOOT * S);
	n = lag_of(&l, &a);
	assert_true(!n.known && !n.heard && n.ms == 30000);
	/* Something is applied from the relay log: our clock for the want of a better. */
	a = at(31, 200, 7200 + 21, true);
	assert_int_equal(ms(&l, a), 10000);
}

static void test_odd_clocks(void **state)
{
	struct lag l;
	struct lag_at a = at(1, 100, 0.5, false);

	(void)state;
	lag_begin(&l, BOOT * S);
	heard(&l, 1, 900, &a);
	/* A session with a timestamp in the future says nothing. */
	assert_int_equal(ms(&l, at(2, 200, 3600, false)), 1500);
	/* The upstream's clock is set back by an hour: no lag by times of before. */
	lag_heard(&l,
		&(struct msg_upstream_at){
			.asked_us = (BOOT + 10) * S, .clock_us = (THERE + 10 - 3600) * S, .at = pos(950)},
		&a);
	assert_int_equal(ms(&l, at(11, 300, 10.2 - 3600, false)), 800);
	/* A switch of the upstream: an end of the old one's files is not waited for. */
	a = at(20, 950, 19 - 3600, false);
	a.watermark.generation = 2;
	lag_heard(&l,
		&(struct msg_upstream_at){
			.asked_us = (BOOT + 20) * S, .clock_us = (THERE + 20 - 3600) * S, .at = {2, 1, 500}},
		&a);
	assert_true(l.applied_us == (THERE + 20 - 3600) * S);
}

static void test_pace(void **state)
{
	uint64_t count[PACE_COUNT] = {0}, rate[PACE_COUNT];
	struct pace p = {0};

	(void)state;
	pace_rates(&p, S, count, rate);
	assert_int_equal(rate[PACE_ROWS], 0);
	for (uint64_t s = 1; s <= 20; s++) {
		count[PACE_ROWS] += s > 10 ? 500 : 100;
		count[PACE_BYTES] += 1000;
		pace_take(&p, s * S, count);
		pace_take(&p, s * S + 200, count); /* too soon: not kept */
	}
	pace_rates(&p, 20 * S + S / 2, count, rate);
	assert_int_equal(rate[PACE_ROWS], 4 * 500 * 10 / 45);
	assert_int_equal(rate[PACE_BYTES], 4 * 1000 * 10 / 45);
	pace_rates(&p, 1000 * S, count, rate);
	assert_int_equal(rate[PACE_ROWS], 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_behind),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_odd_clocks),
		cmocka_unit_test(test_pace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
