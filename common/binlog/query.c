/*
 * QUERY events of both families (and MariaDB's compressed ones): default database, text, and the status
 * variables that say how the text is to be read. Called by the sync for every QUERY event.
 */
#include <string.h>

#include "common/binlog/wire.h"

enum status_var {
	VAR_FLAGS2 = 0,
	VAR_SQL_MODE = 1,
	VAR_CATALOG = 2,
	VAR_AUTO_INCREMENT = 3,
	VAR_CHARSET = 4,
	VAR_TIME_ZONE = 5,
	VAR_CATALOG_NZ = 6,
	VAR_LC_TIME = 7,
	VAR_CHARSET_DATABASE = 8,
	VAR_TABLE_MAP_FOR_UPDATE = 9,
	VAR_MASTER_DATA_WRITTEN = 10,
	VAR_INVOKER = 11,
	VAR_UPDATED_DB_NAMES = 12,
	VAR_MICROSECONDS = 13,
	VAR_EXPLICIT_DEFAULTS = 16,
	VAR_DDL_XID = 17,
	VAR_UTF8MB4_COLLATION = 18,
	VAR_REQUIRE_PRIMARY_KEY = 19,
	VAR_TABLE_ENCRYPTION = 20,
	VAR_MARIA_HRNOW = 128,
	VAR_MARIA_XID = 129,
	VAR_MARIA_GTID_FLAGS = 130,
	VAR_MARIA_COLLATIONS = 131,
};

/* Bytes of those that we have no use for; 0: not of fixed size or not known. */
static const uint8_t fixed_size[256] = {
	[VAR_MASTER_DATA_WRITTEN] = 4,
	[VAR_REQUIRE_PRIMARY_KEY] = 1,
	[VAR_TABLE_ENCRYPTION] = 1,
};

static void skip_db_names(struct cur *c)
{
	enum { TOO_MANY = 254 };
	uint8_t count = cur_u8(c);

	for (unsigned i = 0; count != TOO_MANY && i < count && !c->bad; i++)
		while (cur_u8(c) != 0 && !c->bad)
			;
}

static void read_maria_flags(struct cur *c, struct binlog_query *q)
{
	q->flags_extra = cur_u8(c);
	if (q->flags_extra & (BINLOG_EXTRA_COMMIT_ALTER | BINLOG_EXTRA_ROLLBACK_ALTER))
		q->alter_seq = cur_u64(c);
}

static void read_sizes(struct cur *c, uint8_t var)
{
	switch (var) {
	case VAR_CATALOG:
		cur_skip(c, (size_t)cur_u8(c) + 1);
		break;
	case VAR_CATALOG_NZ:
		cur_skip(c, cur_u8(c));
		break;
	case VAR_INVOKER:
		cur_skip(c, cur_u8(c));
		cur_skip(c, cur_u8(c));
		break;
	case VAR_UPDATED_DB_NAMES:
		skip_db_names(c);
		break;
	case VAR_MARIA_COLLATIONS:
		cur_skip(c, (size_t)cur_u8(c) * 4);
		break;
	default:
		cur_skip(c, fixed_size[var]);
		break;
	}
}

/* MariaDB has explicit_defaults_for_timestamp among its flags, MySQL as a variable, with some statements
 * only. check_constraint_checks only MariaDB has, turned round. */
static void read_flags(struct cur *c, const struct binlog_format *f, struct binlog_query *q)
{
	const uint32_t explicit_defaults = 1u << 24, no_checks = 1u << 15;
	uint32_t flags = cur_u32(c);

	if (f->server.flavor != FLAVOR_MARIADB)
		return;
	q->has_explicit_defaults = true;
	q->explicit_defaults = flags & explicit_defaults;
	q->no_checks = flags & no_checks;
}

static void read_charset(struct cur *c, struct binlog_query *q)
{
	q->has_charset = true;
	q->client_charset = cur_u16(c);
	q->connection_collation = cur_u16(c);
	q->server_collation = cur_u16(c);
}

