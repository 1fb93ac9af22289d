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

static bool is_string(const struct tr *t, size_t i)
{
	return i < t->n && t->t[i].type == SQL_STRING;
}

static bool is_charset(const struct tr *t, size_t i)
{
	return i + 1 < t->n && t->t[i].type == SQL_WORD && tr_text(t, i).p[0] == '_';
}

/* 'a' 'b' is 'ab'. */
static size_t strings_end(const struct tr *t, size_t i)
{
	while (is_string(t, i))
		i++;
	return i;
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
	if (is_charset(t, i)) /* _latin1 x'…' */
		return value_end(t, i + 1);
	if (is_string(t, i))
		return strings_end(t, i);
	if (t->t[i].type != SQL_WORD && t->t[i].type != SQL_IDENT)
		return i + 1;
	if (is_string(t, i + 1) && !tr_is(t, i, "NULL")) /* b'…', x'…', N'…', DATE'…' */
		return strings_end(t, i + 1);
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
	return is_string(t, end - 1);
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
			"are there their values: add it without the default, and fill it by hand or copy the "
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

static bool is_number_type(const char *type)
{
	static const char *const types[] = {"tinyint", "smallint", "mediumint", "int", "integer", "bigint",
		"int1", "int2", "int3", "int4", "int8", "middleint", "bool", "boolean", "decimal", "dec",
		"numeric", "fixed", "float", "float4", "float8", "double", "real", "year", "serial"};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (str_is_ci(str_of(type), types[i]))
			return true;
	}
	return false;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

enum { MOST_TEXT = 63 };

/* What of MariaDB's x'…' is a number is digits and signs, nothing that a literal must escape. */
static bool text_of(struct str hex, char text[MOST_TEXT + 1])
{
	size_t n = 0;

	for (; hex.n >= 2; hex.p += 2, hex.n -= 2, n++) {
		if (n == MOST_TEXT)
			return false;
		text[n] = (char)(hex_digit(hex.p[0]) << 4 | hex_digit(hex.p[1]));
		if (text[n] < ' ' || text[n] > '~' || text[n] == '\'' || text[n] == '\\')
			return false;
	}
	text[n] = '\0';
	return true;
}

/* As a number, x'31' is 49 in MySQL and 1 in MariaDB, to which it is text; 0x31 is 49 in both, and '1' where
 * the column is text: so SET DEFAULT, which says no type (""), is written the same way. */
static int same_number(struct tr *t, size_t i, size_t end, const char *type)
{
	bool from = t->from->flavor == FLAVOR_MARIADB, to = t->to->flavor == FLAVOR_MARIADB;
	char text[MOST_TEXT + 1];
	struct str hex;

	if (from == to || end != i + 2 || !tr_is(t, i, "x") || !is_string(t, i + 1) ||
		(type[0] && !is_number_type(type)))
		return 0;
	hex = tr_text(t, i + 1);
	hex = (struct str){hex.p + 1, hex.n - 2};
	if (hex.n == 0)
		return 0;
	if (from && !text_of(hex, text))
		return type[0] ? tr_fail(t, "the default x'…' of a number is another one in the target") : 0;
	tr_drop(t, i + 1, end);
	if (from)
		tr_replace(t, i, "'%s'", text);
	else
		tr_replace(t, i, "0x%.*s", STR_ARG(hex));
	return 0;
}

/* DEFAULT DATE'…' is MariaDB's alone; a time is read out of the text as well. */
static void without_type(struct tr *t, size_t i, size_t end)
{
	if (t->from->flavor == FLAVOR_MARIADB && t->to->flavor != FLAVOR_MARIADB && is_string(t, end - 1) &&
		(tr_is(t, i, "DATE") || tr_is(t, i, "TIME") || tr_is(t, i, "TIMESTAMP")))
		tr_drop(t, i, end - 1);
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
	if (same_number(t, at + 1, *end, type) < 0)
		return -1;
	if (!is_text_type(type)) /* these have it as an expression */
		without_type(t, at + 1, *end);
	return adapt(t, at, *end, type);
}
