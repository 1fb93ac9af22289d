#pragma once
#include "units/sync/apply.h"

/*
 * An applier: a thread with a connection and a progress row of its own. It takes the transactions that the
 * scheduler put into its queue, in that order, as many at once as stand there up to the batch's bounds, and
 * writes them as one downstream transaction. Only the first of a batch may have to wait for other lanes, and
 * it does before BEGIN.
 */
struct lane;

/* s is taken (its strings move). NULL with e. */
struct lane *lane_open(struct apply *a, unsigned number, struct meta_slot *s, struct err *e);
/* False: no thread to be had. */
bool lane_start(struct lane *l);
void lane_join(struct lane *l);
void lane_close(struct lane **l);
/* Under the lock: a transaction that was placed here, and wakes the lane. */
void lane_put(struct lane *l, struct trx *t);
/* Under the lock: wakes it to see that all must leave. */
void lane_wake(struct lane *l);
/* Under the lock: its intervals above the watermark, the others forgotten. */
size_t lane_runs(struct lane *l, struct position watermark);
/* Under the lock: how many more those can become that it has not committed. */
size_t lane_coming(const struct lane *l);
/* Does it stand before those in its batch in hand? */
bool lane_waits_for(const struct lane *l, uint64_t seq);
/* Has it taken this transaction into the batch in hand? */
bool lane_holds(const struct lane *l, const struct trx *t);
