/*
 * The counts behind a copy's progress. Knows tables by their number only, and no server. Called by dump and
 * load; the one place that makes an estimate of what a copy will be.
 */
#include "common/proc/tally.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/base/xalloc.h"

/* SHOWN: a status goes to the master every second. MORE: where a table has passed its estimate there is more
 * of it, and nobody knows how much: a twentieth. EMPTY: what storage an empty table takes. */
enum { SHOWN = 20, MORE = 20, EMPTY = 64 * 1024, SKEW = 8 };

struct table {
	struct amount storage, done, taken;
	unsigned stretches, over;
	uint64_t over_rows; /* of the stretches that are over */
	bool ended;
};

struct tally {
	pthread_mutex_t lock;
	unsigned n, ended;
	struct table t[];
};

struct tally *tally_new(unsigned tables)
{
	struct tally *t = xcalloc(1, sizeof(*t) + tables * sizeof(t->t[0]));

	pthread_mutex_init(&t->lock, NULL);
	t->n = tables;
	return t;
}

void tally_free(struct tally **t)
{
	if (*t)
		pthread_mutex_destroy(&(*t)->lock);
	free(*t);
	*t = NULL;
}

/* The table, locked; NULL where there is no such. */
static struct table *take(struct tally *t, unsigned table)
{
	if (!t || table >= t->n)
		return NULL;
	pthread_mutex_lock(&t->lock);
	return &t->t[table];
}

static void give_back(struct tally *t)
{
	pthread_mutex_unlock(&t->lock);
}

void tally_expect(struct tally *t, unsigned table, struct amount storage)
{
	struct table *x = take(t, table);

	if (!x)
		return;
	x->storage = storage;
	give_back(t);
}

void tally_cut(struct tally *t, unsigned table, unsigned stretches)
{
	struct table *x = take(t, table);

	if (!x)
		return;
	x->stretches = stretches;
	give_back(t);
}

void tally_add(struct tally *t, unsigned table, struct amount more)
{
	struct table *x = take(t, table);

	if (!x)
		return;
	x->done.rows += more.rows;
	x->done.bytes += more.bytes;
	give_back(t);
}

void tally_take(struct tally *t, unsigned table, struct amount more)
{
	struct table *x = take(t, table);

	if (!x)
		return;
	x->taken.rows += more.rows;
	x->taken.bytes += more.bytes;
	give_back(t);
}

void tally_stretch_over(struct tally *t, unsigned table, uint64_t rows)
{
	struct table *x = take(t, table);

	if (!x)
		return;
	x->over++;
	x->over_rows += rows;
	give_back(t);
}

void tally_end(struct tally *t, unsigned table)
{
	struct table *x = take(t, table);

	if (!x)
		return;
	t->ended += !x->ended;
	x->ended = true;
	give_back(t);
}

/* --- estimates; all under the lock --- */

static uint64_t whole_rows(const struct table *x)
{
	double rows = (double)x->storage.rows, part, each;
	uint64_t whole;

	if (x->ended)
		return x->done.rows;
	if (x->over > 0 && x->stretches >= x->over) {
		/* The more of them are over, the more what is left is taken to be like them. */
		part = (double)x->over / x->stretches;
		each = rows / x->stretches * (1 - part) + (double)x->over_rows / x->over * part;
		rows = (double)x->over_rows + (x->stretches - x->over) * each;
	}
	whole = (uint64_t)rows;
	return whole > x->done.rows || x->done.rows == 0 ? whole : x->done.rows + x->done.rows / MORE + 1;
}

static bool under_way(const struct table *x, bool taken)
{
	return x->done.rows > 0 && (!x->ended || (taken && x->taken.rows < x->done.rows));
}

/* From what is done of it. */
static double grown_bytes(const struct table *x)
{
	return (double)x->done.bytes / (double)x->done.rows * (double)whole_rows(x);
}

/* Bytes of chunks for a byte of storage, by the tables that are begun or done. */
static double text_per_byte(const struct tally *t)
{
	double text = 0, storage = 0, r;

	for (unsigned i = 0; i < t->n; i++)
		if (t->t[i].done.rows > 0 && t->t[i].storage.bytes > EMPTY) {
			text += grown_bytes(&t->t[i]);
			storage += (double)t->t[i].storage.bytes;
		}
	r = storage > 0 ? text / storage : 1;
	return r > SKEW ? SKEW : r < 1.0 / SKEW ? 1.0 / SKEW : r;
}

