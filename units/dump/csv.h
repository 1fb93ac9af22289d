#pragma once
#include <stdbool.h>

#include "common/base/buf.h"
#include "common/sql/structure.h"

/* Rows as dumpling writes CSV: text in UTF-8 between delimiters, backslash escapes, NULL as null_value. Pure.
 */

struct csv_form {
	char separator[16], delimiter[16], null_value[64];
	bool header; /* a line of column names in each file */
};

/* Bytes that are another one behind a backslash. A null_value of these alone wants a delimiter. */
#define CSV_MEANING "0bnrtZ"

/* The column's expression in the SELECT; the session's results are in utf8mb4. */
void csv_put_select(struct buf *b, const struct column *c);
/* Is it a text that Unicode has not all of? It must not be written. */
bool csv_is_no_text(const struct column *c, struct str v);
/* The line of column names. */
void csv_put_header(struct buf *b, const struct csv_form *o, const struct structure *s);
/* A whole line; v: the values of the columns that are stored. */
void csv_put_row(struct buf *b, const struct csv_form *o, const struct structure *s, const struct str *v);
