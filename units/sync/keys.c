/*
 * Row keys for the scheduler. Two rows that the downstream takes for one must have one hash; the reverse
 * costs only time (hash.h). An index of which it can't be said is serial. Called by the scheduler's thread.
 */
#include "units/sync/keys.h"

#include <stdlib.h>

#include "common/base/xalloc.h"
#include "units/sync/hash.h"
#include "units/sync/ties.h"

struct index_column {
	unsigned up;     /* place in the upstream's structure */
	unsigned prefix; /* so much of it counts; 0: all */
	enum hash_how how;
	bool made; /* a generated one: its value may change where no image has it */
	bool is_int, is_unsigned;
	bool bound;    /* the beginning or end of a period: what is equal to it is not all that it meets */
	bool old_open; /* MariaDB's old form of a time says nothing about an equal one in the new form */
};

struct row_index {
	uint64_t id;
	unsigned n;
	struct index_column *columns;
	bool serial; /* every row of it touches its id */
	bool soft;   /* some values can't be said: they wait for all others */
	bool naming; /* the key by which rows are found */
	bool shared; /* other tables of this upstream are in it too: all its rows use its gate */
};

struct table_keys {
	uint64_t id; /* of the table: serial where it has no key, else the gate for rows that lack values */
	uint64_t group; /* 0: none */
	bool fresh; /* merged, and touched by nobody yet: what is under way may not have known that it is */
	struct row_index *list;
	unsigned n;
};

/* A value of an index in one image. */
enum shape { IS_NULL, IS_VALUE, IS_OPEN, IS_ABSENT };

static bool same_columns(const struct row_index *a, const struct row_index *b)
{
	if (a->n != b->n || a->serial != b->serial || (a->shared && a->serial && a->id != b->id))
		return false;
	for (unsigned i = 0; i < a->n; i++)
		if (a->columns[i].up != b->columns[i].up || a->columns[i].prefix != b->columns[i].prefix)
			return false;
	return true;
}

static void add_index(struct table_keys *k, struct row_index *x)
{
	for (unsigned i = 0; i < k->n; i++)
		if (same_columns(&k->list[i], x)) {
			k->list[i].naming = k->list[i].naming || x->naming;
			free(x->columns);
			return;
		}
	k->list = xrealloc(k->list, (k->n + 1) * sizeof(*k->list));
	k->list[k->n++] = *x;
}

/* May its last two columns be those of `p WITHOUT OVERLAPS` (MariaDB 10.5 on)? STATISTICS lists such a key as
 * any other, the end before the beginning; a plain one that looks so only waits more often. */
static bool may_be_period(const struct table *t, const struct structure *s, const struct key *key)
{
	const struct column *a, *b;

	if (t->from == FLAVOR_MYSQL || key->ncolumns < 2)
		return false;
	a = &s->columns[key->columns[key->ncolumns - 2]];
	b = &s->columns[key->columns[key->ncolumns - 1]];
	return !a->nullable && !b->nullable && strcasecmp(a->type, b->type) == 0 &&
	       (strncasecmp(a->type, "date", 4) == 0 || strncasecmp(a->type, "timestamp", 9) == 0);
}

/*
 * Of tables that are merged: one form for all, whatever type and charset each of them has. What can't be in
 * it uses the index's gate exclusively.
 */
static void use_common_form(const struct table *t, struct index_column *c, const struct column *down)
{
	enum column_kind kind = t->up->columns[c->up].kind;

	if (c->how == HASH_BIN)
		c->how = HASH_ASCII;
	if (c->how == HASH_BINARY && kind != down->kind)
		c->how = HASH_OPEN;
	c->old_open = kind == COLUMN_TIME || kind == COLUMN_DATETIME || kind == COLUMN_TIMESTAMP;
}

/* A key of one side; down: its columns are the downstream's. */
static void learn_key(struct table *t, const struct structure *s, const struct key *key, bool naming)
{
	struct row_index x = {.id = t->keys->id, .naming = naming, .shared = t->merged == MERGED_HERE};

	bool period = may_be_period(t, s, key);

	x.serial = !key->whole && !key->prefixes;
	x.columns = xcalloc(key->ncolumns ? key->ncolumns : 1, sizeof(*x.columns));
	for (unsigned i = 0; i < key->ncolumns; i++) {
		const char *name = s->columns[key->columns[i]].name;
		int up = structure_column(t->up, name), down = structure_column(t->down, name);
		struct index_column *c = &x.columns[x.n];

		c->prefix = key->prefixes ? key->prefixes[i] : 0;
		x.id = hash_name(x.id + c->prefix, name);
		if (up < 0 || down < 0) {
			x.serial = true;
			continue;
		}
		c->up = (unsigned)up;
		c->how = c->prefix ? hash_how_prefix(t, c->up, (unsigned)down)
				   : hash_how(t, c->up, (unsigned)down);
		if (x.shared)
			use_common_form(t, c, &t->down->columns[down]);
		c->made = t->up->columns[up].generated;
		c->is_int = c->how == HASH_BYTES && hash_is_int(&t->up->columns[up]);
		c->bound = period && i + 2 >= key->ncolumns;
		c->is_unsigned = t->up->columns[up].is_unsigned;
		x.serial = x.serial || c->how == HASH_OPEN;
		x.soft = x.soft || hash_is_soft(c->how, c->prefix);
		x.n++;
	}
	x.soft = (x.soft || x.shared) && !x.serial;
	if (x.serial && !x.shared)
		x.id = hash_name(x.id, key->name);
	add_index(t->keys, &x);
}

