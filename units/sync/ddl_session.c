/*
 * The upstream's session for one DDL statement: mode, time, zone, charset and default database as the QUERY
 * event has them (T14). What the downstream can't be set to is said, and only what could change the outcome
 * silently is an error.
 */
#include "units/sync/ddl_session.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/utf8.h"
#include "common/sql/ddl.h"
#include "common/sql/dialect.h"
#include "common/sql/quote.h"
#include "units/sync/away.h"
#include "units/sync/ddl_statement.h"
#include "units/sync/ddl_times.h"
#include "units/sync/ddl_zone.h"

/* Bits of sql_mode that both families know, with their names; the others don't change what a DDL does.
 * NO_ZERO_DATE and NO_ZERO_IN_DATE are left out: an implicit TIMESTAMP default is a zero date (T14). */
static const struct {
	uint64_t bit;
	const char *name;
} modes[] = {
	{1ull << 0, "REAL_AS_FLOAT"},
	{1ull << 1, "PIPES_AS_CONCAT"},
	{1ull << 2, "ANSI_QUOTES"},
	{1ull << 3, "IGNORE_SPACE"},
	{1ull << 6, "NO_UNSIGNED_SUBTRACTION"},
	{1ull << 19, "NO_AUTO_VALUE_ON_ZERO"},
	{1ull << 20, "NO_BACKSLASH_ESCAPES"},
	{1ull << 21, "STRICT_TRANS_TABLES"},
	{1ull << 22, "STRICT_ALL_TABLES"},
	{1ull << 25, "ALLOW_INVALID_DATES"},
	{1ull << 26, "ERROR_FOR_DIVISION_BY_ZERO"},
	{1ull << 29, "HIGH_NOT_PRECEDENCE"},
	{1ull << 30, "NO_ENGINE_SUBSTITUTION"},
};

/* What one family alone has. EMPTY_STRING_IS_NULL and TIME_TRUNCATE_FRACTIONAL share a bit. */
#define ORACLE (1ull << 9)
#define EMPTY_STRING_IS_NULL (1ull << 32)
#define TIME_TRUNCATE_FRACTIONAL (1ull << 32)
#define TIME_ROUND_FRACTIONAL (1ull << 34)

static void put_word(struct buf *b, bool wanted, const char *word)
{
	if (wanted)
		buf_putf(b, "%s%s", b->p[b->n - 1] == '\'' ? "" : ",", word);
}

/* Fewer digits of a second: MariaDB cuts them off unless told otherwise, the others round. */
static void put_own_modes(struct buf *b, uint64_t mode, const struct server *from, const struct server *to)
{
	bool mariadb = from->flavor == FLAVOR_MARIADB,
	     rounds = mariadb ? mode & TIME_ROUND_FRACTIONAL : !(mode & TIME_TRUNCATE_FRACTIONAL);

	if (to->flavor == FLAVOR_MARIADB) {
		put_word(b, rounds && to->version >= 100401, "TIME_ROUND_FRACTIONAL");
		put_word(b, mariadb && (mode & ORACLE) && to->version >= 100303, "ORACLE");
		put_word(b, mariadb && (mode & EMPTY_STRING_IS_NULL) && to->version >= 100303,
			"EMPTY_STRING_IS_NULL");
	}
	put_word(
		b, to->flavor == FLAVOR_MYSQL && !rounds && to->version >= 80000, "TIME_TRUNCATE_FRACTIONAL");
}

/* MariaDB's modes in which a statement that another server reads too says something else. */
static int check_own_modes(const struct sql_dialects *s, struct str text, struct err *e)
{
	struct sql_lexer lx;

	if (s->from->flavor != FLAVOR_MARIADB || s->to->flavor == FLAVOR_MARIADB)
		return 0;
	sql_ddl_lexer(&lx, text, s->from, s->sql_mode);
	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD) {
		bool other = (s->sql_mode & ORACLE) && (sql_lex_is(&lx, "DATE") || sql_lex_is(&lx, "BLOB"));

		if (other ||
			((s->sql_mode & EMPTY_STRING_IS_NULL) && lx.type == SQL_STRING && lx.token.n == 2))
			return err_set(e, ERR_ddl_untranslatable,
				"%.*s means something else in the statement's sql_mode (%s of MariaDB)",
				STR_ARG(lx.token), other ? "ORACLE" : "EMPTY_STRING_IS_NULL");
	}
	return 0;
}

