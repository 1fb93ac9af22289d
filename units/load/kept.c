/*
 * What may stay of a copy that goes on under another snapshot. Called by resume.c. Pure; where anything is in
 * doubt, the table starts again.
 */
#include "units/load/kept.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/map.h"
#include "common/base/xalloc.h"

static struct buf key_of(const char *schema, const char *name)
{
	struct buf b = {0};

	buf_puts(&b, schema);
	buf_putc(&b, '\0');
	buf_puts(&b, name);
	return b;
}

/* --- filling --- */

static void add_table(struct kept *k, const char *schema, const char *name, const json_t *v)
{
	k->t[k->n++] = (struct kept_table){.schema = xstrdup(schema),
		.name = xstrdup(name),
		.first = (unsigned)json_integer_value(json_array_get(v, 0)),
		.last = (unsigned)json_integer_value(json_array_get(v, 1))};
}

void kept_begin(struct kept *k, const json_t *own)
{
	json_t *schemas = json_object_get(own, "tables"), *names, *v;
	const char *schema, *name;
	size_t count = 0;

	*k = (struct kept){.snapshots = (unsigned)json_array_size(json_object_get(own, "snapshots"))};
	json_object_foreach(schemas, schema, names)
		count += json_object_size(names);
	k->t = xcalloc(count + 1, sizeof(*k->t));
	json_object_foreach(schemas, schema, names) {
		json_object_foreach(names, name, v)
			add_table(k, schema, name, v);
	}
	k->by_name = map_new();
	for (unsigned i = 0; i < k->n; i++) {
		struct buf key = key_of(k->t[i].schema, k->t[i].name);

		map_put(k->by_name, buf_str(&key), &k->t[i]);
		buf_free(&key);
	}
}

struct kept_table *kept_find(const struct kept *k, const char *schema, const char *name)
{
	struct buf key = key_of(schema, name);
	struct kept_table *t = map_get(k->by_name, buf_str(&key));

	buf_free(&key);
	return t;
}

void kept_add_stretch(
	struct kept_table *t, uint32_t id, const char *lo, const char *hi, const char *partitions)
{
	if ((t->nlist & (t->nlist - 1)) == 0)
		t->list = xrealloc(t->list, (t->nlist ? 2 * (size_t)t->nlist : 1) * sizeof(*t->list));
	t->list[t->nlist++] = (struct kept_stretch){
		id, {.lo = xstrdup(lo), .hi = xstrdup(hi), .partitions = xstrdup(partitions)}};
}

static struct gaps_stretch *stretch_of(struct kept_table *t, uint32_t id)
{
	/* They come in this order. */
	for (unsigned i = t->nlist; i > 0; i--)
		if (t->list[i - 1].id == id)
			return &t->list[i - 1].s;
	return NULL;
}

void kept_add_chunk(struct kept_table *t, uint32_t stretch, const struct gaps_chunk *c)
{
	struct gaps_stretch *s = stretch_of(t, stretch);

	if (!s) {
		t->why = "the plan of what was loaded is not recorded";
		return;
	}
	if ((s->n & (s->n - 1)) == 0)
		s->chunks = xrealloc(s->chunks, (s->n ? 2 * (size_t)s->n : 1) * sizeof(*s->chunks));
	s->chunks[s->n] = *c;
	s->chunks[s->n].lo = xstrdup(c->lo);
	s->chunks[s->n++].hi = xstrdup(c->hi);
}

static void stretch_fini(struct gaps_stretch *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		free(s->chunks[i].lo);
		free(s->chunks[i].hi);
	}
	free(s->chunks);
	free(s->lo);
	free(s->hi);
	free(s->partitions);
}

void kept_fini(struct kept *k)
{
	for (unsigned i = 0; i < k->n; i++) {
		struct kept_table *t = &k->t[i];

		for (unsigned j = 0; j < t->nlist; j++)
			stretch_fini(&t->list[j].s);
		free(t->list);
		free(t->schema);
		free(t->name);
		structure_free(&t->up);
		json_decref(t->missing);
	}
	free(k->t);
	map_free(&k->by_name, NULL);
	*k = (struct kept){0};
}

/* --- judging --- */

