/*
 * Values as hashes for the scheduler: numbers and bytes as they are, ASCII text with its case folded. What
 * can't be said simply is said to be open, and its user waits for all others. Called by the scheduler's
 * thread.
 */
#include "units/sync/hash.h"

#include <string.h>
#include <strings.h>
#include <xxhash.h>

#include "common/base/utf8.h"

uint64_t hash_name(uint64_t seed, const char *z)
{
	char low[520];
	size_t n = 0;

	for (; z[n] && n < sizeof(low); n++)
		low[n] = (char)(z[n] >= 'A' && z[n] <= 'Z' ? z[n] + 32 : z[n]);
	return XXH3_64bits_withSeed(low, n, seed);
}

/* --- columns --- */

/* "utf8mb4_0900_ai_ci" … : collations whose rules for printable ASCII are: case, and nothing else. Those of
 * languages have more (Lithuanian: i = y, Hungarian: ccs = cscs). */
static bool folds_ascii(const char *collation)
{
	static const char *const charsets[] = {"utf8mb4_", "utf8mb3_", "utf8_", "latin1_", "ascii_"};
	static const char *const rules[] = {"general_ci", "general_nopad_ci", "general_cs", "unicode_ci",
		"unicode_nopad_ci", "unicode_520_ci", "unicode_520_nopad_ci", "0900_ai_ci", "0900_as_ci",
		"0900_as_cs", "swedish_ci", "uca1400_ai_ci", "uca1400_as_ci", "uca1400_ai_cs",
		"uca1400_as_cs", "uca1400_nopad_ai_ci", "uca1400_nopad_as_ci", "general_mysql500_ci"};
	const char *rest = collation;
	bool latin1 = strncmp(collation, "latin1_", 7) == 0;

	for (size_t i = 0; i < sizeof(charsets) / sizeof(charsets[0]); i++)
		if (strncmp(collation, charsets[i], strlen(charsets[i])) == 0)
			rest = collation + strlen(charsets[i]);
	if (rest == collation && strncmp(collation, "uca1400_", 8) != 0)
		return false;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strcmp(rest, rules[i]) == 0)
			return strcmp(rest, "swedish_ci") != 0 || latin1;
	return false;
}

static bool ascii_inside(const char *charset)
{
	return strcmp(charset, "utf8mb4") == 0 || strcmp(charset, "utf8mb3") == 0 ||
	       strcmp(charset, "utf8") == 0 || strcmp(charset, "latin1") == 0 ||
	       strcmp(charset, "ascii") == 0;
}

static bool ends_with(const char *z, const char *tail)
{
	size_t n = strlen(z), k = strlen(tail);

	return n >= k && strcmp(z + n - k, tail) == 0;
}

static enum hash_how how_text(const struct column *up, const struct column *down)
{
	if (!ascii_inside(up->charset) || !ascii_inside(down->charset))
		return HASH_OPEN;
	if (ends_with(down->collation, "_bin"))
		return table_same_charset(up->charset, down->charset) ? HASH_BIN : HASH_ASCII;
	return folds_ascii(down->collation) ? HASH_ASCII : HASH_OPEN;
}

bool hash_is_int(const struct column *c)
{
	static const char *const words[] = {"tinyint", "smallint", "mediumint", "int", "bigint"};

	for (size_t i = 0; c->kind == COLUMN_INT && i < sizeof(words) / sizeof(words[0]); i++)
		if (strncasecmp(c->type, words[i], strlen(words[i])) == 0)
			return true;
	return false;
}

struct str hash_widen(struct str raw, bool is_unsigned, char out[8])
{
	bool negative = !is_unsigned && raw.n > 0 && (raw.p[raw.n - 1] & 0x80);

	memset(out, negative ? 0xff : 0, 8);
	if (raw.n > 0)
		memcpy(out, raw.p, raw.n < 8 ? raw.n : 8);
	return (struct str){out, 8};
}

