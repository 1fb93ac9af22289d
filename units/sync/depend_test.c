/*
 * Made-up transactions through the scheduler's memory: whatever the graph of what they touch, each begins
 * only when all it depends on is committed or before it in its lane, and they all end. Then runs: intervals
 * and their text.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "units/sync/depend.h"
#include "units/sync/runs.h"

enum { TRX = 3000, THINGS = 6, BATCH = 8 };

struct made {
	struct touch touch;
	struct place place;
	bool begun, done;
	bool slow; /* or it waits for one that is */
};

struct lane {
	unsigned queue[TRX]; /* indexes into the world */
	unsigned head, tail, open;
};

struct world {
	struct made t[TRX];
	struct lane lane[LANES_MAX];
	struct depend *d;
	unsigned lanes, placed, finished;
	uint64_t seed;
};

static unsigned rnd(struct world *w, unsigned n)
{
	w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(w->seed >> 33) % n;
}

static bool uses_gate(const struct touch *t, uint64_t gate, bool *exclusive)
{
	for (size_t i = 0; i < t->ngates; i++)
		if (t->gates[i].gate == gate) {
			*exclusive = t->gates[i].exclusive;
			return true;
		}
	return false;
}

static bool conflict(const struct touch *a, const struct touch *b)
{
	for (size_t i = 0; i < a->nkeys; i++)
		for (size_t k = 0; k < b->nkeys; k++)
			if (a->keys[i] == b->keys[k])
				return true;
	for (size_t i = 0; i < a->nrefs; i++)
		for (size_t k = 0; k < b->nrefs; k++)
			if (a->refs[i].key == b->refs[k].key && (a->refs[i].owner || b->refs[k].owner))
				return true;
	for (size_t i = 0; i < a->ngates; i++) {
		bool other;

		if (uses_gate(b, a->gates[i].gate, &other) && (other || a->gates[i].exclusive))
			return true;
	}
	return false;
}

/* Nobody stands behind a slow one without need, while there is a lane without one. */
static void check_slow(const struct world *w, unsigned at)
{
	const struct made *m = &w->t[at];
	bool slow[LANES_MAX] = {false}, all = true;

	for (unsigned i = at; i-- > 0 && at - i < 400;) {
		const struct made *before = &w->t[i];

		if (before->done)
			continue;
		if (before->place.lane == m->place.lane && conflict(&before->touch, &m->touch))
			return; /* behind this one it stands by right, and so behind all before it */
		slow[before->place.lane] = slow[before->place.lane] || before->slow;
	}
	for (unsigned i = 0; i < w->lanes; i++)
		all = all && slow[i];
	if (slow[m->place.lane] && !all)
		fail_msg("%u lanes: %u stands behind a slow one", w->lanes, at);
}

/* It waits in its lane for one that is slow, or stands behind one. */
static bool waits_long(const struct world *w, const struct made *m)
{
	for (unsigned i = 0; i < m->place.nwaits; i++) {
		const struct made *other = &w->t[m->place.waits[i] - 1];

		for (unsigned k = (unsigned)m->place.waits[i]; k-- > 0 && !other->done;)
			if (w->t[k].place.lane == other->place.lane && w->t[k].slow && !w->t[k].done)
				return true;
	}
	return false;
}

