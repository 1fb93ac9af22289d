/*
 * Generated columns whose value in the stream is what the downstream makes of the row: the same expression
 * over columns of the same types. Between two families only sums of whole numbers are trusted. Called by
 * hash.c; by table.c for those that may not be what the upstream has.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "common/base/buf.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "units/sync/hash.h"

/* MySQL puts the whole in parentheses, MariaDB does not. */
static struct str bare(const char *z)
{
	struct str s = str_of(z);

	while (s.n > 2 && s.p[0] == '(' && s.p[s.n - 1] == ')') {
		int depth = 0;
		size_t i = 0;

		do
			depth += s.p[i] == '(' ? 1 : s.p[i] == ')' ? -1 : 0;
		while (depth > 0 && ++i < s.n);
		if (i + 1 != s.n)
			break;
		s = (struct str){s.p + 1, s.n - 2};
	}
	return s;
}

/* `a` * 2 + (`b` - 1): no word but names in backticks. */
static bool is_sum(struct str s)
{
	bool name = false;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '`')
			name = !name;
		else if (!name && !isdigit((unsigned char)c) && !memchr(" +-*()", c, 6))
			return false;
	}
	return !name;
}

static bool same_type(const struct column *up, const struct column *down)
{
	if (up->kind != down->kind || up->is_unsigned != down->is_unsigned)
		return false;
	/* int(11) and int are one. */
	if (hash_is_int(up) && hash_is_int(down))
		return strcspn(up->type, "( ") == strcspn(down->type, "( ") &&
		       strncasecmp(up->type, down->type, strcspn(up->type, "( ")) == 0;
	return strcasecmp(up->type, down->type) == 0 && table_same_charset(up->charset, down->charset) &&
	       strcmp(up->collation, down->collation) == 0;
}

static bool names(struct str s, const char *column)
{
	size_t n = strlen(column);

	for (size_t i = 0; i + n + 2 <= s.n; i++)
		if (s.p[i] == '`' && s.p[i + n + 1] == '`' && strncasecmp(s.p + i + 1, column, n) == 0)
			return true;
	return false;
}

/* Each column in it is of one type on both sides, and nothing that was made itself; no TIMESTAMP, whose day
 * or hour is another one in another session's time zone. */
static bool same_columns(const struct table *t, struct str s, bool ints)
{
	for (unsigned i = 0; i < t->up->ncolumns; i++) {
		const struct column *c = &t->up->columns[i];
		int at = names(s, c->name) ? structure_column(t->down, c->name) : 0;

		if (!names(s, c->name))
			continue;
		if (at < 0 || c->generated || t->down->columns[at].generated || c->kind == COLUMN_TIMESTAMP ||
			!same_type(c, &t->down->columns[at]) || (ints && !hash_is_int(c)))
			return false;
	}
	return true;
}

bool derived_same(const struct table *t, const struct column *up, const struct column *down)
{
	struct str a, b;
	bool sum;

	if (!up->generated || !up->expression || !down->expression || !same_type(up, down))
		return false;
	a = bare(up->expression);
	b = bare(down->expression);
	sum = is_sum(a) && hash_is_int(up);
	return str_eq(a, b) && (sum || t->from == t->to) && same_columns(t, a, sum);
}

/* Seconds since 1970 are no time of a zone. */
static bool takes_seconds(struct str s, size_t at, size_t end)
{
	struct str before = STR_LIT("unix_timestamp(");

	return at >= before.n && strncasecmp(s.p + at - before.n, before.p, before.n) == 0 && end < s.n &&
	       s.p[end] == ')';
}

static bool takes_time(struct str s, const char *column)
{
	size_t n = strlen(column);

	for (size_t i = 0; i + n + 2 <= s.n; i++)
		if (s.p[i] == '`' && s.p[i + n + 1] == '`' && strncasecmp(s.p + i + 1, column, n) == 0 &&
			!takes_seconds(s, i, i + n + 2))
			return true;
	return false;
}

static const struct column *stamp_of(const struct structure *s, const char *expression)
{
	for (unsigned i = 0; i < s->ncolumns; i++)
		if (s->columns[i].kind == COLUMN_TIMESTAMP &&
			takes_time(str_of(expression), s->columns[i].name))
			return &s->columns[i];
	return NULL;
}

/* Once, though a table is learnt anew behind each DDL. */
static bool is_said(struct tables *ts, const struct table *t, const struct column *c)
{
	struct buf key = {0};
	bool said;

	if (!ts->derived_said)
		ts->derived_said = map_new();
	buf_putf(&key, "%s %s %s", t->head, c->name, c->expression);
	said = map_put(ts->derived_said, buf_str(&key), ts) != NULL;
	buf_free(&key);
	return said;
}

/* The TIMESTAMP that a stored column of both sides is made of. A virtual one is made when it is read, on both
 * sides; one of the downstream's own is nobody's copy. */
static const struct column *stamp_behind(const struct table *t, const struct column *c)
{
	int up = c->generated && !c->is_virtual && c->expression ? structure_column(t->up, c->name) : -1;

	return up >= 0 && t->up->columns[up].generated ? stamp_of(t->down, c->expression) : NULL;
}

void derived_warn(struct tables *ts, const struct table *t)
{
	for (unsigned i = 0; i < t->down->ncolumns; i++) {
		const struct column *c = &t->down->columns[i], *stamp = stamp_behind(t, c);

		if (stamp && stamp != c && !is_said(ts, t, c))
			log_warn("%s: the stored column `%s` is generated out of the TIMESTAMP `%s`: the "
				 "downstream makes it in UTC, the upstream in the time zone of whoever wrote "
				 "the row, so its value may be another one",
				t->head, c->name, stamp->name);
	}
}
