#pragma once
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * Texts that no message holds: orders, reports, answers. They go in pieces, asked for or sent one after the
 * other; each names its place and the whole's size, so that a piece that comes twice or not at all is seen.
 */
enum { PAGED_PIECE = 1 << 20, PAGED_MAX = 16 << 20 };

struct paged {
	uint64_t from, total;
	struct str text;
};

/* The piece that begins there; an empty one behind the end. */
struct paged paged_piece(struct str whole, uint64_t from);
/* What has come of one; zeroed is nothing. */
struct paged_text {
	struct buf text;
	uint64_t total; /* as its first piece says: the others must say the same */
};

/* Behind what is there already; a piece from 0 begins anew. 1: the text is whole, 0: more is to come, -1:
 * ERR_proto. */
int paged_add(struct paged_text *t, const struct paged *p, struct err *e);
/* Texts may hold cipher text: nothing of it stays. */
void paged_free(struct buf *whole);
