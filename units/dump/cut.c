/*
 * Cutting a big table at places of its key. A guess half way between two keys (middle.c), the row next to it
 * as the place, and the server's estimate of what lies on both sides; where guesses don't help, a walk along
 * the index (docs/design/copy.md has the figures). Called by the planning. Reads keys only; must never need a
 * guess to be right.
 */
#include "units/dump/cut.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/sql/quote.h"
#include "units/dump/key.h"
#include "units/dump/middle.h"

/* So many guesses that cut off a sliver only, and the index is walked. */
enum { SLIVERS = 3, SLIVER = 8 };

/* lo < key <= hi while cutting: both ends are known here, open or not. */
struct piece {
	struct range r;
	uint64_t rows;
	unsigned slivers;
	bool whole; /* can't be cut further */
};

struct cutter {
	const struct cut *o;
	const struct key *k;
	struct piece *p;
	unsigned n, walks;
};

/* --- questions --- */

static void put_columns(struct buf *b, const struct cutter *c, const char *hint)
{
	for (unsigned i = 0; i < c->k->ncolumns; i++) {
		buf_puts(b, i ? "," : "SELECT ");
		key_put_select(b, &c->o->t->structure->columns[c->k->columns[i]]);
	}
	stretch_put_from(b, c->o->t, c->o->partitions, hint);
}

static void put_where(struct buf *b, const struct cutter *c, const struct range *const *ranges, unsigned n)
{
	const char *word = " WHERE ";

	for (unsigned i = 0; i < n; i++) {
		size_t start = b->n;

		buf_puts(b, word);
		if (range_put(b, c->o->t->structure, c->k, ranges[i]))
			word = " AND ";
		else
			b->n = start;
	}
}

/* False: one of the values has no literal. */
static bool take_place(const struct cutter *c, const struct str *v, struct tuple *out)
{
	struct buf text = {0};
	bool good = true;

	*out = (struct tuple){0};
	for (unsigned i = 0; good && i < c->k->ncolumns; i++) {
		buf_clear(&text);
		good = key_put_literal(&text, &c->o->t->structure->columns[c->k->columns[i]], v[i]);
		if (good)
			tuple_add(out, buf_str(&text));
	}
	buf_free(&text);
	if (!good)
		tuple_free(out);
	return good;
}

struct question {
	const struct range *ranges[2]; /* the place is in both */
	unsigned n;
	bool down;     /* from the far end */
	uint64_t skip; /* rows before it */
};

/* A row's place. 1: found; 0: there is none, or none that can be written down. */
static int ask_place(const struct cutter *c, const struct question *q, struct tuple *out, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *r;
	const struct str *v;
	int got = -1;

	put_columns(&sql, c, "FORCE");
	put_where(&sql, c, q->ranges, q->n);
	stretch_put_order(&sql, c->o->t->structure, c->k, q->down);
	buf_putf(&sql, " LIMIT %" PRIu64 ",1", q->skip);
	r = db_query(c->o->c, buf_str(&sql), e);
	buf_free(&sql);
	if (r && (got = db_fetch(r, &v, e)) > 0)
		got = take_place(c, v, out);
	db_rows_close(&r);
	return got;
}

/* About how many rows are in it. */
static int estimate(const struct cutter *c, const struct range *range, uint64_t *rows, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *r;
	const struct str *v;
	int got = -1;

	/* MySQL 9 answers with a tree unless asked not to. */
	buf_puts(&sql,
		db_server(c->o->c)->flavor == FLAVOR_MYSQL ? "EXPLAIN FORMAT=TRADITIONAL " : "EXPLAIN ");
	/* With FORCE INDEX MySQL does not look into the index, and says 1. */
	put_columns(&sql, c, "USE");
	put_where(&sql, c, &range, 1);
	*rows = 0;
	r = db_query(c->o->c, buf_str(&sql), e);
	buf_free(&sql);
	while (r && (got = db_fetch(r, &v, e)) > 0)
		for (unsigned i = 0; i < db_columns(r); i++)
			if (strcasecmp(db_column_name(r, i), "rows") == 0 && v[i].p)
				*rows = strtoull(v[i].p, NULL, 10);
	db_rows_close(&r);
	return got;
}

/* --- one cut --- */

/* A place of the key's first columns, half way: what both ends begin with, then one value in between. */
static bool guess(const struct cutter *c, const struct range *r, struct tuple *out)
{
	struct buf text = {0};
	unsigned i = 0;
	bool found;

	*out = (struct tuple){0};
	while (i < r->lo.n && i < r->hi.n && strcmp(r->lo.v[i], r->hi.v[i]) == 0)
		tuple_add(out, str_of(r->lo.v[i++]));
	found = i < r->lo.n && i < r->hi.n &&
		middle_of(&text, &c->o->t->structure->columns[c->k->columns[i]], r->lo.v[i], r->hi.v[i]);
	if (found)
		tuple_add(out, buf_str(&text));
	else
		tuple_free(out);
	buf_free(&text);
	return found;
}

/* The last row up to the guess; where there is none, the first one behind it. */
static int place_near(const struct cutter *c, const struct range *r, const struct tuple *near,
	struct tuple *out, struct err *e)
{
	struct range below = {.hi = *near}, above = {.lo = *near};
	struct question q = {{r, &below}, 2, true, 0};
	int got = ask_place(c, &q, out, e);

	if (got != 0)
		return got;
	q = (struct question){{r, &above}, 2, false, 0};
	return ask_place(c, &q, out, e);
}

