/*
 * MySQL's binary JSON as text, byte for byte what the server prints: the text of a dump and of the binlog
 * must be equal. Called by literal.c. Offsets inside are foreign: each is checked against its own container.
 */
#include "common/binlog/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/binlog/decimal.h"
#include "common/binlog/json_walk.h"
#include "common/binlog/row.h"
#include "common/binlog/wire.h"

/* The digits of the shortest text that reads back as d (positive), and where their point is. */
static int shortest(double d, char digits[32], int *point)
{
	char text[40];
	int n = 0;

	for (int precision = 0; precision < 17; precision++) {
		snprintf(text, sizeof(text), "%.*e", precision, d);
		if (strtod(text, NULL) == d)
			break;
	}
	for (const char *p = text; *p && *p != 'e'; p++)
		if (*p >= '0' && *p <= '9')
			digits[n++] = *p;
	*point = atoi(strchr(text, 'e') + 1) + 1;
	while (n > 1 && digits[n - 1] == '0')
		n--;
	return n;
}

static void put_zeros(struct buf *out, int n)
{
	for (int i = 0; i < n; i++)
		buf_putc(out, '0');
}

/* As the server prints a DOUBLE: plain up to 15 places left or 14 right of the point, else with an exponent.
 */
static void put_double(struct buf *out, double d)
{
	char digits[32] = "0";
	int point = 1, n = 1;

	if (signbit(d))
		buf_putc(out, '-');
	if (d != 0)
		n = shortest(fabs(d), digits, &point);
	if (point < -14 || point > 15) {
		buf_putc(out, digits[0]);
		if (n > 1)
			buf_putf(out, ".%.*s", n - 1, digits + 1);
		buf_putf(out, "e%d", point - 1);
	} else if (point <= 0) {
		buf_puts(out, "0.");
		put_zeros(out, -point);
		buf_put(out, digits, (size_t)n);
	} else if (n <= point) {
		buf_put(out, digits, (size_t)n);
		put_zeros(out, point - n);
		buf_puts(out, ".0");
	} else {
		buf_putf(out, "%.*s.%.*s", point, digits, n - point, digits + point);
	}
}

static void put_string(struct buf *out, struct str s)
{
	static const char escapes[32] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};

	buf_putc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\')
			buf_putf(out, "\\%c", c);
		else if (c < 0x20 && escapes[c])
			buf_putf(out, "\\%c", escapes[c]);
		else if (c < 0x20)
			buf_putf(out, "\\u%04x", c);
		else
			buf_putc(out, (char)c);
	}
	buf_putc(out, '"');
}

