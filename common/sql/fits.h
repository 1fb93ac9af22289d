#pragma once
#include "common/sql/structure.h"

/*
 * Does a column of a table that somebody has made hold what the upstream's does? By their types alone: values
 * that are not there don't matter to them.
 */
enum fit {
	FIT_ALL,   /* each value, as it is */
	FIT_OTHER, /* some become others without an error: rounded, cut, padded */
	FIT_SOME,  /* some are refused, or nobody knows */
};
enum fit fit_column(const struct column *from, const struct column *there);
/* Can two rows of the upstream be one for this unique key of the table that is there? No, where columns of it
 * are a unique key of the upstream's, and their texts compare alike. */
bool fit_key_is_stricter(const struct structure *there, const struct key *k, const struct structure *from);
