/*
 * The replication protocol, raw, for MySQL and MariaDB alike: the settings that a replica makes,
 * COM_REGISTER_SLAVE, COM_BINLOG_DUMP, then packets of one event each. Used by the relay alone. Never parses
 * more of an event than its size, never retries: the relay decides by its own end
 * (docs/design/binlog-client.md).
 */
#include "common/db/binlog_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/base/buf.h"
#include "common/base/xalloc.h"
#include "common/db/internal.h"
#include "common/db/packets.h"

enum {
	COM_BINLOG_DUMP = 0x12,
	COM_REGISTER_SLAVE = 0x15,
	DUMP_NON_BLOCK = 1,
	DUMP_ANNOTATE = 2, /* MariaDB: send Annotate_rows events too, or the stream has holes */
	HEADER = 19,
	SERVER_ID_FIRST = 429496729, /* leaves the small numbers, that people give, alone */
};

struct binlog_stream {
	struct db *d;
	bool plain; /* packets are read by ourselves, else by the library */
	struct packets packets;
};

/* Of an error on the stream: has the upstream thrown the file away? Error 1236 means many things; only its
 * text tells. */
static bool is_purged(unsigned number, const char *text)
{
	return number == 1236 &&
	       (strstr(text, "Could not find first log") || strstr(text, "purged") ||
		       strstr(text, "could not open log file") || strstr(text, "Could not open log file"));
}

static bool is_privilege(unsigned number)
{
	return number == 1227 || number == 1045 || number == 1044 || number == 1142;
}

static int fail(const struct db *d, const char *doing, unsigned number, const char *text, struct err *e)
{
	enum err_code code = is_purged(number, text) ? ERR_relay_gone : ERR_relay_stream;

	if (is_privilege(number))
		err_set(e, ERR_check_privilege,
			"%s: %s: %s (error %u): GRANT REPLICATION SLAVE ON *.* TO '%s'", d->where, doing,
			text, number, d->user);
	else
		err_set(e, code, "%s: %s: %s (error %u)", d->where, doing, text, number);
	if (e)
		e->sql_errno = number;
	return -1;
}

static int stream_fail(const struct db *d, const char *doing, struct err *e)
{
	return fail(d, doing, client_errno(d->c), client_error(d->c), e);
}

/*
 * The checksum variables make the server send checksums as it writes them. The uuid (one for each server id)
 * makes a MySQL server end a forgotten stream of ours before it starts the next. Both old and new words, as
 * the versions want them.
 */
static int settings(struct db *d, const struct binlog_stream_options *o, struct err *e)
{
	uint64_t ns = (uint64_t)o->heartbeat_ms * 1000000;

	if (d->server.flavor == FLAVOR_TIDB)
		return err_set(
			e, ERR_relay_stream, "%s: TiDB writes no binlog that can be followed", d->where);
	if (d->server.flavor == FLAVOR_MARIADB)
		return db_execf(d, e,
			"SET @mariadb_slave_capability=4, @master_binlog_checksum=@@global.binlog_checksum, "
			"@master_heartbeat_period=%llu",
			(unsigned long long)ns);
	return db_execf(d, e,
		"SET @master_binlog_checksum=@@global.binlog_checksum, "
		"@source_binlog_checksum=@@global.binlog_checksum, "
		"@master_heartbeat_period=%llu, @source_heartbeat_period=%llu, "
		"@slave_uuid='74696465-6761-7465-0000-%012x', @replica_uuid='74696465-6761-7465-0000-%012x'",
		(unsigned long long)ns, (unsigned long long)ns, o->server_id, o->server_id);
}

static int register_replica(struct db *d, uint32_t server_id, struct err *e)
{
	static const char host[] = "tidegate";
	struct buf b = {0};
	struct str packet;
	int r;

	buf_put_u32(&b, server_id);
	buf_put_u8(&b, sizeof(host) - 1);
	buf_puts(&b, host);
	buf_put_u8(&b, 0);  /* user */
	buf_put_u8(&b, 0);  /* password */
	buf_put_u16(&b, 0); /* port */
	buf_put_u32(&b, 0); /* rank */
	buf_put_u32(&b, 0); /* id of the upstream: it fills this in itself */
	r = client_send_command(d->c, COM_REGISTER_SLAVE, buf_str(&b));
	if (r == 0)
		r = client_read_packet(d->c, &packet);
	buf_free(&b);
	return r < 0 ? stream_fail(d, "registering as a replica", e) : 0;
}

