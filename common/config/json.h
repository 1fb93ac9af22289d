#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

/* Up to here every reader of JSON knows a whole number exactly. No counter of ours comes there by counting.
 */
#define JSON_EXACT_MAX (INT64_C(1) << 53)

/* Reading JSON made by ourselves: absent or of another type gives the default. All borrowed. */
const char *json_text(const json_t *o, const char *key, const char *fallback);
int64_t json_num(const json_t *o, const char *key, int64_t fallback);
bool json_flag(const json_t *o, const char *key, bool fallback);
/* Is the text one of a list's? False for no list, and for NULL. */
bool json_among(const json_t *list, const char *text);
/* A string of text in whatever charset, cut anywhere, as errors are: JSON takes only UTF-8. Never NULL. */
json_t *json_any_text(const char *text);
/* Parses text of another process or file; an error names `what`. NULL with e. The caller owns (json_decref).
 */
json_t *json_parse(struct str text, const char *what, struct err *e);
/* About the memory that json_parse would take for it: a tree may be fifty times its text. */
size_t json_cost(struct str text);
/* Compact, with keys in their order; appended to out. */
void json_write(const json_t *o, struct buf *out);
/* Overwrites the bytes of a string inside o (a password) before it is freed. */
void json_wipe(json_t *o, const char *key);
