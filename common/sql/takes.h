#pragma once
#include "common/sql/route.h"
#include "common/sql/structure.h"

/*
 * Can rows of `from` be written into a table that is there already? By the names of columns, without case:
 * all of the upstream's, and those that routes fill (NULL: none); exactly: no other. -1: ERR_load_failed says
 * which.
 */
int structure_takes(const struct structure *there, const struct structure *from, const struct route_extras *x,
	bool exactly, struct err *e);
/* Can only one row there have the values that name a row by this key of from, along with what routes fill
 * (NULL: nothing, or it is among from's columns already)? */
bool structure_names_one(const struct structure *there, const struct structure *from, const struct key *by,
	const struct route_extras *x);
/* Whether both have the same visible columns in one order, so that rows without names mean the same to both.
 */
bool structure_same_order(const struct structure *a, const struct structure *b);
