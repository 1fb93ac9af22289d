#pragma once
#include "common/sql/structure.h"

/* How a column's values travel from the dump to the load, bit for bit (docs/design/copy.md, "Bit for bit").
 */
enum value_format {
	VALUE_NUMBER,      /* the server's digits */
	VALUE_DOUBLE,      /* FLOAT and DOUBLE: `c`*1e0, an exponent added */
	VALUE_STRING,      /* raw bytes */
	VALUE_BYTES,       /* raw bytes of no charset */
	VALUE_JSON,        /* text in utf8mb4, or an expression that makes it again */
	VALUE_UTF8MB4,     /* text in utf8mb4: UUID, INET; and text of a charset that the target has not */
	VALUE_ENUM,        /* as VALUE_STRING; '' is the error value */
	VALUE_ENUM_NUMBER, /* an ENUM with a member '': `c`+0; 0 is the error value */
	VALUE_SET_NUMBER,  /* a SET with a member '': as an integer, where 0 is none of its members */
};

enum value_format value_format_of(const struct column *c);
/* Are its bytes UTF-8 as they are (or of no charset)? TiDB keeps text of no other: docs/design/dialects.md.
 */
bool value_is_utf8(const char *charset);
/* Notes which columns' text must travel in utf8mb4 (as_unicode), as the target keeps no other. Said by the
 * dump and the load alike, before any value. */
void value_format_for(struct structure *s, enum flavor target);
/* Of what charset the raw bytes of a text (VALUE_STRING, VALUE_ENUM) are, as an introducer names it; NULL: of
 * none, or of one that not every server knows. */
const char *value_charset(const struct column *c);
/* Do a text's bytes of the one charset mean the same in the other? */
bool value_same_bytes(const char *from, const char *to);
/* Is it said as a number, without quotes? */
static inline bool value_format_is_number(enum value_format f)
{
	return f == VALUE_NUMBER || f == VALUE_DOUBLE || f == VALUE_ENUM_NUMBER || f == VALUE_SET_NUMBER;
}
