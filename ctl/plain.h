#pragma once
#include <jansson.h>

/* In place: what a terminal could take for an order becomes '?', but for the control characters in keep. */
void plain_text(char *text, const char *keep);
/* A copy with all its strings so; a "msg" keeps its lines, it may be a statement. New reference. */
json_t *plain_json(const json_t *o);
