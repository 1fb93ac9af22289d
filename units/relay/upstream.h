#pragma once
#include "units/relay/relay.h"

/* Who it is, as its sub-directories are named: "<uuid>", "<domain>-<server id>". */
int upstream_server(struct db *d, char *out, size_t size, struct err *e);
/* On another connection: is it the server that upstream_place has found? An address may lead elsewhere in
 * between. ERR_relay_stream. */
int upstream_still(struct relay *r, struct db *d, struct err *e);
/*
 * Where pulling goes on, agreed with the upstream as it is now: makes the first or the next sub-directory
 * where needed, and sets the writer to its file. ERR_relay_ahead, ERR_relay_gone (T20).
 */
int upstream_place(struct relay *r, struct db *d, struct err *e);
