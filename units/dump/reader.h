#pragma once
#include "units/dump/dump.h"

/*
 * The SELECT of a stretch: the columns that are stored, in a row's natural order; then those of its key that
 * a place can't be made of otherwise. Appended to b.
 */
void reader_put_select(struct buf *b, const struct item *t, const struct stretch *s, bool csv);
/* Reads the stretch and writes its chunk files. */
int reader_run(struct dump *d, struct db *c, const struct stretch *s, struct err *e);