static int set_mode(struct apply *a, const struct trx *t, const struct ddl_session *s, struct err *e)
{
	uint64_t mode = s->q->has_sql_mode ? s->q->sql_mode : 0;
	struct sql_dialects d = {.from = &t->format.server,
		.to = db_server(a->ddl),
		.sql_mode = mode,
		.collations = a->collations};
	struct buf sql = {0};
	int r;

	/* An operator's words are not read here. */
	if (!s->no_values && check_own_modes(&d, s->q->sql, e) < 0)
		return -1;
	buf_puts(&sql, "SET SESSION sql_mode='");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		put_word(&sql, mode & modes[i].bit, modes[i].name);
	put_own_modes(&sql, mode, d.from, d.to);
	buf_putc(&sql, '\'');
	r = db_exec(a->ddl, buf_str(&sql), e);
	buf_free(&sql);
	return r;
}

enum { COMMON_COLLATIONS = 247, NO_PRIVILEGE = 1227 };

/* _utf8mb4'…' goes to MariaDB without the introducer (no_introducer of dialect.c), so that the connection
 * must be of UTF-8. Strings without one become so too. */
static bool loses_introducers(
	const struct server *to, const struct server *from, const struct binlog_query *q)
{
	struct sql_lexer lx;
	bool introduced = false;

	if (from->flavor != FLAVOR_MYSQL || to->flavor != FLAVOR_MARIADB || utf8_is_ascii(q->sql))
		return false;
	sql_ddl_lexer(&lx, q->sql, from, q->sql_mode);
	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD) {
		if (introduced && lx.type == SQL_STRING && !utf8_is_ascii(lx.token))
			return true;
		introduced = sql_lex_is(&lx, "_utf8mb4") || sql_lex_is(&lx, "_utf8mb3") ||
			     sql_lex_is(&lx, "_utf8");
	}
	return false;
}

/* What is sent is UTF-8 (ddl_to_utf8; names of ours, as the default database's, are anyway). The strings in
 * it have the charset and the collation that they had upstream: expressions see it, LENGTH('ä') is 1 in
 * latin1. Set by the collation, as MariaDB takes the number of a charset only if it is that of its default
 * collation. Ids up to 247 mean the same in both families; above, each has its own, all but a few of UTF-8.
 * TiDB knows charsets by name alone. */
static int set_charset(struct db *d, const struct server *from, const struct binlog_query *q, struct err *e)
{
	struct err mine = {0};
	bool known = q->connection_collation <= COMMON_COLLATIONS || db_server(d)->flavor == from->flavor;

	if (db_exec(d, STR_LIT("SET NAMES utf8mb4"), e) < 0)
		return -1;
	if (!q->has_charset || !known || db_server(d)->flavor == FLAVOR_TIDB ||
		loses_introducers(db_server(d), from, q) ||
		db_execf(d, &mine, "SET collation_connection=%u", q->connection_collation) == 0)
		return 0;
	if (!db_error_is_lost(mine.sql_errno)) {
		if (!utf8_is_ascii(q->sql))
			log_warn("collation_connection can't be set to %u for this statement: its strings "
				 "count as utf8mb4 (%s)",
				q->connection_collation, mine.text);
		return 0;
	}
	*e = mine;
	return -1;
}

