#pragma once
#include "common/binlog/row.h"

/* For tests and fuzzers only: the table of samples_test.h, and a decoder that goes through everything an
 * event can hold. */

/* Table s.t of that family; structure_free. */
struct structure *sample_structure(bool mariadb);
/* The bytes of a hex text, in memory of exactly their size (so that a sanitizer sees one byte too far);
 * free(). */
char *sample_bytes(const char *hex, size_t *n);

struct sample_state {
	struct binlog_format format;
	struct arena *arena;
	const struct structure *structure;
	struct binlog_table table; /* of the last TABLE_MAP; its bytes must stay */
	struct buf text; /* literals of the last rows event: "+(1,2)" after, "-(1,2)" before; what else was
			    read */
};
int sample_decode(struct sample_state *s, struct str event, struct err *e);
