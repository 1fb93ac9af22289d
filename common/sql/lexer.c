/*
 * The one lexer of SQL text: QUERY events, SHOW CREATE output, statements of a user. Called by ddl.c and
 * dialect.c. It knows tokens, not grammar, allocates nothing, and must never read beyond the text: what it is
 * given may come from a hostile server.
 */
#include "common/sql/lexer.h"

#include <stdlib.h>
#include <string.h>

void sql_lex_init(struct sql_lexer *lx, struct str text, bool mariadb, uint32_t version)
{
	*lx = (struct sql_lexer){.text = text, .mariadb = mariadb, .version = version ? version : UINT32_MAX};
}

static unsigned char byte_at(const struct sql_lexer *lx, size_t at)
{
	return at < lx->text.n ? (unsigned char)lx->text.p[at] : 0;
}

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(unsigned char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_ident(unsigned char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' ||
	       c >= 0x80;
}

static bool is_space(unsigned char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Of "! 80016" at `at` (the bang): the digits of a version, 5 or 6 of them, else none. */
static unsigned version_digits(const struct sql_lexer *lx, size_t at, uint32_t *version)
{
	unsigned n = 0;

	*version = 0;
	while (n < 6 && is_digit(byte_at(lx, at + n)))
		*version = *version * 10 + (uint32_t)(byte_at(lx, at + n++) - '0');
	return n >= 5 ? n : 0;
}

size_t sql_lex_version_comment(const struct sql_lexer *lx, size_t at)
{
	bool own = lx->mariadb && byte_at(lx, at + 2) == 'M' && byte_at(lx, at + 3) == '!';
	size_t bang = at + (own ? 3 : 2);
	uint32_t version;
	unsigned digits;

	if (byte_at(lx, at) != '/' || byte_at(lx, at + 1) != '*' || byte_at(lx, bang) != '!')
		return 0;
	digits = version_digits(lx, bang + 1, &version);
	if (digits && version > lx->version)
		return 0;
	if (digits && lx->mariadb && !own && version >= 50700 && version <= 99999)
		return 0;
	return bang + 1 + digits - at;
}

/* Behind the next star-slash; inside a version comment that is skipped, one level of plain comments may be
 * nested. */
static size_t block_end(const struct sql_lexer *lx, size_t at, bool nested)
{
	while (at + 1 < lx->text.n) {
		if (byte_at(lx, at) == '*' && byte_at(lx, at + 1) == '/')
			return at + 2;
		if (nested && byte_at(lx, at) == '/' && byte_at(lx, at + 1) == '*') {
			at = block_end(lx, at + 2, false);
			if (!at)
				return 0;
		} else {
			at++;
		}
	}
	return 0;
}

static size_t line_end(const struct sql_lexer *lx, size_t at)
{
	const char *nl = memchr(lx->text.p + at, '\n', lx->text.n - at);

	return nl ? (size_t)(nl - lx->text.p) + 1 : lx->text.n;
}

size_t sql_lex_comment_end(const struct sql_lexer *lx, size_t at)
{
	unsigned char c = byte_at(lx, at), d = byte_at(lx, at + 1), f = byte_at(lx, at + 2);

	if (c == '#')
		return line_end(lx, at);
	if (c == '-' && d == '-' && (at + 2 >= lx->text.n || is_space(f) || f < ' '))
		return line_end(lx, at);
	if (c == '/' && d == '*')
		return block_end(
			lx, at + 2, f == '!' || (lx->mariadb && f == 'M' && byte_at(lx, at + 3) == '!'));
	return at;
}

/* Skips white space, comments, and the marks of version comments that are executed. False: a comment is not
 * closed. */
static bool skip_gap(struct sql_lexer *lx)
{
	for (;;) {
		unsigned char c = byte_at(lx, lx->at);
		size_t end;

		if (lx->at >= lx->text.n)
			return lx->in_version_comment == 0;
		if (is_space(c)) {
			lx->at++;
			continue;
		}
		if (lx->in_version_comment && c == '*' && byte_at(lx, lx->at + 1) == '/') {
			lx->in_version_comment--;
			lx->at += 2;
			continue;
		}
		end = sql_lex_version_comment(lx, lx->at);
		if (end) {
			lx->in_version_comment++;
			lx->at += end;
			continue;
		}
		end = sql_lex_comment_end(lx, lx->at);
		if (end == lx->at)
			return true;
		if (!end)
			return false;
		lx->at = end;
	}
}

static enum sql_token token(struct sql_lexer *lx, enum sql_token type, size_t end)
{
	lx->type = type;
	lx->token = (struct str){lx->text.p + lx->token_at, end - lx->token_at};
	lx->at = end;
	return type;
}

/* The offset behind the quoted text that begins at `at`; 0 where it is not closed. */
static size_t quoted_end(const struct sql_lexer *lx, size_t at, bool backslash)
{
	unsigned char quote = byte_at(lx, at++);

	for (; at < lx->text.n; at++) {
		unsigned char c = byte_at(lx, at);

		if (c == '\\' && backslash)
			at++;
		else if (c == quote && byte_at(lx, at + 1) == quote)
			at++;
		else if (c == quote)
			return at + 1;
	}
	return 0;
}

static enum sql_token quoted(struct sql_lexer *lx)
{
	unsigned char quote = byte_at(lx, lx->at);
	bool ident = quote == '`' || (quote == '"' && lx->ansi_quotes);
	size_t end = quoted_end(lx, lx->at, !ident && !lx->no_backslash_escapes);

	if (!end)
		return token(lx, SQL_BAD, lx->text.n);
	return token(lx, ident ? SQL_IDENT : SQL_STRING, end);
}

static enum sql_token variable(struct sql_lexer *lx)
{
	size_t at = lx->at + 1;

	if (byte_at(lx, at) == '@')
		at++;
	if (byte_at(lx, at) == '`' || byte_at(lx, at) == '\'' || byte_at(lx, at) == '"') {
		bool backslash = byte_at(lx, at) != '`' && !lx->no_backslash_escapes;
		size_t end = quoted_end(lx, at, backslash);

		return end ? token(lx, SQL_VARIABLE, end) : token(lx, SQL_BAD, lx->text.n);
	}
	while (is_ident(byte_at(lx, at)) || byte_at(lx, at) == '.')
		at++;
	return token(lx, SQL_VARIABLE, at);
}

static size_t ident_end(const struct sql_lexer *lx, size_t at)
{
	while (is_ident(byte_at(lx, at)))
		at++;
	return at;
}

static size_t exponent_end(const struct sql_lexer *lx, size_t at)
{
	size_t p = at + 1;

	if (byte_at(lx, at) != 'e' && byte_at(lx, at) != 'E')
		return at;
	if (byte_at(lx, p) == '+' || byte_at(lx, p) == '-')
		p++;
	if (!is_digit(byte_at(lx, p)))
		return at;
	while (is_digit(byte_at(lx, p)))
		p++;
	return p;
}

/* 0x1F and 0b01, which may not run on as a word: 0. */
static size_t based_end(const struct sql_lexer *lx, size_t at)
{
	size_t p = at + 2;

	if (byte_at(lx, at) != '0')
		return 0;
	if (byte_at(lx, at + 1) == 'x') {
		while (is_hex(byte_at(lx, p)))
			p++;
	} else if (byte_at(lx, at + 1) == 'b') {
		while (byte_at(lx, p) == '0' || byte_at(lx, p) == '1')
			p++;
	}
	return p > at + 2 && !is_ident(byte_at(lx, p)) ? p : 0;
}

/* What begins with a digit: a number, or a name such as 2024_orders. */
static enum sql_token number(struct sql_lexer *lx)
{
	size_t at = lx->at, end = based_end(lx, at);

	if (end)
		return token(lx, SQL_NUMBER, end);
	while (is_digit(byte_at(lx, at)))
		at++;
	end = exponent_end(lx, at);
	if (end != at)
		return token(lx, SQL_NUMBER, end);
	if (is_ident(byte_at(lx, at)))
		return token(lx, SQL_WORD, ident_end(lx, at));
	if (byte_at(lx, at) == '.') {
		at++;
		while (is_digit(byte_at(lx, at)))
			at++;
		at = exponent_end(lx, at);
	}
	return token(lx, SQL_NUMBER, at);
}

enum sql_token sql_lex_next(struct sql_lexer *lx)
{
	size_t last_end = lx->token_at + lx->token.n;
	bool named = lx->type == SQL_WORD || lx->type == SQL_IDENT, dot = sql_lex_is_char(lx, '.');
	bool adjacent, closed = skip_gap(lx);
	unsigned char c = byte_at(lx, lx->at);

	adjacent = lx->token.p && last_end == lx->at;
	lx->token_at = lx->at;
	if (!closed)
		return token(lx, SQL_BAD, lx->text.n);
	if (lx->at >= lx->text.n)
		return token(lx, SQL_END, lx->text.n);
	if (c == '\'' || c == '"' || c == '`')
		return quoted(lx);
	if (c == '@')
		return variable(lx);
	/* Behind a dot a name may begin with, or be, digits: db.2024 */
	if (is_digit(c) && !(dot && adjacent))
		return number(lx);
	if (is_ident(c))
		return token(lx, SQL_WORD, ident_end(lx, lx->at));
	if (c == '.' && is_digit(byte_at(lx, lx->at + 1)) && !named) {
		size_t end = lx->at + 1;

		while (is_digit(byte_at(lx, end)))
			end++;
		return token(lx, SQL_NUMBER, exponent_end(lx, end));
	}
	return token(lx, SQL_CHAR, lx->at + 1);
}

bool sql_lex_ident(const struct sql_lexer *lx, char *out, size_t size)
{
	struct str raw = lx->token;
	size_t n = 0;
	char quote = 0;

	if ((lx->type != SQL_WORD && lx->type != SQL_IDENT) || size == 0)
		return false;
	if (lx->type == SQL_IDENT) {
		quote = raw.p[0];
		raw = (struct str){raw.p + 1, raw.n - 2};
	}
	for (size_t i = 0; i < raw.n; i++) {
		if (n + 1 >= size || raw.p[i] == 0)
			return false;
		out[n++] = raw.p[i];
		if (quote && raw.p[i] == quote)
			i++;
	}
	out[n] = 0;
	return n > 0;
}

bool sql_lex_is(const struct sql_lexer *lx, const char *keyword)
{
	return lx->type == SQL_WORD && str_is_ci(lx->token, keyword);
}

bool sql_lex_is_charset(const struct sql_lexer *lx)
{
	return sql_lex_is(lx, "CHARSET") || sql_lex_is(lx, "CHARACTER") || sql_lex_is(lx, "COLLATE");
}

bool sql_lex_is_char(const struct sql_lexer *lx, char c)
{
	return lx->type == SQL_CHAR && lx->token.n == 1 && lx->token.p[0] == c;
}
