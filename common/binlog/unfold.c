/*
 * Compressed parts of events: MariaDB's records (zlib) in QUERY and rows events, MySQL's TRANSACTION_PAYLOAD
 * (zstd), whose inner events come out one by one. Called by the decoders of this folder and by the sync. Must
 * never unfold without a bound.
 */
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "common/base/xalloc.h"
#include "common/binlog/payload.h"
#include "common/binlog/wire.h"

/* zlib can't do better than about 1:1032, so a longer promise is a lie (and would cost the memory). */
static bool plausible(uint64_t unfolded, size_t packed)
{
	return unfolded <= WIRE_MAX_UNFOLDED && unfolded <= (uint64_t)packed * 1100 + 64;
}

int wire_unfold(struct str packed, struct arena *a, struct str *out, struct err *e)
{
	struct cur c = wire_cur(packed);
	uint8_t head = cur_u8(&c);
	unsigned bytes = head & 0x07;
	const uint8_t *length = cur_bytes(&c, bytes);
	uint64_t n;
	uLongf got;
	char *p;

	if (c.bad || (head & 0xf8) != 0x80 || bytes < 1 || bytes > 4)
		return err_set(e, ERR_sync_binlog, "a compressed record has a head that is not understood");
	n = wire_big_endian(length, bytes);
	if (!plausible(n, cur_left(&c)))
		return err_set(e, ERR_sync_binlog, "a compressed record says that it holds %llu bytes",
			(unsigned long long)n);
	p = arena_alloc(a, n + 1);
	got = (uLongf)n;
	if (uncompress((Bytef *)p, &got, c.p, cur_left(&c)) != Z_OK || got != n)
		return err_set(e, ERR_sync_binlog, "a compressed record can't be unfolded");
	*out = (struct str){p, n};
	return 0;
}

struct binlog_payload {
	ZSTD_DStream *zstd; /* NULL: not compressed */
	struct cur in;
	struct buf event; /* the one handed out */
	uint64_t left;    /* bytes that are still to come, by the payload's own head */
};

enum {
	FIELD_END = 0,
	FIELD_SIZE = 1,
	FIELD_COMPRESSION = 2,
	FIELD_UNFOLDED = 3,
	COMPRESSION_ZSTD = 0,
	COMPRESSION_NONE = 255
};

static int read_head(struct cur *c, uint64_t *size, uint64_t *compression, uint64_t *unfolded)
{
	for (;;) {
		uint64_t type = cur_lenenc(c), length;
		struct cur value;

		if (c->bad)
			return -1;
		if (type == FIELD_END)
			return 0;
		length = cur_lenenc(c);
		value = *c;
		cur_skip(c, length);
		if (type == FIELD_SIZE)
			*size = cur_lenenc(&value);
		else if (type == FIELD_COMPRESSION)
			*compression = cur_lenenc(&value);
		else if (type == FIELD_UNFOLDED)
			*unfolded = cur_lenenc(&value);
		if (c->bad || value.bad)
			return -1;
	}
}

struct binlog_payload *binlog_payload_open(struct str event, const struct binlog_format *f, struct err *e)
{
	uint64_t size = 0, compression = COMPRESSION_NONE, unfolded = 0;
	struct binlog_payload *p;
	struct binlog_header h;
	struct cur c;

	if (wire_open(event, f, &h, &c, e) < 0)
		return NULL;
	if (read_head(&c, &size, &compression, &unfolded) < 0 || size != cur_left(&c)) {
		err_set(e, ERR_sync_binlog, "TRANSACTION_PAYLOAD event of %u bytes is damaged", h.size);
		return NULL;
	}
	if (compression != COMPRESSION_ZSTD && compression != COMPRESSION_NONE) {
		err_set(e, ERR_sync_event_unknown, "TRANSACTION_PAYLOAD event with compression %llu",
			(unsigned long long)compression);
		return NULL;
	}
	p = xcalloc(1, sizeof(*p));
	p->in = c;
	p->left = compression == COMPRESSION_ZSTD ? unfolded : size;
	if (compression == COMPRESSION_ZSTD)
		p->zstd = ZSTD_createDStream();
	return p;
}

void binlog_payload_close(struct binlog_payload **p)
{
	if (!*p)
		return;
	ZSTD_freeDStream((*p)->zstd);
	buf_free(&(*p)->event);
	free(*p);
	*p = NULL;
}

/* n more bytes behind what event holds. */
static int take(struct binlog_payload *p, size_t n, struct err *e)
{
	ZSTD_outBuffer out;
	ZSTD_inBuffer in;

	if (n > p->left)
		return err_set(
			e, ERR_sync_binlog, "an event inside TRANSACTION_PAYLOAD reaches beyond its end");
	p->left -= n;
	if (!p->zstd) {
		buf_put(&p->event, cur_bytes(&p->in, n), n);
		return 0;
	}
	while (n > 0) {
		size_t step = n > (1 << 20) ? 1 << 20 : n;

		out = (ZSTD_outBuffer){buf_room(&p->event, step), step, 0};
		in = (ZSTD_inBuffer){p->in.p, cur_left(&p->in), 0};
		if (ZSTD_isError(ZSTD_decompressStream(p->zstd, &out, &in)) || (out.pos == 0 && in.pos == 0))
			return err_set(e, ERR_sync_binlog, "TRANSACTION_PAYLOAD can't be unfolded");
		cur_skip(&p->in, in.pos);
		p->event.n += out.pos;
		n -= out.pos;
	}
	return 0;
}

int binlog_payload_next(struct binlog_payload *p, struct str *event, struct err *e)
{
	struct binlog_header h;

	if (p->left == 0)
		return 0;
	buf_clear(&p->event);
	if (take(p, BINLOG_HEADER_SIZE, e) < 0 || binlog_read_header(buf_str(&p->event), &h, e) < 0 ||
		take(p, h.size - BINLOG_HEADER_SIZE, e) < 0)
		return -1;
	*event = buf_str(&p->event);
	return 1;
}
