/*
 * Divides what an operator typed into DDL statements. Called by the command line, so that a mistake is told
 * where it was made, not when the stream comes to its place.
 */
#include "common/sql/split.h"

#include <stdlib.h>

#include "common/base/xalloc.h"
#include "common/sql/ddl.h"
#include "common/sql/lexer.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct str trim(struct str s)
{
	while (s.n > 0 && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

static int take(
	struct str s, int (*fn)(void *arg, struct str statement, struct err *e), void *arg, struct err *e)
{
	/* Any server: only verb and names are looked at. */
	const struct server any = {.flavor = FLAVOR_MYSQL};
	struct sql_ddl *ddl = xcalloc(1, sizeof(*ddl));
	int r = sql_ddl_read(s, &any, 0, ddl, e);

	if (r == 0 && (!sql_verb_is_ddl(ddl->verb) || ddl->as_select))
		r = err_set(e, ERR_sql_parse, "no DDL statement of tables, databases or indexes: %.*s",
			s.n > 200 ? 200 : (int)s.n, s.p);
	free(ddl);
	return r < 0 ? -1 : fn(arg, s, e);
}

int sql_split_ddl(
	struct str text, int (*fn)(void *arg, struct str statement, struct err *e), void *arg, struct err *e)
{
	struct sql_lexer lx;
	size_t from = 0;
	unsigned n = 0;

	sql_lex_init(&lx, text, false, 0);
	while (from < text.n) {
		enum sql_token t = sql_lex_next(&lx);
		size_t to = t == SQL_END ? text.n : lx.token_at;
		struct str s = trim((struct str){text.p + from, to - from});

		if (t == SQL_BAD)
			return err_set(e, ERR_sql_parse, "an unclosed quote or comment: %.*s",
				text.n > 200 ? 200 : (int)text.n, text.p);
		if (t != SQL_END && !sql_lex_is_char(&lx, ';'))
			continue;
		if (s.n > 0 && take(s, fn, arg, e) < 0)
			return -1;
		n += s.n > 0;
		from = to + 1;
	}
	return n ? 0 : err_set(e, ERR_sql_parse, "no statement");
}
