/*
 * Whether a column that is there holds all values of the upstream's. For the check beforehand: strict mode
 * refuses a number that is too large and a text that is too long, but rounds and cuts digits behind the point
 * and fractions of a second without an error.
 */
#include "common/sql/fits.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/sql/value_format.h"

/* "decimal(12,4) unsigned": 12 and 4; how many there are. */
static unsigned numbers_of(const char *type, unsigned out[2])
{
	const char *p = strchr(type, '(');
	unsigned n = 0;

	out[0] = out[1] = 0;
	for (; p && n < 2 && isdigit((unsigned char)p[1]); n++) {
		char *end;

		out[n] = (unsigned)strtoul(p + 1, &end, 10);
		p = *end == ',' ? end : NULL;
	}
	return n + (p ? 1 : 0);
}

static bool is_word(const char *type, const char *word)
{
	size_t n = strlen(word);

	return strncasecmp(type, word, n) == 0 && !isalpha((unsigned char)type[n]);
}

/* --- whole numbers: how many bits the greatest has, and how many digits --- */

static unsigned bits_of(const struct column *c)
{
	static const struct {
		const char *word;
		unsigned bits;
	} known[] = {{"tinyint", 8}, {"smallint", 16}, {"mediumint", 24}, {"int", 32}, {"bigint", 64}};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (is_word(c->type, known[i].word))
			return known[i].bits - (c->is_unsigned ? 0 : 1);
	return 12; /* YEAR */
}

static bool is_year(const struct column *c)
{
	return is_word(c->type, "year");
}

static bool is_signed(const struct column *c)
{
	return !c->is_unsigned && !is_year(c);
}

static unsigned digits_of(const struct column *c)
{
	return bits_of(c) * 301 / 1000 + 1;
}

static enum fit some_unless(bool all)
{
	return all ? FIT_ALL : FIT_SOME;
}

static enum fit other_unless(bool all)
{
	return all ? FIT_ALL : FIT_OTHER;
}

#define LONGEST_TEXT 4294967295

/* How many characters or bytes a text or a binary string there may have. */
static uint64_t room_of(const struct column *c, bool *bytes)
{
	static const struct {
		const char *word;
		uint64_t bytes;
	} known[] = {{"tinytext", 255}, {"tinyblob", 255}, {"text", 65535}, {"blob", 65535},
		{"mediumtext", 16777215}, {"mediumblob", 16777215}, {"longtext", LONGEST_TEXT},
		{"longblob", LONGEST_TEXT}, {"json", LONGEST_TEXT}};
	unsigned n[2];

	*bytes = c->kind == COLUMN_BINARY;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (is_word(c->type, known[i].word)) {
			*bytes = true;
			return known[i].bytes;
		}
	numbers_of(c->type, n);
	return n[0];
}

/* Of values in ASCII, in whatever they are put. */
static enum fit fit_text(const struct column *there, uint64_t chars)
{
	bool bytes;

	if (there->kind != COLUMN_TEXT)
		return FIT_SOME;
	return some_unless(room_of(there, &bytes) >= chars);
}

static enum fit fit_int(const struct column *from, const struct column *there)
{
	unsigned n[2];

	switch (there->kind) {
	case COLUMN_INT:
		return some_unless(
			is_year(from) == is_year(there)
				? bits_of(from) <= bits_of(there) && (!is_signed(from) || is_signed(there))
				: is_year(from) && bits_of(there) >= 12);
	case COLUMN_DECIMAL:
		numbers_of(there->type, n);
		return some_unless(
			n[0] - n[1] >= digits_of(from) && (!is_signed(from) || !there->is_unsigned));
	case COLUMN_DOUBLE:
		return other_unless(bits_of(from) <= 53);
	case COLUMN_FLOAT:
		return other_unless(bits_of(from) <= 24);
	default:
		return fit_text(there, digits_of(from) + is_signed(from));
	}
}

static enum fit fit_decimal(const struct column *from, const struct column *there)
{
	unsigned n[2], m[2];

	numbers_of(from->type, n);
	numbers_of(there->type, m);
	if (there->kind == COLUMN_DECIMAL && m[1] >= n[1])
		return some_unless(m[0] - m[1] >= n[0] - n[1] && (from->is_unsigned || !there->is_unsigned));
	if (there->kind == COLUMN_INT && n[1] == 0)
		return some_unless(!is_year(there) && digits_of(there) > n[0] &&
				   (from->is_unsigned || is_signed(there)));
	if (there->kind == COLUMN_DECIMAL || there->kind == COLUMN_INT || there->kind == COLUMN_FLOAT ||
		there->kind == COLUMN_DOUBLE)
		return FIT_OTHER;
	return fit_text(there, n[0] + 2);
}

/* FLOAT(7,3) rounds. */
static enum fit fit_float(const struct column *from, const struct column *there)
{
	unsigned ignored[2];

