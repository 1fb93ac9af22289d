/*
 * Half way between two values, kind by kind: a guess by which a big table is cut. Pure, and allowed to be
 * wrong: whoever asks looks at the rows near the guess (cut.c).
 */
#include "units/dump/middle.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/sql/quote.h"

enum { KEY_BYTES = 4096 };
#define SHIFT (UINT64_C(1) << 63)

/* --- numbers --- */

/* From -2^63 to 2^64-1. */
struct whole {
	bool minus;
	uint64_t v;
};

static bool parse_whole(const char *text, struct whole *out)
{
	char *end;

	out->minus = *text == '-';
	text += out->minus;
	if (*text < '0' || *text > '9')
		return false;
	out->v = strtoull(text, &end, 10);
	return *end == '\0' && (!out->minus || out->v <= SHIFT);
}

/* a <= b both of one sign, as distances from zero: floor of their mean. */
static uint64_t mean(uint64_t a, uint64_t b, bool up)
{
	return a / 2 + b / 2 + ((a & b & 1) + (up && ((a ^ b) & 1)));
}

bool middle_of_int(struct buf *out, const char *lo, const char *hi)
{
	struct whole a, b;

	if (!parse_whole(lo, &a) || !parse_whole(hi, &b))
		return false;
	if (a.minus && b.minus) {
		if (a.v <= b.v)
			return false;
		buf_putf(out, "-%" PRIu64, mean(a.v, b.v, true));
	} else if (a.minus) { /* the two sides of zero */
		if (a.v > b.v)
			buf_putf(out, "-%" PRIu64, (a.v - b.v + 1) / 2);
		else
			buf_putf(out, "%" PRIu64, (b.v - a.v) / 2);
	} else {
		if (b.minus || a.v >= b.v)
			return false;
		buf_putf(out, "%" PRIu64, mean(a.v, b.v, false));
	}
	return true;
}

static bool middle_of_decimal(struct buf *out, const char *lo, const char *hi)
{
	long double a = strtold(lo, NULL), b = strtold(hi, NULL);

	if (!(a < b))
		return false;
	buf_putf(out, "%.6Lf", a + (b - a) / 2);
	return true;
}

/* --- moments, in microseconds --- */

#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)

static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
	int64_t era, of_era;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	of_era = y - era * 400;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 +
	       (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
}

static void date_of(int64_t days, int *y, int *m, int *d)
{
	int64_t era = days / 146097, rest = days % 146097;
	int64_t year = (rest - rest / 1460 + rest / 36524 - rest / 146096) / 365;
	int64_t day = rest - (365 * year + year / 4 - year / 100), month = (5 * day + 2) / 153;

	*d = (int)(day - (153 * month + 2) / 5 + 1);
	*m = (int)(month < 10 ? month + 3 : month - 9);
	*y = (int)(year + era * 400 + (*m <= 2));
}

/* ".25" as 250000 */
static int64_t fraction(const char *p)
{
	int64_t v = 0, unit = SECOND / 10;

	if (*p != '.')
		return 0;
	for (p++; *p >= '0' && *p <= '9'; p++, unit /= 10)
		v += (*p - '0') * unit;
	return v;
}

static bool parse_clock(const char *p, int64_t *out)
{
	int h, m, s, n = 0;

	if (sscanf(p, "%d:%d:%d%n", &h, &m, &s, &n) != 3)
		return false;
	*out = ((int64_t)h * 3600 + m * 60 + s) * SECOND + fraction(p + n);
	return true;
}

/* '2026-01-02 03:04:05.6', quotes and all. A day that is none (0000-00-00, 2026-02-31) counts as the next. */
static bool parse_moment(const char *text, int64_t *out)
{
	int y, m, d, n = 0;
	int64_t clock = 0;

	if (sscanf(text, "'%d-%d-%d%n", &y, &m, &d, &n) != 3)
		return false;
	if (text[n] == ' ' && !parse_clock(text + n + 1, &clock))
		return false;
	*out = days_of(y, m > 0 ? m : 1, d > 0 ? d : 1) * DAY + clock;
	return true;
}