void keys_learn(struct table *t)
{
	struct table_keys *k = xcalloc(1, sizeof(*k));

	t->keys = k;
	k->id = hash_name(hash_name(1, t->to_schema), t->to_name);
	k->fresh = t->merged == MERGED_HERE;
	for (unsigned i = 0; t->key && i < t->up->nkeys; i++)
		if (t->up->keys[i].unique)
			learn_key(t, t->up, &t->up->keys[i], t->key == &t->up->keys[i]);
	for (unsigned i = 0; t->key && i < t->down->nkeys; i++)
		if (t->down->keys[i].unique)
			learn_key(t, t->down, &t->down->keys[i], false);
}

void keys_free(struct table_keys **k)
{
	if (!*k)
		return;
	for (unsigned i = 0; i < (*k)->n; i++)
		free((*k)->list[i].columns);
	free((*k)->list);
	free(*k);
	*k = NULL;
}

void keys_set_group(struct table *t, uint64_t group)
{
	if (t->keys)
		t->keys->group = group;
}

/* --- values --- */

/* What a column has in an image; what an UPDATE's second image leaves out is as it was. */
static const struct binlog_value *value_of(
	const struct binlog_value *image, const struct binlog_value *before, const struct index_column *c)
{
	return image[c->up].present || !before || c->made ? &image[c->up] : &before[c->up];
}

static bool is_old_time(uint8_t type)
{
	return type == WIRE_TIME || type == WIRE_DATETIME || type == WIRE_TIMESTAMP;
}

static enum shape shape_of(const struct row_index *x, const struct binlog_value *image,
	const struct binlog_value *before, uint64_t *hash)
{
	bool null = false, open = false;
	char wide[8];

	*hash = x->id;
	for (unsigned i = 0; i < x->n; i++) {
		const struct index_column *c = &x->columns[i];
		const struct binlog_value *v = value_of(image, before, c);

		if (!v->present)
			return IS_ABSENT;
		null = null || v->null;
		if (c->bound)
			continue;
		open = open || (c->old_open && is_old_time(v->type)) ||
		       (!v->null && !hash_value(hash, c->how, c->prefix,
					    c->is_int ? hash_widen(v->raw, c->is_unsigned, wide) : v->raw));
	}
	return null ? IS_NULL : open ? IS_OPEN : IS_VALUE;
}

static void touch_image(struct touch *to, const struct table_keys *k, const struct row_index *x,
	const struct binlog_value *image, const struct binlog_value *before)
{
	uint64_t hash;

	switch (shape_of(x, image, before, &hash)) {
	case IS_NULL: /* never equal to another */
		return;
	case IS_VALUE:
		touch_key(to, hash);
		if (x->soft)
			touch_gate(to, x->id, false);
		return;
	case IS_OPEN:
		touch_gate(to, x->id, true);
		return;
	case IS_ABSENT: /* T10 */
		touch_gate(to, k->id, true);
		return;
	}
}

/* The UPDATE leaves this index's value as it is: byte by byte, so that a mere change of case counts. */
static bool unchanged(const struct row_index *x, const struct change *c)
{
	for (unsigned i = 0; i < x->n; i++) {
		const struct binlog_value *a = &c->after[x->columns[i].up], *b = &c->before[x->columns[i].up];

		if (!a->present && x->columns[i].made)
			return false;
		if (a->present &&
			(!b->present || a->null != b->null || (!a->null && !str_eq(a->raw, b->raw))))
			return false;
	}
	return true;
}

static void touch_index(
	struct touch *to, const struct table_keys *k, const struct row_index *x, const struct change *c)
{
	bool same = c->kind == BINLOG_UPDATE && unchanged(x, c);

	/* Whoever takes or frees the value of another row's index meets that row by its own key. */
	if (same && !x->naming && !x->serial)
		return;
	if (x->serial && x->shared) {
		touch_gate(to, x->id, true);
		return;
	}
	if (x->serial) {
		touch_key(to, x->id);
		return;
	}
	if (c->kind != BINLOG_INSERT)
		touch_image(to, k, x, c->before, NULL);
	if (c->kind != BINLOG_DELETE && !same)
		touch_image(to, k, x, c->after, c->before);
}

void keys_touch(struct touch *to, const struct change *c)
{
	struct table_keys *k = c->table->keys;

	if (k->group) {
		touch_key(to, k->group);
		return;
	}
	ties_touch(to, c);
	/* One of several that routes merge may have keys where another has none. */
	touch_gate(to, k->id, k->n == 0 || k->fresh);
	k->fresh = false;
	for (unsigned i = 0; i < k->n; i++)
		touch_index(to, k, &k->list[i], c);
}

void keys_touch_table(struct touch *to, const struct table *t)
{
	const struct table_keys *k = t->keys;

	if (k->group) {
		touch_key(to, k->group);
		return;
	}
	/* Whoever changes a row shares the gate, whatever its keys are; without keys nobody does. */
	touch_gate(to, k->id, true);
	ties_touch_table(to, t);
}