	if (there->kind == COLUMN_DOUBLE || there->kind == from->kind)
		return other_unless(
			numbers_of(there->type, ignored) < 2 && (from->is_unsigned || !there->is_unsigned));
	return FIT_OTHER;
}

/* --- times --- */

static bool is_time(const struct column *c)
{
	return c->kind == COLUMN_DATE || c->kind == COLUMN_TIME || c->kind == COLUMN_DATETIME ||
	       c->kind == COLUMN_TIMESTAMP;
}

static enum fit fit_time(const struct column *from, const struct column *there)
{
	enum { LONGEST = 26 };
	unsigned n[2], m[2];

	if (!is_time(there))
		return there->kind == COLUMN_TEXT ? fit_text(there, LONGEST) : FIT_OTHER;
	numbers_of(from->type, n);
	numbers_of(there->type, m);
	if (from->kind == COLUMN_DATE && there->kind == COLUMN_DATETIME)
		return FIT_ALL;
	return other_unless(from->kind == there->kind && m[0] >= n[0]);
}

/* --- texts and bytes --- */

static unsigned bytes_a_character(const char *charset)
{
	static const struct {
		const char *begin;
		unsigned bytes;
	} known[] = {{"utf8mb4", 4}, {"utf16", 4}, {"utf32", 4}, {"gb18030", 4}, {"utf8", 3}, {"ujis", 3},
		{"eucjpms", 3}, {"ucs2", 2}, {"gbk", 2}, {"gb2312", 2}, {"big5", 2}, {"sjis", 2},
		{"cp932", 2}, {"euckr", 2}};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strncasecmp(charset, known[i].begin, strlen(known[i].begin)) == 0)
			return known[i].bytes;
	return 1;
}

/* Charsets that hold every character of every other. */
static bool is_unicode(const char *charset)
{
	return bytes_a_character(charset) == 4;
}

static bool holds_charset(const struct column *from, const struct column *there)
{
	return is_unicode(there->charset) ||
	       (value_same_bytes(from->charset, there->charset) && !is_unicode(from->charset));
}

static bool has_room(const struct column *from, const struct column *there)
{
	bool from_bytes, bytes;
	uint64_t n = room_of(from, &from_bytes), m = room_of(there, &bytes);
	bool recoded = from->kind == COLUMN_TEXT && there->kind == COLUMN_TEXT &&
		       !value_same_bytes(from->charset, there->charset);

	if (bytes && (!from_bytes || recoded))
		n *= bytes_a_character(there->kind == COLUMN_BINARY ? from->charset : there->charset);
	return m >= n || m == LONGEST_TEXT;
}

/* What is fixed in length loses the spaces behind it, or gets bytes. */
static bool is_fixed(const struct column *c)
{
	return is_word(c->type, "char") || is_word(c->type, "binary");
}

static enum fit fit_string(const struct column *from, const struct column *there)
{
	bool bytes;

	if (from->kind == COLUMN_TEXT && there->kind == COLUMN_JSON)
		return some_unless(room_of(from, &bytes) == LONGEST_TEXT); /* MariaDB's JSON */
	if (there->kind != COLUMN_BINARY && (there->kind != COLUMN_TEXT || from->kind != COLUMN_TEXT))
		return FIT_SOME;
	if (!has_room(from, there))
		return FIT_SOME;
	if (there->kind == COLUMN_TEXT && !holds_charset(from, there))
		return FIT_SOME;
	if (there->kind == COLUMN_TEXT)
		return other_unless(!is_fixed(there) || is_fixed(from));
	return other_unless(
		!is_fixed(there) || (is_fixed(from) && room_of(from, &bytes) == room_of(there, &bytes)));
}

/* Members: the list there begins with all of the upstream's. A text gets their names, where they have all. */
static enum fit fit_members(const struct column *from, const struct column *there)
{
	size_t n = strlen(from->type);

	if (there->kind != from->kind)
		return value_format_is_number(value_format_of(from)) || !holds_charset(from, there)
			       ? FIT_SOME
			       : fit_text(there, n);
	return some_unless(n > 0 && strncmp(from->type, there->type, n - 1) == 0 &&
			   (there->type[n - 1] == ')' || there->type[n - 1] == ',') &&
			   holds_charset(from, there));
}

/* Addresses and UUIDs are written as texts, whatever they come into. */
static enum fit fit_address(const struct column *from, const struct column *there)
{
	unsigned chars = from->kind == COLUMN_UUID ? 36 : from->kind == COLUMN_INET4 ? 15 : 39;
	bool bytes;

	if (there->kind != COLUMN_BINARY || room_of(there, &bytes) < chars)
		return fit_text(there, chars);
	return other_unless(!is_fixed(there));
}

/* Types that one family alone has are something else in the other. */
static enum fit fit_special(const struct column *from, const struct column *there)
{
	bool bytes;