static void put_clock(struct buf *out, int64_t us)
{
	int64_t s = us / SECOND;

	buf_putf(out, "%02d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
	if (us % SECOND)
		buf_putf(out, ".%06d", (int)(us % SECOND));
}

static bool middle_of_moment(struct buf *out, bool whole_days, const char *lo, const char *hi)
{
	int64_t a, b, middle;
	int y, m, d;

	if (!parse_moment(lo, &a) || !parse_moment(hi, &b) || a >= b)
		return false;
	middle = a + (b - a) / 2;
	if (middle < 306 * DAY) /* before year 1, where servers' ideas differ */
		return false;
	date_of(middle / DAY, &y, &m, &d);
	buf_putf(out, "'%04d-%02d-%02d", y, m, d);
	if (!whole_days) {
		buf_putc(out, ' ');
		put_clock(out, middle % DAY);
	}
	buf_putc(out, '\'');
	return true;
}

static bool parse_time(const char *text, int64_t *out)
{
	bool minus = text[0] == '\'' && text[1] == '-';

	if (text[0] != '\'' || !parse_clock(text + 1 + minus, out))
		return false;
	*out = minus ? -*out : *out;
	return true;
}

static bool middle_of_time(struct buf *out, const char *lo, const char *hi)
{
	int64_t a, b, middle;

	if (!parse_time(lo, &a) || !parse_time(hi, &b) || a >= b)
		return false;
	middle = a + (b - a) / 2;
	buf_puts(out, middle < 0 ? "'-" : "'");
	put_clock(out, middle < 0 ? -middle : middle);
	buf_putc(out, '\'');
	return true;
}

/* --- bytes --- */

struct bytes {
	unsigned char p[KEY_BYTES];
	size_t n;
};

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Of "_utf8mb4 x'6162'", or of an empty one. */
static bool parse_hex(const char *text, struct bytes *out)
{
	const char *p = strchr(text, '\'');

	out->n = 0;
	if (!p)
		return false;
	for (p++; *p && *p != '\''; p += 2) {
		int a = nibble(p[0]), b = a < 0 ? -1 : nibble(p[1]);

		if (b < 0 || out->n == KEY_BYTES)
			return false;
		out->p[out->n++] = (unsigned char)(a * 16 + b);
	}
	return true;
}

static unsigned at(const struct bytes *b, size_t i)
{
	return i < b->n ? b->p[i] : 0;
}

/*
 * Bytes by their numbers: what both begin with, then the mean of the first that differ; where they are
 * neighbours, what lo has, then half way up to the end.
 */
static bool middle_bytes(struct bytes *out, const struct bytes *lo, const struct bytes *hi)
{
	size_t i = 0;
	unsigned a, b;

	while (i < lo->n && i < hi->n && lo->p[i] == hi->p[i])
		i++;
	while (i >= lo->n && i < hi->n && hi->p[i] == 0)
		i++;
	if (i == hi->n || i + 2 > KEY_BYTES)
		return false;
	a = at(lo, i);
	b = at(hi, i);
	if (a > b)
		return false;
	memcpy(out->p, hi->p, i);
	out->p[i] = (unsigned char)((a + b) / 2);
	out->n = i + 1;
	if (out->p[i] == a) {
		out->p[i + 1] = (unsigned char)((at(lo, i + 1) + 256) / 2);
		out->n = i + 2;
	}
	return true;
}

static bool middle_of_binary(struct buf *out, const char *lo, const char *hi)
{
	struct bytes a, b, m;

	if (!parse_hex(lo, &a) || !parse_hex(hi, &b) || !middle_bytes(&m, &a, &b))
		return false;
	buf_puts(out, "_binary ");
	sql_put_hex(out, (struct str){(const char *)m.p, m.n});
	return true;
}

/* --- text --- */

enum { LETTERS = 36 };

/* 0-9 and a-z in the order that all collations but the binary ones have them; -1: another character. */
static int rank_of(unsigned c)
{
	if (c >= '0' && c <= '9')
		return (int)c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'z' ? (int)c - 'a' + 10 : -1;
}

static unsigned char of_rank(int rank)
{
	return (unsigned char)(rank < 10 ? '0' + rank : 'a' + rank - 10);
}

/* The first place where two texts differ, letters without their case where the collation has none. */
static size_t differ(const struct bytes *lo, const struct bytes *hi, bool by_rank)
{
	size_t i = 0;

	while (i < lo->n && i < hi->n &&
		(lo->p[i] == hi->p[i] ||
			(by_rank && rank_of(lo->p[i]) >= 0 && rank_of(lo->p[i]) == rank_of(hi->p[i]))))
		i++;
	return i;
}

static bool middle_ranks(struct bytes *out, const struct bytes *lo, const struct bytes *hi, size_t i)
{
	int a = i < lo->n ? rank_of(lo->p[i]) : 0, b = i < hi->n ? rank_of(hi->p[i]) : -1, next;

	if (a < 0 || b < 0 || a > b || i + 2 > KEY_BYTES)
		return false;
	memcpy(out->p, hi->p, i);
	out->p[i] = of_rank((a + b) / 2);
	out->n = i + 1;
	if ((a + b) / 2 == a) {
		next = rank_of(at(lo, i + 1));
		out->p[i + 1] = of_rank(((next < 0 ? 0 : next) + LETTERS) / 2);
		out->n = i + 2;
	}
	return true;
}

static bool all_ascii(const struct bytes *b)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->p[i] >= 0x80)
			return false;
	return true;
}

/* Charsets whose ASCII is one byte each, so that a guess made of such is well formed. */
static bool has_ascii(const char *charset)
{
	return strncmp(charset, "utf16", 5) != 0 && strcmp(charset, "ucs2") != 0 &&
	       strcmp(charset, "utf32") != 0;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcmp(text + n - m, end) == 0;
}

