/*
 * Folding: what a batch does to one row, as one change. Called by the applier between decoding and the
 * row-writer. It must never hide a row that is missing in the downstream: an update or delete of a row that
 * stood there before the batch always stays an update or a delete, whose count is checked.
 *
 * Rows are told apart by the bytes of their key. Two keys of different bytes may be one to a collation; that
 * is right all the same, because deletes go out before inserts (docs/design/apply.md).
 */
#include "units/sync/fold.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"

enum { NONE = UINT32_MAX };

/* A row, or (order) one change of a table whose changes are not folded. */
struct item {
	const struct binlog_value *first; /* as it stood before the batch; NULL: it did not */
	const struct binlog_value *last;  /* as it will stand; NULL: it will not */
	uint64_t hash;
	uint32_t group;
	uint32_t next; /* of the same table */
	enum binlog_change change;
};

struct group {
	const struct table *table;
	uint32_t head, tail;
	bool ordered; /* in their order, not folded */
};

struct fold {
	struct item *items;
	struct group *groups;
	uint32_t *slots; /* hash -> item + 1; 0: free */
	size_t nitems, items_cap, ngroups, groups_cap;
	size_t nslots, nrows; /* nrows: items that have a slot, those of folded tables */
	size_t count;
	/* Tables whose images were not whole (binlog_row_image): not folded again. Only compared with, for
	 * they may be gone. */
	const struct table **partial;
	size_t npartial;
	uint32_t last_group; /* the group of the last change: often that of the next one */
	uint64_t seed;
};

struct fold *fold_new(void)
{
	struct fold *f = xcalloc(1, sizeof(*f));

	f->nslots = 1024;
	f->slots = xcalloc(f->nslots, sizeof(*f->slots));
	f->seed = clock_wall_us() * 2 + 1;
	return f;
}

void fold_free(struct fold **f)
{
	if (!*f)
		return;
	free((*f)->items);
	free((*f)->groups);
	free((*f)->slots);
	free((*f)->partial);
	free(*f);
	*f = NULL;
}

bool fold_ordered(const struct fold *f, const struct table *t)
{
	for (size_t i = 0; i < f->ngroups; i++)
		if (f->groups[i].table == t)
			return f->groups[i].ordered;
	return true;
}

void fold_clear(struct fold *f)
{
	if (f->nrows > 0)
		memset(f->slots, 0, f->nslots * sizeof(*f->slots));
	f->nitems = f->ngroups = f->count = f->nrows = 0;
}

size_t fold_count(const struct fold *f)
{
	return f->count;
}

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ (h >> 29);
}

static uint64_t hash_bytes(uint64_t h, struct str s)
{
	uint64_t word;

	h = mix(h, s.n);
	while (s.n >= 8) {
		memcpy(&word, s.p, 8);
		h = mix(h, word);
		s.p += 8;
		s.n -= 8;
	}
	word = 0;
	if (s.n > 0)
		memcpy(&word, s.p, s.n);
	return mix(h, word);
}

static uint64_t hash_key(const struct fold *f, const struct table *t, const struct binlog_value *row)
{
	uint64_t h = mix(f->seed, (uint64_t)(uintptr_t)t);

	for (unsigned k = 0; k < t->key->ncolumns; k++)
		h = hash_bytes(h, row[t->key->columns[k]].raw);
	return h;
}

static bool same_key(const struct table *t, const struct binlog_value *a, const struct binlog_value *b)
{
	for (unsigned k = 0; k < t->key->ncolumns; k++)
		if (!str_eq(a[t->key->columns[k]].raw, b[t->key->columns[k]].raw))
			return false;
	return true;
}

/* Every column that is written must be in it, and the key must have a value. */
static bool is_whole(const struct table *t, const struct binlog_value *row)
{
	for (unsigned i = 0; i < t->up->ncolumns; i++)
		if (t->target[i] >= 0 && !row[i].present)
			return false;
	for (unsigned k = 0; k < t->key->ncolumns; k++)
		if (row[t->key->columns[k]].null)
			return false;
	return true;
}

static bool is_ordered(const struct fold *f, const struct table *t)
{
	bool ordered = t->order == TABLE_ALONE;

	for (size_t i = 0; i < f->npartial && !ordered; i++)
		ordered = f->partial[i] == t;
	return ordered;
}

