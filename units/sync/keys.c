/*
 * Row keys for the scheduler. Two rows that the downstream takes for one must have one hash; the reverse
 * costs only time. So a value counts as it is compared there where that can be said simply (numbers, bytes,
 * ASCII text with its case folded); an index of which it can't is serial. Called by the scheduler's thread.
 */
#include "units/sync/keys.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>

#include "common/base/xalloc.h"

/* How a column of an index is compared. */
enum how {
	AS_BYTES,
	AS_FLOAT,  /* there are two zeros */
	AS_BINARY, /* zeros at the end: some are left out by the wire */
	AS_BIN,    /* spaces at the end: most collations pad */
	AS_ASCII,  /* case folded, spaces at the end cut; other characters: open */
	AS_OPEN,   /* can't be said: the index is serial */
};

struct index_column {
	unsigned up; /* place in the upstream's structure */
	enum how how;
};

struct row_index {
	uint64_t id;
	unsigned n;
	struct index_column *columns;
	bool serial; /* every row of it touches its id */
	bool soft;   /* some values can't be said: they wait for all others */
	bool naming; /* the key by which rows are found */
};

struct table_keys {
	uint64_t id; /* of the table: serial where it has no key, else the gate for rows that lack values */
	uint64_t group; /* 0: none */
	struct row_index *list;
	unsigned n;
};

/* A value of an index in one image. */
enum shape { IS_NULL, IS_VALUE, IS_OPEN, IS_ABSENT };

static uint64_t hash_text(uint64_t seed, const char *z)
{
	char low[520];
	size_t n = 0;

	/* Names of tables may be folded by the downstream, those of columns are by all. */
	for (; z[n] && n < sizeof(low); n++)
		low[n] = (char)(z[n] >= 'A' && z[n] <= 'Z' ? z[n] + 32 : z[n]);
	return XXH3_64bits_withSeed(low, n, seed);
}

/* "utf8mb4_0900_ai_ci" … : collations whose rules for printable ASCII are: case, and nothing else. Those of
 * languages have more (Lithuanian: i = y, Hungarian: ccs = cscs). */
static bool folds_ascii(const char *collation)
{
	static const char *const charsets[] = {"utf8mb4_", "utf8mb3_", "utf8_", "latin1_", "ascii_"};
	static const char *const rules[] = {"general_ci", "general_nopad_ci", "general_cs", "unicode_ci",
		"unicode_nopad_ci", "unicode_520_ci", "unicode_520_nopad_ci", "0900_ai_ci", "0900_as_ci",
		"0900_as_cs", "swedish_ci", "uca1400_ai_ci", "uca1400_as_ci", "uca1400_ai_cs",
		"uca1400_as_cs", "uca1400_nopad_ai_ci", "uca1400_nopad_as_ci", "general_mysql500_ci"};
	const char *rest = collation;
	bool latin1 = strncmp(collation, "latin1_", 7) == 0;

	for (size_t i = 0; i < sizeof(charsets) / sizeof(charsets[0]); i++)
		if (strncmp(collation, charsets[i], strlen(charsets[i])) == 0)
			rest = collation + strlen(charsets[i]);
	if (rest == collation && strncmp(collation, "uca1400_", 8) != 0)
		return false;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strcmp(rest, rules[i]) == 0)
			return strcmp(rest, "swedish_ci") != 0 || latin1;
	return false;
}

static bool ascii_inside(const char *charset)
{
	return strcmp(charset, "utf8mb4") == 0 || strcmp(charset, "utf8mb3") == 0 ||
	       strcmp(charset, "utf8") == 0 || strcmp(charset, "latin1") == 0 ||
	       strcmp(charset, "ascii") == 0;
}

static bool ends_with(const char *z, const char *tail)
{
	size_t n = strlen(z), k = strlen(tail);

	return n >= k && strcmp(z + n - k, tail) == 0;
}

static enum how how_text(const struct column *up, const struct column *down)
{
	if (!ascii_inside(up->charset) || !ascii_inside(down->charset))
		return AS_OPEN;
	if (ends_with(down->collation, "_bin"))
		return table_same_charset(up->charset, down->charset) ? AS_BIN : AS_ASCII;
	return folds_ascii(down->collation) ? AS_ASCII : AS_OPEN;
}

static bool is_int(const char *type)
{
	static const char *const words[] = {"tinyint", "smallint", "mediumint", "int", "bigint"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strncasecmp(type, words[i], strlen(words[i])) == 0)
			return true;
	return false;
}

