#pragma once
#include "units/dump/catalog.h"

/*
 * The key in whose order a table's rows are read: the one that the engine keeps its rows by, so that reading
 * by it is a walk along the disk. NULL: rows are read as they come.
 */
const struct key *key_of(const struct item *t);
/* Can places in it be written as literals that compare exactly? Then it can be cut, and a copy resumed. */
bool key_cuts(const struct item *t);
/* The column as a literal is made of it, in a SELECT under SET NAMES binary. */
void key_put_select(struct buf *b, const struct column *c);
/* Is that what the reader selects of it anyway (value_put_select)? */
bool key_is_selected(const struct column *c);
/* A value of the column as a literal that compares in the column's own collation. False: there is none. */
bool key_put_literal(struct buf *b, const struct column *c, struct str v);
