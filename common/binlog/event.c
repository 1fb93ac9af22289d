/*
 * The frame of binlog events: header, checksum, FORMAT_DESCRIPTION, ROTATE, XID. Called by the relay for
 * every event that comes in and by the sync for every one that it reads back. Must never trust a length that
 * it has not checked.
 */
#include "common/binlog/event.h"

#include <ctype.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/binlog/wire.h"

static const char *const names[256] = {
	[BINLOG_QUERY] = "QUERY",
	[BINLOG_STOP] = "STOP",
	[BINLOG_ROTATE] = "ROTATE",
	[BINLOG_INTVAR] = "INTVAR",
	[BINLOG_RAND] = "RAND",
	[BINLOG_USER_VAR] = "USER_VAR",
	[BINLOG_FORMAT] = "FORMAT_DESCRIPTION",
	[BINLOG_XID] = "XID",
	[BINLOG_APPEND_BLOCK] = "APPEND_BLOCK",
	[BINLOG_DELETE_FILE] = "DELETE_FILE",
	[BINLOG_BEGIN_LOAD] = "BEGIN_LOAD_QUERY",
	[BINLOG_EXECUTE_LOAD] = "EXECUTE_LOAD_QUERY",
	[BINLOG_TABLE_MAP] = "TABLE_MAP",
	[BINLOG_WRITE_V0] = "WRITE_ROWS_V0",
	[BINLOG_UPDATE_V0] = "UPDATE_ROWS_V0",
	[BINLOG_DELETE_V0] = "DELETE_ROWS_V0",
	[BINLOG_WRITE_V1] = "WRITE_ROWS_V1",
	[BINLOG_UPDATE_V1] = "UPDATE_ROWS_V1",
	[BINLOG_DELETE_V1] = "DELETE_ROWS_V1",
	[BINLOG_INCIDENT] = "INCIDENT",
	[BINLOG_HEARTBEAT] = "HEARTBEAT",
	[BINLOG_IGNORABLE] = "IGNORABLE",
	[BINLOG_ROWS_QUERY] = "ROWS_QUERY",
	[BINLOG_WRITE_V2] = "WRITE_ROWS",
	[BINLOG_UPDATE_V2] = "UPDATE_ROWS",
	[BINLOG_DELETE_V2] = "DELETE_ROWS",
	[BINLOG_GTID] = "GTID",
	[BINLOG_ANONYMOUS_GTID] = "ANONYMOUS_GTID",
	[BINLOG_PREVIOUS_GTIDS] = "PREVIOUS_GTIDS",
	[BINLOG_TRANSACTION_CONTEXT] = "TRANSACTION_CONTEXT",
	[BINLOG_VIEW_CHANGE] = "VIEW_CHANGE",
	[BINLOG_XA_PREPARE] = "XA_PREPARE",
	[BINLOG_PARTIAL_UPDATE] = "PARTIAL_UPDATE_ROWS",
	[BINLOG_TRANSACTION_PAYLOAD] = "TRANSACTION_PAYLOAD",
	[BINLOG_HEARTBEAT_V2] = "HEARTBEAT_V2",
	[BINLOG_GTID_TAGGED] = "GTID_TAGGED",
	[BINLOG_MARIA_ANNOTATE] = "ANNOTATE_ROWS",
	[BINLOG_MARIA_CHECKPOINT] = "BINLOG_CHECKPOINT",
	[BINLOG_MARIA_GTID] = "MARIA_GTID",
	[BINLOG_MARIA_GTID_LIST] = "GTID_LIST",
	[BINLOG_MARIA_START_ENCRYPTION] = "START_ENCRYPTION",
	[BINLOG_MARIA_QUERY_COMPRESSED] = "QUERY_COMPRESSED",
	[BINLOG_MARIA_WRITE_COMPRESSED_V1] = "WRITE_ROWS_COMPRESSED_V1",
	[BINLOG_MARIA_UPDATE_COMPRESSED_V1] = "UPDATE_ROWS_COMPRESSED_V1",
	[BINLOG_MARIA_DELETE_COMPRESSED_V1] = "DELETE_ROWS_COMPRESSED_V1",
	[BINLOG_MARIA_WRITE_COMPRESSED] = "WRITE_ROWS_COMPRESSED",
	[BINLOG_MARIA_UPDATE_COMPRESSED] = "UPDATE_ROWS_COMPRESSED",
	[BINLOG_MARIA_DELETE_COMPRESSED] = "DELETE_ROWS_COMPRESSED",
};