static uint64_t whole_bytes(const struct table *x, double text)
{
	double bytes;

	if (x->ended)
		return x->done.bytes;
	if (x->storage.rows == 0 && x->storage.bytes <= EMPTY && x->done.rows == 0)
		return x->done.bytes;
	bytes = x->done.rows > 0 ? grown_bytes(x) : (double)x->storage.bytes * text;
	return bytes > (double)x->done.bytes ? (uint64_t)bytes : x->done.bytes;
}

static struct tally_now now_of(const struct table *x, double text)
{
	return (struct tally_now){.done = x->done,
		.taken = x->taken,
		.whole = {whole_rows(x), whole_bytes(x, text)},
		.tables = 1,
		.ended = x->ended};
}

static void add(struct tally_now *sum, const struct tally_now *one)
{
	sum->done.rows += one->done.rows;
	sum->done.bytes += one->done.bytes;
	sum->whole.rows += one->whole.rows;
	sum->whole.bytes += one->whole.bytes;
	sum->taken.rows += one->taken.rows;
	sum->taken.bytes += one->taken.bytes;
	sum->tables += one->tables;
	sum->ended += one->ended;
}

static void sum_up(const struct tally *t, double text, struct tally_now *out)
{
	*out = (struct tally_now){0};
	for (unsigned i = 0; i < t->n; i++) {
		struct tally_now one = now_of(&t->t[i], text);

		add(out, &one);
	}
}

void tally_of(struct tally *t, unsigned table, struct tally_now *out)
{
	const struct table *x = take(t, table);

	*out = (struct tally_now){0};
	if (!x)
		return;
	*out = now_of(x, text_per_byte(t));
	give_back(t);
}

void tally_all(struct tally *t, struct tally_now *out)
{
	*out = (struct tally_now){0};
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	sum_up(t, text_per_byte(t), out);
	pthread_mutex_unlock(&t->lock);
}

/* --- telling it --- */

struct shown {
	unsigned table;
	struct tally_now now;
};

/* Keeps the largest: a bounded list, its smallest at the end. */
static void keep(struct shown *list, unsigned *n, struct shown one)
{
	unsigned at;

	if (*n == SHOWN && list[SHOWN - 1].now.whole.bytes >= one.now.whole.bytes)
		return;
	at = *n < SHOWN ? (*n)++ : SHOWN - 1;
	while (at > 0 && list[at - 1].now.whole.bytes < one.now.whole.bytes) {
		list[at] = list[at - 1];
		at--;
	}
	list[at] = one;
}

static void put(json_t *o, const char *key, uint64_t v)
{
	json_object_set_new(o, key, json_integer((json_int_t)v));
}

static void put_amounts(json_t *o, const struct tally_now *n, bool taken)
{
	put(o, "rows_done", n->done.rows);
	put(o, "rows_estimated", n->whole.rows);
	put(o, "bytes_done", n->done.bytes);
	put(o, "bytes_estimated", n->whole.bytes);
	if (!taken)
		return;
	put(o, "rows_taken", n->taken.rows);
	put(o, "bytes_taken", n->taken.bytes);
}

static unsigned look(struct tally *t, bool taken, struct tally_now *all, struct shown *list)
{
	unsigned n = 0;
	double text;

	pthread_mutex_lock(&t->lock);
	text = text_per_byte(t);
	sum_up(t, text, all);
	for (unsigned i = 0; i < t->n; i++)
		if (under_way(&t->t[i], taken))
			keep(list, &n, (struct shown){i, now_of(&t->t[i], text)});
	pthread_mutex_unlock(&t->lock);
	return n;
}

void tally_status(struct tally *t, const struct tally_words *w, json_t *out)
{
	struct shown list[SHOWN];
	struct tally_now all = {0};
	unsigned n = t ? look(t, w->taken, &all, list) : 0;
	json_t *tables = json_array();
	struct buf b = {0};

	put(out, "tables_total", all.tables);
	put(out, "tables_done", all.ended);
	put_amounts(out, &all, w->taken);
	for (unsigned i = 0; i < n; i++) {
		json_t *o;

		buf_clear(&b);
		w->name(w->arg, list[i].table, &b);
		if (b.n == 0)
			continue;
		o = json_object();
		json_object_set_new(o, "table", json_stringn(b.p, b.n));
		put_amounts(o, &list[i].now, w->taken);
		json_array_append_new(tables, o);
	}
	json_object_set_new(out, "tables", tables);
	buf_free(&b);
}
