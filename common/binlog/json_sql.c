/*
 * MySQL's binary JSON as an SQL expression that makes the same value again, where its text would not:
 * DECIMAL, DATE, TIME and DATETIME inside JSON become a double or a string when the text is read back. Called
 * by the sync for targets with a JSON type of their own.
 */
#include "common/binlog/decimal.h"
#include "common/binlog/json.h"
#include "common/binlog/json_walk.h"
#include "common/binlog/row.h"
#include "common/binlog/wire.h"
#include "common/sql/quote.h"

/* How an opaque value is said; NULL: by its text. */
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
	case WIRE_VARCHAR:
		return "BINARY";
	default:
		return NULL;
	}
}

static bool is_typed(struct bj_node v)
{
	uint8_t type = v.type == BJ_OPAQUE ? cur_u8(&v.at) : 0;

	return v.type == BJ_OPAQUE && (type == WIRE_NEWDECIMAL || cast_of(type));
}

/* Is there such a value in it? budget: no real value has more nodes than bytes; a made-up one may go in
 * circles. */
static int look(const struct bj_node *v, unsigned depth, size_t *budget, struct err *e)
{
	struct bj_container k;
	struct bj_node m;

	if ((*budget)-- == 0)
		return bj_damaged(e);
	if (!bj_is_container(v->type))
		return is_typed(*v);
	if (bj_open(v, depth, &k, e) < 0)
		return -1;
	for (uint32_t i = 0; i < k.count; i++) {
		int r = bj_member(&k, i, &m, e) < 0 ? -1 : look(&m, depth + 1, budget, e);

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

/* The text of the value, without the quotes that JSON puts round it. */
static int put_typed(struct buf *sql, struct bj_node v, struct err *e)
{
	struct buf text = {0};
	struct cur c = v.at;
	uint8_t type = cur_u8(&c);
	struct str bytes = bj_string(&c);

	if (c.bad || bj_put_node(&text, &v, e) < 0) {
		buf_free(&text);
		return bj_damaged(e);
	}
	buf_puts(sql, "CAST(");
	if (type == WIRE_NEWDECIMAL) {
		buf_put(sql, text.p, text.n);
		buf_putf(sql, " AS DECIMAL(%u,%u))", (uint8_t)bytes.p[0], (uint8_t)bytes.p[1]);
	} else if (type == WIRE_VARCHAR) {
		sql_put_hex(sql, bytes);
		buf_puts(sql, " AS BINARY)");
	} else {
		buf_putf(sql, "'%.*s' AS %s)", (int)(text.n - 2), text.p + 1, cast_of(type));
	}
	buf_free(&text);
	return 0;
}

static int put_expression(
	struct buf *sql, const struct bj_node *v, unsigned depth, size_t *budget, struct err *e);

static int put_members(
	struct buf *sql, const struct bj_container *k, unsigned depth, size_t *budget, struct err *e)
{
	struct bj_node m;
	struct str key;

	buf_puts(sql, k->object ? "JSON_OBJECT(" : "JSON_ARRAY(");
	for (uint32_t i = 0; i < k->count; i++) {
		if (i > 0)
			buf_putc(sql, ',');
		if (k->object) {
			if (bj_key(k, i, &key, e) < 0)
				return -1;
			buf_puts(sql, "_utf8mb4");
			sql_put_string(sql, key);
			buf_putc(sql, ',');
		}
		if (bj_member(k, i, &m, e) < 0 || put_expression(sql, &m, depth + 1, budget, e) < 0)
			return -1;
	}
	buf_putc(sql, ')');
	return 0;
}

static int put_expression(
	struct buf *sql, const struct bj_node *v, unsigned depth, size_t *budget, struct err *e)
{
	struct bj_container k;
	int typed;

	if (is_typed(*v))
		return put_typed(sql, *v, e);
	/* Each level looks again: at most depth times the nodes. */
	typed = look(v, depth, budget, e);
	if (typed < 0)
		return -1;
	if (!typed)
		return put_plain(sql, v, e);
	return bj_open(v, depth, &k, e) < 0 ? -1 : put_members(sql, &k, depth, budget, e);
}

int bj_put_sql(struct buf *sql, struct str bytes, struct err *e)
{
	size_t budget = (bytes.n + 64) * 100;
	struct bj_node v;

	bj_root(bytes, &v);
	return put_expression(sql, &v, 1, &budget, e);
}

int binlog_put_json(struct buf *sql, struct str bytes, struct err *e)
{
	size_t budget = bytes.n * 2 + 64;
	struct buf text = {0};
	struct bj_node v;
	int typed, r = -1;

	bj_root(bytes, &v);
	typed = look(&v, 1, &budget, e);
	if (typed == 0 && (r = bj_put_node(&text, &v, e)) == 0) {
		buf_puts(sql, "_utf8mb4");
		sql_put_string(sql, buf_str(&text));
	} else if (typed > 0) {
		budget = (bytes.n + 64) * 100;
		buf_puts(sql, "CAST(");
		r = put_expression(sql, &v, 1, &budget, e);
		buf_puts(sql, " AS JSON)");
	}
	buf_free(&text);
	return r;
}
