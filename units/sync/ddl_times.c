/*
 * Times that a DDL statement writes in its zone, where the downstream can't have that zone: each of them may
 * have had another offset, so no fixed one says them all. Called by ddl_session.c, and by ddl_zone.c, which
 * need not look at them any more.
 */
#include "units/sync/ddl_times.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/sql/ddl.h"
#include "common/sql/quote.h"

/* _utf8mb4'…', N'…', TIMESTAMP'…', DATE'…': the word. */
static bool is_before_literal(const struct sql_lexer *x)
{
	return sql_lex_is(x, "TIMESTAMP") || sql_lex_is(x, "DATE") || sql_lex_is(x, "N") ||
	       (x->type == SQL_WORD && x->token.p[0] == '_');
}

/* '…', 20260401000000, or with such a word. The lexer stays where it was, unless it is one. */
static bool take_time(struct sql_lexer *x, struct str *literal)
{
	struct sql_lexer end = *x;
	bool word = is_before_literal(x);

	if (word)
		sql_lex_next(&end);
	literal->p = x->token.p;
	literal->n = (size_t)(end.token.p + end.token.n - literal->p);
	if ((end.type != SQL_STRING && (end.type != SQL_NUMBER || word)) ||
		memchr(literal->p, '\\', literal->n))
		return false;
	*x = end;
	return true;
}

enum ddl_bound ddl_bound_at(const struct sql_lexer *lx, struct str *literal, size_t *end)
{
	struct sql_lexer x = *lx;
	enum ddl_bound bound = DDL_BOUND_NOT;
	bool name;

	if (!sql_lex_is(&x, "UNIX_TIMESTAMP") || sql_lex_next(&x) == SQL_END || !sql_lex_is_char(&x, '('))
		return DDL_BOUND_NOT;
	sql_lex_next(&x);
	name = x.type == SQL_WORD || x.type == SQL_IDENT;
	if (take_time(&x, literal))
		bound = DDL_BOUND_TIME;
	else if (name)
		bound = DDL_BOUND_COLUMN;
	sql_lex_next(&x);
	*end = x.token_at + x.token.n;
	return sql_lex_is_char(&x, ')') ? bound : DDL_BOUND_NOT;
}

struct times {
	struct sql_lexer lx;
	const struct structure *was;
	bool partition; /* the word stood before */
	int depth;
	int names;  /* that come before a column's type: two behind CHANGE, one elsewhere */
	bool set;   /* no definition: ALTER COLUMN … SET DEFAULT */
	bool stamp; /* in the definition of a TIMESTAMP, which is at this depth: */
	int at;
	bool after_default, after_starts;
	/* what was found */
	bool bound; /* of a partition: else of a column, or: */
	bool start; /* where MariaDB's partitions by SYSTEM_TIME start */
	struct str literal;
	size_t from, end; /* of the text */
};

/* The upstream need not be asked about them. */
static bool is_zero(struct str literal)
{
	return str_is(literal, "0") || str_starts(literal, "'0000-00-00") ||
	       str_starts(literal, "\"0000-00-00");
}

/*
 * A column's type, told from a column that is called so by its place: TIMESTAMP is a word that a name may be.
 * MODIFY too, as long as no name is wanted; the other words here are reserved.
 */
static bool is_type(struct times *s)
{
	const struct sql_lexer *lx = &s->lx;
	bool word = lx->type == SQL_WORD || lx->type == SQL_IDENT;

	if (sql_lex_is(lx, "COLUMN") || sql_lex_is(lx, "IF") || sql_lex_is(lx, "NOT") ||
		sql_lex_is(lx, "EXISTS"))
		return false;
	if (sql_lex_is(lx, "CHANGE"))
		s->names = 2;
	else if (sql_lex_is(lx, "ADD") || (sql_lex_is(lx, "MODIFY") && s->names == 0) ||
		 sql_lex_is_char(lx, '(') || (s->depth > 0 && sql_lex_is_char(lx, ',')))
		s->names = 1;
	else if (!word)
		s->names = 0;
	else if (s->names > 0 && --s->names == 0) {
		struct sql_lexer next = *lx;

		sql_lex_next(&next);
		return sql_lex_is(&next, "TIMESTAMP");
	}
	return false;
}

