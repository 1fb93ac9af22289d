/*
 * MySQL's binary JSON as an SQL expression that makes the same value again, where its text would not:
 * DECIMAL, DATE, TIME, DATETIME, bytes and bits inside JSON become a double or a string when the text is read
 * back. Called by the sync for targets with a JSON type of their own.
 */
#include <inttypes.h>
#include <stdio.h>

#include "common/binlog/decimal.h"
#include "common/binlog/json.h"
#include "common/binlog/json_walk.h"
#include "common/binlog/row.h"
#include "common/binlog/wire.h"
#include "common/sql/quote.h"

/* What is being written. budget: no real value has more nodes than bytes; a made-up one may go in circles. */
struct writing {
	struct buf *sql;
	enum json_to to;
	size_t budget;
};

/* How a moment is said; NULL: it is none. */
static const char *cast_of(uint8_t type)
{
	switch (type) {
	case WIRE_DATE:
		return "DATE";
	case WIRE_TIME:
		return "TIME(6)";
	case WIRE_DATETIME:
	case WIRE_TIMESTAMP:
		return "DATETIME(6)";
	default:
		return NULL;
	}
}

/*
 * Bytes that an expression makes with the type of the column that they come from, which their text shows. All
 * others go by their text, as the copy has them: a row of a table without a key is found by it.
 */
static bool is_bytes(uint8_t type, struct str bytes, enum json_to to)
{
	if (type == WIRE_VARCHAR || to != JSON_TO_TYPES)
		return type == WIRE_VARCHAR;
	if (type == WIRE_BIT)
		return bytes.n > 0 && bytes.n <= 8;
	if (type == WIRE_STRING)
		return bytes.n < 256;
	return type == WIRE_BLOB || type == WIRE_MEDIUM_BLOB || type == WIRE_LONG_BLOB;
}

static bool is_typed(struct bj_node v, enum json_to to)
{
	uint8_t type;

	if (v.type != BJ_OPAQUE)
		return false;
	type = cur_u8(&v.at);
	return type == WIRE_NEWDECIMAL || cast_of(type) || is_bytes(type, bj_string(&v.at), to);
}

/* Is there such a value in it? */
static int look(const struct bj_node *v, unsigned depth, enum json_to to, size_t *budget, struct err *e)
{
	struct bj_container k;
	struct bj_node m;

	if ((*budget)-- == 0)
		return bj_damaged(e);
	if (!bj_is_container(v->type))
		return is_typed(*v, to);
	if (bj_open(v, depth, &k, e) < 0)
		return -1;
	for (uint32_t i = 0; i < k.count; i++) {
		int r = bj_member(&k, i, &m, e) < 0 ? -1 : look(&m, depth + 1, to, budget, e);

		if (r != 0)
			return r;
	}
	return 0;
}

static int put_plain(struct buf *sql, const struct bj_node *v, struct err *e)
{
	struct buf text = {0};
	int r = bj_put_node(&text, v, e);

	if (r == 0) {
		buf_puts(sql, "CAST(_utf8mb4");
		sql_put_string(sql, buf_str(&text));
		buf_puts(sql, " AS JSON)");
	}
	buf_free(&text);
	return r;
}

/* By a column of JSON_TABLE, which may have any type. */
static void put_column(struct buf *sql, struct buf *value, const char *type)
{
	buf_puts(sql, "(SELECT c FROM JSON_TABLE(JSON_ARRAY(");
	buf_put(sql, value->p, value->n);
	buf_putf(sql, "),_utf8mb4'$[*]' COLUMNS(c %s PATH _utf8mb4'$' ERROR ON ERROR)) t)", type);
}

static void put_bits(struct buf *sql, struct str bytes)
{
	struct buf number = {0};
	uint64_t n = 0;
	char type[16];

	for (size_t i = 0; i < bytes.n; i++)
		n = n << 8 | (uint8_t)bytes.p[i];
	buf_putf(&number, "%" PRIu64, n);
	snprintf(type, sizeof(type), "BIT(%u)", (unsigned)bytes.n * 8);
	put_column(sql, &number, type);
	buf_free(&number);
}

