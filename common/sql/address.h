#pragma once
#include "common/base/buf.h"
#include "common/base/str.h"
#include "common/sql/structure.h"

/* MariaDB's UUID, INET4 and INET6 (COLUMN_UUID …) as text: where the downstream lacks the types, its rows
 * hold the form that the server writes. */
bool sql_is_address(enum column_kind kind);
/* Of the type's word; COLUMN_OTHER: none of them. */
enum column_kind sql_address_kind(struct str word);
void sql_put_address(struct buf *out, enum column_kind kind, const uint8_t *bytes);
enum { SQL_UUID_BYTES = 16, SQL_INET4_BYTES = 4, SQL_INET6_BYTES = 16 };
/* What the server makes of text in any of the forms that it takes; false: it is none that is known here. */
bool sql_canonical_address(enum column_kind kind, struct str text, struct buf *out);
/* Of one that is NOT NULL and has no default. */
const char *sql_zero_address(enum column_kind kind);