/* ALTER [COLUMN] [IF EXISTS] c SET DEFAULT of a column that is, or may be, a TIMESTAMP. */
static bool is_set(const struct times *s)
{
	struct sql_lexer x = s->lx;
	char name[257];
	int i;

	if (!sql_lex_is(&x, "ALTER") || sql_lex_next(&x) == SQL_END)
		return false;
	if (sql_lex_is(&x, "COLUMN"))
		sql_lex_next(&x);
	if (sql_lex_is(&x, "IF") && sql_lex_next(&x) != SQL_END && sql_lex_is(&x, "EXISTS"))
		sql_lex_next(&x);
	if (!sql_lex_ident(&x, name, sizeof(name)) || sql_lex_next(&x) == SQL_END || !sql_lex_is(&x, "SET"))
		return false;
	i = s->was ? structure_column(s->was, name) : -1;
	return !s->was || (i >= 0 && strncasecmp(s->was->columns[i].type, "timestamp", 9) == 0);
}

static bool is_default(struct times *s)
{
	struct sql_lexer x = s->lx;
	bool here = s->after_starts || (s->after_default && s->depth == s->at),
	     is = here && take_time(&x, &s->literal) && !is_zero(s->literal);

	if (is) {
		s->bound = false;
		s->start = s->after_starts;
		s->from = (size_t)(s->literal.p - s->lx.text.p);
		s->end = s->from + s->literal.n;
	}
	return is;
}

static bool is_bound(struct times *s)
{
	s->partition = s->partition || sql_lex_is(&s->lx, "PARTITION");
	s->bound = s->partition && ddl_bound_at(&s->lx, &s->literal, &s->end) == DDL_BOUND_TIME;
	s->from = s->lx.token_at;
	return s->bound;
}

static bool next_token(struct times *s)
{
	if (sql_lex_next(&s->lx) == SQL_END || s->lx.type == SQL_BAD)
		return false;
	s->depth += sql_lex_is_char(&s->lx, '(') - sql_lex_is_char(&s->lx, ')');
	if (s->depth < s->at || (s->depth == s->at && sql_lex_is_char(&s->lx, ',')))
		s->stamp = s->set = false;
	if (!s->stamp)
		s->set = is_set(s);
	if ((is_type(s) || s->set) && !s->stamp) {
		s->stamp = true;
		s->at = s->depth;
	}
	return true;
}

static bool next_time(struct times *s)
{
	while (next_token(s)) {
		bool found = is_bound(s) || is_default(s);

		s->after_default = s->stamp && sql_lex_is(&s->lx, "DEFAULT");
		s->after_starts = s->partition && sql_lex_is(&s->lx, "STARTS");
		if (found)
			return true;
	}
	return false;
}

static void times_begin(struct times *s, struct str text, const struct ddl_words *words)
{
	*s = (struct times){.was = words->was};
	sql_ddl_lexer(&s->lx, text, words->server, words->sql_mode);
}

static unsigned kind_of(const struct times *s)
{
	if (s->bound)
		return DDL_TIMES_BOUNDS;
	if (s->start)
		return DDL_TIMES_STARTS;
	return s->set ? DDL_TIMES_SET : DDL_TIMES_DEFAULTS;
}

unsigned ddl_times_in(struct str text, const struct ddl_words *words)
{
	unsigned found = 0;
	struct times s;

	times_begin(&s, text, words);
	while (next_time(&s))
		found |= kind_of(&s);
	return found;
}

/* NULL, NOW(), (NOW(3)): the same in each zone, or its own moment. */
static bool is_plain(struct sql_lexer x)
{
	static const char *const words[] = {
		"NULL", "CURRENT_TIMESTAMP", "NOW", "LOCALTIME", "LOCALTIMESTAMP", NULL};
	bool paren = sql_lex_is_char(&x, '('), is = false;

	if (paren)
		sql_lex_next(&x);
	for (const char *const *w = words; *w; w++)
		is = is || sql_lex_is(&x, *w);
	if (!is || !paren)
		return is;
	if (sql_lex_next(&x) != SQL_END && sql_lex_is_char(&x, '(')) {
		while (sql_lex_next(&x) != SQL_END && !sql_lex_is_char(&x, ')'))
			continue;
		sql_lex_next(&x);
	}
	return sql_lex_is_char(&x, ')');
}

