#pragma once
#include "units/sync/decode.h"

/*
 * What is committed of a transaction that is applied in several downstream transactions (T8): so many of its
 * changes, and a hash of them, so that nobody goes on in the middle of another one. Kept as a line of
 * `applied` in the progress row of whoever applies it (docs/design/meta.md). Pure.
 */
struct part {
	struct position start; /* of the transaction; {0,0,0}: none is applied in part */
	char gtid[128];        /* its own, "" without */
	uint64_t rows, hash;
};

bool part_pending(const struct part *p);
void part_begin(struct part *p, const struct trx *t);
/* Is it this one? By position, where both are of one relay generation, else by GTID. A DDL inside is a piece
 * of it. */
bool part_is(const struct part *p, const struct trx *t);
/* Some more of its changes. */
void part_add(struct part *p, const struct change *list, size_t n);
/* A line; nothing where none is pending. */
void part_text(const struct part *p, struct buf *out);
/* Of an `applied` text: the line, if one is there and says more than *p does. ERR_internal where it can't be
 * read. */
int part_parse(struct part *p, struct str applied, struct err *e);
/* Is this line of an `applied` text one? */
bool part_is_line(struct str line);
