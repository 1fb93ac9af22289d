#pragma once
#include "units/relay/store.h"

/* relay.meta: TOML, with DM's keys. Private to store.c. */
int store_meta_write(
	int dir, const struct store_generation *g, struct store_file at, const char *gtid, struct err *e);
/* Into base and first of a generation that has no file yet. */
int store_meta_read(int dir, struct store_generation *g, struct err *e);