static void place(struct world *w, unsigned space)
{
	struct made *m = &w->t[w->placed];
	struct lane *l;

	for (unsigned i = rnd(w, THINGS); i > 0; i--)
		touch_key(&m->touch, (uint64_t)(1 + rnd(w, space)) * 0x9e3779b97f4a7c15u);
	for (unsigned i = rnd(w, 4); i > 0; i--)
		touch_ref(&m->touch, (uint64_t)(1 + rnd(w, space)) * 0xc2b2ae3d27d4eb4fu, rnd(w, 4) == 0);
	for (unsigned i = rnd(w, 3); i > 0; i--)
		touch_gate(&m->touch, 1 + rnd(w, 3), rnd(w, 20) == 0);
	m->touch.slow = rnd(w, 50) == 0;
	if (rnd(w, 10) == 0) {
		touch_clear(&m->touch);
		m->place.seq = depend_pass(w->d);
		m->begun = m->done = true;
		w->placed++;
		w->finished++;
		return;
	}
	depend_place(w->d, &m->touch, 1, &m->place);
	assert_int_equal(m->place.seq, w->placed + 1);
	assert_true(m->place.lane < w->lanes);
	l = &w->lane[m->place.lane];
	l->queue[l->tail++] = w->placed;
	m->slow = m->touch.slow || waits_long(w, m);
	check_slow(w, w->placed++);
}

static bool may_begin(const struct world *w, const struct made *m)
{
	for (unsigned i = 0; i < m->place.nwaits; i++) {
		assert_true(m->place.waits[i] < m->place.seq);
		if (!depend_committed(w->d, m->place.waits[i]))
			return false;
	}
	return true;
}

/* The rule itself, from the outside. */
static void check_order(const struct world *w, unsigned at)
{
	const struct made *m = &w->t[at];

	for (unsigned i = at; i-- > 0 && at - i < 400;) {
		const struct made *before = &w->t[i];

		if (before->done || !conflict(&before->touch, &m->touch))
			continue;
		if (before->place.lane != m->place.lane || !before->begun)
			fail_msg("%u lanes: %u began before %u, which it depends on", w->lanes, at, i);
	}
}

static bool begin(struct world *w, struct lane *l)
{
	if (l->open || l->head == l->tail || !may_begin(w, &w->t[l->queue[l->head]]))
		return false;
	do {
		unsigned at = l->queue[l->head++];

		w->t[at].begun = true;
		check_order(w, at);
		l->open++;
	} while (l->head < l->tail && l->open < BATCH && may_begin(w, &w->t[l->queue[l->head]]));
	depend_taken(w->d, (unsigned)(l - w->lane), l->open);
	return true;
}

static bool commit(struct world *w, struct lane *l)
{
	uint64_t seq;

	if (!l->open)
		return false;
	for (unsigned i = l->head - l->open; i < l->head; i++) {
		w->t[l->queue[i]].done = true;
		depend_done(w->d, w->t[l->queue[i]].place.seq);
	}
	w->finished += l->open;
	l->open = 0;
	depend_taken(w->d, (unsigned)(l - w->lane), 0);
	while (depend_pop(w->d, &seq))
		assert_true(w->t[seq - 1].done);
	return true;
}

static void run(unsigned lanes, uint64_t seed, unsigned space)
{
	struct world *w = calloc(1, sizeof(*w));
	unsigned idle = 0;

	w->lanes = lanes;
	w->seed = seed;
	w->d = depend_new(lanes, 1 + rnd(w, 20));
	while (w->finished < TRX) {
		unsigned what = rnd(w, 3), from = rnd(w, lanes);
		bool moved = false;

		if (what == 0 && w->placed < TRX && !depend_full(w->d) && w->placed - w->finished < 200) {
			place(w, space);
			moved = true;
		}
		for (unsigned i = 0; !moved && i < lanes; i++) {
			struct lane *l = &w->lane[(from + i) % lanes];

			moved = what == 1 ? begin(w, l) : commit(w, l);
		}
		idle = moved ? 0 : idle + 1;
		if (idle > 1000)
			fail_msg("%u lanes, seed %" PRIu64 ": nobody can go on, %u of %u placed, %u done",
				lanes, seed, w->placed, TRX, w->finished);
	}
	assert_int_equal(depend_busy(w->d), 0);
	while (depend_pop(w->d, &seed)) {
	}
	assert_true(depend_empty(w->d));
	assert_true(depend_size(w->d) <= 16384);
	for (unsigned i = 0; i < TRX; i++)
		touch_fini(&w->t[i].touch);
	depend_free(&w->d);
	free(w);
}

