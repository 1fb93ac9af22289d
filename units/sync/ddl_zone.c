/*
 * The time zone of a DDL statement where its event has no name that the downstream knows, SYSTEM above all:
 * it counts where the rows that are there get times of it. Called by ddl_session.c.
 */
#include "units/sync/ddl_zone.h"

#include <stdio.h>
#include <stdlib.h>

#include <string.h>
#include <strings.h>

#include "common/base/buf.h"
#include "common/sql/alter.h"
#include "common/sql/lexer.h"
#include "common/sql/quote.h"
#include "units/sync/ddl_times.h"

static bool is_one_of(const struct sql_lexer *lx, const char *const *words)
{
	for (; *words; words++)
		if (sql_lex_is(lx, *words))
			return true;
	return false;
}

struct scan {
	struct sql_lexer lx;
	bool more;
};

struct part_words {
	const struct ddl_words *w;
	bool indexed; /* an index may keep what its virtual columns are */
};

static bool next(struct scan *s)
{
	enum sql_token t = sql_lex_next(&s->lx);

	s->more = t != SQL_END && t != SQL_BAD;
	return s->more;
}

static void skip_if_exists(struct scan *s)
{
	if (!sql_lex_is(&s->lx, "IF"))
		return;
	while (next(s) && !sql_lex_is(&s->lx, "EXISTS"))
		continue;
	next(s);
}

/* To the name of the first column that the part is about. */
static void begin(struct scan *s, struct str part, const struct server *from, uint64_t sql_mode)
{
	*s = (struct scan){0};
	sql_ddl_lexer(&s->lx, part, from, sql_mode);
	next(s); /* ADD, MODIFY, CHANGE */
	if (next(s) && sql_lex_is(&s->lx, "COLUMN"))
		next(s);
	skip_if_exists(s);
}

static bool is_stamp(const struct structure *was, const char *column, bool *known)
{
	int i = was && column ? structure_column(was, column) : -1;

	*known = i >= 0;
	return *known && strncasecmp(was->columns[i].type, "timestamp", strlen("timestamp")) == 0;
}

/* Values keep what they are, but from TIMESTAMP to another type, and back. */
static enum ddl_zone of_change(
	struct scan *s, bool renames, const struct alter_part *p, const struct structure *was)
{
	static const char *const types[] = {"TIMESTAMP", "DATETIME", "DATE", "TIME", "YEAR", NULL};
	bool known, stamp = is_stamp(was, p->name, &known);

	if (!next(s) || (renames && !next(s)))
		return DDL_ZONE_NONE;
	if (known)
		return stamp != sql_lex_is(&s->lx, "TIMESTAMP") ? DDL_ZONE_ANY : DDL_ZONE_NONE;
	return is_one_of(&s->lx, types) ? DDL_ZONE_ANY : DDL_ZONE_NONE;
}

/* A partition's bound, which is made a number (ddl_times.c), or what rows are told apart by. */
static bool is_of_partitions(const struct sql_lexer *lx, bool *partition)
{
	struct str literal;
	size_t end;

	*partition = *partition || sql_lex_is(lx, "PARTITION");
	return *partition && ddl_bound_at(lx, &literal, &end) != DDL_BOUND_NOT;
}

/* In an expression, the name of a column that is a TIMESTAMP, or may be one: no function, no word before a
 * literal. */
static bool names_stamp(const struct sql_lexer *lx, const struct structure *was)
{
	static const char *const words[] = {"NULL", "TRUE", "FALSE", "CURRENT_TIMESTAMP", "LOCALTIME",
		"LOCALTIMESTAMP", "CURRENT_DATE", "CURRENT_TIME", NULL};
	struct sql_lexer after = *lx;
	char name[257];
	bool known;

	if ((lx->type != SQL_WORD && lx->type != SQL_IDENT) || is_one_of(lx, words) ||
		!sql_lex_ident(lx, name, sizeof(name)))
		return false;
	sql_lex_next(&after);
	return !sql_lex_is_char(&after, '(') && after.type != SQL_STRING &&
	       (!was || is_stamp(was, name, &known));
}