static void again(struct kept_table *t, const char *why)
{
	if (!t->why)
		t->why = why;
}

static void count(struct kept_table *t)
{
	if (t->chunks == 0) {
		t->why = "";
		return;
	}
	t->missing = json_array();
	for (unsigned i = 0; i < t->nlist && t->missing; i++)
		if (!gaps_of(&t->list[i].s, t->missing)) {
			json_decref(t->missing);
			t->missing = NULL;
		}
	if (t->nlist == 0 || !t->missing)
		again(t, "it has no key that says how far it was read");
	else if (!t->up)
		again(t, "its structure is not recorded");
}

void kept_count(struct kept *k)
{
	for (unsigned i = 0; i < k->n; i++)
		count(&k->t[i]);
}

void kept_scan(struct kept *k, const struct scan *s)
{
	for (unsigned i = 0; i < k->n; i++) {
		struct kept_table *t = &k->t[i];

		if (t->why)
			continue;
		if (scan_ddl(s, t->schema, t->name))
			again(t, "a statement about it came since");
		else if (!kept_is_whole(t) && scan_partial(s, t->up))
			again(t, "the binlog has rows of it without all columns (binlog_row_image)");
	}
}

static const struct column *named(const struct structure *s, const char *name)
{
	int i = structure_column(s, name);

	return i < 0 ? NULL : &s->columns[i];
}

static bool same_columns(
	const struct structure *a, const struct key *x, const struct structure *b, const struct key *y)
{
	bool same = x->ncolumns == y->ncolumns && x->whole && y->whole;

	for (unsigned i = 0; same && i < x->ncolumns; i++)
		same = strcasecmp(a->columns[x->columns[i]].name, b->columns[y->columns[i]].name) == 0;
	return same;
}

static const struct key *key_like(
	const struct structure *up, const struct structure *down, const struct key *k)
{
	for (unsigned i = 0; i < up->nkeys; i++)
		if (up->keys[i].unique && same_columns(up, &up->keys[i], down, k))
			return &up->keys[i];
	return NULL;
}

/* Do both servers hold the same texts for one? */
static bool compares_alike(const struct structure *up, const struct structure *down, const struct key *k)
{
	for (unsigned i = 0; i < k->ncolumns; i++) {
		const struct column *d = &down->columns[k->columns[i]], *u = named(up, d->name);

		if (!u || strcmp(u->collation ? u->collation : "", d->collation ? d->collation : "") != 0)
			return false;
	}
	return true;
}

static unsigned unique_keys(const struct structure *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->nkeys; i++)
		n += s->keys[i].unique;
	return n;
}

bool kept_alike(const struct structure *up, const struct structure *down)
{
	for (unsigned i = 0; i < down->nkeys; i++)
		if (down->keys[i].unique &&
			!(key_like(up, down, &down->keys[i]) && compares_alike(up, down, &down->keys[i])))
			return false;
	return true;
}

/*
 * A key of the downstream that is alone may hold other values for one: where the chunks are cut by the same
 * key, each of its values is in one of them, and whoever meets there is an error (apply.c). A primary key is
 * what they are cut by, or the only unique key.
 */
static bool is_cut_by(const struct structure *up, const struct key *name)
{
	return strcmp(name->name, "PRIMARY") == 0 || unique_keys(up) == 1;
}

bool kept_converges(const struct structure *up, const struct structure *down, const char **why)
{
	const struct key *name = up->key >= 0 ? &up->keys[up->key] : NULL;
	bool found = false;

	for (unsigned i = 0; i < down->nkeys; i++) {
		const struct key *k = &down->keys[i], *u = k->unique ? key_like(up, down, k) : NULL;

		found |= u && u == name && k->usable;
	}
	if (!found)
		*why = "no unique key of the downstream names its rows";
	else if (!kept_alike(up, down) && (unique_keys(down) > 1 || !is_cut_by(up, name)))
		*why = "unique keys of the downstream are not the upstream's";
	return !*why;
}

/* --- foreign keys --- */

/* Sets of tables that hang together: each points towards one of its set that stands for all. */
static unsigned root(unsigned *to, unsigned i)
{
	while (to[i] != i)
		i = to[i] = to[to[i]];
	return i;
}

