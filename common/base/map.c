/*
 * Bytes -> pointer: open hashing with chained entries, FNV-1a mixed with a per-map seed so that names chosen
 * by somebody else can't be made to collide cheaply. Iteration order means nothing.
 */
#include "common/base/map.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"

struct entry {
	struct entry *next;
	void *value;
	uint64_t hash;
	size_t n;
	char key[];
};

struct map {
	struct entry **buckets;
	size_t size, count; /* size: a power of two */
	uint64_t seed;
};

static uint64_t hash_of(const struct map *m, struct str key)
{
	uint64_t h = 0xcbf29ce484222325u ^ m->seed;

	for (size_t i = 0; i < key.n; i++)
		h = (h ^ (uint8_t)key.p[i]) * 0x100000001b3u;
	return h ^ (h >> 32);
}

struct map *map_new(void)
{
	struct map *m = xcalloc(1, sizeof(*m));

	m->size = 16;
	m->buckets = xcalloc(m->size, sizeof(struct entry *));
	m->seed = clock_us() * 0x9e3779b97f4a7c15u ^ (uint64_t)(uintptr_t)m;
	return m;
}

void map_free(struct map **mp, void (*free_value)(void *))
{
	struct map *m = *mp;

	if (!m)
		return;
	for (size_t i = 0; i < m->size; i++)
		for (struct entry *e = m->buckets[i], *next; e; e = next) {
			next = e->next;
			if (free_value)
				free_value(e->value);
			free(e);
		}
	free(m->buckets);
	free(m);
	*mp = NULL;
}

/* Where the entry hangs, or where it would. */
static struct entry **find(const struct map *m, struct str key, uint64_t hash)
{
	struct entry **at = &m->buckets[hash & (m->size - 1)];

	while (*at && !((*at)->hash == hash && str_eq((struct str){(*at)->key, (*at)->n}, key)))
		at = &(*at)->next;
	return at;
}

void *map_get(const struct map *m, struct str key)
{
	struct entry *e = *find(m, key, hash_of(m, key));

	return e ? e->value : NULL;
}

static void grow(struct map *m)
{
	size_t size = m->size * 2;
	struct entry **buckets = xcalloc(size, sizeof(struct entry *));

	for (size_t i = 0; i < m->size; i++)
		for (struct entry *e = m->buckets[i], *next; e; e = next) {
			next = e->next;
			e->next = buckets[e->hash & (size - 1)];
			buckets[e->hash & (size - 1)] = e;
		}
	free(m->buckets);
	m->buckets = buckets;
	m->size = size;
}

void *map_put(struct map *m, struct str key, void *value)
{
	uint64_t hash = hash_of(m, key);
	struct entry **at = find(m, key, hash), *e = *at;

	assert(value);
	if (e) {
		void *old = e->value;

		e->value = value;
		return old;
	}
	e = xmalloc(sizeof(*e) + key.n + 1);
	*e = (struct entry){.value = value, .hash = hash, .n = key.n};
	if (key.n)
		memcpy(e->key, key.p, key.n);
	e->key[key.n] = '\0';
	*at = e;
	if (++m->count > m->size)
		grow(m);
	return NULL;
}

void *map_del(struct map *m, struct str key)
{
	struct entry **at = find(m, key, hash_of(m, key)), *e = *at;
	void *value;

	if (!e)
		return NULL;
	value = e->value;
	*at = e->next;
	free(e);
	m->count--;
	return value;
}

size_t map_count(const struct map *m)
{
	return m->count;
}

bool map_next(const struct map *m, size_t *at, struct str *key, void **value)
{
	/* *at: the bucket above 16 bits, how far down its chain below. */
	for (size_t i = *at >> 16, depth = *at & 0xffff; i < m->size; i++, depth = 0) {
		struct entry *e = m->buckets[i];

		for (size_t d = 0; e && d < depth; d++)
			e = e->next;
		if (!e)
			continue;
		if (key)
			*key = (struct str){e->key, e->n};
		if (value)
			*value = e->value;
		*at = (i << 16) + depth + 1;
		return true;
	}
	return false;
}