static void random_graphs(void **state)
{
	(void)state;
	for (unsigned lanes = 1; lanes <= 16; lanes++)
		for (unsigned seed = 1; seed <= 6; seed++)
			run(lanes, seed * 7919 + lanes, seed % 3 == 0 ? 5 : seed % 3 == 1 ? 100 : 100000);
	run(LANES_MAX, 4711, 1000);
}

static void one_key(struct touch *t, uint64_t key)
{
	touch_clear(t);
	touch_key(t, key);
}

/* Behind what it depends on there is nothing to wait for; with two lanes to wait for, it waits for the other
 * one. */
static void lanes_chosen(void **state)
{
	struct depend *d = depend_new(2, 2);
	struct touch t = {0};
	struct place a, b, c, e;

	(void)state;
	one_key(&t, 1);
	depend_place(d, &t, 2, &a);
	one_key(&t, 2);
	depend_place(d, &t, 2, &b); /* the run is long enough, the other lane idle */
	assert_int_not_equal(a.lane, b.lane);
	one_key(&t, 1);
	depend_place(d, &t, 1, &c);
	assert_int_equal(c.lane, a.lane);
	assert_int_equal(c.nwaits, 0);
	touch_key(&t, 2);
	depend_place(d, &t, 1, &e);
	assert_int_equal(e.lane, c.lane);
	assert_int_equal(e.nwaits, 1);
	assert_int_equal(e.waits[0], b.seq);
	assert_false(depend_committed(d, b.seq));
	depend_done(d, b.seq);
	assert_true(depend_committed(d, b.seq)); /* although a is not */
	touch_fini(&t);
	depend_free(&d);
}

/* What need not wait for a slow one goes past it, also where it depends on something before that; what must
 * stands behind it. */
static void past_a_slow_one(void **state)
{
	struct depend *d = depend_new(3, 100);
	struct touch t = {0};
	struct place first, slow, other, again, behind, second;

	(void)state;
	one_key(&t, 1);
	depend_place(d, &t, 1, &first);
	touch_key(&t, 2);
	t.slow = true;
	depend_place(d, &t, 1000, &slow);
	assert_int_equal(slow.lane, first.lane);
	one_key(&t, 3);
	depend_place(d, &t, 1, &other);
	assert_int_not_equal(other.lane, slow.lane);
	assert_int_equal(other.nwaits, 0);
	one_key(&t, 4); /* the run goes on there */
	depend_place(d, &t, 1, &again);
	assert_int_equal(again.lane, other.lane);
	one_key(&t, 2);
	depend_place(d, &t, 1, &behind);
	assert_int_equal(behind.lane, slow.lane);
	assert_int_equal(behind.nwaits, 0);
	one_key(&t, 5); /* a second slow one has a lane of its own */
	t.slow = true;
	depend_place(d, &t, 1000, &second);
	assert_int_not_equal(second.lane, slow.lane);
	assert_int_not_equal(second.lane, other.lane);
	/* It depends on one before the second, which stands in another lane now. */
	one_key(&t, 4);
	depend_place(d, &t, 1, &again);
	assert_int_equal(again.lane, other.lane);
	depend_done(d, first.seq);
	depend_done(d, slow.seq);
	one_key(&t, 2);
	depend_place(d, &t, 1, &again);
	assert_int_equal(again.lane, slow.lane);
	touch_fini(&t);
	depend_free(&d);
}

/* A lane's transaction, a slow one behind it, and one that depends on the first: it waits for it elsewhere.
 */
