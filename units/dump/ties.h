#pragma once
#include <jansson.h>

#include "units/dump/catalog.h"

/*
 * Foreign keys of the wanted tables, for a copy that goes on under a second snapshot (T23), out of their
 * CREATE statements: [["db","child","db","parent",acts],…]; acts: 1 where it changes rows by itself (CASCADE,
 * SET NULL). New reference.
 */
json_t *ties_of(const struct catalog *c, const struct server *from);
/* Who the server is: its UUID; MariaDB has none: domain and server id, as DM calls it. */
int ties_identity(struct db *d, char *out, size_t size, struct err *e);
