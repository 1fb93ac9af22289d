#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/db/db.h"
#include "common/sql/structure.h"

/*
 * Text of any charset in utf8mb4, for a downstream that keeps no other. What a character is in Unicode is
 * asked of the upstream when it is first met, so that it is what the copy's CONVERT made of it
 * (docs/design/dialects.md).
 */
struct unicode;

/* TiDB takes the bytes of any text for UTF-8, whatever an introducer or the column says; MariaDB knows no
 * gb18030. Pure. */
bool unicode_must(const struct column *up, enum flavor to);
struct unicode *unicode_new(const struct endpoint *upstream); /* borrowed; connects when first needed */
void unicode_free(struct unicode **u);
/* Appends text, without quotes or escapes. ERR_sync_columns: bytes that are no characters, or that Unicode
 * has not. Any thread. */
int unicode_put(struct unicode *u, struct buf *out, const char *charset, struct str text, struct err *e);

/* How many bytes the character at p has, from 1 on; 0: they are no character, or too few. Pure; for tests. */
unsigned unicode_length(const char *charset, const uint8_t *p, size_t left);
/*
 * Is v what those bytes (a prefix and the last one) are in Unicode? A '?' for anything but the question mark,
 * or with other characters (the first byte of a wrong pair, and its second one as it was), says that the
 * server knows none. Pure; for tests.
 */
bool unicode_is_answer(const uint8_t *prefix, unsigned nprefix, uint8_t last, struct str v);