static void past_the_slow_one_of_its_lane(void **state)
{
	struct depend *d = depend_new(2, 100);
	struct touch t = {0};
	struct place first, slow, next;

	(void)state;
	one_key(&t, 1);
	touch_key(&t, 2);
	depend_place(d, &t, 1, &first);
	one_key(&t, 2);
	t.slow = true;
	depend_place(d, &t, 1000, &slow);
	assert_int_equal(slow.lane, first.lane);
	one_key(&t, 1);
	depend_place(d, &t, 1, &next);
	assert_int_not_equal(next.lane, first.lane);
	assert_int_equal(next.nwaits, 1);
	assert_int_equal(next.waits[0], first.seq);
	touch_fini(&t);
	depend_free(&d);
}

/* Who shares a key does not wait for others who do; the owner waits for the last of each lane. */
static void shared_keys(void **state)
{
	struct depend *d = depend_new(2, 1);
	struct touch t = {0};
	struct place a, b, c, e;

	(void)state;
	touch_ref(&t, 7, false);
	depend_place(d, &t, 1, &a);
	depend_place(d, &t, 1, &b);
	assert_int_not_equal(a.lane, b.lane);
	assert_int_equal(b.nwaits, 0);
	touch_clear(&t);
	touch_ref(&t, 7, true);
	depend_place(d, &t, 1, &c);
	assert_int_equal(c.lane, b.lane);
	assert_int_equal(c.nwaits, 1);
	assert_int_equal(c.waits[0], a.seq);
	touch_ref(&t, 7, false); /* its own child with it */
	touch_ref(&t, 8, false);
	depend_place(d, &t, 1, &e);
	assert_int_equal(e.lane, c.lane);
	assert_int_equal(e.nwaits, 1);
	touch_fini(&t);
	depend_free(&d);
}

/* Keys of committed transactions leave: memory follows what is under way. */
static void keys_are_forgotten(void **state)
{
	struct depend *d = depend_new(4, 10);
	struct touch t = {0};
	struct place p;
	uint64_t seq;

	(void)state;
	for (uint64_t i = 1; i <= 200000; i++) {
		one_key(&t, i * 0x9e3779b97f4a7c15u);
		depend_place(d, &t, 1, &p);
		assert_int_equal(p.nwaits, 0);
		depend_done(d, p.seq);
		assert_true(depend_pop(d, &seq));
	}
	assert_true(depend_size(d) <= 4096);
	touch_fini(&t);
	depend_free(&d);
}

/* --- runs --- */

static struct binlog_gtid_event gtid(unsigned domain, uint64_t n)
{
	return (struct binlog_gtid_event){.mariadb = true, .domain = domain, .server_id = 1, .seq = n};
}

static struct position pos(uint64_t offset)
{
	return (struct position){1, 3, offset};
}

static void runs_and_their_text(void **state)
{
	struct runs r = {0}, back = {0}, more = {0};
	struct buf text = {0}, again = {0};
	struct binlog_gtid_event g;
	struct position other = {2, 9, 100};
	struct err e = {0};

	(void)state;
	for (uint64_t i = 0; i < 3; i++) {
		g = gtid(0, 10 + i);
		runs_add(&r, pos(100 * i), pos(100 * i + 90), &g, i > 0);
	}
	g = gtid(7, 1);
	runs_add(&r, pos(300), pos(390), &g, true);
	g = gtid(0, 20);
	runs_add(&more, pos(500), pos(590), &g, false);
	runs_append(&r, &more, false);
	runs_add(&more, pos(600), pos(690), NULL, false);
	runs_text(&r, &text);
	assert_string_equal(buf_cstr(&text), "1:3:0 1:3:390 0:10-12,7:1-1\n1:3:500 1:3:590 0:20-20\n");
	assert_int_equal(runs_parse(&back, buf_str(&text), &e), 0);
	runs_text(&back, &again);
	assert_string_equal(buf_cstr(&again), buf_cstr(&text));
	assert_true(runs_have(&back, pos(100), pos(190), NULL));
	assert_false(runs_have(&back, pos(400), pos(490), NULL));
	assert_false(runs_have(&back, pos(300), pos(395), NULL)); /* it ends behind */
	/* On another host positions say nothing. */
	g = gtid(0, 11);
	assert_true(runs_have(&back, other, other, &g));
	assert_false(runs_have(&back, pos(400), pos(490), &g)); /* here they do */
	g = gtid(0, 13);
	assert_false(runs_have(&back, other, other, &g));
	g = gtid(1, 11);
	assert_false(runs_have(&back, other, other, &g));
	runs_cut(&back, pos(390));
	assert_int_equal(back.n, 1);
	assert_int_equal(runs_parse(&back, STR_LIT("nonsense"), &e), -1);
	runs_fini(&r);
	runs_fini(&back);
	runs_fini(&more);
	buf_free(&text);
	buf_free(&again);
}