static void note_partial(struct fold *f, const struct table *t)
{
	enum { MOST = 64 };

	if (f->npartial == MOST)
		f->npartial = 0;
	if (!f->partial)
		f->partial = xcalloc(MOST, sizeof(*f->partial));
	f->partial[f->npartial++] = t;
}

static uint32_t group_of(struct fold *f, const struct table *t)
{
	if (f->last_group < f->ngroups && f->groups[f->last_group].table == t)
		return f->last_group;
	for (size_t i = 0; i < f->ngroups; i++)
		if (f->groups[i].table == t)
			return f->last_group = (uint32_t)i;
	if (f->ngroups == f->groups_cap) {
		f->groups_cap = f->groups_cap ? f->groups_cap * 2 : 16;
		f->groups = xrealloc(f->groups, f->groups_cap * sizeof(*f->groups));
	}
	f->groups[f->ngroups] =
		(struct group){.table = t, .head = NONE, .tail = NONE, .ordered = is_ordered(f, t)};
	return f->last_group = (uint32_t)f->ngroups++;
}

static void grow_slots(struct fold *f)
{
	free(f->slots);
	f->nslots *= 4;
	f->slots = xcalloc(f->nslots, sizeof(*f->slots));
	for (size_t i = 0; i < f->nitems; i++) {
		size_t at = f->items[i].hash & (f->nslots - 1);

		if (f->groups[f->items[i].group].ordered)
			continue;
		while (f->slots[at])
			at = (at + 1) & (f->nslots - 1);
		f->slots[at] = (uint32_t)i + 1;
	}
}

static struct item *append(struct fold *f, const struct table *t)
{
	uint32_t group = group_of(f, t), at = (uint32_t)f->nitems;
	struct group *g = &f->groups[group];

	if (f->nitems == f->items_cap) {
		f->items_cap = f->items_cap ? f->items_cap * 2 : 1024;
		f->items = xrealloc(f->items, f->items_cap * sizeof(*f->items));
	}
	f->items[f->nitems++] = (struct item){.group = group, .next = NONE};
	if (g->tail == NONE)
		g->head = at;
	else
		f->items[g->tail].next = at;
	g->tail = at;
	return &f->items[at];
}

/* The item of the row with this key, or NULL. Rows without any image left are found by neither: see drop. */
static struct item *find(
	const struct fold *f, const struct table *t, const struct binlog_value *row, uint64_t hash)
{
	for (size_t at = hash & (f->nslots - 1); f->slots[at]; at = (at + 1) & (f->nslots - 1)) {
		struct item *x = &f->items[f->slots[at] - 1];
		const struct binlog_value *image = x->last ? x->last : x->first;

		if (x->hash == hash && image && f->groups[x->group].table == t && same_key(t, image, row))
			return x;
	}
	return NULL;
}

static struct item *row_item(struct fold *f, const struct table *t, struct item *x, uint64_t hash)
{
	size_t at;

	if (x)
		return x;
	if (++f->nrows * 2 >= f->nslots)
		grow_slots(f);
	for (at = hash & (f->nslots - 1); f->slots[at];)
		at = (at + 1) & (f->nslots - 1);
	f->slots[at] = (uint32_t)f->nitems + 1;
	x = append(f, t);
	x->hash = hash;
	return x;
}

static void keep(struct fold *f, const struct table *t, struct item *x, uint64_t hash,
	const struct binlog_value *before, const struct binlog_value *after)
{
	bool fresh = !x;

	x = row_item(f, t, x, hash);
	if (fresh)
		x->first = before;
	x->last = after;
}

/* What is held of the row must be as the change says: there, or not there. */
static bool fits(const struct item *x, bool there)
{
	return !x || (x->last != NULL) == there;
}

static bool fold_row(struct fold *f, const struct table *t, const struct binlog_value *before,
	const struct binlog_value *after)
{
	uint64_t was = before ? hash_key(f, t, before) : 0, is = after ? hash_key(f, t, after) : 0;
	struct item *old = before ? find(f, t, before, was) : NULL, *new = NULL;

	if (before && !fits(old, true))
		return false;
	if (before && after && same_key(t, before, after)) {
		keep(f, t, old, was, before, after);
		return true;
	}
	new = after ? find(f, t, after, is) : NULL;
	if (after && !fits(new, false))
		return false;
	/* A key that moves is a row that goes and one that comes. */
	if (before)
		keep(f, t, old, was, before, NULL);
	if (after) /* found again: keep() may have moved the items */
		keep(f, t, new ? find(f, t, after, is) : NULL, is, NULL, after);
	return true;
}

