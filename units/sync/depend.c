/*
 * The scheduler's memory: who wrote a key last, who is committed, and the choice of a lane. Called under the
 * scheduler's lock. Why lanes can't wait for each other in a ring: docs/design/apply.md.
 */
#include "units/sync/depend.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/map.h"
#include "common/base/xalloc.h"

enum { KEYS_FIRST = 1024, GATES_MAX = 4096 };

struct writer_of {
	uint64_t key, seq; /* seq 0: an empty place */
};

/* Readers of one lane commit in order, so the last of each lane stands for all. */
struct gate {
	uint64_t write, read[LANES_MAX];
};

struct flight {
	bool done;
	uint8_t lane;
	uint64_t slow; /* the newest slow one of its lane, up to itself; 0: none */
};

struct lane_load {
	uint64_t slow;   /* its newest slow transaction; 0: none so far */
	uint64_t queued; /* rows that it has not taken yet */
	uint64_t taken;  /* rows that it works on */
};

struct depend {
	unsigned lanes, current;
	uint64_t run_rows, run; /* in the current lane so far */
	uint64_t next, oldest;
	struct flight window[WINDOW_MAX];
	struct lane_load lane[LANES_MAX];
	struct writer_of *keys; /* open addressing */
	size_t size, used;      /* size: a power of two */
	struct map *gates;
};

void touch_key(struct touch *t, uint64_t key)
{
	if (t->nkeys == t->keys_room) {
		t->keys_room = t->keys_room ? t->keys_room * 2 : 64;
		t->keys = xrealloc(t->keys, t->keys_room * sizeof(*t->keys));
	}
	t->keys[t->nkeys++] = key;
}

void touch_ref(struct touch *t, uint64_t key, bool owner)
{
	if (t->nrefs == t->refs_room) {
		t->refs_room = t->refs_room ? t->refs_room * 2 : 64;
		t->refs = xrealloc(t->refs, t->refs_room * sizeof(*t->refs));
	}
	t->refs[t->nrefs++] = (struct ref_use){key, owner};
}

void touch_gate(struct touch *t, uint64_t gate, bool exclusive)
{
	/* Mostly the same few again: the newest first. */
	for (size_t i = t->ngates; i-- > 0;)
		if (t->gates[i].gate == gate) {
			t->gates[i].exclusive = t->gates[i].exclusive || exclusive;
			return;
		}
	if (t->ngates == t->gates_room) {
		t->gates_room = t->gates_room ? t->gates_room * 2 : 8;
		t->gates = xrealloc(t->gates, t->gates_room * sizeof(*t->gates));
	}
	t->gates[t->ngates++] = (struct gate_use){gate, exclusive};
}

void touch_clear(struct touch *t)
{
	t->nkeys = t->nrefs = t->ngates = 0;
	t->slow = false;
}

void touch_fini(struct touch *t)
{
	free(t->keys);
	free(t->refs);
	free(t->gates);
	*t = (struct touch){0};
}

struct depend *depend_new(unsigned lanes, uint64_t run_rows)
{
	struct depend *d = xcalloc(1, sizeof(*d));

	assert(lanes >= 1 && lanes <= LANES_MAX);
	d->lanes = lanes;
	d->run_rows = run_rows;
	d->next = d->oldest = 1;
	d->size = KEYS_FIRST;
	d->keys = xcalloc(d->size, sizeof(*d->keys));
	d->gates = map_new();
	return d;
}

void depend_free(struct depend **d)
{
	if (!*d)
		return;
	map_free(&(*d)->gates, free);
	free((*d)->keys);
	free(*d);
	*d = NULL;
}

static struct flight *flight_of(struct depend *d, uint64_t seq)
{
	return &d->window[seq % WINDOW_MAX];
}

bool depend_committed(const struct depend *d, uint64_t seq)
{
	return seq < d->oldest || (seq < d->next && d->window[seq % WINDOW_MAX].done);
}

bool depend_full(const struct depend *d)
{
	return d->next - d->oldest >= WINDOW_MAX;
}

bool depend_empty(const struct depend *d)
{
	return d->next == d->oldest;
}

uint64_t depend_oldest(const struct depend *d)
{
	return d->oldest;
}

uint64_t depend_next(const struct depend *d)
{
	return d->next;
}

size_t depend_size(const struct depend *d)
{
	return d->size;
}

/* Keys are hashes already; the low bits choose the place. */
static struct writer_of *place_of(struct writer_of *keys, size_t size, uint64_t key)
{
	size_t i = (size_t)(key ^ (key >> 32)) & (size - 1);