/* False: a variable that nobody has described; what follows it can't be read. */
static bool read_var(struct cur *c, uint8_t var, const struct binlog_format *f, struct binlog_query *q)
{
	switch (var) {
	case VAR_FLAGS2:
		read_flags(c, f, q);
		return true;
	case VAR_EXPLICIT_DEFAULTS:
		q->has_explicit_defaults = true;
		q->explicit_defaults = cur_u8(c);
		return true;
	case VAR_SQL_MODE:
		q->has_sql_mode = true;
		q->sql_mode = cur_u64(c);
		return true;
	case VAR_CHARSET:
		read_charset(c, q);
		return true;
	case VAR_UTF8MB4_COLLATION:
		q->utf8mb4_collation = cur_u16(c);
		return true;
	case VAR_AUTO_INCREMENT:
		q->auto_increment = cur_u16(c);
		q->auto_offset = cur_u16(c);
		return true;
	case VAR_TIME_ZONE:
		q->time_zone = wire_text(c, cur_u8(c));
		return true;
	case VAR_LC_TIME:
		q->lc_time = cur_u16(c);
		return true;
	case VAR_CHARSET_DATABASE:
		q->charset_database = cur_u16(c);
		return true;
	case VAR_TABLE_MAP_FOR_UPDATE:
		q->table_map_for_update = cur_u64(c);
		return true;
	case VAR_MICROSECONDS:
	case VAR_MARIA_HRNOW:
		q->has_microseconds = true;
		q->microseconds = cur_u24(c);
		return true;
	case VAR_DDL_XID:
	case VAR_MARIA_XID:
		q->xid = cur_u64(c);
		return true;
	case VAR_MARIA_GTID_FLAGS:
		read_maria_flags(c, q);
		return true;
	case VAR_CATALOG:
	case VAR_CATALOG_NZ:
	case VAR_INVOKER:
	case VAR_UPDATED_DB_NAMES:
	case VAR_MARIA_COLLATIONS:
		read_sizes(c, var);
		return true;
	default:
		if (fixed_size[var] == 0)
			return false;
		cur_skip(c, fixed_size[var]);
		return true;
	}
}

static void read_vars(
	struct cur vars, struct cur *body, const struct binlog_format *f, struct binlog_query *q)
{
	while (cur_left(&vars) > 0 && !vars.bad) {
		if (!read_var(&vars, cur_u8(&vars), f, q)) {
			q->unknown_vars = true;
			return;
		}
	}
	if (vars.bad)
		body->bad = true;
}

int binlog_read_query(struct str event, const struct binlog_format *f, struct arena *scratch,
	struct binlog_query *q, struct err *e)
{
	struct binlog_header h;
	struct cur c, vars;
	size_t schema, nvars;

	memset(q, 0, sizeof(*q));
	if (wire_open(event, f, &h, &c, e) < 0)
		return -1;
	q->thread_id = cur_u32(&c);
	q->exec_time = cur_u32(&c);
	schema = cur_u8(&c);
	q->error_code = cur_u16(&c);
	nvars = cur_u16(&c);
	if (h.type == BINLOG_EXECUTE_LOAD)
		cur_skip(&c, 13); /* which file, where its name stands, what to do with duplicates */
	vars = cur_of(c.p, cur_left(&c) < nvars ? 0 : nvars);
	cur_skip(&c, nvars);
	read_vars(vars, &c, f, q);
	q->schema = wire_text(&c, schema);
	if (cur_u8(&c) != 0)
		c.bad = true;
	q->sql = wire_rest(&c);
	if (wire_done(&c, &h, e) < 0)
		return -1;
	if (h.type == BINLOG_MARIA_QUERY_COMPRESSED)
		return wire_unfold(q->sql, scratch, &q->sql, e);
	return 0;
}
