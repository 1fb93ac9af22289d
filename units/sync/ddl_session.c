/*
 * The upstream's session for one DDL statement: mode, time, zone, charset and default database as the QUERY event has them (T14). What the
 * downstream can't be set to is said, and only what could change the outcome silently is an error.
 */
#include "units/sync/ddl_session.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/log.h"
#include "common/sql/quote.h"

/* Bits of sql_mode that both families know, with their names; the others don't change what a DDL does. */
static const struct {
	uint64_t bit;
	const char *name;
} modes[] = {
	{ 1ull << 0, "REAL_AS_FLOAT" }, { 1ull << 1, "PIPES_AS_CONCAT" }, { 1ull << 2, "ANSI_QUOTES" }, { 1ull << 3, "IGNORE_SPACE" },
	{ 1ull << 6, "NO_UNSIGNED_SUBTRACTION" }, { 1ull << 19, "NO_AUTO_VALUE_ON_ZERO" }, { 1ull << 20, "NO_BACKSLASH_ESCAPES" },
	{ 1ull << 21, "STRICT_TRANS_TABLES" }, { 1ull << 22, "STRICT_ALL_TABLES" }, { 1ull << 23, "NO_ZERO_IN_DATE" },
	{ 1ull << 24, "NO_ZERO_DATE" }, { 1ull << 25, "ALLOW_INVALID_DATES" }, { 1ull << 26, "ERROR_FOR_DIVISION_BY_ZERO" },
	{ 1ull << 29, "HIGH_NOT_PRECEDENCE" }, { 1ull << 30, "NO_ENGINE_SUBSTITUTION" },
};

static void put_mode(struct buf *b, uint64_t mode)
{
	const char *comma = "";

	buf_puts(b, "SET SESSION sql_mode='");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (mode & modes[i].bit) {
			buf_puts(b, comma);
			buf_puts(b, modes[i].name);
			comma = ",";
		}
	buf_putc(b, '\'');
}

static int set_mode(struct db *d, const struct binlog_query *q, struct err *e)
{
	struct buf sql = { 0 };
	int r;

	put_mode(&sql, q->has_sql_mode ? q->sql_mode : 0);
	r = db_exec(d, buf_str(&sql), e);
	buf_free(&sql);
	return r;
}

/* Collation ids up to 247 mean the same in both families; above, each has its own, all of them of utf8mb4. */
static int set_charset(struct db *d, const struct binlog_query *q, struct err *e)
{
	struct err ignored;

	if (!q->has_charset || q->client_charset > 247)
		return db_exec(d, STR_LIT("SET NAMES utf8mb4"), e);
	if (db_execf(d, e, "SET character_set_client=%u, character_set_connection=%u", q->client_charset, q->client_charset) < 0)
		return err_add(e, "the statement's character set (id %u)", q->client_charset);
	if (q->connection_collation <= 247)
		db_execf(d, &ignored, "SET collation_connection=%u", q->connection_collation);
	if (q->server_collation <= 247)
		db_execf(d, &ignored, "SET collation_server=%u", q->server_collation);
	return 0;
}

static int set_time(struct db *d, const struct binlog_query *q, uint32_t timestamp, struct err *e)
{
	struct buf sql = { 0 };
	struct err ignored;
	bool zone = q->time_zone.n > 0 && !str_is_ci(q->time_zone, "SYSTEM");

	if (zone) {
		buf_puts(&sql, "SET time_zone=");
		sql_put_string(&sql, q->time_zone);
		if (db_exec(d, buf_str(&sql), &ignored) < 0) {
			log_warn("the downstream doesn't know the time zone '%.*s': UTC is used for this statement", STR_ARG(q->time_zone));
			zone = false;
		}
	}
	buf_free(&sql);
	if (!zone && db_exec(d, STR_LIT("SET time_zone='+00:00'"), e) < 0)
		return -1;
	return db_execf(d, e, "SET timestamp=%u.%06u", timestamp, q->has_microseconds ? q->microseconds : 0);
}

static int set_database(struct db *d, const struct binlog_query *q, bool needed, struct err *e)
{
	struct buf sql = { 0 };
	struct err mine = { 0 };
	int r;

	if (q->schema.n == 0)
		return 0;
	buf_puts(&sql, "USE ");
	sql_put_ident(&sql, q->schema);
	r = db_exec(d, buf_str(&sql), &mine);
	buf_free(&sql);
	/* Every table is named with its schema: the default database, perhaps gone or left out, does not matter. */
	if (r < 0 && !needed && !db_error_is_lost(mine.sql_errno))
		return 0;
	if (r < 0)
		*e = mine;
	return r;
}

int ddl_session(struct db *d, const struct binlog_query *q, uint32_t timestamp, bool needs_database, struct err *e)
{
	if (set_mode(d, q, e) < 0 || set_charset(d, q, e) < 0 || set_time(d, q, timestamp, e) < 0 ||
		set_database(d, q, needs_database, e) < 0)
		return err_add(e, "setting the session for a DDL statement");
	return 0;
}

int ddl_session_reset(struct db *d, struct err *e)
{
	if (db_exec(d, STR_LIT("SET sql_mode='', time_zone='+00:00', timestamp=DEFAULT"), e) < 0)
		return -1;
	return db_exec(d, STR_LIT("SET NAMES utf8mb4"), e);
}
