#pragma once
#include "common/base/buf.h"
#include "common/sql/structure.h"

/*
 * What SELECT sums over a table's rows, so that two servers give the same sums for the same rows, whatever
 * family they are of. Each value is said as bytes, each row as those bytes with their lengths, hashed by
 * SHA2; of the hashes 64 bits are summed, so that order does not matter and rows that are there twice count
 * twice. Statements are for DB_DUMP connections (SET NAMES binary, UTC).
 */
struct checksum {
	struct buf sql[2];  /* the upstream's and the downstream's expressions of one row's hash */
	struct buf skipped; /* "`j` (json)": columns that can't be compared, with commas between */
	char missing[260];  /* a column that the downstream has not; "": none */
	char surplus[260];  /* one that only the downstream has */
};
struct checksum_side {
	const struct structure *structure;
	const struct server *server;
};
/* sides: upstream, downstream. */
void checksum_make(struct checksum *c, const struct checksum_side sides[2]);
void checksum_fini(struct checksum *c);
/* "SELECT COUNT(*), SUM(…) FROM `s`.`t`"; side: 0 or 1. */
void checksum_put_select(
	const struct checksum *c, int side, struct str schema, struct str table, struct buf *sql);
/* The column by whose ranges the table can be read in pieces: an integer that leads an index, NOT NULL on
 * both sides; NULL: none. */
const char *checksum_range_column(const struct checksum_side sides[2]);
