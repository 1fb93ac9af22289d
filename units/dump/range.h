#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/str.h"

/*
 * Cutting a big table by ranges of an integer key. Keys are ordinals: unsigned numbers that keep the order of
 * BIGINT (shifted by 2^63) as of BIGINT UNSIGNED.
 */
struct range {
	bool has_lo, has_hi;
	uint64_t lo, hi; /* lo <= key < hi; the first piece has no lo, the last no hi: no row falls between
			    min and max asked before */
};

/* False: not a whole number of 64 bits. */
bool range_parse(struct str text, bool is_unsigned, uint64_t *ordinal);
void range_text(uint64_t ordinal, bool is_unsigned, char *out, size_t size);

struct range_split {
	uint64_t min, max; /* ordinals, both in the table */
	uint64_t rows;     /* about so many between them */
	uint64_t want;     /* about so many in a piece */
	/* About how many rows are in lo <= key <= hi. */
	int (*estimate)(void *arg, uint64_t lo, uint64_t hi, uint64_t *rows, struct err *e);
	void *arg;
};

/* out: room for limit (at least 1) pieces, which together are the whole table. Returns their number, or -1.
 */
int range_split(const struct range_split *s, struct range *out, unsigned limit, struct err *e);
