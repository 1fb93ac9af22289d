#pragma once
#include "units/dump/dump.h"

/* The SELECT of a stretch: the columns that are stored, in a row's natural order. Appended to b. */
void reader_put_select(struct buf *b, const struct item *t, const struct range *r);
/*
 * Cuts the job's table into ranges where it is big enough and has an integer key; the first becomes *j, the
 * others are put on the list.
 */
int reader_split(struct dump *d, struct db *c, struct job *j, struct err *e);
/* Reads the stretch and writes its chunk files. */
int reader_run(struct dump *d, struct db *c, const struct job *j, struct err *e);