static int place_by_guess(const struct cutter *c, const struct piece *p, struct tuple *out, struct err *e)
{
	struct tuple near;
	int got;

	if (p->slivers >= SLIVERS || !guess(c, &p->r, &near))
		return 0;
	got = place_near(c, &p->r, &near, out, e);
	tuple_free(&near);
	if (got > 0 && tuple_same(out, &p->r.hi)) {
		tuple_free(out);
		got = 0;
	}
	return got;
}

/* Rows counted along the index: slow, but never wrong. */
static int place_by_walk(const struct cutter *c, const struct piece *p, struct tuple *out, struct err *e)
{
	uint64_t half = p->rows / 2, skip = half < c->o->want ? half : c->o->want;
	struct question q = {{&p->r}, 1, false, skip ? skip - 1 : 0};
	int got = ask_place(c, &q, out, e);

	if (got > 0 && tuple_same(out, &p->r.hi)) {
		tuple_free(out);
		got = 0;
	}
	return got;
}

/* Piece i becomes two, at a place that is taken. */
static int cut_at(struct cutter *c, unsigned i, struct tuple place, struct err *e)
{
	struct piece *left = &c->p[i], *right = left + 1;
	uint64_t all;

	memmove(right + 1, right, (c->n - i - 1) * sizeof(*right));
	c->n++;
	*right = (struct piece){.r = {place, left->r.hi}, .slivers = left->slivers};
	left->r.hi = tuple_copy(&place);
	if (estimate(c, &left->r, &left->rows, e) < 0 || estimate(c, &right->r, &right->rows, e) < 0)
		return -1;
	all = left->rows + right->rows;
	if (left->rows < all / SLIVER || right->rows < all / SLIVER)
		left->slivers = ++right->slivers;
	else
		left->slivers = right->slivers = 0;
	return 0;
}

static int cut_piece(struct cutter *c, unsigned i, struct err *e)
{
	struct tuple place;
	int got = place_by_guess(c, &c->p[i], &place, e);

	if (got == 0) {
		c->walks++;
		c->p[i].slivers = 0; /* guesses may help again behind it */
		got = place_by_walk(c, &c->p[i], &place, e);
	}
	if (got == 0)
		c->p[i].whole = true;
	return got > 0 ? cut_at(c, i, place, e) : got;
}

/* --- all of them --- */

/* The piece with the most rows that is worth cutting; n: none. */
static unsigned largest(const struct cutter *c)
{
	unsigned best = c->n;

	for (unsigned i = 0; i < c->n; i++)
		if (!c->p[i].whole && c->p[i].rows > c->o->want &&
			(best == c->n || c->p[i].rows > c->p[best].rows))
			best = i;
	return best;
}

/* Where an end is open, the row at it: guesses need one. 0: there is no row. */
static int close_ends(const struct cutter *c, struct range *r, struct err *e)
{
	struct question q = {{r}, 1, false, 0};
	int got = 1;

	if (r->lo.n == 0)
		got = ask_place(c, &q, &r->lo, e);
	q.down = true;
	if (got > 0 && r->hi.n == 0)
		got = ask_place(c, &q, &r->hi, e);
	return got;
}

/* Neighbours that together hold no more than what is wanted become one again. */
static void join(struct cutter *c)
{
	unsigned out = 0;

	for (unsigned i = 1; i < c->n; i++) {
		struct piece *a = &c->p[out], *b = &c->p[i];

		if (a->rows > c->o->want || b->rows > c->o->want - a->rows) {
			c->p[++out] = *b;
			continue;
		}
		tuple_free(&a->r.hi);
		tuple_free(&b->r.lo);
		a->r.hi = b->r.hi;
		a->rows += b->rows;
	}
	c->n = out + 1;
}

static int cut_all(struct cutter *c, struct err *e)
{
	int r = 1;

	c->p[0].rows = c->o->rows;
	r = close_ends(c, &c->p[0].r, e);
	if (r > 0 && c->p[0].rows == 0 && estimate(c, &c->p[0].r, &c->p[0].rows, e) < 0)
		r = -1;
	while (r > 0 && c->n < c->o->limit) {
		unsigned i = largest(c);

		if (i == c->n)
			break;
		r = cut_piece(c, i, e) < 0 ? -1 : 1;
	}
	return r < 0 ? -1 : 0;
}

/* The pieces' ends, with the first and the last as they were asked for: open ends stay open. */
static struct range *take_ranges(struct cutter *c, const struct range *r)
{
	struct range *out = xcalloc(c->n, sizeof(*out));

	for (unsigned i = 0; i < c->n; i++)
		out[i] = c->p[i].r;
	tuple_free(&out[0].lo);
	out[0].lo = tuple_copy(&r->lo);
	tuple_free(&out[c->n - 1].hi);
	out[c->n - 1].hi = tuple_copy(&r->hi);
	return out;
}

int cut_range(const struct cut *o, const struct range *r, struct range **out, struct err *e)
{
	struct cutter c = {.o = o, .k = key_of(o->t), .p = xcalloc(o->limit + 1, sizeof(*c.p)), .n = 1};
	int n;

	c.p[0].r = range_copy(r);
	n = cut_all(&c, e);
	if (n == 0) {
		log_debug("`%s`.`%s`: %u cuts, %u of them by a walk", o->t->schema, o->t->name, c.n - 1,
			c.walks);
		join(&c);
		n = (int)c.n;
		*out = take_ranges(&c, r);
	} else {
		for (unsigned i = 0; i < c.n; i++)
			range_free(&c.p[i].r);
	}
	free(c.p);
	return n;
}