	switch (from->kind) {
	case COLUMN_JSON:
		return there->kind == COLUMN_JSON ? FIT_ALL : fit_text(there, LONGEST_TEXT);
	case COLUMN_UUID:
	case COLUMN_INET4:
	case COLUMN_INET6:
		return fit_address(from, there);
	case COLUMN_VECTOR:
		return some_unless(there->kind == COLUMN_BINARY && room_of(there, &bytes) >= 65535);
	case COLUMN_GEOMETRY:
		return some_unless(
			there->kind == COLUMN_GEOMETRY &&
			(is_word(there->type, "geometry") || strcasestr(from->type, "collection")));
	default:
		return FIT_SOME;
	}
}

static bool is_alike(const struct column *from, const struct column *there)
{
	return from->kind == there->kind && strcasecmp(from->type, there->type) == 0 &&
	       (from->kind != COLUMN_TEXT ||
		       (holds_charset(from, there) && value_same_bytes(from->charset, there->charset)));
}

enum fit fit_column(const struct column *from, const struct column *there)
{
	if (is_alike(from, there))
		return FIT_ALL;
	switch (from->kind) {
	case COLUMN_INT:
		return fit_int(from, there);
	case COLUMN_DECIMAL:
		return fit_decimal(from, there);
	case COLUMN_FLOAT:
	case COLUMN_DOUBLE:
		return fit_float(from, there);
	case COLUMN_DATE:
	case COLUMN_TIME:
	case COLUMN_DATETIME:
	case COLUMN_TIMESTAMP:
		return fit_time(from, there);
	case COLUMN_TEXT:
	case COLUMN_BINARY:
		return fit_string(from, there);
	case COLUMN_ENUM:
	case COLUMN_SET:
		return fit_members(from, there);
	case COLUMN_BIT:
		return some_unless(there->kind == COLUMN_BIT && there->length >= from->length);
	default:
		return fit_special(from, there);
	}
}

/* --- keys --- */

/* Two values that are one for a part of the key there are one for the upstream's, too: it looks at no less.
 */
static bool has_part(const struct structure *there, const struct key *k, const char *name, unsigned prefix)
{
	for (unsigned i = 0; i < k->ncolumns; i++)
		if (strcasecmp(there->columns[k->columns[i]].name, name) == 0)
			return !k->prefixes || k->prefixes[i] == 0 ||
			       (prefix > 0 && prefix <= k->prefixes[i]);
	return false;
}

/* Nobody has read the expressions: where all else is one, they are taken to be. */
static bool has_expression(const struct key *k)
{
	return !k->whole && !k->prefixes;
}

static bool may_be_compared(const struct key *ours, const struct key *k)
{
	if (!ours->unique || has_expression(ours) != has_expression(k))
		return false;
	return has_expression(k) ? ours->ncolumns == k->ncolumns && strcasecmp(ours->name, k->name) == 0
				 : ours->ncolumns > 0;
}

/* Are all columns of the upstream's key in the one that is there? */
static bool is_within(const struct structure *from, const struct key *ours, const struct structure *there,
	const struct key *k)
{
	bool within = may_be_compared(ours, k);

	for (unsigned i = 0; within && i < ours->ncolumns; i++)
		within = has_part(there, k, from->columns[ours->columns[i]].name,
			ours->prefixes ? ours->prefixes[i] : 0);
	return within;
}

/* A column that the upstream lacks, which the server counts up by itself. */
static bool counts_by_itself(const struct structure *there, const struct key *k, const struct structure *from)
{
	for (unsigned i = 0; i < k->ncolumns; i++) {
		const struct column *c = &there->columns[k->columns[i]];

		if (c->auto_increment && structure_column(from, c->name) < 0)
			return true;
	}
	return false;
}

/* Names of the servers' differ for collations that are twins: only what ends in _bin is told apart here. */
static bool is_exact(const struct column *c)
{
	size_t n = strlen(c->collation);

	return c->kind != COLUMN_TEXT || (n > 4 && strcasecmp(c->collation + n - 4, "_bin") == 0);
}

static bool compares_coarser(const struct structure *there, const struct key *k, const struct structure *from)
{
	for (unsigned i = 0; i < k->ncolumns; i++) {
		const struct column *c = &there->columns[k->columns[i]];
		int at = structure_column(from, c->name);

		if (at >= 0 && from->columns[at].kind == COLUMN_TEXT && is_exact(&from->columns[at]) &&
			!is_exact(c))
			return true;
	}
	return false;
}

bool fit_key_is_stricter(const struct structure *there, const struct key *k, const struct structure *from)
{
	if (!k->unique || counts_by_itself(there, k, from))
		return false;
	for (unsigned i = 0; i < from->nkeys; i++)
		if (is_within(from, &from->keys[i], there, k))
			return compares_coarser(there, k, from);
	return true;
}
