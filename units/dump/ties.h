#pragma once
#include <jansson.h>

#include "units/dump/catalog.h"

/*
 * Foreign keys between tables of the wanted databases, for a copy that goes on under a second snapshot (T23):
 * [["db","child","db","parent",acts],…]; acts: 1 where it changes rows by itself (CASCADE, SET NULL). New
 * reference; NULL with e.
 */
json_t *ties_read(struct db *d, const struct catalog *c, struct err *e);
/* Who the server is: its UUID; MariaDB has none: domain and server id, as DM calls it. */
int ties_identity(struct db *d, char *out, size_t size, struct err *e);