bool ddl_times_has_other(struct str part, const struct ddl_words *words)
{
	struct times s;

	times_begin(&s, part, words);
	while (next_token(&s)) {
		struct sql_lexer x = s.lx;
		struct str literal;

		if (s.after_default && s.depth == s.at + sql_lex_is_char(&x, '(') &&
			!take_time(&x, &literal) && !is_plain(x))
			return true;
		s.after_default = s.stamp && sql_lex_is(&s.lx, "DEFAULT");
	}
	return false;
}

/* 1577833200, 1577833200.000000, or with another fraction. "": the upstream makes nothing of it. */
static int ask(struct db *upstream, struct str literal, char number[32], struct err *e)
{
	struct buf sql = {0};
	bool found;
	int r;

	buf_puts(&sql, "SELECT UNIX_TIMESTAMP(");
	buf_put(&sql, literal.p, literal.n);
	buf_putc(&sql, ')');
	number[0] = 0;
	r = db_value(upstream, buf_cstr(&sql), number, 32, &found, e);
	buf_free(&sql);
	return r;
}

/* A partition's bound has no fraction. */
static int put_bound(const struct times *s, const char *number, struct buf *out, struct err *e)
{
	size_t n = strspn(number, "0123456789");
	const char *rest = number + n;

	if (n == 0 || (rest[0] && (rest[0] != '.' || strspn(rest + 1, "0") != strlen(rest + 1))))
		return err_set(e, ERR_ddl_untranslatable,
			"the upstream makes no whole number of UNIX_TIMESTAMP(%.*s)", STR_ARG(s->literal));
	buf_put(out, number, n);
	return 0;
}

/* What is no moment is the same in each zone. */
static void put_default(const struct times *s, const char *number, long offset, struct buf *out)
{
	const char *fraction = strchr(number, '.');
	time_t at = strtoll(number, NULL, 10) + offset;
	char text[40];
	struct tm tm;

	if (strtod(number, NULL) <= 0 || !gmtime_r(&at, &tm) ||
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) == 0) {
		buf_put(out, s->literal.p, s->literal.n);
		return;
	}
	buf_putf(out, "'%s%s'", text,
		fraction && strspn(fraction + 1, "0") != strlen(fraction + 1) ? fraction : "");
}

/* "+02:00" in seconds. */
static long offset_of(const char *session)
{
	long hours = strtol(session + 1, NULL, 10), minutes = strtol(session + 4, NULL, 10);

	return (session[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
}

static int write(struct db *upstream, struct times *s, long offset, struct buf *out, struct err *e)
{
	struct str text = s->lx.text;
	size_t copied = 0;
	char number[32];

	while (next_time(s)) {
		buf_put(out, text.p + copied, s->from - copied);
		if (ask(upstream, s->literal, number, e) < 0 ||
			(s->bound && put_bound(s, number, out, e) < 0))
			return -1;
		if (!s->bound)
			put_default(s, number, offset, out);
		copied = s->end;
	}
	buf_put(out, text.p + copied, text.n - copied);
	return 0;
}

static int set_zone(struct db *upstream, struct str zone, struct err *e)
{
	struct buf sql = {0};
	int r;

	buf_puts(&sql, "SET time_zone=");
	sql_put_string(&sql, zone);
	r = db_exec(upstream, buf_str(&sql), e);
	buf_free(&sql);
	return r;
}

int ddl_times_write(struct db *upstream, struct str zone, const char *session, const struct ddl_words *words,
	struct buf *text, struct err *e)
{
	struct buf out = {0};
	struct times s;
	int r;

	times_begin(&s, buf_str(text), words);
	r = set_zone(upstream, zone, e);
	if (r == 0)
		r = write(upstream, &s, offset_of(session), &out, e);
	if (r == 0)
		r = set_zone(upstream, STR_LIT("+00:00"), e);
	if (r < 0) {
		buf_free(&out);
		return err_add(e, "the times that the statement writes");
	}
	buf_free(text);
	*text = out;
	return 0;
}