static enum how how_of(const struct column *up, const struct column *down)
{
	/* Its value may not be in the binlog, or not be the downstream's; or it is there in a form of many.
	 */
	if (up->generated || down->generated || strstr(up->type, "COMPRESSED"))
		return AS_OPEN;
	switch (up->kind) {
	case COLUMN_INT:
		/* A number that doesn't fit is an error there. */
		if (down->kind == COLUMN_INT && is_int(up->type) && is_int(down->type))
			return AS_BYTES;
		break;
	case COLUMN_TEXT:
		return down->kind == COLUMN_TEXT ? how_text(up, down) : AS_OPEN;
	case COLUMN_BINARY:
		return down->kind == COLUMN_BINARY ? AS_BINARY : AS_OPEN;
	case COLUMN_UUID:
	case COLUMN_INET4:
	case COLUMN_INET6:
		return down->kind == up->kind || down->kind == COLUMN_TEXT ? AS_BINARY : AS_OPEN;
	case COLUMN_JSON:
	case COLUMN_GEOMETRY:
	case COLUMN_VECTOR:
	case COLUMN_OTHER:
		return AS_OPEN;
	default:
		break;
	}
	/* Rounded or cut to another type, two values could become one. */
	if (up->kind != down->kind || strcasecmp(up->type, down->type) != 0)
		return AS_OPEN;
	return up->kind == COLUMN_FLOAT || up->kind == COLUMN_DOUBLE ? AS_FLOAT : AS_BYTES;
}

static bool same_columns(const struct row_index *a, const struct row_index *b)
{
	if (a->n != b->n || a->serial != b->serial)
		return false;
	for (unsigned i = 0; i < a->n; i++)
		if (a->columns[i].up != b->columns[i].up)
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

/* A key of one side; down: its columns are the downstream's. */
static void learn_key(struct table *t, const struct structure *s, const struct key *key, bool naming)
{
	struct row_index x = {.id = t->keys->id, .naming = naming};

	x.serial = !key->whole;
	x.columns = xcalloc(key->ncolumns ? key->ncolumns : 1, sizeof(*x.columns));
	for (unsigned i = 0; i < key->ncolumns; i++) {
		const char *name = s->columns[key->columns[i]].name;
		int up = structure_column(t->up, name), down = structure_column(t->down, name);
		struct index_column *c = &x.columns[x.n];

		x.id = hash_text(x.id, name);
		if (up < 0 || down < 0) {
			x.serial = true;
			continue;
		}
		*c = (struct index_column){
			(unsigned)up, how_of(&t->up->columns[up], &t->down->columns[down])};
		x.serial = x.serial || c->how == AS_OPEN;
		x.soft = x.soft || c->how == AS_ASCII;
		x.n++;
	}
	x.soft = x.soft && !x.serial;
	if (x.serial)
		x.id = hash_text(x.id, key->name);
	add_index(t->keys, &x);
}

void keys_learn(struct table *t)
{
	struct table_keys *k = xcalloc(1, sizeof(*k));

	t->keys = k;
	k->id = hash_text(hash_text(1, t->schema), t->name);
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

static size_t cut_tail(struct str s, char c)
{
	while (s.n > 0 && s.p[s.n - 1] == c)
		s.n--;
	return s.n;
}

static bool is_zero_float(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != 0 && !(i + 1 == s.n && (uint8_t)s.p[i] == 0x80))
			return false;
	return true;
}

/* Chained: each part is hashed with what came before as its seed. */
static void put_bytes(uint64_t *h, struct str s)
{
	*h = XXH3_64bits_withSeed(s.p, s.n, *h);
}

/* False: a character whose equals are not known. */
static bool put_ascii(uint64_t *h, struct str s)
{
	char low[256];
	size_t n = 0;

	s.n = cut_tail(s, ' ');
	for (size_t at = 0; at < s.n; at++) {
		char c = s.p[at];

		if (c < ' ' || c > '~')
			return false;
		if (n == sizeof(low)) {
			put_bytes(h, (struct str){low, n});
			n = 0;
		}
		low[n++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
	}
	put_bytes(h, (struct str){low, n});
	return true;
}

static bool put_value(uint64_t *h, enum how how, const struct binlog_value *v)
{
	struct str s = v->raw;

	switch (how) {
	case AS_ASCII:
		return put_ascii(h, s);
	case AS_FLOAT:
		if (is_zero_float(s))
			s.n = 0;
		break;
	case AS_BINARY:
		s.n = cut_tail(s, '\0');
		break;
	case AS_BIN:
		s.n = cut_tail(s, ' ');
		break;
	default:
		break;
	}
	put_bytes(h, s);
	return true;
}

/* What a column has in an image; what an UPDATE's second image leaves out is as it was. */
static const struct binlog_value *value_of(
	const struct binlog_value *image, const struct binlog_value *before, unsigned i)
{
	return image[i].present || !before ? &image[i] : &before[i];
}

static enum shape shape_of(const struct row_index *x, const struct binlog_value *image,
	const struct binlog_value *before, uint64_t *hash)
{
	bool null = false, open = false;

	*hash = x->id;
	for (unsigned i = 0; i < x->n; i++) {
		const struct binlog_value *v = value_of(image, before, x->columns[i].up);

		if (!v->present)
			return IS_ABSENT;
		null = null || v->null;
		open = open || (!v->null && !put_value(hash, x->columns[i].how, v));
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
	const struct table_keys *k = c->table->keys;

	if (k->group) {
		touch_key(to, k->group);
		return;
	}
	if (k->n == 0) {
		touch_key(to, k->id);
		return;
	}
	touch_gate(to, k->id, false);
	for (unsigned i = 0; i < k->n; i++)
		touch_index(to, k, &k->list[i], c);
}
