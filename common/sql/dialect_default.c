/*
 * DEFAULT clauses. Rules of sql_translate: MariaDB writes expressions bare, MySQL wants parentheses; what a
 * type may have as a default differs. A default that the target can't have is dropped and said where rows
 * never need it (they come with all columns).
 */
#include <string.h>

#include "common/sql/translate.h"

static bool is_text_type(const char *type)
{
	static const char *const types[] = {"tinytext", "text", "mediumtext", "longtext", "tinyblob", "blob",
		"mediumblob", "longblob", "json", "geometry", "point", "linestring", "polygon", "multipoint",
		"multilinestring", "multipolygon", "geometrycollection", "geomcollection"};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (str_is_ci(str_of(type), types[i]))
			return true;
	}
	return false;
}

static bool is_now(const struct tr *t, size_t i)
{
	return tr_is(t, i, "CURRENT_TIMESTAMP") || tr_is(t, i, "NOW") || tr_is(t, i, "LOCALTIME") ||
	       tr_is(t, i, "LOCALTIMESTAMP");
}

static bool is_null(const struct tr *t, size_t i)
{
	return tr_is(t, i, "NULL");
}

/* The token behind the default's value, which begins at i. */
static size_t value_end(const struct tr *t, size_t i)
{
	if (tr_is_char(t, i, '-') || tr_is_char(t, i, '+'))
		return i + 2;
	if (tr_is_char(t, i, '('))
		return tr_close(t, i) + 1;
	if (tr_is(t, i, "NEXT") && tr_is(t, i + 1, "VALUE"))
		return i + 4;
	if (t->t[i].type != SQL_WORD && t->t[i].type != SQL_IDENT)
		return i + 1;
	if (i + 1 < t->n && t->t[i + 1].type == SQL_STRING &&
		!tr_is(t, i, "NULL")) /* b'…', x'…', _utf8mb4'…', DATE'…' */
		return i + 2;
	while (tr_is_char(t, i + 1, '.') && tr_is_name(t, i + 2))
		i += 2;
	return tr_is_char(t, i + 1, '(') ? tr_close(t, i + 1) + 1 : i + 1;
}

static bool is_literal(const struct tr *t, size_t i, size_t end)
{
	if (t->t[i].type == SQL_STRING || t->t[i].type == SQL_NUMBER || t->t[i].type == SQL_CHAR)
		return !tr_is_char(t, i, '(');
	if (tr_is(t, i, "NULL") || tr_is(t, i, "TRUE") || tr_is(t, i, "FALSE"))
		return true;
	return end == i + 2 && t->t[i + 1].type == SQL_STRING;
}

static int no_sequences(struct tr *t, size_t i, size_t end)
{
	for (; i < end; i++) {
		bool next = tr_is(t, i, "NEXT") && tr_is(t, i + 1, "VALUE");

		if (next || ((tr_is(t, i, "nextval") || tr_is(t, i, "lastval")) && tr_is_char(t, i + 1, '(')))
			return tr_fail(t, "the default is a sequence, which the target does not know; make "
					  "the table by hand, with "
					  "AUTO_INCREMENT or without the default");
	}
	return 0;
}

/* uuid_to_bin(uuid()), the usual default of a BINARY(16), for servers that lack the function. */
static int without_uuid_to_bin(struct tr *t, size_t i, size_t end)
{
	for (; i < end; i++) {
		if (!tr_is(t, i, "uuid_to_bin"))
			continue;
		if (!(tr_is_char(t, i + 1, '(') && tr_is(t, i + 2, "uuid") && tr_is_char(t, i + 3, '(') &&
			    tr_is_char(t, i + 4, ')') && tr_is_char(t, i + 5, ')')))
			return tr_fail(t, "the target has no function uuid_to_bin; make the table by hand");
		tr_replace(t, i, "unhex(replace(uuid(),'-',''))");
		tr_drop(t, i + 1, i + 6);
	}
	return 0;
}

static void wrap(struct tr *t, size_t i, size_t end)
{
	struct str text = t->t[i].text ? str_of(t->t[i].text) : tr_text(t, i);

	tr_replace(t, i, "(%.*s", STR_ARG(text));
	tr_append(t, end - 1, ")");
}

/* NOT NULL of the column whose DEFAULT is at `at`. */
static bool is_not_null(const struct tr *t, size_t at)
{
	int depth = t->t[at].depth;
	size_t i = at;

	while (i > 0 && t->t[i - 1].depth == depth && !tr_is_char(t, i - 1, ','))
		i--;
	for (; i < t->n && t->t[i].depth >= depth && !(t->t[i].depth == depth && tr_is_char(t, i, ',')); i++)
		if (tr_is(t, i, "NOT") && tr_is(t, i + 1, "NULL"))
			return true;
	return false;
}

/* A NOT NULL column of text that is added without a default is '' in the rows that are there. */
static bool is_implied(const struct tr *t, size_t at, size_t end)
{
	return end == at + 2 && t->t[at + 1].type == SQL_STRING && t->t[at + 1].len == 2 &&
	       is_not_null(t, at);
}

static int drop_default(struct tr *t, size_t at, size_t end)
{
	struct str text = {t->source.p + t->t[at].at, t->t[end - 1].at + t->t[end - 1].len - t->t[at].at};

	if (t->adding && !is_implied(t, at, end))
		return tr_fail(t,
			"the new column's default, which the target can't have (%.*s), gave the rows that "
			"are "
			"there their values: add it without the default, and fill it by hand or copy the "
			"table again",
			(int)(text.n < 120 ? text.n : 120), text.p);
	tr_note(t, "dropped %.*s", (int)(text.n < 120 ? text.n : 120), text.p);
	tr_drop(t, at, end);
	return 0;
}

static int adapt(struct tr *t, size_t at, size_t end, const char *type)
{
	bool bare_target = knows(t->to, FEATURE_default_bare), text = is_text_type(type);
	bool literal = is_literal(t, at + 1, end), parens = tr_is_char(t, at + 1, '(');

	if (bare_target || is_null(t, at + 1))
		return 0;
	if (text && !knows(t->to, FEATURE_default_text_expression))
		return drop_default(t, at, end);
	if (text ? !parens : !literal && !parens) {
		bool time = str_is_ci(str_of(type), "timestamp") || str_is_ci(str_of(type), "datetime");

		if (time && is_now(t, at + 1))
			return 0;
		if (!knows(t->to, FEATURE_default_expression))
			return drop_default(t, at, end);
		wrap(t, at + 1, end);
	}
	return 0;
}

int tr_default(struct tr *t, size_t at, const char *type, size_t *end)
{
	if (at + 1 >= t->n)
		return tr_fail(t, "DEFAULT without a value");
	*end = value_end(t, at + 1);
	if (*end > t->n)
		*end = t->n;
	if (!knows(t->to, FEATURE_default_sequence) && no_sequences(t, at, *end) < 0)
		return -1;
	if (!knows(t->to, FEATURE_uuid_to_bin) && without_uuid_to_bin(t, at, *end) < 0)
		return -1;
	return adapt(t, at, *end, type);
}
