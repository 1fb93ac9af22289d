/*
 * Are two tables alike, by what their CREATE TABLE statements say? For those that routes merge: the load
 * before it makes the target, and the check before that.
 */
#include "common/sql/alike.h"

#include <string.h>

#include "common/sql/lexer.h"

/* Bytes of a line that are shown: before the difference, and in all. */
enum { BEFORE = 30, SHOWN = 100 };

static void start(struct sql_lexer *lx, struct str create, const struct server *from)
{
	sql_lex_init(lx, create, from->flavor == FLAVOR_MARIADB, from->version);
}

/* The next token; how deep in parentheses it stands. False: there is none. */
static bool next(struct sql_lexer *lx, int *depth)
{
	if (sql_lex_next(lx) == SQL_END || lx->type == SQL_BAD)
		return false;
	*depth += sql_lex_is_char(lx, '(') - sql_lex_is_char(lx, ')');
	return true;
}

/* From its columns on, without " AUTO_INCREMENT=7" behind them. */
static struct buf without_counter(struct str create, const struct server *from)
{
	struct sql_lexer lx;
	struct buf out = {0};
	size_t copied = 0;
	int depth = 0;

	start(&lx, create, from);
	while (next(&lx, &depth)) {
		size_t at = lx.token_at;

		if (depth == 1 && copied == 0)
			copied = at;
		if (depth != 0 || copied == 0 || !sql_lex_is(&lx, "AUTO_INCREMENT"))
			continue;
		buf_put(&out, create.p + copied, at - 1 - copied);
		sql_lex_next(&lx); /* = */
		sql_lex_next(&lx);
		copied = lx.token_at + lx.token.n;
	}
	buf_put(&out, create.p + copied, create.n - copied);
	buf_cstr(&out);
	return out;
}

static bool is_inside(char c)
{
	return ((unsigned char)c & 0xC0) == 0x80;
}

/* Of the line that begins at `line` what is near `at`, whole letters. */
static void put_near(const char *text, size_t line, size_t at, struct buf *why)
{
	size_t from = line + strspn(text + line, " "), n;
	bool late = at > from + BEFORE;

	for (from = late ? at - BEFORE : from; is_inside(text[from]);)
		from++;
	n = strcspn(text + from, "\n");
	for (n = n > SHOWN ? SHOWN : n; n > 0 && is_inside(text[from + n]);)
		n--;
	buf_puts(why, late ? "\"…" : "\"");
	buf_put(why, text + from, n);
	buf_putc(why, '"');
}

static void put_difference(const char *a, const char *b, struct buf *why)
{
	size_t line = 0, at = 0;

	for (; a[at] == b[at] && b[at]; at++)
		if (b[at] == '\n')
			line = at + 1;
	put_near(a, line, at, why);
	buf_puts(why, " of the first is ");
	put_near(b, line, at, why);
	buf_puts(why, " of the second");
}

bool alike(struct str a, struct str b, const struct server *from, struct buf *why)
{
	struct buf x = without_counter(a, from), y = without_counter(b, from);
	bool same = x.n == y.n && memcmp(x.p, y.p, x.n) == 0;

	if (!same)
		put_difference(x.p, y.p, why);
	buf_free(&x);
	buf_free(&y);
	return same;
}

bool alike_counts(struct str create, const struct server *from)
{
	struct sql_lexer lx;
	int depth = 0;

	start(&lx, create, from);
	while (next(&lx, &depth))
		if (depth == 1 && sql_lex_is(&lx, "AUTO_INCREMENT"))
			return true;
	return false;
}
