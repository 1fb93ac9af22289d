#pragma once
#include <stdbool.h>

#include "common/base/buf.h"
#include "common/sql/value_format.h"
#include "units/load/plan.h"

/* How rows of one table are said: the statements' words, once a table. Pure. */
struct into {
	const struct plan_item *t;
	unsigned n; /* stored columns */
	const struct column **columns;
	enum value_format *formats;
	const char **charsets; /* what a text's bytes are said to be of; NULL: nothing is said */
	struct buf names;      /* " INTO `t` (`a`,`b`) VALUES" */
	struct buf tail; /* ",'x'" behind the values of each row: columns that only the downstream has */
};

void into_init(struct into *i, const struct plan_item *t);
void into_fini(struct into *i);
/* LOAD DATA LOCAL INFILE … of the table's spool files. */
void into_put_load(const struct into *i, struct buf *sql);
/* INSERT … VALUES (?,…), for bulk execute. verb: "INSERT" … */
void into_put_bulk(const struct into *i, const char *verb, struct buf *sql);
/* " ON DUPLICATE KEY UPDATE …" that changes nothing. */
void into_put_keep(const struct into *i, struct buf *sql);
/* … that makes the row that is there the new one. */
void into_put_newer(const struct into *i, struct buf *sql);
/* "(1,'x')" of a line of a spool file. False: the line has another number of fields. */
bool into_put_row(const struct into *i, struct str line, struct buf *sql);
/* How many bytes its text and binary values have. */
uint64_t into_row_bytes(const struct into *i, struct str line);
/* The fields of a line, for bulk execute: values and lengths of n places; escapes are undone in place. */
bool into_split(const struct into *i, char *line, size_t n, struct str *values);
