/*
 * Foreign keys that act, of both sides, as their servers' information_schema has them, and what one has more.
 * Asks nobody; used by acting.c.
 */
#include "units/sync/acting_keys.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/sql/quote.h"

struct pair {
	struct pair *next;
	struct buf text; /* both names, folded */
};

struct acting_key {
	char *to[RULE_N];
	struct pair *pairs; /* in the order of their texts; NULL: the server doesn't show them */
};

struct acting_side {
	struct map *keys; /* the child and the name, as the server says them -> struct acting_key */
};

/* As some servers compare names; those beyond ASCII are folded in ways of their own, so they don't count. */
static void put_folded(struct buf *b, struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!(name.p[i] & 0x80))
			buf_putc(
				b, (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] + 32 : name.p[i]));
	buf_putc(b, '\0');
}

struct acting_side *acting_side_new(void)
{
	struct acting_side *s = xcalloc(1, sizeof(*s));

	s->keys = map_new();
	return s;
}

static void key_free(void *p)
{
	struct acting_key *k = p;

	for (int i = 0; i < RULE_N; i++)
		free(k->to[i]);
	while (k->pairs) {
		struct pair *next = k->pairs->next;

		buf_free(&k->pairs->text);
		free(k->pairs);
		k->pairs = next;
	}
	free(k);
}

void acting_side_free(struct acting_side **s)
{
	if (!*s)
		return;
	map_free(&(*s)->keys, key_free);
	free(*s);
	*s = NULL;
}

bool acting_side_empty(const struct acting_side *s)
{
	return map_count(s->keys) == 0;
}

static struct buf name_of(struct str schema, struct str table, struct str key)
{
	struct buf b = {0};

	buf_put_str(&b, schema);
	buf_put_str(&b, table);
	buf_put_str(&b, key);
	return b;
}

static bool acts(struct str rule)
{
	return rule.n && !str_is(rule, "RESTRICT") && !str_is(rule, "NO ACTION");
}

void acting_side_add(struct acting_side *s, const struct str row[RULE_N], const struct str to[RULE_N])
{
	struct acting_key *k, *old;
	struct buf name;

	if (!acts(to[RULE_ON_DELETE]) && !acts(to[RULE_ON_UPDATE]))
		return;
	k = xcalloc(1, sizeof(*k));
	for (int i = 0; i < RULE_N; i++)
		k->to[i] = xstrndup(to[i].p ? to[i].p : "", to[i].n);
	name = name_of(row[RULE_CHILD_SCHEMA], row[RULE_CHILD], row[RULE_NAME]);
	old = map_put(s->keys, buf_str(&name), k);
	if (old)
		key_free(old);
	buf_free(&name);
}

static int cmp(const struct buf *a, const struct buf *b)
{
	int r = memcmp(a->p, b->p, a->n < b->n ? a->n : b->n);

	return r ? r : (a->n > b->n) - (a->n < b->n);
}

void acting_side_column(struct acting_side *s, const struct str *row)
{
	struct buf name = name_of(row[USED_SCHEMA], row[USED_TABLE], row[USED_NAME]);
	struct acting_key *k = map_get(s->keys, buf_str(&name));
	struct pair *new, **at;

	buf_free(&name);
	if (!k)
		return;
	new = xcalloc(1, sizeof(*new));
	put_folded(&new->text, row[USED_COLUMN]);
	put_folded(&new->text, row[USED_PARENT_COLUMN]);
	for (at = &k->pairs; *at && cmp(&(*at)->text, &new->text) < 0;)
		at = &(*at)->next;
	new->next = *at;
	*at = new;
}

/* --- what is the same --- */

static struct buf kind_of(const struct acting_key *k, int action, bool own_schema)
{
	struct buf b = {0};

	for (int i = RULE_CHILD_SCHEMA; i <= RULE_PARENT; i++)
		put_folded(&b, str_of(own_schema && i == RULE_PARENT_SCHEMA ? "" : k->to[i]));
	buf_putf(&b, "%d%s", action, k->to[action]);
	buf_putc(&b, '\0');
	return b;
}