/* The value is more than this token, at depth 0. */
static bool goes_on(const struct sql_lexer *lx)
{
	static const char *const before[] = {"BINARY", "NOT", NULL};
	struct sql_lexer after = *lx;

	if (is_one_of(lx, before) ||
		(lx->type == SQL_CHAR && lx->token.n == 1 && strchr("+-!~.", *lx->token.p)))
		return true;
	sql_lex_next(&after);
	return (lx->type == SQL_WORD || lx->type == SQL_IDENT) &&
	       (sql_lex_is_char(&after, '(') || sql_lex_is_char(&after, '.'));
}

/* Behind AS or DEFAULT, at the first token of the value: the lexer is put at its last one. was: does it name
 * a TIMESTAMP? */
static bool pass_value(struct sql_lexer *lx, const struct structure *was)
{
	bool stamp = false;
	int depth = 0, cases = 0;

	for (; lx->type != SQL_END && lx->type != SQL_BAD; sql_lex_next(lx)) {
		stamp = stamp || names_stamp(lx, was);
		depth += sql_lex_is_char(lx, '(') - sql_lex_is_char(lx, ')');
		cases += depth == 0 && sql_lex_is(lx, "CASE");
		cases -= depth == 0 && sql_lex_is(lx, "END");
		if (depth <= 0 && cases <= 0 && !goes_on(lx))
			return stamp;
	}
	return stamp;
}

/* At the ) of AS (…): is it kept with the row, or in an index of its own? */
static bool is_stored(struct sql_lexer lx)
{
	static const char *const words[] = {"STORED", "PERSISTENT", "UNIQUE", "PRIMARY", "KEY", NULL};
	int depth = 0;

	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD) {
		depth += sql_lex_is_char(&lx, '(') - sql_lex_is_char(&lx, ')');
		if (depth < 0 || (depth == 0 && sql_lex_is_char(&lx, ',')))
			return false;
		if (depth == 0 && is_one_of(&lx, words))
			return true;
	}
	return false;
}

/* At AS (…) of a column that is made whenever it is read: past it, unless an index may keep what it is. */
static void skip_virtual(struct sql_lexer *lx, const struct part_words *w)
{
	struct sql_lexer at = *lx;

	if (w->indexed || !sql_lex_is(&at, "AS") || sql_lex_next(&at) == SQL_END ||
		!sql_lex_is_char(&at, '('))
		return;
	pass_value(&at, NULL);
	if (!is_stored(at))
		*lx = at;
}

/* Of functions, wherever they stand: a default, a generated column. */
static enum ddl_zone of_words(struct str part, const struct part_words *w)
{
	static const char *const now[] = {"CURRENT_TIMESTAMP", "NOW", "LOCALTIME", "LOCALTIMESTAMP",
		"CURDATE", "CURRENT_DATE", "CURTIME", "CURRENT_TIME", NULL};
	static const char *const converts[] = {"UNIX_TIMESTAMP", "FROM_UNIXTIME", NULL};
	enum ddl_zone zone = DDL_ZONE_NONE;
	bool partition = false;
	struct sql_lexer lx;

	sql_ddl_lexer(&lx, part, w->w->server, w->w->sql_mode);
	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD) {
		skip_virtual(&lx, w);
		if (!is_of_partitions(&lx, &partition) && is_one_of(&lx, converts))
			return partition ? DDL_ZONE_BOUNDS : DDL_ZONE_ANY;
		if (is_one_of(&lx, now))
			zone = DDL_ZONE_NOW;
	}
	return zone;
}

static bool is_column(const struct scan *s)
{
	static const char *const others[] = {"INDEX", "KEY", "UNIQUE", "FULLTEXT", "SPATIAL", "VECTOR",
		"PRIMARY", "FOREIGN", "CONSTRAINT", "CHECK", "PARTITION", "PERIOD", "SYSTEM", NULL};

	return !is_one_of(&s->lx, others);
}

/*
 * Does an expression that makes a column (AS), or fills the rows that are there (DEFAULT of an added one),
 * read a TIMESTAMP? Each value of that has the offset of its own season.
 */
