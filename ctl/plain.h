#pragma once
#include <jansson.h>
#include <stdbool.h>

#include "common/base/buf.h"

/* In place: what a terminal could take for an order becomes '?', lines' ends and tabs a blank, but for the
 * control characters in keep. */
void plain_text(char *text, const char *keep);
bool plain_is_utf8(const char *text);
/* What is written JSON, with DEL and C1 as \u00XX; they stand only in strings. */
void plain_escape(const char *json, struct buf *out);
/* A copy with all its strings so; a "msg" keeps its lines, it may be a statement. New reference. */
json_t *plain_json(const json_t *o);