	while (keys[i].seq && keys[i].key != key)
		i = (i + 1) & (size - 1);
	return &keys[i];
}

/* What is committed is forgotten; the table gets the size that the rest needs. */
static void sweep(struct depend *d)
{
	struct writer_of *old = d->keys;
	size_t live = 0, size = KEYS_FIRST;

	for (size_t i = 0; i < d->size; i++)
		live += old[i].seq && !depend_committed(d, old[i].seq);
	while (size < live * 4)
		size *= 2;
	d->keys = xcalloc(size, sizeof(*d->keys));
	for (size_t i = 0; i < d->size; i++)
		if (old[i].seq && !depend_committed(d, old[i].seq))
			*place_of(d->keys, size, old[i].key) = old[i];
	free(old);
	d->size = size;
	d->used = live;
}

/* The newest that must be waited for, in each lane; 0: nothing. */
static void need(struct depend *d, uint64_t seq, uint64_t newest[LANES_MAX])
{
	unsigned lane;

	if (depend_committed(d, seq))
		return;
	lane = flight_of(d, seq)->lane;
	if (seq > newest[lane])
		newest[lane] = seq;
}

/* seq has it last from now on; who had it before, 0: nobody. */
static uint64_t note(struct depend *d, uint64_t key, uint64_t seq)
{
	struct writer_of *w;
	uint64_t was;

	if (d->used * 2 >= d->size)
		sweep(d);
	w = place_of(d->keys, d->size, key);
	was = w->seq;
	if (!was) {
		d->used++;
		w->key = key;
	}
	w->seq = seq;
	return was;
}

static void need_key(struct depend *d, uint64_t key, uint64_t newest[LANES_MAX])
{
	uint64_t was = note(d, key, d->next);

	if (was != d->next)
		need(d, was, newest);
}

/* Those of a lane who share a key: the last of them stands for all, as with a gate. Under a key of its own,
 * for there are many. */
static uint64_t share_of(uint64_t key, unsigned lane)
{
	return key ^ (0x9e3779b97f4a7c15ULL * (lane + 1));
}

static void need_ref(struct depend *d, const struct ref_use *u, uint64_t newest[LANES_MAX])
{
	uint64_t was;

	if (!u->owner) {
		was = place_of(d->keys, d->size, u->key)->seq;
		if (was != d->next)
			need(d, was, newest);
		return;
	}
	need_key(d, u->key, newest);
	for (unsigned i = 0; i < d->lanes; i++)
		need(d, place_of(d->keys, d->size, share_of(u->key, i))->seq, newest);
}

static struct gate *gate_of(struct depend *d, uint64_t id)
{
	struct str key = {(const char *)&id, sizeof(id)};
	struct gate *g = map_get(d->gates, key);

	if (!g) {
		g = xcalloc(1, sizeof(*g));
		map_put(d->gates, key, g);
	}
	return g;
}

static void need_gate(struct depend *d, const struct gate_use *u, uint64_t newest[LANES_MAX])
{
	struct gate *g = gate_of(d, u->gate);

	need(d, g->write, newest);
	for (unsigned i = 0; u->exclusive && i < d->lanes; i++)
		need(d, g->read[i], newest);
}

static void pass_gate(struct depend *d, const struct gate_use *u, uint64_t seq, unsigned lane)
{
	struct gate *g = gate_of(d, u->gate);

	if (u->exclusive)
		g->write = seq;
	else
		g->read[lane] = seq;
}

static uint64_t load_of(const struct depend *d, unsigned lane)
{
	return d->lane[lane].queued + d->lane[lane].taken;
}

/* A slow one behind `seq` stands in it still. */
static bool is_slow(const struct depend *d, unsigned lane, uint64_t seq)
{
	uint64_t slow = d->lane[lane].slow;

	return slow > seq && !depend_committed(d, slow);
}

/* Who waits for `seq` waits for a slow one: itself, or one that it stands behind. */
static bool waits_long(struct depend *d, uint64_t seq)
{
	return !depend_committed(d, seq) && !depend_committed(d, flight_of(d, seq)->slow);
}

/* The lane has less to do than the other, and first of all nothing slow. */
static bool is_freer(const struct depend *d, unsigned lane, unsigned than)
{
	bool a = is_slow(d, lane, 0), b = is_slow(d, than, 0);

	return a == b ? load_of(d, lane) < load_of(d, than) : b;
}

