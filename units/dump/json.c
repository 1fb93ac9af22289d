/*
 * DECIMALs inside of JSON. Pure; called by value.c for MySQL's JSON columns. The text is the server's own,
 * but nothing here relies on it being well-formed: what is odd goes over as text, and the downstream judges.
 */
#include "units/dump/json.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/sql/quote.h"

enum { DEPTH_MAX = 100, NUMBER_MAX = 80 };

/* --- is it a DECIMAL? --- */

/* Digits without sign, point, and zeros at either end; "0" leaves nothing. False: it has an exponent. */
static bool significant(const char *number, char *out)
{
	size_t n = 0;

	for (; *number; number++) {
		if (*number == 'e' || *number == 'E')
			return false;
		if (*number >= '0' && *number <= '9' && (n > 0 || *number != '0'))
			out[n++] = *number;
	}
	while (n > 0 && out[n - 1] == '0')
		n--;
	out[n] = '\0';
	return true;
}

/* The digits of the shortest text that reads back as d: what a server prints of it. */
static void shortest(double d, char *out)
{
	char text[40];

	for (int precision = 0; precision < 17; precision++) {
		snprintf(text, sizeof(text), "%.*e", precision, d);
		if (strtod(text, NULL) == d)
			break;
	}
	*strchr(text, 'e') = '\0';
	significant(text, out);
}

static bool fits_64_bits(const char *number)
{
	errno = 0;
	if (number[0] == '-')
		(void)strtoll(number, NULL, 10);
	else
		(void)strtoull(number, NULL, 10);
	return errno == 0;
}

static bool is_decimal(struct str token)
{
	char number[NUMBER_MAX + 1], mine[NUMBER_MAX + 1], theirs[NUMBER_MAX + 1];
	const char *point;
	size_t n = token.n < NUMBER_MAX ? token.n : NUMBER_MAX;

	memcpy(number, token.p, n);
	number[n] = '\0';
	if (!significant(number, mine))
		return false; /* no DECIMAL is printed with an exponent */
	point = strchr(number, '.');
	if (!point)
		return !fits_64_bits(number);
	if (number[n - 1] == '0' && strcmp(point, ".0") != 0)
		return true;
	shortest(strtod(number, NULL), theirs);
	return strcmp(mine, theirs) != 0;
}

/* --- walking the text --- */

/* Behind the string that starts at `at`; n where it does not end. */
static size_t skip_string(struct str t, size_t at)
{
	for (at++; at < t.n && t.p[at] != '"'; at++)
		if (t.p[at] == '\\')
			at++;
	return at < t.n ? at + 1 : t.n;
}