/* On another host, behind a switch of the upstream, what was applied comes at other places behind the
 * watermark. */
static void runs_of_another_relay_log(void **state)
{
	struct binlog_gtid_event g = {.gno = 5};
	struct position later = {2, 1, 4};
	struct gtid_set *some, *all;
	struct runs r = {0};
	struct err e = {0};

	(void)state;
	memset(g.uuid, 0xaa, sizeof(g.uuid));
	runs_add(&r, pos(100), pos(190), &g, false);
	g.gno = 6;
	runs_add(&r, pos(200), pos(290), &g, true);
	some = gtid_set_parse(FLAVOR_MYSQL, STR_LIT("aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:1-5"), &e);
	all = gtid_set_parse(FLAVOR_MYSQL, STR_LIT("aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:1-6"), &e);
	assert_true(some && all);
	runs_cut_same(&r, later);
	assert_int_equal(r.n, 1);
	runs_cut_by(&r, later, some);
	assert_true(runs_have(&r, later, later, &g));
	runs_cut_by(&r, later, all);
	assert_int_equal(r.n, 0);
	runs_add(&r, pos(100), pos(190), &g, false);
	runs_cut_by(&r, pos(189), all);
	assert_int_equal(r.n, 1);
	runs_cut_by(&r, pos(190), some); /* the same relay log: places tell */
	assert_int_equal(r.n, 0);
	runs_add(&r, pos(100), pos(190), &g, false);
	runs_cut_by(&r, later, NULL);
	assert_int_equal(r.n, 0);
	g = (struct binlog_gtid_event){.mariadb = true, .domain = 3, .server_id = 1, .seq = 8};
	runs_add(&r, pos(100), pos(190), &g, false);
	gtid_set_free(&some);
	gtid_set_free(&all);
	some = gtid_set_parse(FLAVOR_MARIADB, STR_LIT("2-1-9,3-1-7"), &e);
	all = gtid_set_parse(FLAVOR_MARIADB, STR_LIT("3-2-8"), &e);
	runs_cut_by(&r, later, some);
	assert_int_equal(r.n, 1);
	runs_cut_by(&r, later, all);
	assert_int_equal(r.n, 0);
	gtid_set_free(&some);
	gtid_set_free(&all);
	runs_fini(&r);
}

/* While one lane is slow, another commits batches: what they did stays few spans, whoever's turn it was. */
static void runs_of_many_batches(void **state)
{
	struct runs all = {0}, one = {0};
	struct buf text = {0};

	(void)state;
	for (uint64_t i = 0; i < 3000; i++) {
		struct binlog_gtid_event g = gtid(i % 2, 10 + 3 * i); /* others' lie between */

		runs_clear(&one);
		runs_add(&one, pos(100 * i), pos(100 * i + 90), &g, false);
		runs_append(&all, &one, i > 0);
	}
	runs_text(&all, &text);
	assert_string_equal(buf_cstr(&text), "1:3:0 1:3:299990 0:10-9004,1:13-9007\n");
	assert_int_equal(runs_weight(&all), 1);
	/* MySQL's are counted one by one. */
	runs_clear(&all);
	for (uint64_t i = 0; i < 400; i++) {
		struct binlog_gtid_event g = {.uuid = {(uint8_t)(i % 2)}, .gno = (1 + i / 2 * (i % 2 + 1))};

		runs_clear(&one);
		runs_add(&one, pos(100 * i), pos(100 * i + 90), &g, false);
		runs_append(&all, &one, i > 0);
	}
	assert_int_equal(all.n, 1);
	assert_int_equal(runs_weight(&all), 50); /* 1 + 200 spans */
	runs_fini(&all);
	runs_fini(&one);
	buf_free(&text);
}

