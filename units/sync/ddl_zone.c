/*
 * The time zone of a DDL statement where its event has no name that the downstream knows, SYSTEM above all:
 * it counts where the rows that are there get times of it. Called by ddl_session.c.
 */
#include "units/sync/ddl_zone.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/buf.h"
#include "common/sql/ddl.h"
#include "common/sql/lexer.h"
#include "common/sql/quote.h"

static bool is_one_of(const struct sql_lexer *lx, const char *const *words)
{
	for (; *words; words++)
		if (sql_lex_is(lx, *words))
			return true;
	return false;
}

enum ddl_zone ddl_zone_of(struct str text, const struct server *from, uint64_t sql_mode)
{
	static const char *const now[] = {"CURRENT_TIMESTAMP", "NOW", "LOCALTIME", "LOCALTIMESTAMP",
		"CURDATE", "CURRENT_DATE", "CURTIME", "CURRENT_TIME", NULL};
	static const char *const converts[] = {"UNIX_TIMESTAMP", "FROM_UNIXTIME", NULL};
	static const char *const types[] = {"TIMESTAMP", "DATETIME", "DATE", "TIME", "YEAR", NULL};
	bool alter = false, changes = false, type = false, stamp = false, value = false,
	     after_default = false;
	enum ddl_zone zone = DDL_ZONE_NONE;
	struct sql_lexer lx;

	sql_ddl_lexer(&lx, text, from, sql_mode);
	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD) {
		alter = alter || sql_lex_is(&lx, "ALTER");
		changes = changes || sql_lex_is(&lx, "MODIFY") || sql_lex_is(&lx, "CHANGE");
		type = type || is_one_of(&lx, types);
		stamp = stamp || sql_lex_is(&lx, "TIMESTAMP");
		value = value || (after_default && lx.type == SQL_STRING) || is_one_of(&lx, converts);
		after_default = sql_lex_is(&lx, "DEFAULT");
		if (is_one_of(&lx, now))
			zone = DDL_ZONE_NOW;
	}
	if (!alter)
		return DDL_ZONE_NONE;
	return (changes && type) || (value && stamp) ? DDL_ZONE_ANY : zone;
}

/* Every 91 days of what a TIMESTAMP can be: what it is in summer and in winter, in each year. */
enum { STEP = 91 * 86400, STEPS = 272 };

static void put_offset_at(struct buf *sql, const char *time, struct str zone)
{
	buf_putf(sql, "TIMESTAMPDIFF(SECOND, %s, CONVERT_TZ(%s, '+00:00', ", time, time);
	sql_put_string(sql, zone);
	buf_puts(sql, "))");
}

/* 1: the same in all years, 0: not; -1: an error. */
static int is_fixed(struct db *upstream, struct str zone, struct err *e)
{
	struct buf sql = {0};
	char count[24] = "";
	bool found;
	int r;

	buf_puts(&sql, "SELECT COUNT(DISTINCT o) FROM (SELECT ");
	put_offset_at(&sql, "t", zone);
	buf_puts(&sql, " o FROM (SELECT TIMESTAMP'1970-01-02 00:00:00' + INTERVAL s SECOND t FROM (");
	for (unsigned i = 0; i < STEPS; i++)
		buf_putf(&sql, "%sSELECT %u%s", i ? " UNION ALL " : "", i * STEP, i ? "" : " s");
	buf_puts(&sql, ") x) y) z");
	r = db_value(upstream, buf_cstr(&sql), count, sizeof(count), &found, e);
	buf_free(&sql);
	return r < 0 ? -1 : atoi(count) == 1;
}

static int offset(
	struct db *upstream, struct str zone, uint32_t timestamp, char *out, size_t size, struct err *e)
{
	struct buf sql = {0};
	char time[80];
	bool found;
	int r;

	snprintf(time, sizeof(time), "(TIMESTAMP'1970-01-01 00:00:00' + INTERVAL %u SECOND)", timestamp);
	buf_puts(&sql, "SELECT ");
	put_offset_at(&sql, time, zone);
	r = db_value(upstream, buf_cstr(&sql), out, size, &found, e);
	buf_free(&sql);
	return r;
}

int ddl_zone_offset(struct db *upstream, struct str zone, uint32_t timestamp, enum ddl_zone any, char out[8],
	struct err *e)
{
	char seconds[24] = "";
	int fixed = 1, n;

	if (zone.n == 0)
		zone = STR_LIT("SYSTEM");
	if (offset(upstream, zone, timestamp, seconds, sizeof(seconds), e) < 0)
		return -1;
	if (any == DDL_ZONE_ANY && seconds[0])
		fixed = is_fixed(upstream, zone, e);
	if (fixed < 0)
		return -1;
	n = atoi(seconds) / 60;
	if (!seconds[0] || !fixed || n < -14 * 60 || n > 14 * 60)
		return err_set(e, ERR_ddl_untranslatable,
			"the statement gives rows times of the zone '%.*s', which the downstream can't be "
			"set "
			"to: load the time zones there (mysql_tzinfo_to_sql) and SET GLOBAL time_zone of the "
			"upstream to a name, for statements to come; for this one binlog replace, which "
			"takes "
			"the zone of its moment (%s seconds east)",
			STR_ARG(zone), seconds[0] ? seconds : "0");
	snprintf(out, 8, "%c%02d:%02d", n < 0 ? '-' : '+', abs(n) / 60 % 100, abs(n) % 60);
	return 0;
}
