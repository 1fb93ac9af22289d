/*
 * Rows events, walked row by row; values stay bytes of the event. Versions 0 and 1 (MariaDB, old MySQL), 2
 * (MySQL), MariaDB's compressed ones. Called by the sync for each rows event of a wanted table. Never copies
 * a value.
 */
#include <string.h>

#include "common/binlog/decimal.h"
#include "common/binlog/json_diff.h"
#include "common/binlog/row.h"
#include "common/binlog/temporal.h"
#include "common/binlog/wire.h"

static bool is_compressed(uint8_t type)
{
	return type >= BINLOG_MARIA_WRITE_COMPRESSED_V1 && type <= BINLOG_MARIA_DELETE_COMPRESSED;
}

bool binlog_is_rows(uint8_t type)
{
	return (type >= BINLOG_WRITE_V0 && type <= BINLOG_DELETE_V1) ||
	       (type >= BINLOG_WRITE_V2 && type <= BINLOG_DELETE_V2) || is_compressed(type) ||
	       type == BINLOG_PARTIAL_UPDATE;
}

static bool has_extra(uint8_t type)
{
	return (type >= BINLOG_WRITE_V2 && type <= BINLOG_DELETE_V2) || type == BINLOG_PARTIAL_UPDATE ||
	       type >= BINLOG_MARIA_WRITE_COMPRESSED;
}

enum binlog_change binlog_rows_change(uint8_t type)
{
	switch (type) {
	case BINLOG_WRITE_V0:
	case BINLOG_WRITE_V1:
	case BINLOG_WRITE_V2:
	case BINLOG_MARIA_WRITE_COMPRESSED_V1:
	case BINLOG_MARIA_WRITE_COMPRESSED:
		return BINLOG_INSERT;
	case BINLOG_DELETE_V0:
	case BINLOG_DELETE_V1:
	case BINLOG_DELETE_V2:
	case BINLOG_MARIA_DELETE_COMPRESSED_V1:
	case BINLOG_MARIA_DELETE_COMPRESSED:
		return BINLOG_DELETE;
	default:
		return BINLOG_UPDATE;
	}
}

static void read_post_header(
	struct cur *c, const struct binlog_format *f, uint8_t type, struct binlog_rows *r)
{
	enum { SHORT_POST_HEADER = 6 };

	r->table_id = f->post_header[type] == SHORT_POST_HEADER ? cur_u32(c) : cur_u48(c);
	r->flags = cur_u16(c);
	if (has_extra(type)) {
		uint16_t n = cur_u16(c);

		if (n < 2)
			c->bad = true;
		else
			cur_skip(c, n - 2u);
	}
}

int binlog_rows_open(struct str event, const struct binlog_format *f, const struct binlog_table *t,
	struct arena *a, struct binlog_rows *r, struct err *e)
{
	struct binlog_header h;
	size_t bits = (t->ncolumns + 7) / 8;
	struct cur c;

	memset(r, 0, sizeof(*r));
	if (wire_open(event, f, &h, &c, e) < 0)
		return -1;
	if (!binlog_is_rows(h.type))
		return err_set(
			e, ERR_sync_event_unknown, "a %s event is no rows event", binlog_type_name(h.type));
	read_post_header(&c, f, h.type, r);
	if (cur_lenenc(&c) != t->ncolumns || r->table_id != t->id)
		c.bad = true;
	r->change = binlog_rows_change(h.type);
	r->partial = h.type == BINLOG_PARTIAL_UPDATE;
	r->a = a;
	r->ncolumns = t->ncolumns;
	r->before_bits = r->change == BINLOG_INSERT ? NULL : cur_bytes(&c, bits);
	r->after_bits = r->change == BINLOG_DELETE ? NULL : cur_bytes(&c, bits);
	r->data = wire_rest(&c);
	if (wire_done(&c, &h, e) < 0)
		return -1;
	if (r->data.n == 0)
		return err_set(e, ERR_sync_event_unknown,
			"%s event of `%.*s`.`%.*s` without a byte of rows: how many rows it "
			"stands for can't be told",
			binlog_type_name(h.type), STR_ARG(t->schema), STR_ARG(t->table));
	return is_compressed(h.type) ? wire_unfold(r->data, a, &r->data, e) : 0;
}

static size_t fixed_size(uint8_t type, uint16_t meta)
{
	switch (type) {
	case WIRE_TINY:
	case WIRE_YEAR:
		return 1;
	case WIRE_SHORT:
		return 2;
	case WIRE_INT24:
	case WIRE_DATE:
	case WIRE_NEWDATE:
		return 3;
	case WIRE_LONG:
	case WIRE_FLOAT:
		return 4;
	case WIRE_LONGLONG:
	case WIRE_DOUBLE:
		return 8;
	case WIRE_NEWDECIMAL:
		return decimal_size(meta & 0xff, meta >> 8);
	case WIRE_BIT:
		return (meta >> 8) + (size_t)((meta & 0xff) > 0);
	case WIRE_ENUM:
	case WIRE_SET:
		return meta;
	default:
		return temporal_size(type, meta);
	}
}

/* Bytes of the length in front of the value; 0: it has none. */
static unsigned length_size(uint8_t type, uint16_t meta)
{
	switch (type) {
	case WIRE_STRING:
	case WIRE_VARCHAR:
	case WIRE_VAR_STRING:
	case WIRE_MARIA_VARCHAR_COMPRESSED:
		return meta > 255 ? 2 : 1;
	case WIRE_BLOB:
	case WIRE_MARIA_BLOB_COMPRESSED:
	case WIRE_GEOMETRY:
	case WIRE_JSON:
	case WIRE_VECTOR:
		return meta;
	default:
		return 0;
	}
}

