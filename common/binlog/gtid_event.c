/*
 * The events that open a transaction: MySQL's GTID, ANONYMOUS_GTID and GTID_TAGGED, MariaDB's GTID. Called by
 * the relay (sets in its state) and by the sync (where a transaction begins).
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/binlog/gtid.h"
#include "common/binlog/gtid_uuid.h"
#include "common/binlog/wire.h"

static void read_commit_time(struct cur *c, struct binlog_gtid_event *g)
{
	enum { STAMP = 7 };
	const uint64_t has_original = 1ull << 55;
	uint64_t v;

	if (cur_left(c) < STAMP)
		return;
	v = cur_uint(c, STAMP);
	if (v & has_original)
		cur_skip(c, STAMP);
	g->immediate_commit_us = v & ~has_original;
	if (cur_left(c) > 0)
		g->transaction_length = cur_lenenc(c);
}

static void read_mysql(struct cur *c, struct binlog_gtid_event *g)
{
	const uint8_t *uuid;

	cur_skip(c, 1);
	uuid = cur_bytes(c, 16);
	if (uuid)
		memcpy(g->uuid, uuid, 16);
	g->gno = cur_u64(c);
	if (cur_left(c) == 0)
		return;
	/* The type byte of the logical clock is 2 in every version read here. */
	cur_skip(c, 1);
	g->last_committed = (int64_t)cur_u64(c);
	g->sequence_number = (int64_t)cur_u64(c);
	read_commit_time(c, g);
}

uint64_t gtid_varlen(struct cur *c)
{
	uint8_t first = cur_u8(c);
	unsigned more = 0;

	while (more < 8 && (first >> more & 1))
		more++;
	if (more == 8)
		return cur_u64(c);
	return (uint64_t)first >> (more + 1) | (more ? cur_uint(c, more) << (7 - more) : 0);
}

static int64_t varlen_signed(struct cur *c)
{
	uint64_t v = gtid_varlen(c);

	return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

void gtid_read_tag(struct cur *c, char tag[33])
{
	uint64_t n = gtid_varlen(c);
	struct str s = n <= 32 ? wire_text(c, n) : (struct str){0};

	if (n > 32)
		c->bad = true;
	/* It becomes part of names and of SQL text: only what a server allows in a tag. */
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '_'))
			c->bad = true;
	memset(tag, 0, 33);
	if (s.n && !c->bad)
		memcpy(tag, s.p, s.n);
}

enum tagged_field {
	TAGGED_FLAGS,
	TAGGED_UUID,
	TAGGED_GNO,
	TAGGED_TAG,
	TAGGED_LAST_COMMITTED,
	TAGGED_SEQUENCE,
	TAGGED_IMMEDIATE_COMMIT,
	TAGGED_ORIGINAL_COMMIT,
	TAGGED_LENGTH,
	TAGGED_END,
};

static void read_tagged_field(struct cur *c, uint64_t field, struct binlog_gtid_event *g)
{
	switch (field) {
	case TAGGED_UUID:
		for (unsigned i = 0; i < 16; i++)
			g->uuid[i] = (uint8_t)gtid_varlen(c);
		break;
	case TAGGED_GNO:
		g->gno = (uint64_t)varlen_signed(c);
		break;
	case TAGGED_TAG:
		gtid_read_tag(c, g->tag);
		break;
	case TAGGED_LAST_COMMITTED:
		g->last_committed = varlen_signed(c);
		break;
	case TAGGED_SEQUENCE:
		g->sequence_number = varlen_signed(c);
		break;
	case TAGGED_IMMEDIATE_COMMIT:
		g->immediate_commit_us = gtid_varlen(c);
		break;
	case TAGGED_LENGTH:
		g->transaction_length = gtid_varlen(c);
		break;
	default: /* flags, original commit time: a number that is not needed */
		gtid_varlen(c);
		break;
	}
}

/* MySQL's serialization: version, size, last field that must be known, then field ids in growing order. */
static void read_tagged(struct cur *c, struct binlog_gtid_event *g)
{
	uint64_t version = gtid_varlen(c), last;

	gtid_varlen(c);
	last = gtid_varlen(c);
	/* last counts from 1; fields from the server versions on are not needed, whatever they hold. */
	if (version != 1 || last > TAGGED_END + 3)
		c->bad = true;
	while (cur_left(c) > 0 && !c->bad) {
		uint64_t field = gtid_varlen(c);

		if (field >= TAGGED_END)
			return;
		read_tagged_field(c, field, g);
	}
}

static void read_xa(struct cur *c)
{
	size_t gtrid, bqual;

	cur_skip(c, 4);
	gtrid = cur_u8(c);
	bqual = cur_u8(c);
	cur_skip(c, gtrid + bqual);
}

static void read_mariadb(struct cur *c, struct binlog_gtid_event *g)
{
	g->seq = cur_u64(c);
	g->domain = cur_u32(c);
	g->flags2 = cur_u8(c);
	if (g->flags2 & BINLOG_GTID_GROUP_COMMIT)
		g->commit_id = cur_u64(c);
	if (g->flags2 & (BINLOG_GTID_PREPARED_XA | BINLOG_GTID_COMPLETED_XA))
		read_xa(c);
	if (cur_left(c) == 0)
		return;
	g->flags_extra = cur_u8(c);
	if (g->flags_extra & BINLOG_EXTRA_MULTI_ENGINE)
		cur_skip(c, 1);
	if (g->flags_extra & (BINLOG_EXTRA_COMMIT_ALTER | BINLOG_EXTRA_ROLLBACK_ALTER))
		g->alter_seq = cur_u64(c);
}

int binlog_read_gtid(
	struct str event, const struct binlog_format *f, struct binlog_gtid_event *g, struct err *e)
{
	struct binlog_header h;
	struct cur c;

	memset(g, 0, sizeof(*g));
	if (wire_open(event, f, &h, &c, e) < 0)
		return -1;
	switch (h.type) {
	case BINLOG_MARIA_GTID:
		g->mariadb = true;
		g->server_id = h.server_id;
		read_mariadb(&c, g);
		break;
	case BINLOG_GTID_TAGGED:
		read_tagged(&c, g);
		break;
	case BINLOG_GTID:
	case BINLOG_ANONYMOUS_GTID:
		g->anonymous = h.type == BINLOG_ANONYMOUS_GTID;
		read_mysql(&c, g);
		break;
	default:
		return err_set(
			e, ERR_sync_binlog, "a %s event where a GTID belongs", binlog_type_name(h.type));
	}
	if (!g->mariadb && !g->anonymous && (g->gno == 0 || g->gno >= GTID_GNO_END))
		c.bad = true;
	return wire_done(&c, &h, e);
}

void gtid_uuid_text(const uint8_t uuid[16], char out[37])
{
	static const char hex[] = "0123456789abcdef";
	char *p = out;

	for (unsigned i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[uuid[i] >> 4];
		*p++ = hex[uuid[i] & 15];
	}
	*p = '\0';
}

void gtid_event_text(const struct binlog_gtid_event *g, char *out, size_t size)
{
	char uuid[37];

	if (g->mariadb) {
		snprintf(out, size, "%u-%u-%" PRIu64, g->domain, g->server_id, g->seq);
		return;
	}
	if (g->anonymous) {
		snprintf(out, size, "anonymous");
		return;
	}
	gtid_uuid_text(g->uuid, uuid);
	snprintf(out, size, "%s%s%s:%" PRIu64, uuid, g->tag[0] ? ":" : "", g->tag, g->gno);
}
