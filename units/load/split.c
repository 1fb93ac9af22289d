/*
 * The statements of a chunk file. Pure; called by the chunk's applier. Must never take a byte of a value or
 * of a name for the end of a statement: those come from the upstream's users.
 */
#include "units/load/split.h"

#include <string.h>

/* Behind the closing quote; n where there is none. A backslash takes the next byte with it, but for names. */
static size_t skip_quoted(struct str t, size_t at)
{
	char quote = t.p[at++];

	while (at < t.n && t.p[at] != quote)
		at += t.p[at] == '\\' && quote != '`' ? 2 : 1;
	/* A doubled quote opens the next piece at once: the same to us. */
	return at < t.n ? at + 1 : t.n;
}

static size_t skip_comment(struct str t, size_t at)
{
	const char *end = memmem(t.p + at, t.n - at, "*/", 2);

	return end ? (size_t)(end - t.p) + 2 : t.n;
}

static bool ends_here(struct str t, size_t at)
{
	return t.p[at] == ';' && at + 1 < t.n && t.p[at + 1] == '\n';
}

int split_next(struct split *s, struct str *statement, struct err *e)
{
	struct str t = s->text;
	size_t start = s->at, at = start;

	while (at < t.n && !ends_here(t, at)) {
		if (t.p[at] == '\'' || t.p[at] == '"' || t.p[at] == '`')
			at = skip_quoted(t, at);
		else if (t.p[at] == '/' && at + 1 < t.n && t.p[at + 1] == '*')
			at = skip_comment(t, at + 2);
		else
			at++;
	}
	if (start == t.n)
		return 0;
	if (at >= t.n)
		return err_set(e, ERR_load_failed, "the chunk file ends in the middle of a statement");
	*statement = (struct str){t.p + start, at - start};
	s->at = at + 2;
	return 1;
}

bool split_is_insert(struct str statement)
{
	return str_starts(statement, "INSERT ");
}
