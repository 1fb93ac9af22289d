#pragma once
#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/binlog/event.h"

/* What the decoders of this folder share. Nobody outside includes it. */

/* Largest thing that a compressed record may unfold to: a server's own bound of a packet. */
enum { WIRE_MAX_UNFOLDED = 1 << 30 };

/* Checks header and size, gives a reader over the body (no header, no checksum). -1: ERR_sync_binlog. */
int wire_open(struct str event, const struct binlog_format *f, struct binlog_header *h, struct cur *body,
	struct err *e);
/* The end of a decoder: -1 with "<type> event is cut short" where the reader ran out. */
int wire_done(const struct cur *c, const struct binlog_header *h, struct err *e);
/* n bytes as text, borrowed; empty when bad. */
struct str wire_text(struct cur *c, size_t n);
uint64_t wire_big_endian(const uint8_t *p, unsigned bytes);
/* MariaDB's compressed record (u8 0x80 | length bytes, big-endian length, zlib) into scratch memory. */
int wire_unfold(struct str packed, struct arena *a, struct str *out, struct err *e);
/* Also where there is no byte at all. */
static inline struct cur wire_cur(struct str s)
{
	return cur_of(s.n ? s.p : "", s.n);
}
static inline struct str wire_rest(struct cur *c)
{
	return wire_text(c, cur_left(c));
}
