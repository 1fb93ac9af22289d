#pragma once
#include <stdint.h>

#include "common/base/map.h"
#include "common/base/str.h"

/*
 * Where the next chunk of each stretch begins: at the place where the one before it ends. Chunks of a stretch
 * are claimed in their order; those of before a restart are in the record.
 */
struct places {
	struct map *next; /* table, stretch, seq -> the place where that chunk begins */
};

void places_init(struct places *p);
void places_fini(struct places *p);
/* Chunk seq of the stretch ends at hi ("": not known). */
void places_note(struct places *p, uint32_t table, uint32_t stretch, uint32_t seq, struct str hi);
/* Where chunk seq begins: "" where it is not known, or seq is 0. Owned; asked once. */
char *places_take(struct places *p, uint32_t table, uint32_t stretch, uint32_t seq);