static bool is_number_char(char c)
{
	return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

static size_t skip_number(struct str t, size_t at)
{
	while (at < t.n && is_number_char(t.p[at]))
		at++;
	return at;
}

static bool starts_number(char c)
{
	return c == '-' || (c >= '0' && c <= '9');
}

bool json_has_decimal(struct str t)
{
	for (size_t at = 0; at < t.n;) {
		size_t start = at;

		if (t.p[at] == '"') {
			at = skip_string(t, at);
		} else if (starts_number(t.p[at])) {
			at = skip_number(t, at);
			if (is_decimal((struct str){t.p + start, at - start}))
				return true;
		} else {
			at++;
		}
	}
	return false;
}

/* Behind the value that starts at `at`: brackets are counted, strings skipped. */
static size_t skip_value(struct str t, size_t at)
{
	unsigned depth = 0;

	do {
		if (t.p[at] == '"') {
			at = skip_string(t, at);
			continue;
		}
		if (starts_number(t.p[at])) {
			at = skip_number(t, at);
			continue;
		}
		depth += t.p[at] == '{' || t.p[at] == '[';
		depth -= (t.p[at] == '}' || t.p[at] == ']') && depth > 0;
		at++;
		while (depth == 0 && at < t.n && t.p[at] >= 'a' && t.p[at] <= 'z') /* true, false, null */
			at++;
	} while (depth > 0 && at < t.n);
	return at;
}

/* --- the expression --- */

/*
 * A literal inside of a comment, whose begin and end a server that skips it must not see: MariaDB lets
 * another one begin in what it skips, and then waits for the ends of both. No byte of either mark is escaped
 * before, and a backslash says nothing to them.
 */
static void put_literal(struct buf *b, struct str text)
{
	struct buf quoted = {0};
	char before = '\0';

	buf_puts(b, "_utf8mb4");
	sql_put_string(&quoted, text);
	buf_room(b, quoted.n);
	for (size_t i = 0; i < quoted.n; i++) {
		char c = quoted.p[i];

		if ((before == '*' && c == '/') || (before == '/' && c == '*'))
			buf_putc(b, '\\');
		buf_putc(b, c);
		before = c;
	}
	buf_free(&quoted);
}

static void put_call(struct buf *b, const char *before, struct str text, const char *after)
{
	buf_puts(b, before);
	put_literal(b, text);
	buf_puts(b, after);
}

static struct str trim(struct str t)
{
	while (t.n > 0 && t.p[0] == ' ') {
		t.p++;
		t.n--;
	}
	while (t.n > 0 && t.p[t.n - 1] == ' ')
		t.n--;
	return t;
}

static bool put_expression(struct buf *b, struct str value, unsigned depth);

/* The inside of {} or []. False: not understood. */
static bool put_members(struct buf *b, struct str t, bool object, unsigned depth)
{
	size_t at = 0;

	while (at < t.n) {
		size_t start = at;

		if (object) {
			if (t.p[at] != '"')
				return false;
			at = skip_string(t, at);
			put_call(b, "JSON_UNQUOTE(", (struct str){t.p + start, at - start}, "),");
			if (at + 1 >= t.n || t.p[at] != ':')
				return false;
			for (at++; at < t.n && t.p[at] == ' ';)
				at++;
			start = at;
		}
		if (at >= t.n)
			return false;
		at = skip_value(t, at);
		if (!put_expression(b, (struct str){t.p + start, at - start}, depth + 1))
			return false;
		if (at < t.n && t.p[at] != ',')
			return false;
		for (at++; at < t.n && t.p[at] == ' ';)
			at++;
		if (at < t.n)
			buf_putc(b, ',');
	}
	return true;
}

static bool put_expression(struct buf *b, struct str value, unsigned depth)
{
	struct str v = trim(value), inside;
	bool object;

	if (v.n == 0 || depth > DEPTH_MAX)
		return false;
	if (!json_has_decimal(v)) {
		put_call(b, "CAST(", v, " AS JSON)");
		return true;
	}
	if (starts_number(v.p[0])) {
		if (skip_number(v, 0) != v.n)
			return false;
		/* Alone, a literal would not be JSON; inside of a call it is. */
		buf_puts(b, depth == 0 ? "CAST(" : "");
		buf_put(b, v.p, v.n);
		buf_puts(b, depth == 0 ? " AS JSON)" : "");
		return true;
	}
	object = v.p[0] == '{';
	if (v.n < 2 || (!object && v.p[0] != '[') || v.p[v.n - 1] != (object ? '}' : ']'))
		return false;
	inside = trim((struct str){v.p + 1, v.n - 2});
	buf_puts(b, object ? "JSON_OBJECT(" : "JSON_ARRAY(");
	if (!put_members(b, inside, object, depth))
		return false;
	buf_putc(b, ')');
	return true;
}

void json_put_value(struct buf *b, struct str text)
{
	size_t start = b->n;

	if (json_has_decimal(text)) {
		/* MySQL executes the first and skips the second; MariaDB the other way round. */
		buf_puts(b, "/*!50708 ");
		if (put_expression(b, text, 0)) {
			buf_puts(b, " *//*M! ");
			put_literal(b, text);
			buf_puts(b, " */");
			return;
		}
		b->n = start;
	}
	buf_puts(b, "_utf8mb4");
	sql_put_string(b, text);
}
