#pragma once
#include <stdbool.h>

#include "common/base/buf.h"
#include "common/sql/value_format.h"

/* The column's expression in the SELECT. */
void value_put_select(struct buf *b, const struct column *c);

/* The same in utf8mb4, of text of another charset; of what Unicode lacks value_is_no_text. */
void value_put_unicode(struct buf *b, const struct column *c);
/* Is it what comes in place of such a text? No text in utf8mb4 is. */
bool value_is_no_text(struct str v);

enum value_put { VALUE_OK, VALUE_ENUM_ERROR, VALUE_MALFORMED };
/*
 * One value (p NULL: NULL) into the row's text. VALUE_ENUM_ERROR: written, but only INSERT IGNORE can store
 * it. VALUE_MALFORMED: the server sent something that is no number, or has no such text in utf8mb4; nothing
 * is written.
 */
enum value_put value_put(struct buf *b, enum value_format f, struct str v);
/* A value that only an SQL statement can say: an ENUM's error value, DECIMALs inside of JSON. */
bool value_needs_sql(enum value_format f, struct str v);
/*
 * The same for a field of a spool file, whose fields are parted by tabs: as inside of quotes, a tab escaped
 * too, \N for NULL. Not for what needs SQL.
 */
enum value_put value_put_field(struct buf *b, enum value_format f, struct str v);