/* Of the types whose size needs no second thought; 0: ask. */
static const uint8_t plain_size[256] = {
	[WIRE_TINY] = 1,
	[WIRE_SHORT] = 2,
	[WIRE_INT24] = 3,
	[WIRE_LONG] = 4,
	[WIRE_LONGLONG] = 8,
	[WIRE_FLOAT] = 4,
	[WIRE_DOUBLE] = 8,
	[WIRE_DATE] = 3,
};

static int take_value(struct cur *c, struct binlog_value *v, struct err *e)
{
	unsigned length = plain_size[v->type] ? 0 : length_size(v->type, v->meta);
	size_t n = plain_size[v->type];

	if (n == 0)
		n = length ? cur_uint(c, length) : fixed_size(v->type, v->meta);

	if (n == 0 && !length)
		return err_set(e, ERR_sync_event_unknown, "column type %u in the binlog", v->type);
	v->raw = wire_text(c, n);
	return 0;
}

static bool bit_at(const uint8_t *bits, unsigned i)
{
	return bits[i / 8] >> (i % 8) & 1;
}

static unsigned count_bits(const uint8_t *bits, unsigned n)
{
	unsigned count = 0;

	for (; n >= 8; n -= 8)
		count += (unsigned)__builtin_popcount(*bits++);
	for (unsigned i = 0; i < n; i++)
		count += bit_at(bits, i);
	return count;
}

static int take_image(struct cur *c, const struct binlog_table *t, const uint8_t *present,
	struct binlog_value *out, struct err *e)
{
	const uint8_t *nulls = cur_bytes(c, (count_bits(present, t->ncolumns) + 7) / 8);
	unsigned nth = 0;

	for (unsigned i = 0; i < t->ncolumns; i++) {
		struct binlog_value *v = &out[i];

		*v = (struct binlog_value){.type = t->types[i], .meta = t->meta[i]};
		v->present = bit_at(present, i);
		if (!v->present || c->bad)
			continue;
		v->null = bit_at(nulls, nth++);
		if (!v->null && take_value(c, v, e) < 0)
			return err_add(
				e, "`%.*s`.`%.*s` column %u", STR_ARG(t->schema), STR_ARG(t->table), i + 1);
	}
	return 0;
}

/* In front of a partial image: options, and which of the table's JSON columns are changes. NULL: none is. */
static const uint8_t *take_partial_bits(struct cur *c, const struct binlog_table *t)
{
	enum { PARTIAL_JSON = 1 };
	uint64_t options = cur_lenenc(c);
	unsigned json = 0;

	if (options & ~(uint64_t)PARTIAL_JSON)
		c->bad = true;
	if (!(options & PARTIAL_JSON))
		return NULL;
	for (unsigned i = 0; i < t->ncolumns; i++)
		json += t->types[i] == WIRE_JSON;
	return cur_bytes(c, (json + 7) / 8);
}

static int apply_partial(struct binlog_rows *r, const struct binlog_table *t, unsigned i,
	const struct binlog_value *before, struct binlog_value *after, struct err *e)
{
	if (before->present && !before->null)
		return binlog_json_apply(before->raw, after->raw, r->a, &after->raw, e) < 0
			       ? err_add(e, "`%.*s`.`%.*s` column %u", STR_ARG(t->schema), STR_ARG(t->table),
					 i + 1)
			       : 0;
	if (!before->present && after->raw.n == 0) {
		after->present = false; /* no change at all */
		return 0;
	}
	if (!before->present) {
		after->present = false;
		after->diff = true;
		return 0;
	}
	return err_set(e, ERR_sync_binlog,
		"PARTIAL_UPDATE_ROWS event of `%.*s`.`%.*s`: changes to column %u, which is NULL",
		STR_ARG(t->schema), STR_ARG(t->table), i + 1);
}

/* The image after, its changes applied to the image before. */
static int take_partial(struct binlog_rows *r, struct cur *c, const struct binlog_table *t,
	const struct binlog_value *before, struct binlog_value *after, struct err *e)
{
	const uint8_t *bits = take_partial_bits(c, t);
	unsigned json = 0;

	if (take_image(c, t, r->after_bits, after, e) < 0)
		return -1;
	for (unsigned i = 0; bits && !c->bad && i < t->ncolumns; i++) {
		if (t->types[i] != WIRE_JSON || !bit_at(bits, json++) || !after[i].present || after[i].null)
			continue;
		if (apply_partial(r, t, i, &before[i], &after[i], e) < 0)
			return -1;
	}
	return 0;
}

int binlog_rows_next(struct binlog_rows *r, const struct binlog_table *t, struct binlog_value *before,
	struct binlog_value *after, struct err *e)
{
	struct cur c = cur_of(r->data.p + r->at, r->data.n - r->at);

	if (cur_left(&c) == 0)
		return 0;
	if (r->before_bits && take_image(&c, t, r->before_bits, before, e) < 0)
		return -1;
	if (r->after_bits && (r->partial ? take_partial(r, &c, t, before, after, e)
					 : take_image(&c, t, r->after_bits, after, e)) < 0)
		return -1;
	/* A row of no columns (all left out by the image) takes no byte: no progress would be an endless
	 * loop. */
	if (c.bad || cur_left(&c) == r->data.n - r->at)
		return err_set(e, ERR_sync_binlog,
			"rows event of `%.*s`.`%.*s` is cut short or damaged at byte %zu of %zu",
			STR_ARG(t->schema), STR_ARG(t->table), r->at, r->data.n);
	r->at = r->data.n - cur_left(&c);
	return 1;
}
