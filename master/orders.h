#pragma once
#include "master/master.h"

/* A copy of o's member, {} where it has none; new reference. */
json_t *orders_part(const json_t *o, const char *key);
/* What the source itself says (case-sensitive, filters) goes into a task's rules. source: NULL, or as stored.
 */
void orders_put_source(const json_t *source, json_t *rules);
/* The rules of a subtask as its units get them; new reference. */
json_t *orders_rules(const struct master *m, const json_t *source, const json_t *subtask);
/* The whole wanted state of one agent (docs/protocol.md, "Orders"); new reference. */
json_t *orders_make(const struct master *m, const char *agent);
