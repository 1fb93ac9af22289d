#pragma once
#include "units/sync/decode.h"
#include "units/sync/depend.h"

/*
 * What a row change touches, as hashes: its key of both sides, in a form that is equal whenever the
 * downstream may hold them for equal (T9, T10). Pure but for keys_learn's memory.
 */
struct table_keys;

/* Once the structures of both sides are known; kept in t->keys. */
void keys_learn(struct table *t);
void keys_free(struct table_keys **k);
/* Tables of one group (not 0) are tied by foreign keys of which nothing finer can be said: one after the
 * other (T13). */
void keys_set_group(struct table *t, uint64_t group);
/* Adds what the change touches. */
void keys_touch(struct touch *to, const struct change *c);
/* Adds what any change of the table could touch: where there are too many, or none is known yet. */
void keys_touch_table(struct touch *to, const struct table *t);