static bool middle_of_text(struct buf *out, const struct column *c, const char *lo, const char *hi)
{
	bool by_rank = !ends_with(c->collation, "_bin");
	struct bytes a, b, m;
	bool found;

	if (!has_ascii(c->charset) || !parse_hex(lo, &a) || !parse_hex(hi, &b))
		return false;
	found = by_rank && middle_ranks(&m, &a, &b, differ(&a, &b, by_rank));
	if (!found)
		found = middle_bytes(&m, &a, &b);
	/* Half a character would be no literal. */
	if (!found || !all_ascii(&m))
		return false;
	buf_putf(out, "_%s ", c->charset);
	sql_put_hex(out, (struct str){(const char *)m.p, m.n});
	return true;
}

/* --- addresses and UUIDs --- */

/* The word in "_utf8mb4 'a word'". */
static bool unquote(const char *text, char *out, size_t size)
{
	const char *p = strchr(text, '\'');
	size_t n = p ? strlen(++p) : 0;

	if (n < 1 || n > size)
		return false;
	memcpy(out, p, n - 1);
	out[n - 1] = '\0';
	return true;
}

static bool middle_of_inet(struct buf *out, int family, const char *lo, const char *hi)
{
	char text[INET6_ADDRSTRLEN];
	struct bytes a = {.n = family == AF_INET ? 4 : 16}, b = {.n = a.n}, m;

	if (!unquote(lo, text, sizeof(text)) || inet_pton(family, text, a.p) != 1 ||
		!unquote(hi, text, sizeof(text)) || inet_pton(family, text, b.p) != 1 ||
		!middle_bytes(&m, &a, &b))
		return false;
	memset(m.p + m.n, 0, KEY_BYTES - m.n);
	if (m.n > a.n || !inet_ntop(family, m.p, text, sizeof(text)))
		return false;
	buf_putf(out, "_utf8mb4 '%s'", text);
	return true;
}

/* The order in which MariaDB compares a UUID's bytes: the node first; the newest versions (6, 7) as written.
 */
static const unsigned char by_node[16] = {10, 11, 12, 13, 14, 15, 8, 9, 6, 7, 4, 5, 0, 1, 2, 3};

static bool parse_uuid(const char *text, unsigned char *out)
{
	const char *p = strchr(text, '\'');
	unsigned n = 0;

	for (p = p ? p + 1 : ""; *p && *p != '\''; p++) {
		int a = nibble(p[0]), b;

		if (*p == '-')
			continue;
		b = a < 0 ? -1 : nibble(p[1]);
		if (b < 0 || n == 16)
			return false;
		out[n++] = (unsigned char)(a * 16 + b);
		p++;
	}
	return n == 16;
}

static void put_uuid(struct buf *out, const unsigned char *p)
{
	buf_puts(out, "_utf8mb4 '");
	for (unsigned i = 0; i < 16; i++)
		buf_putf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", (unsigned)p[i]);
	buf_putc(out, '\'');
}

static bool middle_of_uuid(struct buf *out, const char *lo, const char *hi)
{
	unsigned char x[16], y[16], z[16];
	struct bytes a = {.n = 16}, b = {.n = 16}, m = {.n = 0};
	bool swapped;

	if (!parse_uuid(lo, x) || !parse_uuid(hi, y))
		return false;
	swapped = x[6] >> 4 <= 5;
	for (unsigned i = 0; i < 16; i++) {
		a.p[i] = x[swapped ? by_node[i] : i];
		b.p[i] = y[swapped ? by_node[i] : i];
	}
	if (!middle_bytes(&m, &a, &b) || m.n > 16)
		return false;
	memcpy(m.p + m.n, a.p + m.n, 16 - m.n); /* keeps the version where it stands behind */
	for (unsigned i = 0; i < 16; i++)
		z[swapped ? by_node[i] : i] = m.p[i];
	put_uuid(out, z);
	return true;
}

/* --- all of them --- */

static bool middle(struct buf *out, const struct column *c, const char *lo, const char *hi)
{
	switch (c->kind) {
	case COLUMN_INT: /* a YEAR below 1901 would be taken for another one, and there are not many */
		return strncmp(c->type, "year", 4) != 0 && middle_of_int(out, lo, hi);
	case COLUMN_DECIMAL:
		return middle_of_decimal(out, lo, hi);
	case COLUMN_DATE:
	case COLUMN_DATETIME:
	case COLUMN_TIMESTAMP:
		return middle_of_moment(out, c->kind == COLUMN_DATE, lo, hi);
	case COLUMN_TIME:
		return middle_of_time(out, lo, hi);
	case COLUMN_BINARY:
		return middle_of_binary(out, lo, hi);
	case COLUMN_TEXT:
		return middle_of_text(out, c, lo, hi);
	case COLUMN_UUID:
		return middle_of_uuid(out, lo, hi);
	case COLUMN_INET4:
	case COLUMN_INET6:
		return middle_of_inet(out, c->kind == COLUMN_INET4 ? AF_INET : AF_INET6, lo, hi);
	default:
		return false;
	}
}

bool middle_of(struct buf *out, const struct column *c, const char *lo, const char *hi)
{
	size_t start = out->n;

	if (middle(out, c, lo, hi))
		return true;
	out->n = start;
	return false;
}