const char *binlog_type_name(uint8_t type)
{
	return names[type] ? names[type] : "unknown";
}

int binlog_read_header(struct str event, struct binlog_header *h, struct err *e)
{
	struct cur c = wire_cur(event);

	h->timestamp = cur_u32(&c);
	h->type = cur_u8(&c);
	h->server_id = cur_u32(&c);
	h->size = cur_u32(&c);
	h->log_pos = cur_u32(&c);
	h->flags = cur_u16(&c);
	if (c.bad)
		return err_set(e, ERR_sync_binlog, "an event of %zu bytes has no whole header", event.n);
	if (h->size < BINLOG_HEADER_SIZE)
		return err_set(e, ERR_sync_binlog, "%s event says that it is %u bytes long",
			binlog_type_name(h->type), h->size);
	return 0;
}

int wire_open(struct str event, const struct binlog_format *f, struct binlog_header *h, struct cur *body,
	struct err *e)
{
	size_t tail = f->checksum ? BINLOG_CHECKSUM_SIZE : 0;

	if (binlog_read_header(event, h, e) < 0)
		return -1;
	if (h->size != event.n || event.n < BINLOG_HEADER_SIZE + tail)
		return err_set(e, ERR_sync_binlog, "%s event says that it is %u bytes long and has %zu",
			binlog_type_name(h->type), h->size, event.n);
	*body = cur_of(event.p + BINLOG_HEADER_SIZE, event.n - BINLOG_HEADER_SIZE - tail);
	return 0;
}

int wire_done(const struct cur *c, const struct binlog_header *h, struct err *e)
{
	if (c->bad)
		return err_set(e, ERR_sync_binlog, "%s event of %u bytes is cut short or damaged",
			binlog_type_name(h->type), h->size);
	return 0;
}

struct str wire_text(struct cur *c, size_t n)
{
	const uint8_t *p = cur_bytes(c, n);

	return p ? (struct str){(const char *)p, n} : (struct str){0};
}

uint64_t wire_big_endian(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v = v << 8 | p[i];
	return v;
}

struct str binlog_body(struct str event, const struct binlog_format *f)
{
	size_t around = BINLOG_HEADER_SIZE + (size_t)(f->checksum ? BINLOG_CHECKSUM_SIZE : 0);

	if (event.n < around)
		return (struct str){event.p, 0};
	return (struct str){event.p + BINLOG_HEADER_SIZE, event.n - around};
}

/* A file in use carries a flag in its FORMAT event that its checksum knows nothing of. */
bool binlog_checksum_ok(struct str event)
{
	enum { FLAGS_AT = 17 };
	const uint8_t *p = (const uint8_t *)event.p;
	struct cur tail;
	uint8_t flags[2];
	uint32_t crc;

	if (event.n < BINLOG_HEADER_SIZE + BINLOG_CHECKSUM_SIZE)
		return false;
	memcpy(flags, p + FLAGS_AT, 2);
	if (p[4] == BINLOG_FORMAT)
		flags[0] = (uint8_t)(flags[0] & ~BINLOG_FLAG_IN_USE);
	/* libdeflate's CRC is ten times as fast as zlib's: it was a third of the relay's work. */
	crc = libdeflate_crc32(0, p, FLAGS_AT);
	crc = libdeflate_crc32(crc, flags, 2);
	crc = libdeflate_crc32(crc, p + FLAGS_AT + 2, event.n - FLAGS_AT - 2 - BINLOG_CHECKSUM_SIZE);
	tail = cur_of(event.p + event.n - BINLOG_CHECKSUM_SIZE, BINLOG_CHECKSUM_SIZE);
	return cur_u32(&tail) == crc;
}