static void put_base64(struct buf *out, struct str s)
{
	static const char table[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	enum { LINE = 76 };
	const uint8_t *p = (const uint8_t *)s.p;
	unsigned column = 0;

	for (size_t i = 0; i < s.n; i += 3, column += 4) {
		size_t left = s.n - i;
		uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
			     (left > 2 ? p[i + 2] : 0u);

		if (column == LINE) {
			buf_puts(out, "\\n"); /* the line feed of the server's encoder, as JSON text */
			column = 0;
		}
		buf_putc(out, table[v >> 18]);
		buf_putc(out, table[v >> 12 & 63]);
		buf_putc(out, left > 1 ? table[v >> 6 & 63] : '=');
		buf_putc(out, left > 2 ? table[v & 63] : '=');
	}
}

/* Dates and times: whole above 24 bits of microseconds. */
static void put_moment(struct buf *out, uint8_t type, int64_t packed)
{
	uint64_t v = (uint64_t)llabs(packed), micro = v & 0xffffff, clock = v >> 24 & 0x1ffff, date = v >> 41;

	buf_putc(out, '"');
	if (type == WIRE_TIME)
		buf_putf(out, "%s%02u:", packed < 0 ? "-" : "", (unsigned)(v >> 36 & 0x3ff));
	else
		buf_putf(out, "%04u-%02u-%02u", (unsigned)((date >> 5) / 13), (unsigned)((date >> 5) % 13),
			(unsigned)(date & 31));
	if (type == WIRE_DATETIME || type == WIRE_TIMESTAMP)
		buf_putf(out, " %02u:", (unsigned)(clock >> 12));
	if (type != WIRE_DATE)
		buf_putf(out, "%02u:%02u.%06u", (unsigned)(clock >> 6 & 63), (unsigned)(clock & 63),
			(unsigned)micro);
	buf_putc(out, '"');
}

static int put_decimal(struct buf *out, struct str s, struct err *e)
{
	unsigned precision, scale;

	if (s.n < 2)
		return bj_damaged(e);
	precision = (unsigned char)s.p[0];
	scale = (unsigned char)s.p[1];
	if (precision > 65 || scale > 38 || scale > precision || s.n - 2 < decimal_size(precision, scale))
		return bj_damaged(e);
	decimal_put(out, (const uint8_t *)s.p + 2, precision, scale);
	return 0;
}

static int put_opaque(struct buf *out, struct cur c, struct err *e)
{
	uint8_t type = cur_u8(&c);
	struct str s = bj_string(&c);
	struct cur packed = wire_cur(s);

	if (c.bad)
		return bj_damaged(e);
	switch (type) {
	case WIRE_NEWDECIMAL:
		return put_decimal(out, s, e);
	case WIRE_DATE:
	case WIRE_TIME:
	case WIRE_DATETIME:
	case WIRE_TIMESTAMP:
		if (s.n != 8)
			return bj_damaged(e);
		put_moment(out, type, (int64_t)cur_u64(&packed));
		return 0;
	default:
		buf_putf(out, "\"base64:type%u:", type);
		put_base64(out, s);
		buf_putc(out, '"');
		return 0;
	}
}

static int put_literal(struct buf *out, uint8_t v, struct err *e)
{
	static const char *const words[] = {"null", "true", "false"};

	if (v >= 3)
		return bj_damaged(e);
	buf_puts(out, words[v]);
	return 0;
}

static int put_scalar(struct buf *out, uint8_t type, struct cur c, struct err *e)
{
	uint64_t bits;
	struct str s;
	double d;

	switch (type) {
	case BJ_INT16:
		buf_putf(out, "%d", (int16_t)cur_u16(&c));
		break;
	case BJ_UINT16:
		buf_putf(out, "%u", cur_u16(&c));
		break;
	case BJ_INT32:
		buf_putf(out, "%" PRId32, (int32_t)cur_u32(&c));
		break;
	case BJ_UINT32:
		buf_putf(out, "%" PRIu32, cur_u32(&c));
		break;
	case BJ_INT64:
		buf_putf(out, "%" PRId64, (int64_t)cur_u64(&c));
		break;
	case BJ_UINT64:
		buf_putf(out, "%" PRIu64, cur_u64(&c));
		break;
	case BJ_DOUBLE:
		bits = cur_u64(&c);
		memcpy(&d, &bits, sizeof(d));
		if (!isfinite(d))
			return bj_damaged(e);
		put_double(out, d);
		break;
	case BJ_STRING:
		s = bj_string(&c);
		put_string(out, s);
		break;
	case BJ_LITERAL:
		bits = cur_u8(&c);
		return c.bad ? bj_damaged(e) : put_literal(out, (uint8_t)bits, e);
	case BJ_OPAQUE:
		return put_opaque(out, c, e);
	default:
		return bj_damaged(e);
	}
	return c.bad ? bj_damaged(e) : 0;
}

static int put_value(struct buf *out, const struct bj_node *v, unsigned depth, struct err *e);

static int put_member(
	struct buf *out, const struct bj_container *k, uint32_t i, unsigned depth, struct err *e)
{
	struct bj_node v;
	struct str key;

	if (k->object) {
		if (bj_key(k, i, &key, e) < 0)
			return -1;
		put_string(out, key);
		buf_puts(out, ": ");
	}
	return bj_member(k, i, &v, e) < 0 ? -1 : put_value(out, &v, depth + 1, e);
}

static int put_container(struct buf *out, const struct bj_node *v, unsigned depth, struct err *e)
{
	size_t start = out->n;
	struct bj_container k;

	if (bj_open(v, depth, &k, e) < 0)
		return -1;
	buf_putc(out, k.object ? '{' : '[');
	for (uint32_t i = 0; i < k.count; i++) {
		if (i > 0)
			buf_puts(out, ", ");
		if (put_member(out, &k, i, depth, e) < 0)
			return -1;
		/* Members of a made-up value may point at the same bytes again and again: the text must stay
		 * bounded. */
		if (out->n - start > 16 * k.n + 1024)
			return bj_damaged(e);
	}
	buf_putc(out, k.object ? '}' : ']');
	return 0;
}

static int put_value(struct buf *out, const struct bj_node *v, unsigned depth, struct err *e)
{
	return bj_is_container(v->type) ? put_container(out, v, depth, e)
					: put_scalar(out, v->type, v->at, e);
}

int bj_put_node(struct buf *out, const struct bj_node *v, struct err *e)
{
	return put_value(out, v, 1, e);
}

int binlog_json_text(struct str bytes, struct buf *out, struct err *e)
{
	struct bj_node v;

	bj_root(bytes, &v);
	return put_value(out, &v, 1, e);
}