/* TIMESTAMP columns without any word of NULL or DEFAULT mean something else without it. */
static void set_explicit_defaults(struct db *d, const struct binlog_query *q)
{
	char now[8] = "";
	struct err ignored;
	bool found;

	if (!q->has_explicit_defaults ||
		db_value(d, "SELECT @@explicit_defaults_for_timestamp", now, sizeof(now), &found, &ignored) <
			0 ||
		(now[0] == '1') == q->explicit_defaults)
		return;
	if (db_execf(d, &ignored, "SET explicit_defaults_for_timestamp=%d", q->explicit_defaults) < 0)
		log_warn("the downstream's explicit_defaults_for_timestamp can't be set to %d for this "
			 "statement: its TIMESTAMP columns may "
			 "differ in NULL and DEFAULT",
			q->explicit_defaults);
}

/* Does the charset stand there without a collation, or an introducer of it? */
static bool says_utf8mb4(const struct server *from, const struct binlog_query *q)
{
	struct sql_lexer lx;
	bool open = false;

	sql_ddl_lexer(&lx, q->sql, from, q->sql_mode);
	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD) {
		if (open && !sql_lex_is(&lx, "COLLATE"))
			return true;
		open = str_is_ci(lx.token, "utf8mb4") || str_is_ci(lx.token, "_utf8mb4") ||
		       str_is_ci(lx.token, "'utf8mb4'") || str_is_ci(lx.token, "\"utf8mb4\"") ||
		       str_is_ci(lx.token, "`utf8mb4`");
	}
	return open || lx.type == SQL_BAD;
}

/* What "CHARACTER SET utf8mb4" means between MySQL servers: one of two collations. It is set only where it
 * is said and differs, as that wants a privilege. */
static int set_utf8mb4(
	struct apply *a, const struct server *from, const struct binlog_query *q, struct err *e)
{
	struct db *d = a->ddl;
	char now[16] = "", wanted[16];
	bool found;

	if (q->utf8mb4_collation == 0 || from->flavor != FLAVOR_MYSQL ||
		db_server(d)->flavor != FLAVOR_MYSQL || db_server(d)->version < 80011 ||
		!says_utf8mb4(from, q))
		return 0;
	snprintf(wanted, sizeof(wanted), "%u", q->utf8mb4_collation);
	if (db_value(d,
		    "SELECT ID FROM information_schema.COLLATIONS WHERE COLLATION_NAME = "
		    "@@default_collation_for_utf8mb4",
		    now, sizeof(now), &found, e) < 0)
		return -1;
	if (strcmp(now, wanted) == 0)
		return 0;
	a->ddl_utf8mb4 = true;
	if (db_execf(d, e, "SET default_collation_for_utf8mb4=%u", q->utf8mb4_collation) == 0)
		return 0;
	a->ddl_utf8mb4 = false;
	return e->sql_errno == NO_PRIVILEGE
		       ? err_add(e, "the statement says utf8mb4 without a collation, which means another one "
				    "here: grant SESSION_VARIABLES_ADMIN to the downstream's user")
		       : -1;
}

static bool may_number_rows(const struct server *from, const struct binlog_query *q)
{
	struct sql_lexer lx;

	sql_ddl_lexer(&lx, q->sql, from, q->sql_mode);
	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD)
		if (sql_lex_is(&lx, "AUTO_INCREMENT") || sql_lex_is(&lx, "SERIAL"))
			return true;
	return lx.type == SQL_BAD;
}

/* The numbers that an added AUTO_INCREMENT gives to the rows that are there, in the upstream's steps,
 * whatever the downstream's own are. Set only where they differ: early MySQL 8.0 wants a privilege for it. */
static int set_steps(struct apply *a, const struct server *from, const struct binlog_query *q, struct err *e)
{
	struct db *d = a->ddl;
	struct err mine = {0};
	unsigned step = q->auto_increment ? q->auto_increment : 1,
		 first = q->auto_offset ? q->auto_offset : 1;
	char now[32] = "", wanted[32];
	bool found;

	if (!may_number_rows(from, q))
		return 0;
	snprintf(wanted, sizeof(wanted), "%u,%u", step, first);
	if (db_value(d, "SELECT CONCAT(@@auto_increment_increment, ',', @@auto_increment_offset)", now,
		    sizeof(now), &found, e) < 0)
		return -1;
	if (strcmp(now, wanted) == 0)
		return 0;
	a->ddl_steps = db_execf(d, &mine, "SET auto_increment_increment=%u, auto_increment_offset=%u", step,
			       first) == 0;
	if (a->ddl_steps)
		return 0;
	if (db_error_is_lost(mine.sql_errno)) {
		*e = mine;
		return -1;
	}
	log_warn("auto_increment_increment and auto_increment_offset can't be set to %s for this statement, "
		 "they are %s: numbers that it gives to rows that are there may differ (%s)",
		wanted, now, mine.text);
	return 0;
}