/* Its value is not in the binlog for sure, or not the downstream's; or it is there in a form of many. */
static bool is_elsewhere(const struct table *t, const struct column *up, const struct column *down)
{
	if (strstr(up->type, "COMPRESSED"))
		return true;
	/* MariaDB has values of virtual columns only in some of its images. */
	if (up->generated && up->is_virtual && t->from != FLAVOR_MYSQL)
		return true;
	if (up->generated && !up->expression)
		return true;
	return down->generated && !derived_same(t, up, down);
}

enum hash_how hash_how(const struct table *t, unsigned u, unsigned d)
{
	const struct column *up = &t->up->columns[u], *down = &t->down->columns[d];

	if (is_elsewhere(t, up, down))
		return HASH_OPEN;
	switch (up->kind) {
	case COLUMN_INT:
		/* A number that doesn't fit is an error there. */
		if (hash_is_int(up) && hash_is_int(down))
			return HASH_BYTES;
		break;
	case COLUMN_TEXT:
		return down->kind == COLUMN_TEXT ? how_text(up, down) : HASH_OPEN;
	case COLUMN_BINARY:
		return down->kind == COLUMN_BINARY ? HASH_BINARY : HASH_OPEN;
	case COLUMN_UUID:
	case COLUMN_INET4:
	case COLUMN_INET6:
		return down->kind == up->kind || down->kind == COLUMN_TEXT ? HASH_BINARY : HASH_OPEN;
	case COLUMN_JSON:
	case COLUMN_GEOMETRY:
	case COLUMN_VECTOR:
	case COLUMN_OTHER:
		return HASH_OPEN;
	default:
		break;
	}
	/* Rounded or cut to another type, two values could become one. */
	if (up->kind != down->kind || strcasecmp(up->type, down->type) != 0)
		return HASH_OPEN;
	return up->kind == COLUMN_FLOAT || up->kind == COLUMN_DOUBLE ? HASH_FLOAT : HASH_BYTES;
}

enum hash_how hash_how_prefix(const struct table *t, unsigned up, unsigned down)
{
	enum column_kind kind = t->up->columns[up].kind;

	/* Of the others the wire has another form than the one whose beginning counts. */
	return kind == COLUMN_TEXT || kind == COLUMN_BINARY ? hash_how(t, up, down) : HASH_OPEN;
}

bool hash_is_soft(enum hash_how how, unsigned prefix)
{
	return how == HASH_ASCII || (how == HASH_BIN && prefix);
}

/* --- values --- */

static size_t cut_tail(struct str s, char c)
{
	while (s.n > 0 && s.p[s.n - 1] == c)
		s.n--;
	return s.n;
}

static bool is_zero_float(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != 0 && !(i + 1 == s.n && (uint8_t)s.p[i] == 0x80))
			return false;
	return true;
}

/* Each part is hashed with what came before as its seed. */
static void put_bytes(uint64_t *h, struct str s)
{
	*h = XXH3_64bits_withSeed(s.p, s.n, *h);
}

/* False: a character whose equals are not known. */
static bool put_ascii(uint64_t *h, struct str s)
{
	char low[256];
	size_t n = 0;

	s.n = cut_tail(s, ' ');
	for (size_t at = 0; at < s.n; at++) {
		char c = s.p[at];

		if (c < ' ' || c > '~')
			return false;
		if (n == sizeof(low)) {
			put_bytes(h, (struct str){low, n});
			n = 0;
		}
		low[n++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
	}
	put_bytes(h, (struct str){low, n});
	return true;
}

bool hash_value(uint64_t *h, enum hash_how how, unsigned prefix, struct str s)
{
	bool cut = prefix && s.n > prefix;

	if (cut)
		s.n = prefix;
	switch (how) {
	case HASH_OPEN:
		return false;
	case HASH_ASCII:
		return put_ascii(h, s);
	case HASH_FLOAT:
		if (is_zero_float(s))
			s.n = 0;
		break;
	case HASH_BINARY:
		s.n = cut_tail(s, '\0');
		break;
	case HASH_BIN:
		if (cut && !utf8_is_ascii(s)) /* only characters of one byte can be counted here */
			return false;
		s.n = cut_tail(s, ' ');
		break;
	case HASH_BYTES:
		break;
	}
	put_bytes(h, s);
	return true;
}
