/*
 * Cuts the text of a dump's files into statements, and says what each is. Called by the workers and by the
 * reader of schema files. The files are of other people's tools: nothing but rows of the file's own table,
 * and settings that say what the values mean, is ever sent to a server.
 */
#include "units/load/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/sql/lexer.h"

enum { STEP = 256 * 1024, KEEP = 4 << 20, GIANT_BYTES = 4 << 20, HEAD = 8192 };

int text_open(struct text *t, int dir, const char *name, uint64_t offset, struct err *e)
{
	*t = (struct text){
		.s = stream_open(dir, name, e), .offset = offset, .line = offset ? 0 : 1, .max = SIZE_MAX};
	if (!t->s)
		return -1;
	return offset ? stream_skip(t->s, offset, e) : 0;
}

void text_close(struct text *t)
{
	stream_close(&t->s);
	buf_free(&t->b);
}

static int too_large(const struct text *t, struct err *e)
{
	char where[48];

	text_where(t, where, sizeof(where));
	return err_set(e, ERR_load_files, "what begins at %s is larger than %zu bytes, %s", where, t->max,
		t->limit ? t->limit : "the most that is read at once");
}

static void take_turn(struct text_turn *t)
{
	if (!t || t->mine)
		return;
	pthread_mutex_lock(t->lock);
	t->mine = true;
}

void text_turn_over(struct text_turn *t)
{
	if (!t->mine)
		return;
	t->mine = false;
	pthread_mutex_unlock(t->lock);
}

void text_set_apart(struct buf *b)
{
	enum { BECOMES_LARGE = 1 << 20, APART = 8 << 20 }; /* pages that are not used take no memory */

	if (b->n > BECOMES_LARGE && b->cap < APART)
		buf_grow(b, APART - b->n);
}

int text_more(struct text *t, struct err *e)
{
	int r;

	if (t->end)
		return 0;
	if (t->b.n - t->at > t->max)
		return too_large(t, e);
	if (t->b.n - t->at > GIANT_BYTES)
		take_turn(t->turn);
	if (t->at > 0) {
		buf_cut_front(&t->b, t->at);
		t->at = 0;
	}
	text_set_apart(&t->b);
	r = stream_read(t->s, STEP, &t->b, e);
	t->end = r == 0;
	return r;
}

/* What a large statement took goes back when it is through. */
static void shrink(struct text *t)
{
	struct buf rest = {0};

	buf_put(&rest, t->b.p + t->at, t->b.n - t->at);
	buf_free(&t->b);
	t->b = rest;
	t->at = 0;
}

