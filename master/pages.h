#pragma once
#include "common/base/paged.h"

/*
 * Answers that no message holds, kept while their asker fetches them piece by piece (answer-page). Of those
 * who come too late, or are too many, nobody knows any more: they ask anew.
 */
enum { PAGES_KEPT = 8, PAGES_MS = 30000, PAGES_END_MS = 3000 };

struct pages_entry {
	uint64_t id; /* 0: free */
	uint64_t until_ms;
	struct buf text;
};

struct pages {
	struct pages_entry kept[PAGES_KEPT];
	uint64_t last;
};

/* Takes text (leaves it empty), which is no longer than PAGED_MAX; the number to ask by. */
uint64_t pages_keep(struct pages *p, struct buf *text, uint64_t now);
/* The piece from there, borrowed until the next call. -1: not known (any more). */
int pages_get(struct pages *p, uint64_t id, uint64_t from, uint64_t now, struct paged *out);
void pages_expire(struct pages *p, uint64_t now);
void pages_clear(struct pages *p);