/* An ALTER that copies a table judges its rows by the CHECKs, and with MariaDB's IGNORE leaves out those that
 * fail. MySQL's has judged them. */
static int set_checks(struct db *d, const struct trx *t, const struct binlog_query *q, struct err *e)
{
	const struct server *s = db_server(d);
	bool on = t->format.server.flavor == FLAVOR_MARIADB && !q->no_checks;

	if (s->flavor != FLAVOR_MARIADB || s->version < 100201)
		return 0;
	return db_execf(d, e, "SET check_constraint_checks=%d", on);
}

/* 1: the session has the event's zone by its name, 0: it is not known; -1: an error. */
static int set_named_zone(struct db *d, const struct binlog_query *q, struct err *e)
{
	struct buf sql = {0};
	int r;

	if (q->time_zone.n == 0 || str_is_ci(q->time_zone, "SYSTEM"))
		return 0;
	buf_puts(&sql, "SET time_zone=");
	sql_put_string(&sql, q->time_zone);
	r = db_exec(d, buf_str(&sql), e);
	buf_free(&sql);
	if (r < 0 && db_error_is_lost(e->sql_errno))
		return -1;
	err_clear(e);
	return r == 0;
}

/* Known only where it matters what a column was. No row gets a time of any year in a table without rows. */
static int zone_wanted(struct apply *a, const struct trx *t, const struct ddl_session *s,
	enum ddl_zone *wants, struct err *e)
{
	const struct structure *was;
	struct structure *mine = NULL;
	struct err ignored = {0};

	*wants = ddl_zone_of(s->q, s->j->ddl, &t->format.server, NULL);
	if (*wants < DDL_ZONE_ANY || s->no_values)
		return 0;
	if (ddl_structure_before(a, s->j, &was, &mine, e) < 0)
		return -1;
	*wants = ddl_zone_of(s->q, s->j->ddl, &t->format.server, was);
	structure_free(&mine);
	if (*wants == DDL_ZONE_ANY && ddl_is_empty(a, s->j, &ignored) > 0)
		*wants = DDL_ZONE_NOW;
	return 0;
}

/* To ask for its zone. NULL with ERR_ddl_untranslatable: it is gone. */
static struct db *reach_upstream(struct apply *a, struct str zone, struct err *e)
{
	struct db *up = away_upstream(a, "to ask for its time zone", e);
	struct err why;

	if (up || !a->tables.away)
		return up;
	why = *e;
	err_clear(e);
	err_set(e, ERR_ddl_untranslatable,
		"the statement has times of the upstream's zone '%.*s', and the upstream can't be asked what "
		"they are: resume-task when it is back; if it never is, binlog replace with the statement "
		"with times of UTC (%s)",
		STR_ARG(zone), why.text);
	return NULL;
}

/* SYSTEM of the upstream is no zone of the downstream's: what it was at that moment. Only where rows get
 * times by it, so that nothing else waits for the upstream. */
static int other_zone(
	struct apply *a, const struct trx *t, const struct ddl_session *s, char out[8], struct err *e)
{
	const struct binlog_query *q = s->q;
	enum ddl_zone wants;
	struct db *up;

