#pragma once
#include <stdbool.h>

#include "common/base/buf.h"

/*
 * MySQL's JSON values as SQL. A JSON text is read back as DOUBLE where the stored value is a DECIMAL ("1.50",
 * or more digits than a double has): such values are written as an expression that makes the DECIMAL again,
 * for MySQL alone; MariaDB, whose JSON is text, takes the text (docs/design/copy.md).
 */
void json_put_value(struct buf *b, struct str text);
/* Does the text hold a number that no double would print as? */
bool json_has_decimal(struct str text);
