#pragma once
#include <stdint.h>

#include "common/base/str.h"

enum { ONCE_KEPT = 128, ONCE_TEXT = 64 << 10 };

/*
 * The last commands that changed something, by the number that their asker gave them, and what was answered:
 * who lost the answer asks again with the same number, and it is done once (T39). In memory. Zeroed is empty.
 */
struct once {
	struct once_entry {
		uint64_t request, digest;
		char *answer; /* NULL: free */
	} entries[ONCE_KEPT];
	unsigned next;
};

/* The answer that this very request got, or NULL. Borrowed until the next once_keep. */
const char *once_find(const struct once *o, uint64_t request, struct str word, struct str args);
void once_keep(struct once *o, uint64_t request, struct str word, struct str args, struct str answer);
/* Another one may have led since: what it answered is not known here. */
void once_clear(struct once *o);
