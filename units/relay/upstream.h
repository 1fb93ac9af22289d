#pragma once
#include "units/relay/relay.h"

/*
 * Where pulling goes on, agreed with the upstream as it is now: makes the first or the next sub-directory
 * where needed, and sets the writer to its file. ERR_relay_ahead, ERR_relay_gone (T20).
 */
int upstream_place(struct relay *r, struct db *d, struct err *e);
