#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/binlog/event.h"
#include "common/sql/structure.h"

/* Column types of the wire. */
enum binlog_column {
	WIRE_DECIMAL = 0,
	WIRE_TINY = 1,
	WIRE_SHORT = 2,
	WIRE_LONG = 3,
	WIRE_FLOAT = 4,
	WIRE_DOUBLE = 5,
	WIRE_NULL = 6,
	WIRE_TIMESTAMP = 7,
	WIRE_LONGLONG = 8,
	WIRE_INT24 = 9,
	WIRE_DATE = 10,
	WIRE_TIME = 11,
	WIRE_DATETIME = 12,
	WIRE_YEAR = 13,
	WIRE_NEWDATE = 14,
	WIRE_VARCHAR = 15,
	WIRE_BIT = 16,
	WIRE_TIMESTAMP2 = 17,
	WIRE_DATETIME2 = 18,
	WIRE_TIME2 = 19,
	WIRE_MARIA_BLOB_COMPRESSED = 140,
	WIRE_MARIA_VARCHAR_COMPRESSED = 141,
	WIRE_VECTOR = 242,
	WIRE_JSON = 245,
	WIRE_NEWDECIMAL = 246,
	WIRE_ENUM = 247,
	WIRE_SET = 248,
	WIRE_TINY_BLOB = 249,
	WIRE_MEDIUM_BLOB = 250,
	WIRE_LONG_BLOB = 251,
	WIRE_BLOB = 252,
	WIRE_VAR_STRING = 253,
	WIRE_STRING = 254,
	WIRE_GEOMETRY = 255,
};

/* A TABLE_MAP event. All memory from the arena it was read with. */
struct binlog_table {
	uint64_t id;
	enum flavor flavor; /* whose numbers the collations are */
	struct str schema, table;
	unsigned ncolumns;
	const uint8_t
		*types; /* enum binlog_column of the wire, real types (ENUM, SET unfolded from STRING) */
	uint16_t *meta; /* as the wire has it, but: STRING: bytes; ENUM, SET: bytes of the number; old
			   temporals: digits of the fraction */
	bool *nullable;
	/* optional metadata (binlog_row_metadata MINIMAL or FULL); NULL where not logged */
	bool *is_unsigned;    /* of each column; false for those that are not numbers */
	uint32_t *collations; /* of each text, ENUM or SET column; 0: not text or unknown */
	struct str *names;
};
int binlog_read_table_map(struct str event, const struct binlog_format *f, struct arena *a,
	struct binlog_table *t, struct err *e);
/* Do these wire types (and names, signs, charsets, as far as they are logged) fit that structure, column by
 * column? 0, or -1 with ERR_sync_columns that names the first one that does not. */
int binlog_table_check(const struct binlog_table *t, const struct structure *s, struct err *e);

/* How many columns at its end are none of the table's: MariaDB logs the hidden period of a table with row
 * history, then what it keeps for unique keys over values that are too long for an index (10.4 and later).
 */
unsigned binlog_table_hidden(const struct binlog_table *t, const struct structure *s);
/* TIMESTAMP(6), as a row's end is. */
bool binlog_table_is_end(const struct binlog_table *t, unsigned column);

/*
 * Takes from the structure what the wire doesn't tell: the fraction's digits of MariaDB's old temporals
 * (mysql56_temporal_format=OFF). After binlog_table_check, before rows are read.
 */
void binlog_table_adopt(struct binlog_table *t, const struct structure *s);

enum binlog_change { BINLOG_INSERT, BINLOG_UPDATE, BINLOG_DELETE };

struct binlog_value {
	bool present; /* false: not in this image (binlog_row_image) */
	bool null;
	bool diff;    /* not present, but raw holds changes to the JSON value that is there (json_diff.h) */
	uint8_t type; /* wire type */
	uint16_t meta;
	struct str raw; /* its bytes in the event */
};

/*
 * A ROWS event (v1, v2, MariaDB compressed, MySQL partial), walked row by row. The arena that it is opened
 * with must live as long; what is allocated in it for one row may go before the next.
 */
struct binlog_rows {
	enum binlog_change change;
	uint64_t table_id;
	uint16_t flags; /* 1: end of statement, 2: no foreign key checks, 4: no unique checks, 8: complete
			   rows */
	unsigned ncolumns;
	const uint8_t *before_bits, *after_bits;
	bool partial;    /* PARTIAL_UPDATE_ROWS: JSON values after may be changes to those before */
	struct arena *a; /* for those */
	struct str data; /* the rows, decompressed */
	size_t at;
};
/* Of a rows event only the table id, to find its table first. */
/* Of a type for which binlog_is_rows is true. */
enum binlog_change binlog_rows_change(uint8_t type);
int binlog_rows_table_id(struct str event, const struct binlog_format *f, uint64_t *id, struct err *e);
int binlog_rows_open(struct str event, const struct binlog_format *f, const struct binlog_table *t,
	struct arena *a, struct binlog_rows *r, struct err *e);
/* 1: a row; before (UPDATE, DELETE) and after (INSERT, UPDATE) have t->ncolumns places. 0: the end. -1: e. */
int binlog_rows_next(struct binlog_rows *r, const struct binlog_table *t, struct binlog_value *before,
	struct binlog_value *after, struct err *e);
bool binlog_is_rows(uint8_t type);
/* The value of column i where an INSERT names none, it has no default and may not be NULL. False: of a type
 * for which that is not known. */
bool binlog_implied(const struct binlog_table *t, unsigned i, struct binlog_value *out);
/* The value's bytes as the column has them: MariaDB's compressed columns unfolded (into a), BINARY and fixed
 * types padded again. */
int binlog_value_bytes(const struct binlog_value *v, const struct column *c, struct arena *a, struct str *out,
	struct err *e);

/* A number's bits as 64: INT, YEAR (as the year), BIT, ENUM, SET; signed ones are extended. c is the
 * upstream's column; the value is not NULL. */
int64_t binlog_value_int(const struct binlog_value *v, const struct column *c);
/* FLOAT, DOUBLE. -1: it is infinite, or no number. */
int binlog_value_real(const struct binlog_value *v, double *out, struct err *e);

/*
 * A value as an SQL literal for a connection under SET NAMES binary and time_zone +00:00: exact, also for
 * FLOAT (as its double with 17 digits), zero dates, DECIMAL(65,30), JSON (as text with the _utf8mb4
 * introducer), ENUM and SET (as number), BIT and binary (hex), UUID and INET (their text). Text carries the
 * introducer of its charset. c is the upstream's column.
 */
int binlog_put_literal(struct buf *sql, const struct binlog_value *v, const struct column *c, struct err *e);