static void runs_of_mysql(void **state)
{
	struct binlog_gtid_event g = {.uuid = {1, 2, 3}, .gno = 5};
	struct runs r = {0}, back = {0};
	struct buf text = {0};
	struct err e = {0};

	(void)state;
	runs_add(&r, pos(0), pos(9), &g, false);
	g.gno = 6;
	runs_add(&r, pos(10), pos(19), &g, true);
	g.gno = 8; /* not counted in a row: 7 is somebody else's */
	strcpy(g.tag, "");
	runs_add(&r, pos(20), pos(29), &g, true);
	strcpy(g.tag, "tag");
	runs_add(&r, pos(30), pos(39), &g, true);
	runs_text(&r, &text);
	assert_string_equal(buf_cstr(&text), "1:3:0 1:3:39 01020300-0000-0000-0000-000000000000:5-6,"
					     "01020300-0000-0000-0000-000000000000:8-8,"
					     "01020300-0000-0000-0000-000000000000:tag:8-8\n");
	assert_int_equal(runs_parse(&back, buf_str(&text), &e), 0);
	assert_true(runs_have(&back, (struct position){9, 0, 0}, (struct position){9, 0, 0}, &g));
	g.gno = 7;
	assert_false(runs_have(&back, (struct position){9, 0, 0}, (struct position){9, 0, 0}, &g));
	runs_fini(&r);
	runs_fini(&back);
	buf_free(&text);
}

/* What needs a slow one and something newer elsewhere stands behind the slow one: there it holds nobody. What
 * needs two slow ones holds a lane, which is a slow one's then. */
static void who_waits_for_a_slow_one(void **state)
{
	struct depend *d = depend_new(3, 100);
	struct touch t = {0};
	struct place slow, newer, both, third, last;

	(void)state;
	one_key(&t, 1);
	t.slow = true;
	depend_place(d, &t, 1000, &slow);
	one_key(&t, 2);
	depend_place(d, &t, 1, &newer);
	assert_int_not_equal(newer.lane, slow.lane);
	one_key(&t, 1);
	touch_key(&t, 2);
	depend_place(d, &t, 1, &both);
	assert_int_equal(both.lane, slow.lane);
	assert_int_equal(both.nwaits, 1);
	assert_int_equal(both.waits[0], newer.seq);
	one_key(&t, 3);
	t.slow = true;
	depend_place(d, &t, 1000, &third);
	assert_int_not_equal(third.lane, slow.lane);
	one_key(&t, 2); /* both's */
	touch_key(&t, 3);
	depend_place(d, &t, 1, &both);
	depend_done(d, both.lane == slow.lane ? slow.seq : third.seq);
	one_key(&t, 9);
	depend_place(d, &t, 1, &last);
	assert_int_not_equal(last.lane, both.lane);
	assert_int_equal(last.nwaits, 0);
	touch_fini(&t);
	depend_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_graphs),
		cmocka_unit_test(lanes_chosen),
		cmocka_unit_test(past_a_slow_one),
		cmocka_unit_test(past_the_slow_one_of_its_lane),
		cmocka_unit_test(who_waits_for_a_slow_one),
		cmocka_unit_test(shared_keys),
		cmocka_unit_test(keys_are_forgotten),
		cmocka_unit_test(runs_and_their_text),
		cmocka_unit_test(runs_of_another_relay_log),
		cmocka_unit_test(runs_of_many_batches),
		cmocka_unit_test(runs_of_mysql),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
