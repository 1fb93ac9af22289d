#pragma once
#include "units/sync/trx.h"

/*
 * Large transactions on their second way from the relay to whoever applies them: several side by side, each
 * from when its applier wants it, and beside what is read for the first time. Part of the reader (fetch.h);
 * main thread only.
 */
struct fetch;
struct reread;

/* t is a large one that is about to be handed on: it gets its pieces. */
void reread_begin(struct fetch *f, struct trx *t);
/* Sends the requests that there is room for; those that nobody waits for any more end. */
void reread_step(struct fetch *f);
/* Whoever waits for events gets this error instead. */
void reread_leave(struct fetch *f, const struct err *e);
void reread_fini(struct fetch *f);
