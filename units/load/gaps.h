#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * What is missing of a stretch, when some of its chunks are in the downstream. Places in a key are the words
 * that the dump gave (JSON texts): they are only handed on, never compared (docs/design/copy.md).
 */
struct gaps_chunk {
	uint32_t seq;
	bool ends; /* the stretch's last one: it reaches to the stretch's end */
	char *lo;  /* the place of the last row before it; "": not known (or seq is 0: the stretch's own) */
	char *hi;  /* of its own last row; "": not known */
};

struct gaps_stretch {
	char *lo, *hi, *partitions; /* "": open; of the whole table */
	struct gaps_chunk *chunks;  /* in the downstream, ascending by seq */
	unsigned n;
};

/*
 * Adds {"lo":…,"hi":…,"partitions":…} of each gap to the array out, as the dump takes it. False: it can't be
 * told where a gap begins or ends; out is then of no use.
 */
bool gaps_of(const struct gaps_stretch *s, json_t *out);
