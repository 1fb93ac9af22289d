#pragma once
#include "units/load/dumplink.h"
#include "units/load/load.h"

/* One worker's means of applying chunks. */
struct applier {
	struct load *l;
	struct db *c;        /* NULL: not connected */
	uint64_t old;        /* a lost connection that must be seen gone, 0: none */
	uint64_t max_packet; /* the downstream's limit for a statement */
	struct buf text;     /* of the chunk file */
	char *schema;        /* the connection's default database */
};

/* The chunk's rows and its record are in the downstream, once, when this returns 0; also where they were
 * before. */
int apply_chunk(struct applier *a, const struct chunk *k, struct err *e);
void apply_fini(struct applier *a);
