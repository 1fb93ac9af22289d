#pragma once
#include <jansson.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"

/*
 * A YAML file after the check against config.def: JSON objects with the file's own keys and the table's types
 * (SIZE in bytes, TIME as text). Beside each key stands a hidden one with its line and column, for what the
 * table can't say.
 */

/* section: "task" or "source". Adds lines to warnings. New reference, or NULL with e. name is for messages.
 */
json_t *checked_read(const char *name, struct str text, const char *section, json_t *warnings, struct err *e);
/* err_set with "NAME:LINE:COLUMN: " of o's key (NULL: of o itself) before the text. */
int checked_error(const char *name, const json_t *o, const char *key, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* The same as one more line in warnings, unless it is there already. */
void checked_warn(json_t *warnings, const char *name, const json_t *o, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* The whole file as YAML again, without comments, its passwords as stars, without the query of URLs: for who
 * asks later what was said. Borrowed. */
json_t *checked_text(const json_t *o);
/* YAML text with each value of a key `password` that is not empty replaced, and what URLs have behind `?`
 * gone, onto out. -1 with e: no YAML. */
int checked_print(const char *name, struct str text, const char *password, struct buf *out, struct err *e);
/* Is it a hidden key? Those must be left out when walking names. */
bool checked_hidden(const char *key);
/* Has the top of this text the key? 1, 0, or -1 with e where it is no YAML. For telling the two files apart.
 */
int checked_has(const char *name, struct str text, const char *key, struct err *e);