bool fold_add(struct fold *f, const struct table *t, enum binlog_change change,
	const struct binlog_value *before, const struct binlog_value *after)
{
	struct group *g;
	struct item *x;
	uint32_t at;

	if (t->order == TABLE_TIED || f->nitems >= NONE / 2)
		return false;
	before = change == BINLOG_INSERT ? NULL : before;
	after = change == BINLOG_DELETE ? NULL : after;
	at = group_of(f, t); /* may move them */
	g = &f->groups[at];
	if (!g->ordered && ((before && !is_whole(t, before)) || (after && !is_whole(t, after)))) {
		note_partial(f, t);
		if (g->head != NONE)
			return false; /* what is folded goes first */
		g->ordered = true;
	}
	if (g->ordered) {
		x = append(f, t);
		x->first = before;
		x->last = after;
		x->change = change;
	} else if (!fold_row(f, t, before, after)) {
		return false;
	}
	f->count++;
	return true;
}

static enum binlog_change kind_of(const struct item *x)
{
	return !x->first ? BINLOG_INSERT : x->last ? BINLOG_UPDATE : BINLOG_DELETE;
}

static int emit_kind(const struct fold *f, const struct group *g, enum binlog_change kind, fold_emit *emit,
	void *arg, struct err *e)
{
	int r = 0;

	for (uint32_t i = g->head; r == 0 && i != NONE; i = f->items[i].next) {
		const struct item *x = &f->items[i];

		if ((x->first || x->last) && kind_of(x) == kind)
			r = emit(arg, g->table, kind, x->first, x->last, e);
	}
	return r;
}

static void count_kinds(const struct fold *f, const struct group *g, size_t n[3])
{
	memset(n, 0, 3 * sizeof(n[0]));
	for (uint32_t i = g->head; i != NONE; i = f->items[i].next)
		if (f->items[i].first || f->items[i].last)
			n[kind_of(&f->items[i])]++;
}

static int emit_folded(
	const struct fold *f, const struct group *g, fold_run *run, fold_emit *emit, void *arg, struct err *e)
{
	static const enum binlog_change order[] = {BINLOG_DELETE, BINLOG_UPDATE, BINLOG_INSERT};
	size_t n[3];
	int r = 0;

	count_kinds(f, g, n);
	for (int k = 0; r == 0 && k < 3; k++) {
		if (n[order[k]] == 0)
			continue;
		r = run ? run(arg, g->table, order[k], n[order[k]], e) : 0;
		if (r == 0)
			r = emit_kind(f, g, order[k], emit, arg, e);
	}
	return r == 0 && run ? run(arg, g->table, BINLOG_INSERT, 0, e) : r;
}

/* Changes of one kind that follow one another, from item i on. */
static size_t count_run(const struct fold *f, uint32_t i)
{
	enum binlog_change kind = f->items[i].change;
	size_t n = 0;

	for (; i != NONE && f->items[i].change == kind; i = f->items[i].next)
		n++;
	return n;
}

static int emit_in_order(
	const struct fold *f, const struct group *g, fold_run *run, fold_emit *emit, void *arg, struct err *e)
{
	size_t left = 0;
	int r = 0;

	for (uint32_t i = g->head; r == 0 && i != NONE; i = f->items[i].next) {
		const struct item *x = &f->items[i];

		if (left == 0) {
			left = count_run(f, i);
			r = run ? run(arg, g->table, x->change, left, e) : 0;
		}
		left--;
		if (r == 0)
			r = emit(arg, g->table, x->change, x->first, x->last, e);
	}
	return r == 0 && run ? run(arg, g->table, BINLOG_INSERT, 0, e) : r;
}

int fold_each(const struct fold *f, fold_run *run, fold_emit *emit, void *arg, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->ngroups; i++) {
		const struct group *g = &f->groups[i];

		if (g->ordered)
			r = emit_in_order(f, g, run, emit, arg, e);
		else
			r = emit_folded(f, g, run, emit, arg, e);
	}
	return r;
}
