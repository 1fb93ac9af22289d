#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/str.h"
#include "common/binlog/event_type.h"
#include "server.h"

/*
 * Binlog events, v4: MySQL 5.7-9.x and MariaDB 10.2-11.8. Every reader checks lengths; strings are borrowed
 * from the event's bytes. Sources: MySQL's "Replication Protocol" pages and libbinlogevents headers,
 * MariaDB's log_event.h descriptions; and events of real servers (samples_test.h).
 */
enum { BINLOG_MAGIC_SIZE = 4, BINLOG_HEADER_SIZE = 19, BINLOG_CHECKSUM_SIZE = 4 };
#define BINLOG_MAGIC \
	"\xfe"       \
	"bin"

enum { BINLOG_FLAG_IN_USE = 0x1, BINLOG_FLAG_ARTIFICIAL = 0x20, BINLOG_FLAG_IGNORABLE = 0x80 };

struct binlog_header {
	uint32_t timestamp; /* seconds since 1970; 0 in artificial events */
	uint8_t type;
	uint32_t server_id;
	uint32_t size;    /* whole event, with header and checksum */
	uint32_t log_pos; /* end position modulo 4 GiB as the server says; 0: unknown (MariaDB 11.4+,
			     artificial) */
	uint16_t flags;
};

/* From the FORMAT_DESCRIPTION event: how to read those behind it. */
struct binlog_format {
	char server_version[51];
	struct server server; /* parsed from server_version */
	uint8_t header_size;
	uint8_t post_header[256]; /* by type; 0 where unknown */
	bool checksum;            /* events carry a CRC32 */
	bool valid;
};

const char *binlog_type_name(uint8_t type);
int binlog_read_header(struct str event, struct binlog_header *h, struct err *e);
/* Whole event (header to checksum). */
int binlog_read_format(struct str event, struct binlog_format *f, struct err *e);
/*
 * Names the file that begins with this FORMAT_DESCRIPTION event, on whatever host it is read: its time of
 * creation, its server's id and version are in it. The flag "in use", and with it the checksum, does not
 * count.
 */
uint64_t binlog_format_id(struct str event);
bool binlog_checksum_ok(struct str event);
/* The event without header and checksum. */
struct str binlog_body(struct str event, const struct binlog_format *f);

struct binlog_rotate {
	struct str file;
	uint64_t offset;
};
int binlog_read_rotate(
	struct str event, const struct binlog_format *f, struct binlog_rotate *r, struct err *e);

struct binlog_query {
	uint32_t thread_id, exec_time;
	uint16_t error_code;
	struct str schema; /* the default database */
	struct str sql; /* decompressed for QUERY_COMPRESSED: then in scratch memory that the caller gave */
	bool has_sql_mode, has_charset;
	uint64_t sql_mode;
	uint16_t client_charset, connection_collation, server_collation; /* collation ids */
	uint16_t utf8mb4_collation;           /* MySQL's default_collation_for_utf8mb4; 0: not logged */
	uint16_t auto_increment, auto_offset; /* 0: not logged, as both were 1 */
	struct str time_zone;                 /* "" : not logged */
	uint32_t microseconds;
	bool has_microseconds;
	uint16_t lc_time, charset_database;
	uint64_t table_map_for_update, xid;
	bool has_explicit_defaults,
		explicit_defaults; /* explicit_defaults_for_timestamp, where it is logged */
	bool no_checks;            /* MariaDB's check_constraint_checks was 0 */
	uint8_t flags_extra;       /* MariaDB, BINLOG_EXTRA_… */
	uint64_t alter_seq;        /* of COMMIT and ROLLBACK ALTER: the seq of the START */
	bool unknown_vars; /* a status variable of a later server: what stands behind it was not read */
};
struct arena;
int binlog_read_query(struct str event, const struct binlog_format *f, struct arena *scratch,
	struct binlog_query *q, struct err *e);

/* The start of a transaction, of both families. */
struct binlog_gtid_event {
	bool mariadb, anonymous;
	/* MySQL (GTID, ANONYMOUS_GTID, GTID_TAGGED) */
	uint8_t uuid[16];
	char tag[33];
	uint64_t gno;
	int64_t last_committed, sequence_number;
	uint64_t transaction_length;
	uint64_t immediate_commit_us;
	/* MariaDB */
	uint32_t domain, server_id;
	uint64_t seq;
	uint8_t flags2;      /* BINLOG_GTID_… */
	uint8_t flags_extra; /* BINLOG_EXTRA_… */
	uint64_t commit_id;
	uint64_t alter_seq; /* of COMMIT and ROLLBACK ALTER: the seq of the START */
};
enum {
	BINLOG_GTID_STANDALONE = 1, /* one event, no COMMIT follows */
	BINLOG_GTID_GROUP_COMMIT = 2,
	BINLOG_GTID_TRANSACTIONAL = 4,
	BINLOG_GTID_ALLOW_PARALLEL = 8,
	BINLOG_GTID_WAITED = 16,
	BINLOG_GTID_DDL = 32,
	BINLOG_GTID_PREPARED_XA = 64,
	BINLOG_GTID_COMPLETED_XA = 128,
};
enum {
	BINLOG_EXTRA_MULTI_ENGINE = 1,
	BINLOG_EXTRA_START_ALTER = 2,
	BINLOG_EXTRA_COMMIT_ALTER = 4,
	BINLOG_EXTRA_ROLLBACK_ALTER = 8,
	BINLOG_EXTRA_THREAD_ID = 16
};
int binlog_read_gtid(
	struct str event, const struct binlog_format *f, struct binlog_gtid_event *g, struct err *e);
int binlog_read_xid(struct str event, const struct binlog_format *f, uint64_t *xid, struct err *e);

/* The end of an XA transaction's rows: prepared, or (one_phase) committed. */
struct binlog_xa_prepare {
	bool one_phase;
	uint32_t format_id;
	struct str gtrid, bqual;
};
int binlog_read_xa_prepare(
	struct str event, const struct binlog_format *f, struct binlog_xa_prepare *x, struct err *e);
