#pragma once
#include "units/sync/apply.h"

/*
 * dm_meta.tidegate_xa: which XA transactions are prepared at the watermark, and where they begin in the relay
 * log. Written in the transaction that moves the watermark over the PREPARE, COMMIT or ROLLBACK (T12).
 */
int xa_record(struct apply *a, const struct trx *t, struct err *e);
/* Before the applier starts: where pending ones begin, ascending, struct position one after the other. */
int xa_pending(struct apply *a, struct buf *positions, struct err *e);