/* Nothing to wait for: on with the run, until it is long and another lane has less to do. */
static unsigned free_lane(struct depend *d, bool slow)
{
	unsigned best = d->current;

	if (!slow && !is_slow(d, best, 0) && (d->run < d->run_rows || load_of(d, best) == 0))
		return best;
	for (unsigned i = 0; i < d->lanes; i++)
		if (is_freer(d, i, best))
			best = i;
	return best;
}

/* To stand behind `a` spares more than to stand behind `b`: above all the wait for a slow one, which would
 * hold a lane that others could use; then for the one that ends last. */
static bool spares_more(struct depend *d, uint64_t a, uint64_t b)
{
	bool slow_a = waits_long(d, a), slow_b = waits_long(d, b);

	return slow_a == slow_b ? a > b : slow_a;
}

static unsigned choose(struct depend *d, const uint64_t newest[LANES_MAX], bool slow)
{
	unsigned best = LANES_MAX;

	/* Behind what it waits for, it need not wait at all. But not where a slow one stands between the two.
	 */
	for (unsigned i = 0; i < d->lanes; i++)
		if (newest[i] && !is_slow(d, i, newest[i]) &&
			(best == LANES_MAX || spares_more(d, newest[i], newest[best])))
			best = i;
	return best == LANES_MAX ? free_lane(d, slow) : best;
}

static uint64_t number(struct depend *d, unsigned lane, bool done)
{
	assert(!depend_full(d));
	*flight_of(d, d->next) =
		(struct flight){.done = done, .lane = (uint8_t)lane, .slow = d->lane[lane].slow};
	return d->next++;
}

static void set_slow(struct depend *d, const struct place *p)
{
	d->lane[p->lane].slow = flight_of(d, p->seq)->slow = p->seq;
}

void depend_place(struct depend *d, const struct touch *t, uint64_t rows, struct place *out)
{
	uint64_t newest[LANES_MAX] = {0};
	bool slow = t->slow;

	/* Gates of tables that are gone for long. */
	if (depend_empty(d) && map_count(d->gates) > GATES_MAX) {
		map_free(&d->gates, free);
		d->gates = map_new();
	}
	for (size_t i = 0; i < t->nkeys; i++)
		need_key(d, t->keys[i], newest);
	for (size_t i = 0; i < t->nrefs; i++)
		need_ref(d, &t->refs[i], newest);
	for (size_t i = 0; i < t->ngates; i++)
		need_gate(d, &t->gates[i], newest);
	out->lane = choose(d, newest, t->slow);
	out->nwaits = 0;
	for (unsigned i = 0; i < d->lanes; i++)
		if (newest[i] && i != out->lane) {
			out->waits[out->nwaits++] = newest[i];
			slow = slow || waits_long(d, newest[i]);
		}
	out->seq = number(d, out->lane, false);
	for (size_t i = 0; i < t->nrefs; i++)
		if (!t->refs[i].owner)
			note(d, share_of(t->refs[i].key, out->lane), out->seq);
	for (size_t i = 0; i < t->ngates; i++)
		pass_gate(d, &t->gates[i], out->seq, out->lane);
	if (slow)
		set_slow(d, out);
	d->lane[out->lane].queued += rows;
	/* What stands behind a slow one is no run for others. */
	if (is_slow(d, out->lane, 0))
		return;
	d->run = out->lane == d->current && d->run < d->run_rows ? d->run + rows : rows;
	d->current = out->lane;
}

uint64_t depend_pass(struct depend *d)
{
	return number(d, 0, true);
}

void depend_taken(struct depend *d, unsigned lane, uint64_t rows)
{
	struct lane_load *l = &d->lane[lane];

	l->taken = rows;
	l->queued -= rows < l->queued ? rows : l->queued;
}

void depend_returned(struct depend *d, unsigned lane, uint64_t rows)
{
	struct lane_load *l = &d->lane[lane];

	l->taken -= rows < l->taken ? rows : l->taken;
	l->queued += rows;
}

unsigned depend_busy(const struct depend *d)
{
	unsigned n = 0;

	for (unsigned i = 0; i < d->lanes; i++)
		n += d->lane[i].taken > 0;
	return n;
}

void depend_done(struct depend *d, uint64_t seq)
{
	flight_of(d, seq)->done = true;
}

bool depend_pop(struct depend *d, uint64_t *seq)
{
	if (depend_empty(d) || !flight_of(d, d->oldest)->done)
		return false;
	*seq = d->oldest++;
	return true;
}
