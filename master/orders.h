#pragma once
#include "master/master.h"

/* The whole wanted state of one agent (docs/protocol.md, "Orders"); new reference. */
json_t *orders_make(const struct master *m, const char *agent);