static int place(const struct kept *k, const json_t *tie, unsigned at)
{
	const char *schema = json_string_value(json_array_get(tie, at)),
		   *name = json_string_value(json_array_get(tie, at + 1));
	const struct kept_table *t = schema && name ? kept_find(k, schema, name) : NULL;

	return t ? (int)(t - k->t) : -1;
}

/* One of the set is not as the others are: wholly of one snapshot, the same for all. */
struct set {
	bool acts, mixed;
	int first; /* -1: none yet; the number of snapshots: of the one that is to come */
};

static void look_at(struct set *s, const struct kept_table *t, unsigned coming)
{
	int first = t->why ? (int)coming : (int)t->first;

	if (!t->why && (t->first != t->last || !kept_is_whole(t)))
		s->mixed = true;
	if (s->first >= 0 && s->first != first)
		s->mixed = true;
	s->first = first;
}

/* A table that is new in the upstream is of the coming snapshot, so its neighbours must be, too. */
static void unite(const struct kept *k, const json_t *tie, unsigned *to, struct set *sets)
{
	int child = place(k, tie, 0), parent = place(k, tie, 2);
	unsigned a = child < 0 ? k->n : root(to, (unsigned)child),
		 b = parent < 0 ? k->n : root(to, (unsigned)parent);
	bool acts = json_integer_value(json_array_get(tie, 4)) != 0;

	if (a == k->n && b == k->n)
		return;
	if (a != k->n && b != k->n) {
		to[a] = b;
		sets[b].acts |= sets[a].acts | acts;
		sets[b].mixed |= sets[a].mixed;
		return;
	}
	a = a == k->n ? b : a;
	sets[a].acts |= acts;
	sets[a].mixed = true;
}

void kept_tie(struct kept *k, const json_t *ties)
{
	unsigned *to = xcalloc(k->n + 1, sizeof(*to));
	struct set *sets = xcalloc(k->n + 1, sizeof(*sets));
	json_t *tie;
	size_t at;

	for (unsigned i = 0; i < k->n; i++) {
		to[i] = i;
		sets[i].first = -1;
	}
	json_array_foreach(ties, at, tie)
		unite(k, tie, to, sets);
	for (unsigned i = 0; i < k->n; i++)
		look_at(&sets[root(to, i)], &k->t[i], k->snapshots);
	for (unsigned i = 0; i < k->n; i++) {
		const struct set *s = &sets[root(to, i)];

		k->t[i].acts = s->acts;
		if (s->acts && s->mixed)
			again(&k->t[i], "foreign keys that change rows tie it to tables of another moment");
	}
	free(to);
	free(sets);
}

/* --- one place for several --- */

enum { MERGED = 2 };

/* How many have it, and whether any of them can't stay as it is. */
static void count_place(struct map *m, const struct kept_table *t, struct str place)
{
	uintptr_t was = (uintptr_t)map_get(m, place), bad = (was & 1) | (t->why || !kept_is_whole(t));

	map_put(m, place, (void *)(((was & ~(uintptr_t)1) + MERGED) | bad));
}

unsigned kept_merge(struct kept *k, const struct buf *places)
{
	unsigned n = 0;
	struct map *m = map_new();

	for (unsigned i = 0; i < k->n; i++)
		count_place(m, &k->t[i], buf_str(&places[i]));
	for (unsigned i = 0; i < k->n; i++) {
		uintptr_t v = (uintptr_t)map_get(m, buf_str(&places[i]));

		if (v <= MERGED + 1 || !(v & 1) || k->t[i].why)
			continue;
		again(&k->t[i], "it is merged with tables that are not whole, or are copied again");
		n++;
	}
	map_free(&m, NULL);
	return n;
}

/* --- the answer --- */

json_t *kept_wanted(const struct kept *k)
{
	json_t *out = json_object();

	for (unsigned i = 0; i < k->n; i++) {
		const struct kept_table *t = &k->t[i];
		json_t *schema = json_object_get(out, t->schema);

		if (t->why)
			continue;
		if (!schema) {
			schema = json_object();
			json_object_set_new(out, t->schema, schema);
		}
		json_object_set(schema, t->name, t->missing);
	}
	return out;
}
