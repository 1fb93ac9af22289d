#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/str.h"
#include "common/db/db.h"

/*
 * The replication protocol, raw: COM_REGISTER_SLAVE, COM_BINLOG_DUMP at file and offset, for MySQL and
 * MariaDB alike (mysql->methods->db_command and mysql_net_read_packet of libmariadb 3.3;
 * docs/design/binlog-client.md). Events come with their checksum where the server writes one.
 */
struct binlog_stream;

struct binlog_stream_options {
	uint32_t server_id;
	const char *file;      /* "mysql-bin.000003" */
	uint64_t offset;       /* at least 4 */
	unsigned heartbeat_ms; /* asked of the server; open d with a read_timeout_s well above it, three times
				  say */
	bool semi_sync;        /* not yet: false */
	bool non_blocking;     /* EOF at the end instead of waiting */
};

/* d: opened as DB_BINLOG; taken on success. */
struct binlog_stream *binlog_stream_open(struct db **d, const struct binlog_stream_options *o, struct err *e);
/* 1: one whole event, borrowed until the next call; 0: end (non_blocking, or the server says so); -1: e
 * (ERR_relay_gone for error 1236 of a purged file, ERR_relay_stream else). */
int binlog_stream_next(struct binlog_stream *s, struct str *event, struct err *e);
/* More bytes have come already: the next call will not wait long. False does not mean that it must wait. */
bool binlog_stream_more(const struct binlog_stream *s);
void binlog_stream_interrupt(struct binlog_stream *s); /* from another thread */
void binlog_stream_close(struct binlog_stream **s);
/* A server id that no other replica of this upstream uses (SHOW REPLICAS / SHOW SLAVE HOSTS where allowed;
 * random from 429496729 on). */
int binlog_pick_server_id(struct db *d, uint32_t *id, struct err *e);