	snprintf(out, 8, "+00:00");
	if (!s->j || q->time_zone.n == 0) /* not logged: the statement did not use it */
		return 0;
	if (zone_wanted(a, t, s, &wants, e) < 0)
		return -1;
	if (wants == DDL_ZONE_NONE)
		return 0;
	up = s->no_values ? tables_upstream(&a->tables, e) : reach_upstream(a, q->time_zone, e);
	if (up && ddl_zone_offset(
			  up, q->time_zone, t->timestamp, s->no_values ? DDL_ZONE_NOW : wants, out, e) == 0)
		return 0;
	if (s->no_values && (!up || e->code == ERR_ddl_untranslatable)) {
		log_warn("the time zone '%.*s' can't be set for this statement, UTC is used: %s",
			STR_ARG(q->time_zone), e->text);
		err_clear(e);
		return 0;
	}
	if (up && e->code != ERR_ddl_untranslatable)
		db_close(&a->tables.ask_up); /* it may be lost */
	return -1;
}

/* A default alone is of rows that come without a value, which the stream's never do; rows that are there get
 * it by an ALTER. */
static bool may_be_utc(struct apply *a, const struct ddl_session *s, unsigned times)
{
	struct err ignored = {0};

	times &= ~(unsigned)DDL_TIMES_SET;
	if (!times)
		return true;
	return times == DDL_TIMES_DEFAULTS &&
	       (s->j->ddl->verb != SQL_VERB_ALTER_TABLE || ddl_is_empty(a, s->j, &ignored) > 0);
}

static int put_times(struct apply *a, const struct ddl_session *s, const char *zone,
	const struct ddl_words *w, struct err *e)
{
	unsigned times = ddl_times_in(buf_str(s->text), w);
	struct db *up;

	if (!times)
		return 0;
	up = reach_upstream(a, s->q->time_zone, e);
	if (up && ddl_times_write(up, s->q->time_zone, zone, w, s->text, e) == 0)
		return 0;
	if (!up && e->code == ERR_ddl_untranslatable && may_be_utc(a, s, times)) {
		log_warn("the upstream can't be asked for its zone '%.*s': defaults of TIMESTAMPs that this "
			 "statement writes count as UTC",
			STR_ARG(s->q->time_zone));
		err_clear(e);
		return 0;
	}
	db_close(&a->tables.ask_up); /* it may be lost, and has another zone */
	return -1;
}

/* The times that are written in it, as their zone can't be set. */
static int write_times(struct apply *a, const struct ddl_session *s, const char *zone, struct err *e)
{
	struct ddl_words w = {db_server(a->ddl), s->q->sql_mode, NULL};
	struct structure *mine = NULL;
	int r;

	if (s->no_values || s->q->time_zone.n == 0)
		return 0;
	if ((ddl_times_in(buf_str(s->text), &w) & DDL_TIMES_SET) &&
		ddl_structure_before(a, s->j, &w.was, &mine, e) < 0)
		return -1;
	r = put_times(a, s, zone, &w, e);
	structure_free(&mine);
	return r;
}

static int set_time(struct apply *a, const struct trx *t, const struct ddl_session *s, struct err *e)
{
	int named = set_named_zone(a->ddl, s->q, e);
	char zone[8];

	if (named < 0 || (!named && (other_zone(a, t, s, zone, e) < 0 || write_times(a, s, zone, e) < 0)) ||
		(!named && db_execf(a->ddl, e, "SET time_zone='%s'", zone) < 0))
		return -1;
	return db_execf(a->ddl, e, "SET timestamp=%u.%06u", t->timestamp,
		s->q->has_microseconds ? s->q->microseconds : 0);
}

static int set_database(struct db *d, const struct binlog_query *q, bool needed, struct err *e)
{
	struct buf sql = {0};
	struct err mine = {0};
	int r;

	if (q->schema.n == 0)
		return 0;
	buf_puts(&sql, "USE ");
	sql_put_ident(&sql, q->schema);
	r = db_exec(d, buf_str(&sql), &mine);
	buf_free(&sql);
	/* Every table is named with its schema: the default database, perhaps gone or left out, does not
	 * matter. */
	if (r < 0 && !needed && !db_error_is_lost(mine.sql_errno))
		return 0;
	if (r < 0)
		*e = mine;
	return r;
}

