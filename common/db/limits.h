#pragma once
#include "common/db/db.h"

/* What a downstream takes at most, in bytes; 0: there is no such limit, or it can't be asked. */
struct db_limits {
	uint64_t packet; /* a statement: max_allowed_packet */
	uint64_t entry;  /* TiDB: a row */
};

int db_limits_read(struct db *d, struct db_limits *out, struct err *e);