static bool reads_stamp(struct str part, const struct part_words *w, bool adds)
{
	struct sql_lexer lx, value;

	sql_ddl_lexer(&lx, part, w->w->server, w->w->sql_mode);
	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD) {
		bool as = sql_lex_is(&lx, "AS");

		skip_virtual(&lx, w);
		value = lx;
		if ((!as && !(adds && sql_lex_is(&lx, "DEFAULT"))) || sql_lex_next(&value) == SQL_END ||
			(as && !sql_lex_is_char(&value, '(')))
			continue;
		if (pass_value(&value, w->w->was))
			return true;
		lx = value;
	}
	return false;
}

/* May an index keep what a virtual column is? One of the same statement, one that the changed column is in.
 */
static bool may_index(struct str text, const struct alter_part *p, const struct ddl_words *w)
{
	static const char *const words[] = {"INDEX", "KEY", "UNIQUE", "PARTITION", NULL};
	int at = w->was && p->name ? structure_column(w->was, p->name) : -1;
	struct sql_lexer lx;

	if (p->changes && at < 0)
		return true;
	for (unsigned i = 0; p->changes && i < w->was->nkeys; i++)
		for (unsigned c = 0; c < w->was->keys[i].ncolumns; c++)
			if (w->was->keys[i].columns[c] == (unsigned)at)
				return true;
	sql_ddl_lexer(&lx, text, w->server, w->sql_mode);
	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD)
		if (is_one_of(&lx, words))
			return true;
	return false;
}

static enum ddl_zone of_part(const struct alter_part *p, struct str text, const struct ddl_words *w)
{
	const struct part_words pw = {w, may_index(text, p, w)};
	struct str part = {text.p + p->at, p->end - p->at};
	enum ddl_zone zone = DDL_ZONE_NONE, words = of_words(part, &pw);
	struct sql_lexer verb;
	struct scan s;
	bool adds;

	sql_ddl_lexer(&verb, part, w->server, w->sql_mode);
	sql_lex_next(&verb);
	adds = sql_lex_is(&verb, "ADD");
	begin(&s, part, w->server, w->sql_mode);
	if (p->changes)
		zone = of_change(&s, sql_lex_is(&verb, "CHANGE"), p, w->was);
	else if (adds && ddl_times_has_other(part, w))
		zone = DDL_ZONE_ANY; /* the rows that are there get it */
	if ((p->changes || (adds && is_column(&s))) && reads_stamp(part, &pw, adds))
		zone = DDL_ZONE_ANY;
	return zone > words ? zone : words;
}

enum ddl_zone ddl_zone_of(const struct binlog_query *q, const struct sql_ddl *ddl, const struct server *from,
	const struct structure *was)
{
	const struct ddl_words w = {from, q->sql_mode, was};
	enum ddl_zone zone = DDL_ZONE_NONE;
	struct alter a = {0};
	struct err e = {0};

	if (ddl->verb != SQL_VERB_ALTER_TABLE)
		return DDL_ZONE_NONE;
	if (alter_read(q->sql, from, q->sql_mode, ddl, &a, &e) < 0)
		zone = DDL_ZONE_BOUNDS;
	for (unsigned i = 0; i < a.n && zone != DDL_ZONE_BOUNDS; i++) {
		enum ddl_zone one = of_part(&a.parts[i], q->sql, &w);

		zone = one > zone ? one : zone;
	}
	alter_fini(&a);
	return zone;
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
	if (any >= DDL_ZONE_ANY && seconds[0])
		fixed = is_fixed(upstream, zone, e);
	if (fixed < 0)
		return -1;
	n = atoi(seconds) / 60;
	if (!seconds[0] || !fixed || n < -14 * 60 || n > 14 * 60)
		return err_set(e, ERR_ddl_untranslatable,
			"the statement gives rows times of the zone '%.*s', which the downstream can't be "
			"set to: load the time zones there (mysql_tzinfo_to_sql) and SET GLOBAL time_zone of "
			"the upstream to a name, for statements to come; for this one binlog replace, which "
			"takes the zone of its moment (%s seconds east)",
			STR_ARG(zone), seconds[0] ? seconds : "0");
	snprintf(out, 8, "%c%02d:%02d", n < 0 ? '-' : '+', abs(n) / 60 % 100, abs(n) % 60);
	return 0;
}
