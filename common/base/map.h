#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "common/base/str.h"

/* Bytes -> pointer, keys copied. Values stay the caller's. Iteration in no particular order. */
struct map;

struct map *map_new(void);
/* free_value (or NULL) is called for each value left. */
void map_free(struct map **m, void (*free_value)(void *));
void *map_get(const struct map *m, struct str key); /* NULL where absent */
/* Returns the value that was there before, or NULL. value must not be NULL. */
void *map_put(struct map *m, struct str key, void *value);
void *map_del(struct map *m, struct str key); /* returns the value that was there, or NULL */
size_t map_count(const struct map *m);
/* Walks: start with *at = 0; false at the end. The map must not change on the way. */
bool map_next(const struct map *m, size_t *at, struct str *key, void **value);
