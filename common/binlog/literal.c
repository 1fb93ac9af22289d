/*
 * Values of rows events as SQL literals, exact: what a server reads back is bit for bit what the upstream
 * has. For connections under SET NAMES binary, UTC, without ANSI_QUOTES and NO_BACKSLASH_ESCAPES. Called by
 * the sync's statement builder.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "common/binlog/decimal.h"
#include "common/binlog/json.h"
#include "common/binlog/row.h"
#include "common/binlog/temporal.h"
#include "common/binlog/wire.h"
#include "common/sql/address.h"
#include "common/sql/quote.h"

int64_t binlog_value_int(const struct binlog_value *v, const struct column *c)
{
	struct cur raw = wire_cur(v->raw);
	unsigned bytes = (unsigned)v->raw.n;
	uint64_t u;

	if (v->type == WIRE_BIT)
		return (int64_t)wire_big_endian((const uint8_t *)v->raw.p, bytes);
	u = cur_uint(&raw, bytes);
	if (v->type == WIRE_YEAR)
		return u ? (int64_t)u + 1900 : 0;
	if (c->is_unsigned || v->type == WIRE_ENUM || v->type == WIRE_SET || bytes == 0)
		return (int64_t)u;
	return (int64_t)(u << (64 - 8 * bytes)) >> (64 - 8 * bytes);
}

static void put_integer(struct buf *sql, const struct binlog_value *v, const struct column *c)
{
	int64_t i = binlog_value_int(v, c);
	bool negative = v->type != WIRE_YEAR && !c->is_unsigned && i < 0;

	if (negative)
		buf_putc(sql, '-');
	buf_put_digits(sql, negative ? 0 - (uint64_t)i : (uint64_t)i, 1);
}

int binlog_value_real(const struct binlog_value *v, double *out, struct err *e)
{
	struct cur raw = wire_cur(v->raw);
	uint32_t bits32;
	uint64_t bits;
	float f;

	if (v->type == WIRE_FLOAT) {
		bits32 = cur_u32(&raw);
		memcpy(&f, &bits32, sizeof(f));
		*out = (double)f;
	} else {
		bits = cur_u64(&raw);
		memcpy(out, &bits, sizeof(*out));
	}
	if (isfinite(*out))
		return 0;
	return err_set(e, ERR_sync_binlog,
		"a number in the binlog is infinite or none at all: no server can take it");
}

/* Seventeen digits name a double exactly; the exponent keeps the server from reading a DECIMAL. */
static int put_real(struct buf *sql, const struct binlog_value *v, struct err *e)
{
	double d;

	if (binlog_value_real(v, &d, e) < 0)
		return -1;
	buf_putf(sql, "%.16e", d);
	return 0;
}

static void put_set(struct buf *sql, const struct binlog_value *v)
{
	struct cur raw = wire_cur(v->raw);

	buf_put_digits(sql, cur_uint(&raw, (unsigned)v->raw.n), 1);
}

/* Charsets that have an introducer of another name, or none that every server knows. */
static const char *introducer(const char *charset)
{
	if (strcmp(charset, "utf8mb3") == 0)
		return "utf8";
	return charset;
}

static void put_text(struct buf *sql, struct str s, const struct column *c)
{
	if (c->charset && c->charset[0]) {
		buf_putc(sql, '_');
		buf_puts(sql, introducer(c->charset));
	}
	sql_put_string(sql, s);
}

static void put_address(struct buf *sql, enum column_kind kind, const uint8_t *p)
{
	buf_puts(sql, "_utf8mb4'");
	sql_put_address(sql, kind, p);
	buf_putc(sql, '\'');
}

/* u8 (method << 4 | raw deflate << 3 | bytes of length), big-endian length, deflated bytes. Method 0: the
 * bytes as they are. */
static int unfold_column(struct str packed, struct arena *a, struct str *out, struct err *e)
{
	struct cur c = wire_cur(packed);
	uint8_t head = cur_u8(&c);
	const uint8_t *length = cur_bytes(&c, head & 7);
	z_stream z = {0};
	uint64_t n;
	int ok;

	if (head == 0 && !c.bad) {
		*out = wire_rest(&c);
		return 0;
	}
	if (c.bad || head >> 4 != 8 || (head & 7) == 0 || (head & 7) > 4)
		return err_set(
			e, ERR_sync_binlog, "a compressed column's value has a head that is not understood");
	n = wire_big_endian(length, head & 7);
	if (n > WIRE_MAX_UNFOLDED || n > (uint64_t)cur_left(&c) * 1100 + 64)
		return err_set(e, ERR_sync_binlog,
			"a compressed column's value says that it holds %" PRIu64 " bytes", n);
	z.next_in = (Bytef *)(uintptr_t)c.p;
	z.avail_in = (uInt)cur_left(&c);
	z.next_out = arena_alloc(a, n + 1);
	z.avail_out = (uInt)n;
	*out = (struct str){(char *)z.next_out, n};
	if (inflateInit2(&z, head & 8 ? -MAX_WBITS : MAX_WBITS) != Z_OK)
		return err_set(e, ERR_internal, "zlib does not start");
	ok = inflate(&z, Z_FINISH) == Z_STREAM_END && z.avail_out == 0;
	inflateEnd(&z);
	return ok ? 0 : err_set(e, ERR_sync_binlog, "a compressed column's value can't be unfolded");
}

