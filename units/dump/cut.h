#pragma once
#include "units/dump/stretch.h"

struct cut {
	struct db *c;
	const struct item *t;
	const json_t *partitions; /* NULL: of the whole table */
	uint64_t rows;            /* about so many in the range; 0: to be asked */
	uint64_t want;            /* about so many in a piece */
	unsigned limit;           /* no more pieces than that, at least 1 */
};

/*
 * Cuts a range (both ends may be open) of a table with key_cuts() into pieces of about `want` rows, in the
 * key's order, which together are the range. *out: owned, as are its tuples. Returns how many, or -1.
 */
int cut_range(const struct cut *o, const struct range *r, struct range **out, struct err *e);
