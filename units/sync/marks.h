#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"

/* The savepoints of one transaction, which no event releases: they stand until it ends. Zeroed is none. */
struct mark {
	size_t bytes, events; /* how much of the transaction stood there */
	uint64_t all, nth;
};

struct marks {
	struct map *names;
	struct savepoint *last; /* the one set last; each knows the one before it */
	size_t bytes;           /* of memory, about */
	bool foreign;           /* a name is not ASCII alone */
};

enum marks_found { MARKS_NONE, MARKS_FOUND, MARKS_UNSURE };

void marks_free(struct marks *m); /* none, and usable again */
/* The same name again moves it to the end, as in the servers. */
void marks_set(struct marks *m, struct str name, const struct mark *at);
/* Takes away those behind the named one, which stays. UNSURE: a later one may be called the same to a server,
 * which holds accents for nothing (`ete` is `été` to MySQL 9.7 and MariaDB 10.11). */
enum marks_found marks_back(struct marks *m, struct str name, struct mark *at);
