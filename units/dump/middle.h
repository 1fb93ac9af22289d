#pragma once
#include <stdbool.h>

#include "common/base/buf.h"
#include "common/sql/structure.h"

/*
 * A literal about half way between two literals of a column (key_put_literal), appended to out. It need not
 * be a value of the table, nor in between by the column's collation: the server is asked what is near it.
 * False: nothing can be said, or there is nothing between them but lo itself.
 */
bool middle_of(struct buf *out, const struct column *c, const char *lo, const char *hi);
/* As above, of integers: floor((lo + hi) / 2), never hi. */
bool middle_of_int(struct buf *out, const char *lo, const char *hi);
