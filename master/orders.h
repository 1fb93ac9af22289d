#pragma once
#include "master/master.h"

/* The whole wanted state of one agent (docs/protocol.md, "Orders"); new reference. */
/* The rules of a subtask as its units get them; new reference. */
json_t *orders_rules(const json_t *source, const json_t *subtask);
json_t *orders_make(const struct master *m, const char *agent);
