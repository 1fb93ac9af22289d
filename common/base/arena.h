#pragma once
#include <stdarg.h>
#include <stddef.h>

#include "common/base/str.h"

/* Scratch memory that is given back all at once. Not thread-safe: one a thread. */
struct arena;

struct arena *arena_new(size_t first_block); /* 0: 64 KiB */
void arena_free(struct arena **a);
void *arena_alloc(struct arena *a, size_t n); /* aligned for any type, not zeroed, never NULL */
void *arena_zalloc(struct arena *a, size_t n);
char *arena_strdup(struct arena *a, struct str s); /* NUL-terminated copy */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void arena_clear(struct arena *a); /* everything handed out is gone; the largest block is kept */
size_t arena_used(const struct arena *a);
