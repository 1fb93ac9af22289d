/*
 * Lanes that commit in the upstream's order, with a server whose row locks know nothing of that order:
 * whatever the chances, every transaction is committed, in order, and no lane is left waiting.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "units/sync/turn.h"

enum { LANES = 8, TRANSACTIONS = 400, LOCKS = 12, WANTS = 4, BATCH = 5, LONG = 2000000 };

struct play_trx {
	uint64_t seq, waits[LANES_MAX];
	unsigned nwaits, wants[WANTS];
};

enum at { IDLE, WORKS, TURN, STANDS_BACK };

struct play_lane {
	unsigned queue[TRANSACTIONS], head, tail; /* of transactions, by place in the list */
	enum at at;
	unsigned n, step, held[BATCH * WANTS], nheld;
};

/* Locks have one holder each; a lane that wants a held one waits until it is free, or its time is over. */
struct play {
	unsigned seed, lanes, placed, timeouts, gave_up;
	struct depend *depend;
	struct turns turns;
	struct play_trx list[TRANSACTIONS];
	struct play_lane lane[LANES];
	int holder[LOCKS];
	uint64_t committed;
};

static unsigned chance(struct play *p, unsigned n)
{
	p->seed = p->seed * 1103515245 + 12345;
	return (p->seed >> 16) % n;
}

static void place(struct play *p)
{
	struct play_trx *t = &p->list[p->placed];
	struct touch touch = {0};
	struct place out;

	for (unsigned i = chance(p, 3); i > 0; i--)
		touch_key(&touch, chance(p, 30));
	depend_place(p->depend, &touch, 1, &out);
	touch_fini(&touch);
	t->seq = out.seq;
	t->nwaits = out.nwaits;
	memcpy(t->waits, out.waits, out.nwaits * sizeof(*t->waits));
	for (unsigned i = 0; i < WANTS; i++)
		t->wants[i] = chance(p, LOCKS);
	p->lane[out.lane].queue[p->lane[out.lane].tail++] = p->placed++;
}

static struct play_trx *nth(struct play *p, struct play_lane *l, unsigned n)
{
	return &p->list[l->queue[l->head + n]];
}

static bool may_begin(struct play *p, const struct play_trx *t)
{
	for (unsigned i = 0; i < t->nwaits; i++)
		if (!depend_committed(p->depend, t->waits[i]))
			return false;
	return true;
}

/* As lane.c does it: the first may wait, those behind it must be its neighbours. */
static bool begin(struct play *p, struct play_lane *l)
{
	if (l->head == l->tail || !may_begin(p, nth(p, l, 0)) ||
		!turn_may_begin(&p->turns, p->depend, nth(p, l, 0)->seq))
		return false;
	for (l->n = 1; l->n < BATCH && l->head + l->n < l->tail && may_begin(p, nth(p, l, l->n)) &&
		       nth(p, l, l->n)->seq == nth(p, l, l->n - 1)->seq + 1;)
		l->n++;
	l->at = WORKS;
	l->step = 0;
	return true;
}

static void let_go(struct play *p, struct play_lane *l)
{
	while (l->nheld > 0)
		p->holder[l->held[--l->nheld]] = -1;
	l->step = 0;
}

static void roll_back(struct play *p, struct play_lane *l)
{
	let_go(p, l);
	p->timeouts++;
	l->at = turn_failed(&p->turns, p->depend, nth(p, l, 0)->seq) ? WORKS : STANDS_BACK;
}

static bool work(struct play *p, struct play_lane *l)
{
	int me = (int)(l - p->lane);
	unsigned want;

	if (l->step == l->n * WANTS) {
		l->at = TURN;
		return true;
	}
	want = nth(p, l, l->step / WANTS)->wants[l->step % WANTS];
	if (p->holder[want] == -1) {
		p->holder[want] = me;
		l->held[l->nheld++] = want;
	}
	if (p->holder[want] == me)
		l->step++;
	else if (chance(p, 20) == 0) /* a deadlock, or its time is over */
		roll_back(p, l);
	return true;
}

