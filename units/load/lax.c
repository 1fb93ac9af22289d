/*
 * What a server says of a row that went by INSERT IGNORE. The row needs it for an ENUM's error value, but it
 * lets any other value be cut to what fits, too. Called behind such a statement, by the copy and by the load
 * of our files. Must never let a value pass that the downstream did not take as it is.
 */
#include "units/load/lax.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/sql/quote.h"

/* --- which columns have the error value --- */

/* Behind the quoted text or name that starts at `at`; a quote that is doubled begins another one. */
static size_t skip_quoted(struct str t, size_t at)
{
	char quote = t.p[at++];

	for (; at < t.n && t.p[at] != quote; at++)
		if (t.p[at] == '\\' && quote != '`')
			at++;
	return at < t.n ? at + 1 : t.n;
}

/* From `at` on up to a comma or a bracket that closes, of the list that `at` is in. */
static struct str next_part(struct str t, size_t at)
{
	size_t start = at;

	for (unsigned depth = 0; at < t.n; at++) {
		char c = t.p[at];

		if (c == '\'' || c == '"' || c == '`')
			at = skip_quoted(t, at) - 1;
		else if (depth == 0 && (c == ',' || c == ')'))
			break;
		else if (c == '(')
			depth++;
		else if (c == ')')
			depth--;
	}
	return (struct str){t.p + start, at - start};
}

/* Behind the next bracket that opens, outside of names. 0: there is none. */
static size_t into_bracket(struct str t, size_t at)
{
	while (at < t.n && t.p[at] != '(')
		at = t.p[at] == '`' ? skip_quoted(t, at) : at + 1;
	return at < t.n ? at + 1 : 0;
}

/* The ENUM's name as a warning says it. NULL: it is none. */
static const char *enum_called(const struct structure *s, struct str quoted)
{
	struct buf name = {0};
	const char *found = NULL;

	for (unsigned i = 0; i < s->ncolumns && !found; i++) {
		if (s->columns[i].kind != COLUMN_ENUM)
			continue;
		buf_clear(&name);
		sql_put_ident(&name, str_of(s->columns[i].name));
		if (name.n == quoted.n && strncasecmp(name.p, quoted.p, name.n) == 0)
			found = s->columns[i].name;
	}
	buf_free(&name);
	return found;
}

/* Does the text hold 'name'? */
static bool names_it(struct str text, struct str name)
{
	for (size_t i = 0; i + name.n + 2 <= text.n; i++)
		if (text.p[i] == '\'' && text.p[i + name.n + 1] == '\'' &&
			strncasecmp(text.p + i + 1, name.p, name.n) == 0)
			return true;
	return false;
}

bool lax_may_say(const struct structure *s, struct str statement, struct str warning)
{
	size_t names = into_bracket(statement, 0), values;
	struct str name = {0}, value;
	const char *called;

	for (values = names; values; values += value.n + 1) { /* behind the list of names */
		value = next_part(statement, values);
		if (values + value.n >= statement.n || statement.p[values + value.n] == ')')
			break;
	}
	values = values ? into_bracket(statement, values) : 0;
	for (; names && values; names += name.n + 1, values += value.n + 1) {
		name = next_part(statement, names);
		value = next_part(statement, values);
		called = str_is(value, "0") ? enum_called(s, name) : NULL;
		if (called && names_it(warning, str_of(called)))
			return true;
		if (names + name.n >= statement.n || statement.p[names + name.n] == ')')
			break;
	}
	return false;
}

/* --- what was said --- */

/* Says nothing of the row's values. */
static bool is_harmless(const struct str *warning)
{
	static const long known[] = {1287, 1681, 3719, 3778}; /* words and charsets that are deprecated */
	long code = warning[1].p ? strtol(warning[1].p, NULL, 10) : 0;

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (code == known[i])
			return true;
	return str_eq(warning[0], STR_LIT("Note"));
}

static bool is_truncated(const struct str *warning)
{
	enum { TRUNCATED = 1265 };

	return warning[1].p && strtol(warning[1].p, NULL, 10) == TRUNCATED;
}

static int judge(struct db_rows *rows, const struct structure *s, struct str statement, unsigned all,
	bool written, struct err *e)
{
	const struct str *v;
	unsigned seen = 0;
	int r;

	for (; (r = db_fetch(rows, &v, e)) > 0; seen++)
		if (!is_harmless(v) && !(is_truncated(v) && lax_may_say(s, statement, v[2])))
			return err_set(e, ERR_load_failed,
				written ? "a row with an ENUM's error value has another value that the "
					  "downstream does not take as it is: %.*s (%.*s)"
					: "a row went over none: %.*s (%.*s)",
				STR_ARG(v[2]), STR_ARG(v[1]));
	if (r == 0 && seen < all)
		return err_set(e, ERR_load_failed,
			"a row with an ENUM's error value, and %u warnings, of which the server keeps %u "
			"(max_error_count): what else did not fit is not known",
			all, seen);
	return r;
}

int lax_check(struct db *c, const struct structure *s, struct str statement, struct err *e)
{
	unsigned all = db_warnings(c);
	bool written = db_affected(c) != 0;
	struct db_rows *rows;
	int r;

	if (all == 0)
		return 0;
	rows = db_query(c, STR_LIT("SHOW WARNINGS"), e);
	if (!rows)
		return -1;
	r = judge(rows, s, statement, all, written, e);
	db_rows_close(&rows);
	return r < 0 ? -1 : 0;
}
