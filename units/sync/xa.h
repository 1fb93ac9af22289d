#pragma once
#include "units/sync/apply.h"

/*
 * dm_meta.tidegate_xa: which XA transactions are prepared, and where they begin in the relay log. Written in
 * the transaction that records the PREPARE, COMMIT or ROLLBACK as applied (T12).
 */
int xa_record(struct db *d, const struct meta_id *id, const struct trx *t, struct err *e);
/* What its PREPARE and its decision have in common: they keep their order by it. */
uint64_t xa_key(const struct trx *t);
/* ERR_sync_xa: the COMMIT of a PREPARE that was never seen. */
int xa_refuse(const struct trx *t, struct err *e);
/* Before the applier starts: where those begin that are pending at its watermark, ascending, struct position
 * one after the other. */
int xa_pending(struct apply *a, struct buf *positions, struct err *e);