/* "10.5.23-MariaDB-log", "9.7.0". ntypes tells forks that took the name out of the version. */
static void read_server(const char *version, size_t ntypes, struct server *s)
{
	unsigned n[3] = {0};
	const char *p = version;

	for (unsigned i = 0; i < 3 && isdigit((unsigned char)*p); i++) {
		char *end;
		unsigned long v = strtoul(p, &end, 10);

		n[i] = v > 99 ? 99 : (unsigned)v;
		p = *end == '.' ? end + 1 : end;
	}
	s->version = n[0] * 10000 + n[1] * 100 + n[2];
	s->flavor = ntypes >= BINLOG_MARIA_ANNOTATE || strcasestr(version, "mariadb") ? FLAVOR_MARIADB
										      : FLAVOR_MYSQL;
}

int binlog_read_format(struct str event, struct binlog_format *f, struct err *e)
{
	enum { FIXED = 2 + 50 + 4 + 1, TAIL = 1 + BINLOG_CHECKSUM_SIZE };
	const struct binlog_format bare = {0};
	struct binlog_header h;
	const uint8_t *p;
	struct cur c;
	size_t ntypes;

	memset(f, 0, sizeof(*f));
	if (wire_open(event, &bare, &h, &c, e) < 0)
		return -1;
	if (h.type != BINLOG_FORMAT)
		return err_set(e, ERR_sync_binlog, "a %s event where FORMAT_DESCRIPTION belongs",
			binlog_type_name(h.type));
	if (cur_left(&c) < FIXED + TAIL)
		return err_set(
			e, ERR_sync_binlog, "FORMAT_DESCRIPTION event of %u bytes is too short", h.size);
	if (cur_u16(&c) != 4)
		return err_set(e, ERR_sync_event_unknown, "the binlog's version is not 4");
	memcpy(f->server_version, cur_bytes(&c, 50), 50);
	cur_skip(&c, 4);
	f->header_size = cur_u8(&c);
	if (f->header_size != BINLOG_HEADER_SIZE)
		return err_set(e, ERR_sync_event_unknown, "event headers of %u bytes", f->header_size);
	ntypes = cur_left(&c) - TAIL;
	p = cur_bytes(&c, ntypes);
	/* The first byte belongs to type 1. */
	memcpy(f->post_header + 1, p, ntypes > 255 ? 255 : ntypes);
	f->checksum = cur_u8(&c) == 1;
	read_server(f->server_version, ntypes, &f->server);
	f->valid = true;
	return 0;
}

uint64_t binlog_format_id(struct str event)
{
	enum { FLAGS_AT = 17, BODY_AT = 19 };
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i + BINLOG_CHECKSUM_SIZE < event.n; i++)
		if (i < FLAGS_AT || i >= BODY_AT)
			hash = (hash ^ (uint8_t)event.p[i]) * 0x100000001b3u;
	return hash;
}

int binlog_read_rotate(
	struct str event, const struct binlog_format *f, struct binlog_rotate *r, struct err *e)
{
	struct binlog_header h;
	struct cur c;

	if (wire_open(event, f, &h, &c, e) < 0)
		return -1;
	r->offset = cur_u64(&c);
	r->file = wire_rest(&c);
	if (r->file.n == 0)
		c.bad = true;
	return wire_done(&c, &h, e);
}

int binlog_read_xid(struct str event, const struct binlog_format *f, uint64_t *xid, struct err *e)
{
	struct binlog_header h;
	struct cur c;

	if (wire_open(event, f, &h, &c, e) < 0)
		return -1;
	*xid = cur_u64(&c);
	return wire_done(&c, &h, e);
}

int binlog_read_xa_prepare(
	struct str event, const struct binlog_format *f, struct binlog_xa_prepare *x, struct err *e)
{
	struct binlog_header h;
	uint32_t ngtrid, nbqual;
	struct cur c;

	if (wire_open(event, f, &h, &c, e) < 0)
		return -1;
	x->one_phase = cur_u8(&c) != 0;
	x->format_id = cur_u32(&c);
	ngtrid = cur_u32(&c);
	nbqual = cur_u32(&c);
	x->gtrid = wire_text(&c, ngtrid);
	x->bqual = wire_text(&c, nbqual);
	return wire_done(&c, &h, e);
}