static void put_pairs(struct buf *b, const struct acting_key *k)
{
	for (const struct pair *p = k->pairs; p; p = p->next)
		buf_put(b, p->text.p, p->text.n);
}

static const char any[] = "columns unknown", some[] = "as its columns say";

/* Kinds with their columns, and without them: some, or any where a key's columns are not shown. */
static struct map *kinds_of(const struct acting_side *s, bool own_schema)
{
	struct map *kinds = map_new();
	size_t at = 0;
	void *value;

	while (map_next(s->keys, &at, NULL, &value)) {
		struct acting_key *k = value;

		for (int i = RULE_ON_DELETE; i <= RULE_ON_UPDATE; i++) {
			struct buf b;

			if (!acts(str_of(k->to[i])))
				continue;
			b = kind_of(k, i, own_schema);
			if (!k->pairs || !map_get(kinds, buf_str(&b)))
				map_put(kinds, buf_str(&b), (void *)(uintptr_t)(k->pairs ? some : any));
			put_pairs(&b, k);
			if (k->pairs)
				map_put(kinds, buf_str(&b), (void *)(uintptr_t)some);
			buf_free(&b);
		}
	}
	return kinds;
}

/* kind: without columns; they are put to it. */
static bool has(const struct map *kinds, const struct acting_key *k, struct buf *kind)
{
	const char *there = map_get(kinds, buf_str(kind));

	put_pairs(kind, k);
	if (!there || there == any || !k->pairs)
		return there != NULL;
	return map_get(kinds, buf_str(kind)) != NULL;
}

static struct acting_missing *missing_new(const struct acting_key *k, int action)
{
	struct acting_missing *x = xcalloc(1, sizeof(*x));
	struct buf text = {0};

	sql_put_table(&text, str_of(k->to[RULE_CHILD_SCHEMA]), str_of(k->to[RULE_CHILD]));
	buf_putf(&text, ", foreign key `%s` to ", k->to[RULE_NAME]);
	sql_put_table(&text, str_of(k->to[RULE_PARENT_SCHEMA]), str_of(k->to[RULE_PARENT]));
	buf_putf(&text, " ON %s %s", action == RULE_ON_DELETE ? "DELETE" : "UPDATE", k->to[action]);
	x->text = xstrdup(buf_cstr(&text));
	x->schema = xstrdup(k->to[RULE_CHILD_SCHEMA]);
	x->table = xstrdup(k->to[RULE_CHILD]);
	x->deletes = action == RULE_ON_DELETE;
	buf_free(&text);
	return x;
}

static void missing_free(void *p)
{
	struct acting_missing *x = p;

	free(x->schema);
	free(x->table);
	free(x->text);
	free(x);
}

void acting_missing_free(struct map **m)
{
	if (*m)
		map_free(m, missing_free);
}

static void put_missing(
	struct map *m, const struct map *kinds, const struct acting_key *k, int action, bool own_schema)
{
	struct buf b = kind_of(k, action, own_schema);

	if (!has(kinds, k, &b) && !map_get(m, buf_str(&b)))
		map_put(m, buf_str(&b), missing_new(k, action));
	buf_free(&b);
}

struct map *acting_missing(const struct acting_side *up, const struct acting_side *down, bool own_schema)
{
	struct map *kinds = kinds_of(down, own_schema), *m = map_new();
	size_t at = 0;
	void *value;

	while (map_next(up->keys, &at, NULL, &value)) {
		struct acting_key *k = value;

		for (int i = RULE_ON_DELETE; i <= RULE_ON_UPDATE; i++)
			if (acts(str_of(k->to[i])))
				put_missing(m, kinds, k, i, own_schema);
	}
	map_free(&kinds, NULL);
	return m;
}

void acting_missing_keep(
	struct map **m, bool (*keep)(void *arg, struct str key, struct acting_missing *x), void *arg)
{
	struct map *kept = map_new();
	struct str key;
	size_t at = 0;
	void *value;

	while (map_next(*m, &at, &key, &value))
		if (keep(arg, key, value))
			map_put(kept, key, value);
		else
			missing_free(value);
	map_free(m, NULL);
	*m = kept;
}