void text_use(struct text *t, size_t n)
{
	const char *p = t->b.p + t->at, *end = p + n;

	for (; t->line && p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
		t->line++;
	t->at += n;
	t->offset += n;
	if (t->b.cap > KEEP && t->b.n - t->at <= STEP)
		shrink(t);
	if (t->at == t->b.n) {
		buf_clear(&t->b);
		t->at = 0;
	}
}

void text_blank(struct text *t, size_t i, size_t n)
{
	memset(t->b.p + t->at + i, ' ', n);
}

char text_peek(struct text *t, size_t i, int *r, struct err *e)
{
	while (i >= t->b.n - t->at)
		if ((*r = text_more(t, e)) <= 0)
			return '\0';
	return t->b.p[t->at + i];
}

void text_where(const struct text *t, char *out, size_t size)
{
	if (t->line)
		snprintf(out, size, "line %" PRIu64, t->line);
	else
		snprintf(out, size, "byte %" PRIu64, t->offset);
}

/* --- cutting --- */

enum inside { BARE, QUOTED, COMMENT, LINE };

struct scan {
	struct text *t;
	size_t i; /* from the rest's beginning */
	enum inside inside;
	char quote;
	bool any; /* something else than blanks and comments was there */
	int depth;
	uint64_t groups;
};

/* The byte k places ahead; 0 behind the end. -1 in *r: reading failed. */
static char peek(struct scan *s, size_t k, int *r, struct err *e)
{
	return text_peek(s->t, s->i + k, r, e);
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* "slash star": 3 or 4 bytes of a comment that servers execute are passed by, its inside is text like any
 * other. */
static void scan_slash(struct scan *s, int *r, struct err *e)
{
	char c;

	if (peek(s, 1, r, e) != '*') {
		s->any = true;
		s->i++;
		return;
	}
	c = peek(s, 2, r, e);
	if (c == '!' || (c == 'M' && peek(s, 3, r, e) == '!')) {
		s->any = true;
		s->i += 3;
		return;
	}
	s->inside = COMMENT;
	s->i += 2;
}

static void scan_bare(struct scan *s, char c, int *r, struct err *e)
{
	if (c == '/') {
		scan_slash(s, r, e);
		return;
	}
	if (c == '#' || (c == '-' && peek(s, 1, r, e) == '-' && is_blank(peek(s, 2, r, e)))) {
		s->inside = LINE;
	} else if (c == '\'' || c == '"' || c == '`') {
		s->inside = QUOTED;
		s->quote = c;
		s->any = true;
	} else if (!is_blank(c)) {
		s->any = true;
		s->groups += c == '(' && s->depth == 0;
		s->depth += (c == '(') - (c == ')');
	}
	s->i++;
}

/* A doubled quote ends and opens: the same to us. */
static void scan_quoted(struct scan *s, int *r, struct err *e)
{
	struct str rest = text_rest(s->t);
	char c;

	for (; s->i < rest.n; s->i++) {
		c = rest.p[s->i];
		if (c == s->quote) {
			s->inside = BARE;
			s->i++;
			return;
		}
		if (c == '\\' && s->quote != '`') {
			peek(s, 1, r, e);
			s->i += 2;
			return;
		}
	}
}

static void scan_step(struct scan *s, char c, int *r, struct err *e)
{
	switch (s->inside) {
	case BARE:
		scan_bare(s, c, r, e);
		break;
	case QUOTED:
		scan_quoted(s, r, e);
		break;
	case COMMENT:
		if (c == '*' && peek(s, 1, r, e) == '/') {
			s->inside = BARE;
			s->i++;
		}
		s->i++;
		break;
	case LINE:
		if (c == '\n')
			s->inside = BARE;
		s->i++;
		break;
	}
}

int text_statement(struct text *t, struct statement *out, struct err *e)
{
	struct scan s = {.t = t};
	char where[48];
	int r = 1;

	while (is_blank(text_peek(t, 0, &r, e))) /* so that the line that is told is the statement's own */
		text_use(t, 1);
	for (;;) {
		char c = peek(&s, 0, &r, e);

		if (r < 0)
			return -1;
		if (s.i >= t->b.n - t->at)
			break;
		if (c == ';' && s.inside == BARE && s.any) {
			*out = (struct statement){{t->b.p + t->at, s.i}, s.groups};
			return 1;
		}
		r = 1;
		scan_step(&s, c, &r, e);
		if (r < 0)
			return -1;
	}
	if (!s.any && s.inside != QUOTED)
		return 0;
	text_where(t, where, sizeof(where));
	return err_set(e, ERR_load_files,
		"the file ends in the middle of what begins at %s: it is not complete", where);
}

/* --- what it is --- */

struct look {
	struct sql_lexer lx;
	struct statement_about *about;
};

static bool word(struct look *l, const char *w)
{
	if (!sql_lex_is(&l->lx, w))
		return false;
	sql_lex_next(&l->lx);
	return true;
}

static bool is_one_of(const struct sql_lexer *lx, const char *const *words)
{
	for (; *words; words++)
		if (sql_lex_is(lx, *words))
			return true;
	return false;
}

/* Behind INTO: `t` or `s`.`t`; true where it is the wanted one. */
static bool table_is(struct look *l, const char *schema, const char *table)
{
	char first[260] = "", second[260] = "";

	if (!sql_lex_ident(&l->lx, first, sizeof(first)))
		return false;
	l->about->name = l->lx.token;
	sql_lex_next(&l->lx);
	if (sql_lex_is_char(&l->lx, '.')) {
		sql_lex_next(&l->lx);
		if (!sql_lex_ident(&l->lx, second, sizeof(second)))
			return false;
		l->about->name.n = (size_t)(l->lx.token.p + l->lx.token.n - l->about->name.p);
		sql_lex_next(&l->lx);
		if (strcmp(first, schema) != 0)
			return false;
	}
	snprintf(l->about->table, sizeof(l->about->table), "%s", second[0] ? second : first);
	return strcmp(l->about->table, table) == 0;
}

/* Behind the column list, if the head that is looked at holds it whole. */
static void skip_list(struct look *l)
{
	while (l->lx.type != SQL_END && l->lx.type != SQL_BAD && !sql_lex_is_char(&l->lx, ')'))
		sql_lex_next(&l->lx);
	if (sql_lex_is_char(&l->lx, ')'))
		sql_lex_next(&l->lx);
}

static void look_rows(struct look *l, const struct statement *s, const char *schema, const char *table)
{
	bool list, cut;

	if (sql_lex_is(&l->lx, "IGNORE"))
		l->about->ignore = l->lx.token;
	word(l, "IGNORE");
	word(l, "INTO");
	if (!table_is(l, schema, table))
		return;
	list = sql_lex_is_char(&l->lx, '(');
	if (list)
		skip_list(l);
	cut = list && s->text.n > HEAD && (l->lx.type == SQL_END || l->lx.type == SQL_BAD);
	if (!cut && !sql_lex_is(&l->lx, "VALUES") && !sql_lex_is(&l->lx, "VALUE"))
		return;
	l->about->kind = STATEMENT_ROWS;
	l->about->list = list;
	l->about->rows = s->groups - (list && s->groups > 0);
}

/* = '+00:00', and nothing behind it. */
static bool look_zone(struct look *l)
{
	sql_lex_next(&l->lx);
	if (sql_lex_is_char(&l->lx, ':'))
		sql_lex_next(&l->lx);
	if (!sql_lex_is_char(&l->lx, '='))
		return false;
	if (sql_lex_next(&l->lx) != SQL_STRING)
		return false;
	l->about->zone = l->lx.token;
	return sql_lex_next(&l->lx) == SQL_END;
}

/* Modes under which a quote, or a backslash in a text, is something else than we and our session take it for.
 */
static bool changes_quoting(struct str statement)
{
	static const char *const modes[] = {"NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "ANSI,", "ANSI'", "ORACLE",
		"MSSQL", "DB2", "POSTGRESQL", "MAXDB"};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		for (size_t at = 0, n = strlen(modes[i]); at + n <= statement.n; at++)
			if (strncasecmp(statement.p + at, modes[i], n) == 0)
				return true;
	return false;
}

/* The setting's name, whichever way it is written: sql_mode, @@sql_mode, @@SESSION.sql_mode; empty: it is
 * none.
 */
static struct str setting(const struct sql_lexer *lx, bool *global)
{
	static const char *const scopes[] = {"SESSION.", "LOCAL.", "GLOBAL."};
	struct str name = lx->token;

	*global = false;
	if (lx->type != SQL_VARIABLE)
		return lx->type == SQL_WORD ? name : (struct str){0};
	if (!str_starts(name, "@@"))
		return (struct str){0};
	name = (struct str){name.p + 2, name.n - 2};
	for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++) {
		size_t n = strlen(scopes[i]);

		if (name.n <= n || strncasecmp(name.p, scopes[i], n) != 0)
			continue;
		*global = scopes[i][0] == 'G';
		return (struct str){name.p + n, name.n - n};
	}
	return name;
}

/* Behind a setting's value, where the next one's name stands, or at the end. */
static void skip_value(struct look *l)
{
	int depth = 0;

	for (; l->lx.type != SQL_END && l->lx.type != SQL_BAD; sql_lex_next(&l->lx)) {
		depth += sql_lex_is_char(&l->lx, '(') - sql_lex_is_char(&l->lx, ')');
		if (depth == 0 && sql_lex_is_char(&l->lx, ','))
			break;
	}
	if (sql_lex_is_char(&l->lx, ','))
		sql_lex_next(&l->lx);
}

/* Users' variables, and settings that are ours to make: nothing else may stand beside them. */
static bool only_nothing(struct look *l)
{
	static const char *const ours[] = {"FOREIGN_KEY_CHECKS", "UNIQUE_CHECKS", "SQL_MODE", "SQL_NOTES",
		"AUTOCOMMIT", "SQL_LOG_BIN", "INNODB_LOCK_WAIT_TIMEOUT", "NET_READ_TIMEOUT",
		"NET_WRITE_TIMEOUT", "WAIT_TIMEOUT"};

	while (l->lx.type != SQL_END) {
		bool global, good;
		struct str name;

		word(l, "SESSION");
		name = setting(&l->lx, &global);
		good = l->lx.type == SQL_VARIABLE && l->lx.token.n > 1 && l->lx.token.p[1] != '@';
		for (size_t i = 0; !good && i < sizeof(ours) / sizeof(ours[0]); i++)
			good = str_is_ci(name, ours[i]);
		if (!good)
			return false;
		skip_value(l);
	}
	return true;
}

/* Behind NAMES: a charset, its collation, and nothing else. */
static bool look_names(struct look *l)
{
	if (!sql_lex_ident(&l->lx, l->about->names, sizeof(l->about->names)))
		snprintf(l->about->names, sizeof(l->about->names), "%.*s",
			(int)(l->lx.token.n < 31 ? l->lx.token.n : 31), l->lx.token.p ? l->lx.token.p : "");
	sql_lex_next(&l->lx);
	if (word(l, "COLLATE"))
		sql_lex_next(&l->lx);
	return l->lx.type == SQL_END;
}

/* SET: of the session's settings two change what a value means; the others are for us to choose. */
static void look_set(struct look *l, bool cut)
{
	bool global;
	struct str name;

	if (cut || changes_quoting(l->lx.text))
		return;
	word(l, "SESSION");
	name = setting(&l->lx, &global);
	if (word(l, "NAMES"))
		l->about->kind = look_names(l) ? STATEMENT_SESSION : STATEMENT_ALIEN;
	else if (str_is_ci(name, "TIME_ZONE") && !global)
		l->about->kind = look_zone(l) ? STATEMENT_SESSION : STATEMENT_ALIEN;
	else if (sql_lex_is(&l->lx, "TRANSACTION") || only_nothing(l))
		l->about->kind = STATEMENT_NOTHING;
}

void statement_look(
	const struct statement *s, const char *schema, const char *table, struct statement_about *out)
{
	static const char *const nothing[] = {"LOCK", "UNLOCK", "USE", "START", "BEGIN", "COMMIT",
		NULL}; /* each file is applied in transactions of ours */
	struct look l = {.about = out};
	struct str head = s->text;

	*out = (struct statement_about){.kind = STATEMENT_ALIEN};
	if (head.n > HEAD)
		head.n = HEAD;
	sql_lex_init(&l.lx, head, false, 0);
	sql_lex_next(&l.lx);
	if (word(&l, "INSERT")) {
		look_rows(&l, s, schema, table);
	} else if (word(&l, "REPLACE")) {
		out->replaces = true;
		look_rows(&l, s, schema, table);
	} else if (word(&l, "SET")) {
		look_set(&l, s->text.n > head.n);
	} else if (l.lx.type == SQL_END || is_one_of(&l.lx, nothing)) {
		out->kind = STATEMENT_NOTHING;
	} else if (word(&l, "ALTER")) { /* ALTER TABLE t DISABLE KEYS */
		word(&l, "TABLE");
		if (table_is(&l, schema, table) && (word(&l, "DISABLE") || word(&l, "ENABLE")) &&
			word(&l, "KEYS"))
			out->kind = STATEMENT_NOTHING;
	}
}