static void commit(struct play *p, struct play_lane *l)
{
	uint64_t seq;

	for (unsigned i = 0; i < l->n; i++) {
		assert_int_equal(nth(p, l, i)->seq, ++p->committed);
		depend_done(p->depend, nth(p, l, i)->seq);
	}
	turn_committed(&p->turns, nth(p, l, 0)->seq);
	let_go(p, l);
	l->head += l->n;
	l->at = IDLE;
	while (depend_pop(p->depend, &seq))
		;
}

/* False: it can do nothing now. */
static bool move(struct play *p, struct play_lane *l)
{
	switch (l->at) {
	case IDLE:
		return begin(p, l);
	case WORKS:
		return work(p, l);
	case STANDS_BACK:
		if (!turn_is_oldest(p->depend, nth(p, l, 0)->seq))
			return false;
		l->at = WORKS;
		return true;
	default:
		break;
	}
	switch (turn_now(&p->turns, p->depend, nth(p, l, 0)->seq)) {
	case TURN_COMMIT:
		commit(p, l);
		return true;
	case TURN_GIVE_UP:
		let_go(p, l);
		p->gave_up++;
		l->at = STANDS_BACK;
		return true;
	default:
		return false;
	}
}

static void play(struct play *p, unsigned seed, unsigned lanes)
{
	unsigned still = 0, steps = 0;

	*p = (struct play){.seed = seed, .lanes = lanes, .depend = depend_new(lanes, 1 + seed % 4)};
	for (unsigned i = 0; i < LOCKS; i++)
		p->holder[i] = -1;
	while (p->committed < TRANSACTIONS) {
		bool moved = false;

		assert_true(++steps < LONG);
		if (p->placed < TRANSACTIONS && chance(p, 3) == 0) {
			place(p);
			moved = true;
		}
		moved = move(p, &p->lane[chance(p, lanes)]) || moved;
		still = moved ? 0 : still + 1;
		if (still > 1000) { /* by chance none was asked that can */
			for (unsigned i = 0; i < lanes && still > 0; i++)
				if (move(p, &p->lane[i]))
					still = 0;
			assert_true(still == 0 || p->placed < TRANSACTIONS);
		}
	}
	depend_free(&p->depend);
}

static void test_all_are_committed(void **state)
{
	struct play *p = calloc(1, sizeof(*p));
	unsigned timeouts = 0, gave_up = 0;

	(void)state;
	for (unsigned seed = 1; seed <= 300; seed++) {
		play(p, seed, 1 + seed % LANES);
		timeouts += p->timeouts;
		gave_up += p->gave_up;
	}
	free(p);
	/* The chances were such that it mattered. */
	assert_true(timeouts > 300);
	assert_true(gave_up > 300);
}

static void test_turns(void **state)
{
	struct depend *d = depend_new(4, 1);
	struct touch none = {0};
	struct turns o = {0};
	struct place p;
	uint64_t seq;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		depend_place(d, &none, 1, &p);
	assert_int_equal(turn_now(&o, d, 1), TURN_COMMIT);
	assert_int_equal(turn_now(&o, d, 2), TURN_WAIT);
	assert_false(turn_failed(&o, d, 2)); /* the second in the row stands back, nobody else */
	assert_int_equal(turn_now(&o, d, 3), TURN_WAIT);
	assert_true(turn_may_begin(&o, d, 3));
	assert_true(turn_failed(&o, d, 1));
	assert_int_equal(turn_now(&o, d, 3), TURN_GIVE_UP);
	assert_false(turn_may_begin(&o, d, 3));
	assert_true(turn_may_begin(&o, d, 1));
	assert_int_equal(turn_now(&o, d, 1), TURN_COMMIT);
	depend_done(d, 1);
	turn_committed(&o, 1);
	assert_true(depend_pop(d, &seq));
	assert_int_equal(turn_now(&o, d, 2), TURN_COMMIT);
	assert_int_equal(turn_now(&o, d, 3), TURN_WAIT);
	depend_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_all_are_committed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
