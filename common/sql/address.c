/*
 * MariaDB's UUID and INET types as text: written as the server writes them, read as it reads them (tried on
 * 11.8). Called for literals of the binlog and for defaults of DDL. Pure.
 */
#include "common/sql/address.h"

#include <arpa/inet.h>
#include <string.h>

bool sql_is_address(enum column_kind kind)
{
	return kind == COLUMN_UUID || kind == COLUMN_INET4 || kind == COLUMN_INET6;
}

enum column_kind sql_address_kind(struct str word)
{
	return str_is_ci(word, "uuid")    ? COLUMN_UUID
	       : str_is_ci(word, "inet4") ? COLUMN_INET4
	       : str_is_ci(word, "inet6") ? COLUMN_INET6
					  : COLUMN_OTHER;
}

static void put_uuid(struct buf *out, const uint8_t *p)
{
	static const char hex[] = "0123456789abcdef";

	for (unsigned i = 0; i < SQL_UUID_BYTES; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			buf_putc(out, '-');
		buf_putc(out, hex[p[i] >> 4]);
		buf_putc(out, hex[p[i] & 15]);
	}
}

static void put_inet4(struct buf *out, const uint8_t *p)
{
	buf_putf(out, "%u.%u.%u.%u", p[0], p[1], p[2], p[3]);
}

enum { INET6_WORDS = 8 };

struct gap {
	unsigned from, n; /* words */
};

/* The first of the longest runs of zero words, also where it is a single one. */
static struct gap longest_gap(const uint16_t words[INET6_WORDS])
{
	struct gap best = {0, 0};
	unsigned n = 0;

	for (unsigned i = 0; i < INET6_WORDS; i++) {
		n = words[i] ? 0 : n + 1;
		if (n > best.n)
			best = (struct gap){i + 1 - n, n};
	}
	return best;
}

/*
 * As MariaDB writes it. The C library leaves a single zero word as it is; where the downstream keeps the
 * address as text, its rows hold the server's form.
 */
static void put_inet6(struct buf *out, const uint8_t *p)
{
	uint16_t words[INET6_WORDS];
	struct gap gap;

	for (unsigned i = 0; i < INET6_WORDS; i++)
		words[i] = (uint16_t)(p[2 * i] << 8 | p[2 * i + 1]);
	gap = longest_gap(words);
	for (unsigned i = 0; i < INET6_WORDS; i++) {
		if (gap.n > 0 && i == gap.from) {
			buf_puts(out, i == 0 ? "::" : ":");
			i += gap.n - 1;
			continue;
		}
		if (i == 6 && gap.from == 0 && (gap.n == 6 || (gap.n == 5 && words[5] == 0xffff))) {
			put_inet4(out, p + 12);
			return;
		}
		buf_putf(out, i + 1 < INET6_WORDS ? "%x:" : "%x", words[i]);
	}
}

void sql_put_address(struct buf *out, enum column_kind kind, const uint8_t *bytes)
{
	if (kind == COLUMN_UUID)
		put_uuid(out, bytes);
	else if (kind == COLUMN_INET4)
		put_inet4(out, bytes);
	else
		put_inet6(out, bytes);
}

/* --- reading --- */

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *at = strchr(digits, c | (c >= 'A' ? 0x20 : 0));

	return c && at ? (int)(at - digits) : -1;
}

/* Dashes may be anywhere between the digits, or nowhere. */
static bool read_uuid(struct str s, uint8_t out[SQL_UUID_BYTES])
{
	unsigned n = 0;

	for (size_t i = 0; i < s.n; i++) {
		int digit = hex_digit(s.p[i]);

		if (s.p[i] == '-' && i > 0 && i + 1 < s.n)
			continue;
		if (digit < 0 || n == 2 * SQL_UUID_BYTES)
			return false;
		out[n / 2] = (uint8_t)(n % 2 ? out[n / 2] | digit : digit << 4);
		n++;
	}
	return n == 2 * SQL_UUID_BYTES;
}

/* One to three digits each, zeros before them too. */
static bool read_inet4(struct str s, uint8_t out[SQL_INET4_BYTES])
{
	for (unsigned i = 0; i < SQL_INET4_BYTES; i++) {
		unsigned n = 0, value = 0;

		for (; n < s.n && n < 3 && s.p[n] >= '0' && s.p[n] <= '9'; n++)
			value = 10 * value + (unsigned)(s.p[n] - '0');
		s.p += n;
		s.n -= n;
		if (n == 0 || value > 255 || (i < 3 && (s.n == 0 || s.p[0] != '.')))
			return false;
		out[i] = (uint8_t)value;
		s.p += i < 3;
		s.n -= i < 3;
	}
	return s.n == 0;
}

/* Its last words may be an INET4; a mere INET4 is mapped. */
static bool read_inet6(struct str s, uint8_t out[SQL_INET6_BYTES])
{
	const char *colon = s.n ? memrchr(s.p, ':', s.n) : NULL;
	struct str last = colon ? (struct str){colon + 1, s.n - (size_t)(colon + 1 - s.p)} : s;
	uint8_t four[SQL_INET4_BYTES];
	struct buf text = {0};
	bool ok;

	if (last.n && memchr(last.p, '.', last.n)) {
		if (!read_inet4(last, four))
			return false;
		buf_puts(&text, colon ? "" : "::ffff:");
		buf_put(&text, s.p, s.n - last.n);
		buf_putf(&text, "%x:%x", four[0] << 8 | four[1], four[2] << 8 | four[3]);
	} else {
		buf_put(&text, s.p, s.n);
	}
	ok = inet_pton(AF_INET6, buf_cstr(&text), out) == 1;
	buf_free(&text);
	return ok;
}

bool sql_canonical_address(enum column_kind kind, struct str text, struct buf *out)
{
	uint8_t bytes[SQL_INET6_BYTES] = {0};
	bool ok = !memchr(text.p, '\0', text.n) && (kind == COLUMN_UUID           ? read_uuid(text, bytes)
							   : kind == COLUMN_INET4 ? read_inet4(text, bytes)
										  : read_inet6(text, bytes));

	if (ok)
		sql_put_address(out, kind, bytes);
	return ok;
}

const char *sql_zero_address(enum column_kind kind)
{
	return kind == COLUMN_UUID    ? "00000000-0000-0000-0000-000000000000"
	       : kind == COLUMN_INET4 ? "0.0.0.0"
				      : "::";
}
