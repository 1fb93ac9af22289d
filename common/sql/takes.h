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
