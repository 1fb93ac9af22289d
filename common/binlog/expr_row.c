/*
 * Values of rows events for expressions: the numbers, texts and times themselves, no SQL text between.
 * Called by whoever filters rows, through struct expr_row.
 */
#include "common/binlog/expr_row.h"

#include "common/binlog/decimal.h"
#include "common/binlog/temporal.h"

static int take_time(
	const struct binlog_value *v, const struct column *c, struct expr_value *out, struct err *e)
{
	struct temporal t;
	struct expr_moment m;

	if (temporal_size(v->type, v->meta) == 0)
		return err_set(
			e, ERR_sync_event_unknown, "column `%s`: type %u in the binlog", c->name, v->type);
	temporal_read(v, &t);
	m = (struct expr_moment){(unsigned)t.year, (unsigned)t.month, (unsigned)t.day, (unsigned)t.hour,
		(unsigned)t.minute, (unsigned)t.second, (unsigned)t.micro};
	out->type = c->kind == COLUMN_TIME ? EXPR_TIME : c->kind == COLUMN_DATE ? EXPR_DATE : EXPR_DATETIME;
	out->i = c->kind == COLUMN_TIME ? expr_pack_time(t.negative, &m) : expr_pack_datetime(&m);
	return 0;
}

static int take_decimal(
	const struct binlog_value *v, const struct column *c, struct expr_value *out, struct err *e)
{
	struct buf text = {0};
	bool good;

	decimal_put(&text, (const uint8_t *)v->raw.p, v->meta & 0xff, v->meta >> 8);
	good = expr_decimal_read(buf_str(&text), &out->decimal);
	buf_free(&text);
	out->type = EXPR_DECIMAL;
	return good ? 0
		    : err_set(e, ERR_expression, "column `%s`: more than 30 digits behind the point",
			      c->name);
}

static int take_value(const struct binlog_value *v, const struct column *c, struct arena *a,
	struct expr_value *out, struct err *e)
{
	switch (c->kind) {
	case COLUMN_INT:
	case COLUMN_BIT:
	case COLUMN_ENUM:
		out->type = c->kind == COLUMN_INT && !c->is_unsigned && v->type != WIRE_YEAR ? EXPR_INT
											     : EXPR_UINT;
		out->i = binlog_value_int(v, c);
		return 0;
	case COLUMN_FLOAT:
	case COLUMN_DOUBLE:
		out->type = EXPR_DOUBLE;
		return binlog_value_real(v, &out->d, e);
	case COLUMN_DECIMAL:
		return take_decimal(v, c, out, e);
	case COLUMN_DATE:
	case COLUMN_TIME:
	case COLUMN_DATETIME:
	case COLUMN_TIMESTAMP:
		return take_time(v, c, out, e);
	case COLUMN_TEXT:
	case COLUMN_BINARY:
		out->type = EXPR_STRING;
		return binlog_value_bytes(v, c, a, &out->s, e);
	default:
		out->type = EXPR_OPAQUE;
		return 0;
	}
}

static int value(void *arg, unsigned column, struct arena *a, struct expr_value *out, struct err *e)
{
	const struct binlog_expr_row *row = arg;
	const struct binlog_value *v = &row->values[column];
	const struct column *c = &row->s->columns[column];

	if (!v->present && !v->diff)
		return err_set(e, ERR_expression,
			"column `%s` is not in the row's image: the upstream needs binlog_row_image=FULL",
			c->name);
	if (v->null) {
		out->type = EXPR_NULL;
		return 0;
	}
	if (v->diff) { /* of a JSON that is there */
		out->type = EXPR_OPAQUE;
		return 0;
	}
	return take_value(v, c, a, out, e);
}

struct expr_row binlog_expr_row(struct binlog_expr_row *row)
{
	return (struct expr_row){value, row};
}