/* MariaDB refuses to alter a table with history unless told to; the upstream was. */
static int keep_history(struct db *d, struct err *e)
{
	const struct server *s = db_server(d);

	if (s->flavor != FLAVOR_MARIADB || s->version < 100304)
		return 0;
	return db_exec(d, STR_LIT("SET system_versioning_alter_history=KEEP"), e);
}

int ddl_session(struct apply *a, const struct trx *t, const struct ddl_session *s, struct err *e)
{
	/* The time first: it asks this connection for structures, and in the statement's modes and charset
	 * questions of ours may mean something else. */
	if (set_time(a, t, s, e) < 0 || set_mode(a, t, s, e) < 0 ||
		set_charset(a->ddl, &t->format.server, s->q, e) < 0 || set_checks(a->ddl, t, s->q, e) < 0 ||
		keep_history(a->ddl, e) < 0 || set_steps(a, &t->format.server, s->q, e) < 0 ||
		set_utf8mb4(a, &t->format.server, s->q, e) < 0 ||
		set_database(a->ddl, s->q, s->needs_database, e) < 0)
		return err_add(e, "setting the session for a DDL statement");
	set_explicit_defaults(a->ddl, s->q);
	return 0;
}

/* What only some statements want: set back only behind those, as it may want a privilege. */
static int reset_own(struct apply *a, struct err *e)
{
	if (a->ddl_steps &&
		db_exec(a->ddl,
			STR_LIT("SET auto_increment_increment=DEFAULT, auto_increment_offset=DEFAULT"),
			e) < 0)
		return -1;
	a->ddl_steps = false;
	if (a->ddl_utf8mb4 && db_exec(a->ddl, STR_LIT("SET default_collation_for_utf8mb4=DEFAULT"), e) < 0)
		return -1;
	a->ddl_utf8mb4 = false;
	return 0;
}

int ddl_session_reset(struct apply *a, struct err *e)
{
	if (reset_own(a, e) < 0 || db_exec(a->ddl,
					   STR_LIT("SET sql_mode='', time_zone='+00:00', timestamp=DEFAULT, "
						   "collation_server=DEFAULT"),
					   e) < 0)
		return -1;
	return db_exec(a->ddl, STR_LIT("SET NAMES utf8mb4"), e);
}

/* The name of a number that the table of collations lacks; MariaDB keeps the numbers of the newer ones in
 * another table. */
static int collation_name(struct db *upstream, unsigned id, char *name, size_t size, struct err *e)
{
	bool mariadb = db_server(upstream)->flavor == FLAVOR_MARIADB, found;
	char sql[200];

	snprintf(sql, sizeof(sql),
		mariadb ? "SELECT FULL_COLLATION_NAME FROM "
			  "information_schema.COLLATION_CHARACTER_SET_APPLICABILITY WHERE ID=%u"
			: "SELECT COLLATION_NAME FROM information_schema.COLLATIONS WHERE ID=%u",
		id);
	name[0] = '\0';
	return db_value(upstream, sql, name, size, &found, e);
}

int ddl_server_collation(struct db *d, struct db *upstream, const struct binlog_query *q,
	const struct sql_dialects *s, struct err *e)
{
	char name[128] = "";
	const char *nearest, *known;

	if (!q->has_charset && q->server_collation == 0)
		return 0;
	if (q->server_collation <= COMMON_COLLATIONS && s->to->flavor != FLAVOR_TIDB)
		return db_execf(d, e, "SET collation_server=%u", q->server_collation);
	known = sql_collation_of_id(q->server_collation, s->from);
	if (known)
		snprintf(name, sizeof(name), "%s", known);
	else if (!upstream || collation_name(upstream, q->server_collation, name, sizeof(name), e) < 0)
		return -1;
	if (name[0] && !sql_collation_may(str_of(name), s->from, s->to, s->collations))
		return err_set(e, ERR_collation_refused,
			"the new database's default, collation %s, is not in the target", name);
	nearest = name[0] ? sql_map_collation(str_of(name), s->from, s->to) : NULL;
	return db_execf(d, e, "SET collation_server='%s'",
		nearest   ? nearest
		: name[0] ? name
			  : "utf8mb4_general_ci");
}
