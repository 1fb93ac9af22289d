/*
 * Scratch memory: bump allocation in blocks, emptied all at once. The largest block is kept, so a steady load
 * soon allocates nothing any more.
 */
#include "common/base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/xalloc.h"

struct block {
	struct block *next;
	size_t size, used;
	alignas(max_align_t) char bytes[];
};

struct arena {
	struct block *head; /* the one in use */
	size_t first, used;
};

enum { FIRST_DEFAULT = 64 << 10, ALIGN = alignof(max_align_t) };

static struct block *block_new(size_t size, struct block *next)
{
	struct block *b = xmalloc(sizeof(*b) + size);

	b->next = next;
	b->size = size;
	b->used = 0;
	return b;
}

struct arena *arena_new(size_t first_block)
{
	struct arena *a = xcalloc(1, sizeof(*a));

	a->first = first_block ? first_block : FIRST_DEFAULT;
	a->head = block_new(a->first, NULL);
	return a;
}

static void free_blocks(struct block *b)
{
	while (b) {
		struct block *next = b->next;

		free(b);
		b = next;
	}
}

void arena_free(struct arena **a)
{
	if (!*a)
		return;
	free_blocks((*a)->head);
	free(*a);
	*a = NULL;
}

void *arena_alloc(struct arena *a, size_t n)
{
	struct block *b = a->head;
	void *p;

	n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (b->size - b->used < n) {
		size_t size = b->size * 2;

		b = a->head = block_new(size > n ? size : n, b);
	}
	p = b->bytes + b->used;
	b->used += n;
	a->used += n;
	return p;
}

void *arena_zalloc(struct arena *a, size_t n)
{
	return memset(arena_alloc(a, n), 0, n);
}

char *arena_strdup(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *p;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	p = arena_alloc(a, (size_t)(n < 0 ? 0 : n) + 1);
	vsnprintf(p, (size_t)(n < 0 ? 0 : n) + 1, fmt, again);
	va_end(again);
	return p;
}

void arena_clear(struct arena *a)
{
	/* Blocks double, so the head is the largest; one huge value must not stay for ever (memory is
	 * bounded). */
	free_blocks(a->head->next);
	a->head->next = NULL;
	a->head->used = 0;
	if (a->head->size > 64 * a->first) {
		free(a->head);
		a->head = block_new(a->first, NULL);
	}
	a->used = 0;
}

size_t arena_used(const struct arena *a)
{
	return a->used;
}