/* Bytes that every value of the type has: trailing zeros are left out on the wire. */
static size_t whole_size(const struct column *c, uint8_t type)
{
	if (type != WIRE_STRING)
		return 0;
	switch (c->kind) {
	case COLUMN_UUID:
	case COLUMN_INET6:
		return 16;
	case COLUMN_INET4:
		return 4;
	case COLUMN_BINARY:
		return c->length;
	default:
		return 0;
	}
}

int binlog_value_bytes(
	const struct binlog_value *v, const struct column *c, struct arena *a, struct str *out, struct err *e)
{
	size_t whole = whole_size(c, v->type);
	char *p;

	if ((v->type == WIRE_MARIA_VARCHAR_COMPRESSED || v->type == WIRE_MARIA_BLOB_COMPRESSED) &&
		v->raw.n > 0)
		return unfold_column(v->raw, a, out, e);
	*out = v->raw;
	if (whole <= v->raw.n)
		return 0;
	p = arena_zalloc(a, whole);
	memcpy(p, v->raw.p, v->raw.n);
	*out = (struct str){p, whole};
	return 0;
}

/* Hex doubles the size: above this a row that the copy brought would not fit into max_allowed_packet (and as
 * in the dump's value.c). */
enum { HEX_MAX = 64 * 1024 };

static void put_binary(struct buf *sql, struct str s)
{
	if (s.n <= HEX_MAX) {
		sql_put_hex(sql, s);
		return;
	}
	buf_puts(sql, "_binary");
	sql_put_string(sql, s);
}

static int put_bytes(struct buf *sql, struct str s, const struct column *c, struct err *e)
{
	switch (c->kind) {
	case COLUMN_TEXT:
		put_text(sql, s, c);
		return 0;
	case COLUMN_UUID:
	case COLUMN_INET6:
	case COLUMN_INET4:
		if (s.n != (c->kind == COLUMN_INET4 ? 4 : 16))
			return err_set(e, ERR_sync_columns, "a value of %zu bytes", s.n);
		put_address(sql, c->kind, (const uint8_t *)s.p);
		return 0;
	case COLUMN_BINARY:
	case COLUMN_GEOMETRY:
	case COLUMN_VECTOR:
		put_binary(sql, s);
		return 0;
	default:
		return err_set(e, ERR_sync_columns, "bytes of the binlog don't fit its type %s", c->type);
	}
}

static int put_json(struct buf *sql, struct str s, struct err *e)
{
	struct buf text = {0};
	int r = binlog_json_text(s, &text, e);

	if (r == 0) {
		buf_puts(sql, "_utf8mb4");
		sql_put_string(sql, buf_str(&text));
	}
	buf_free(&text);
	return r;
}

static int put_varying(struct buf *sql, const struct binlog_value *v, const struct column *c, struct err *e)
{
	struct arena *a = NULL;
	struct str s = v->raw;
	int r = 0;

	if (v->type == WIRE_JSON)
		return put_json(sql, s, e);
	/* Only padded and compressed values need memory. */
	if (whole_size(c, v->type) > s.n || v->type == WIRE_MARIA_VARCHAR_COMPRESSED ||
		v->type == WIRE_MARIA_BLOB_COMPRESSED) {
		a = arena_new(1024);
		r = binlog_value_bytes(v, c, a, &s, e);
	}
	if (r == 0)
		r = put_bytes(sql, s, c, e);
	arena_free(&a);
	return r;
}

int binlog_put_literal(struct buf *sql, const struct binlog_value *v, const struct column *c, struct err *e)
{
	int r = 0;

	if (!v->present)
		return err_set(e, ERR_sync_columns, "column `%s` is not in the row image", c->name);
	if (v->null) {
		buf_puts(sql, "NULL");
		return 0;
	}
	switch (v->type) {
	case WIRE_TINY:
	case WIRE_SHORT:
	case WIRE_INT24:
	case WIRE_LONG:
	case WIRE_LONGLONG:
	case WIRE_YEAR:
		put_integer(sql, v, c);
		break;
	case WIRE_FLOAT:
	case WIRE_DOUBLE:
		r = put_real(sql, v, e);
		break;
	case WIRE_NEWDECIMAL:
		decimal_put(sql, (const uint8_t *)v->raw.p, v->meta & 0xff, v->meta >> 8);
		break;
	case WIRE_BIT:
		buf_put_digits(sql, wire_big_endian((const uint8_t *)v->raw.p, (unsigned)v->raw.n), 1);
		break;
	case WIRE_ENUM:
	case WIRE_SET:
		put_set(sql, v);
		break;
	case WIRE_STRING:
	case WIRE_VARCHAR:
	case WIRE_VAR_STRING:
	case WIRE_BLOB:
	case WIRE_MARIA_BLOB_COMPRESSED:
	case WIRE_MARIA_VARCHAR_COMPRESSED:
	case WIRE_GEOMETRY:
	case WIRE_JSON:
	case WIRE_VECTOR:
		r = put_varying(sql, v, c, e);
		break;
	default:
		if (temporal_size(v->type, v->meta) == 0)
			return err_set(e, ERR_sync_event_unknown, "column `%s`: type %u in the binlog",
				c->name, v->type);
		temporal_put(sql, v);
		break;
	}
	return r < 0 ? err_add(e, "column `%s`", c->name) : 0;
}
