/*
 * What a column holds that an INSERT did not name, where it has no default and may not be NULL: its type's
 * zero, in the bytes that a whole image has. A minimal image lacks them. Called by sync's decoder.
 */
#include "common/binlog/decimal.h"
#include "common/binlog/row.h"
#include "common/binlog/temporal.h"

/* Of DECIMAL and the newer temporals the first bit says that it is not negative. */
static const char zeros[64], signed_zero[64] = {(char)0x80}, first_member[8] = {1}, null_document[2] = {4};

static struct str number(const struct binlog_table *t, unsigned i)
{
	uint16_t meta = t->meta[i];

	switch (t->types[i]) {
	case WIRE_TINY:
	case WIRE_YEAR:
		return (struct str){zeros, 1};
	case WIRE_SHORT:
		return (struct str){zeros, 2};
	case WIRE_INT24:
		return (struct str){zeros, 3};
	case WIRE_LONG:
	case WIRE_FLOAT:
		return (struct str){zeros, 4};
	case WIRE_LONGLONG:
	case WIRE_DOUBLE:
		return (struct str){zeros, 8};
	case WIRE_NEWDECIMAL:
		return (struct str){signed_zero, decimal_size(meta & 0xff, meta >> 8)};
	case WIRE_BIT:
		return (struct str){zeros, (size_t)(meta >> 8) + ((meta & 0xff) > 0)};
	default:
		return (struct str){0};
	}
}

static struct str zero_of(const struct binlog_table *t, unsigned i)
{
	uint16_t meta = t->meta[i];

	switch (t->types[i]) {
	case WIRE_DATE:
	case WIRE_NEWDATE:
	case WIRE_TIMESTAMP2:
		return (struct str){zeros, temporal_size(t->types[i], meta)};
	case WIRE_TIME2:
	case WIRE_DATETIME2:
		return (struct str){signed_zero, temporal_size(t->types[i], meta)};
	case WIRE_ENUM:
		return (struct str){first_member, meta};
	case WIRE_SET:
		return (struct str){zeros, meta};
	case WIRE_JSON: /* as servers read what has no bytes */
		return (struct str){null_document, sizeof(null_document)};
	case WIRE_STRING:
	case WIRE_VARCHAR:
	case WIRE_VAR_STRING:
	case WIRE_BLOB:
	case WIRE_MARIA_BLOB_COMPRESSED:
	case WIRE_MARIA_VARCHAR_COMPRESSED:
		return (struct str){zeros, 0};
	default:
		return number(t, i);
	}
}

bool binlog_implied(const struct binlog_table *t, unsigned i, struct binlog_value *out)
{
	struct str raw = zero_of(t, i);

	*out = (struct binlog_value){.present = raw.p && raw.n <= sizeof(zeros),
		.type = t->types[i],
		.meta = t->meta[i],
		.raw = raw};
	return out->present;
}