static int request_dump(struct db *d, const struct binlog_stream_options *o, struct err *e)
{
	unsigned flags = o->non_blocking ? DUMP_NON_BLOCK : 0;
	struct buf b = {0};
	int r;

	if (d->server.flavor == FLAVOR_MARIADB)
		flags |= DUMP_ANNOTATE;
	buf_put_u32(&b, (uint32_t)o->offset);
	buf_put_u16(&b, (uint16_t)flags);
	buf_put_u32(&b, o->server_id);
	buf_puts(&b, o->file);
	r = client_send_command(d->c, COM_BINLOG_DUMP, buf_str(&b));
	buf_free(&b);
	return r < 0 ? stream_fail(d, "asking for the binlog", e) : 0;
}

struct binlog_stream *binlog_stream_open(struct db **d, const struct binlog_stream_options *o, struct err *e)
{
	struct binlog_stream *s;

	if (o->semi_sync) {
		err_set(e, ERR_config_unsupported, "semi-synchronous replication is not supported yet");
		return NULL;
	}
	if (o->offset < 4 || o->offset > UINT32_MAX) {
		err_set(e, ERR_internal, "a binlog stream can't start at offset %llu",
			(unsigned long long)o->offset);
		return NULL;
	}
	if (settings(*d, o, e) < 0 || register_replica(*d, o->server_id, e) < 0 || request_dump(*d, o, e) < 0)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	s->d = *d;
	s->plain = client_is_plain((*d)->c);
	if (s->plain)
		packets_init(&s->packets, client_socket((*d)->c), db_read_timeout_ms(*d));
	*d = NULL;
	return s;
}

static uint32_t event_size(const char *event)
{
	struct cur c = cur_of(event + 9, 4);

	return cur_u32(&c);
}

static int next_packet(struct binlog_stream *s, struct str *packet, struct err *e)
{
	struct client_error why;

	if (!s->plain)
		return client_read_packet(s->d->c, packet) < 0 ? stream_fail(s->d, "reading the binlog", e)
							       : 0;
	if (packets_next(&s->packets, packet, &why) < 0)
		return fail(s->d, "reading the binlog", why.number, why.text, e);
	return 0;
}

int binlog_stream_next(struct binlog_stream *s, struct str *event, struct err *e)
{
	struct str packet;

	if (next_packet(s, &packet, e) < 0)
		return -1;
	if ((uint8_t)packet.p[0] == 0xfe && packet.n < 9)
		return 0;
	if (packet.p[0] != 0 || packet.n < 1 + HEADER || event_size(packet.p + 1) != packet.n - 1)
		return err_set(e, ERR_relay_stream,
			"%s: the server sent a packet of %zu bytes that is no event", s->d->where, packet.n);
	*event = (struct str){packet.p + 1, packet.n - 1};
	return 1;
}

bool binlog_stream_more(const struct binlog_stream *s)
{
	return s->plain ? packets_more(&s->packets) : client_readable(s->d->c);
}

void binlog_stream_interrupt(struct binlog_stream *s)
{
	db_interrupt(s->d);
}

void binlog_stream_close(struct binlog_stream **s)
{
	if (!*s)
		return;
	/* The server goes on sending: cut, or closing would wait for it. */
	db_interrupt((*s)->d);
	packets_fini(&(*s)->packets);
	db_close(&(*s)->d);
	free(*s);
	*s = NULL;
}

static int listed(struct db *d, uint32_t id, bool *found, struct err *e)
{
	bool replicas = d->server.flavor == FLAVOR_MYSQL && d->server.version >= 80022;
	struct db_rows *r = db_query(d, replicas ? STR_LIT("SHOW REPLICAS") : STR_LIT("SHOW SLAVE HOSTS"), e);
	const struct str *v;
	char text[24];
	int n;

	if (!r)
		return e && is_privilege(e->sql_errno) ? (err_clear(e), 0) : -1;
	while ((n = db_fetch(r, &v, e)) > 0) {
		snprintf(text, sizeof(text), "%.*s", STR_ARG(v[0]));
		*found |= strtoul(text, NULL, 10) == id;
	}
	db_rows_close(&r);
	return n;
}

int binlog_pick_server_id(struct db *d, uint32_t *id, struct err *e)
{
	struct err mine = {0};
	char own[24];
	bool found, taken;

	if (db_value(d, "SELECT @@global.server_id", own, sizeof(own), &found, e) < 0)
		return -1;
	do {
		uint32_t r;

		if (getrandom(&r, sizeof(r), 0) != sizeof(r))
			return err_sys(e, ERR_internal, "getrandom");
		*id = SERVER_ID_FIRST + r % (UINT32_MAX - SERVER_ID_FIRST);
		taken = strtoul(own, NULL, 10) == *id;
		if (listed(d, *id, &taken, &mine) < 0) {
			if (e)
				*e = mine;
			return -1;
		}
	} while (taken);
	return 0;
}
