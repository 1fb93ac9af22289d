#pragma once
#include <stdbool.h>

#include "common/base/buf.h"
#include "common/sql/structure.h"

/* How a column's values travel, bit for bit: what is selected, and how it is written into a chunk file
 * (docs/design/copy.md). */
enum value_format {
	VALUE_NUMBER,      /* the server's digits */
	VALUE_DOUBLE,      /* FLOAT and DOUBLE: `c`*1e0, an exponent added */
	VALUE_STRING,      /* raw bytes in quotes */
	VALUE_BYTES,       /* hex; large ones in quotes */
	VALUE_JSON,        /* _utf8mb4'…', or an expression (json.h) */
	VALUE_UTF8MB4,     /* _utf8mb4'…': UUID, INET; and text of a charset that only MySQL has */
	VALUE_ENUM,        /* as VALUE_STRING; '' is the error value */
	VALUE_ENUM_NUMBER, /* an ENUM with a member '': `c`+0; 0 is the error value */
};

enum value_format value_format_of(const struct column *c);
/* The column's expression in the SELECT. */
void value_put_select(struct buf *b, const struct column *c);

enum value_put { VALUE_OK, VALUE_ENUM_ERROR, VALUE_MALFORMED };
/*
 * One value (p NULL: NULL) into the row's text. VALUE_ENUM_ERROR: written, but only INSERT IGNORE can store
 * it. VALUE_MALFORMED: the server sent something that is no number; nothing is written.
 */
enum value_put value_put(struct buf *b, enum value_format f, struct str v);