/* A server makes some types by the length that an expression may have. */
static void put_bytes(struct buf *sql, uint8_t type, struct str bytes)
{
	struct buf hex = {0};
	char binary[16];

	sql_put_hex(&hex, bytes);
	snprintf(binary, sizeof(binary), "BINARY(%zu)", bytes.n < 256 ? bytes.n : 0);
	if (type == WIRE_BIT)
		put_bits(sql, bytes);
	else if (type == WIRE_BLOB)
		put_column(sql, &hex, "LONGBLOB");
	else if (type == WIRE_STRING)
		put_column(sql, &hex, binary);
	else if (type == WIRE_MEDIUM_BLOB || type == WIRE_LONG_BLOB)
		buf_putf(sql, "IF(1,CAST(%s AS BINARY),CAST('' AS BINARY(%u)))", buf_cstr(&hex),
			type == WIRE_LONG_BLOB ? 1u << 24 : 1u << 16);
	else
		buf_putf(sql, "CAST(%s AS BINARY)", buf_cstr(&hex));
	buf_free(&hex);
}

/* The text of the value, without the quotes that JSON puts round it. */
static int put_typed(struct writing *w, struct bj_node v, struct err *e)
{
	struct buf text = {0};
	struct cur c = v.at;
	uint8_t type = cur_u8(&c);
	struct str bytes = bj_string(&c);

	if (c.bad)
		return bj_damaged(e);
	if (is_bytes(type, bytes, w->to)) {
		put_bytes(w->sql, type, bytes);
		return 0;
	}
	if (bj_put_node(&text, &v, e) < 0) {
		buf_free(&text);
		return bj_damaged(e);
	}
	buf_puts(w->sql, "CAST(");
	if (type == WIRE_NEWDECIMAL) {
		buf_put(w->sql, text.p, text.n);
		buf_putf(w->sql, " AS DECIMAL(%u,%u))", (uint8_t)bytes.p[0], (uint8_t)bytes.p[1]);
	} else {
		buf_putf(w->sql, "'%.*s' AS %s)", (int)(text.n - 2), text.p + 1, cast_of(type));
	}
	buf_free(&text);
	return 0;
}

static int put_expression(struct writing *w, const struct bj_node *v, unsigned depth, struct err *e);

static int put_members(struct writing *w, const struct bj_container *k, unsigned depth, struct err *e)
{
	struct bj_node m;
	struct str key;

	buf_puts(w->sql, k->object ? "JSON_OBJECT(" : "JSON_ARRAY(");
	for (uint32_t i = 0; i < k->count; i++) {
		if (i > 0)
			buf_putc(w->sql, ',');
		if (k->object) {
			if (bj_key(k, i, &key, e) < 0)
				return -1;
			buf_puts(w->sql, "_utf8mb4");
			sql_put_string(w->sql, key);
			buf_putc(w->sql, ',');
		}
		if (bj_member(k, i, &m, e) < 0 || put_expression(w, &m, depth + 1, e) < 0)
			return -1;
	}
	buf_putc(w->sql, ')');
	return 0;
}

static int put_expression(struct writing *w, const struct bj_node *v, unsigned depth, struct err *e)
{
	struct bj_container k;
	int typed;

	if (is_typed(*v, w->to))
		return put_typed(w, *v, e);
	/* Each level looks again: at most depth times the nodes. */
	typed = look(v, depth, w->to, &w->budget, e);
	if (typed < 0)
		return -1;
	if (!typed)
		return put_plain(w->sql, v, e);
	return bj_open(v, depth, &k, e) < 0 ? -1 : put_members(w, &k, depth, e);
}

int bj_put_sql(struct buf *sql, struct str bytes, enum json_to to, struct err *e)
{
	struct writing w = {sql, to, (bytes.n + 64) * 100};
	struct bj_node v;

	bj_root(bytes, &v);
	return put_expression(&w, &v, 1, e);
}

int binlog_put_json(struct buf *sql, struct str bytes, enum json_to to, struct err *e)
{
	size_t budget = bytes.n * 2 + 64;
	struct buf text = {0};
	struct bj_node v;
	int typed, r = -1;

	bj_root(bytes, &v);
	typed = look(&v, 1, to, &budget, e);
	if (typed == 0 && (r = bj_put_node(&text, &v, e)) == 0) {
		buf_puts(sql, "_utf8mb4");
		sql_put_string(sql, buf_str(&text));
	} else if (typed > 0) {
		buf_puts(sql, "CAST(");
		r = bj_put_sql(sql, bytes, to, e);
		buf_puts(sql, " AS JSON)");
	}
	buf_free(&text);
	return r;
}
