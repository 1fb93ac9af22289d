#pragma once
#include "units/sync/trx.h"

/*
 * XA transactions between their PREPARE and their COMMIT or ROLLBACK (T12). Their rows are kept in memory
 * while there is room, else found again in the relay log. Part of the assembler; main thread only.
 */
struct pending;

struct pending *pending_new(size_t keep); /* bytes of rows to keep for all of them */
void pending_free(struct pending **p);
/*
 * t is a whole transaction that ended with PREPARE: taken. Returns what is to be applied for it: no rows, a
 * record.
 */
struct trx *pending_prepare(struct pending *p, struct trx **t, const struct xid *xid);
/* The rows of xid move into t, which ends with t->end. False: no such transaction. */
bool pending_commit(struct pending *p, const struct xid *xid, struct trx *t);
bool pending_rollback(struct pending *p, const struct xid *xid, struct trx *t);
struct position pending_pin(struct pending *p, struct position watermark);

/* "X'6131',X'62',7", as both servers write it. False: not understood. */
bool xid_read(struct str text, struct xid *out);
bool xid_make(uint32_t format, struct str gtrid, struct str bqual, struct xid *out);
/* For messages: X'6131',X'62',7. out of 300 bytes always does. */
void xid_text(const struct xid *x, char *out, size_t size);
