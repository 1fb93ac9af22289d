/*
 * TABLE_MAP events: the wire types of a table's columns, and what the server tells beside them (signs,
 * charsets, names). Checks them against the known structure: rows are only read with one that fits.
 */
#include <stdlib.h>
#include <string.h>

#include "common/binlog/row.h"
#include "common/binlog/wire.h"

enum { MAX_COLUMNS = 4096 };

static int read_table_id(struct cur *c, const struct binlog_format *f, uint8_t type, uint64_t *id)
{
	enum { SHORT_POST_HEADER = 6 };

	*id = f->post_header[type] == SHORT_POST_HEADER ? cur_u32(c) : cur_u48(c);
	return c->bad ? -1 : 0;
}

/* The real type hides in STRING's two bytes, and CHAR(255) of four bytes a character needs two bits more than
 * one byte. */
static uint8_t unfold_string(struct cur *c, uint16_t *meta)
{
	uint8_t first = cur_u8(c), second = cur_u8(c);

	*meta = second;
	if (first == 0)
		return WIRE_STRING;
	if ((first & 0x30) != 0x30) {
		*meta = (uint16_t)(second | ((first & 0x30) ^ 0x30) << 4);
		first |= 0x30;
	}
	return first;
}

/* Bytes of metadata of each type; 2 + 16: most significant first. */
static uint8_t read_meta(struct cur *c, uint8_t type, uint16_t *meta)
{
	switch (type) {
	case WIRE_STRING:
	case WIRE_ENUM:
	case WIRE_SET:
		return unfold_string(c, meta);
	case WIRE_FLOAT:
	case WIRE_DOUBLE:
	case WIRE_BLOB:
	case WIRE_TINY_BLOB:
	case WIRE_MEDIUM_BLOB:
	case WIRE_LONG_BLOB:
	case WIRE_MARIA_BLOB_COMPRESSED:
	case WIRE_GEOMETRY:
	case WIRE_JSON:
	case WIRE_VECTOR:
	case WIRE_TIMESTAMP2:
	case WIRE_DATETIME2:
	case WIRE_TIME2:
		*meta = cur_u8(c);
		return type;
	case WIRE_VARCHAR:
	case WIRE_MARIA_VARCHAR_COMPRESSED:
	case WIRE_VAR_STRING:
	case WIRE_BIT:
	case WIRE_NEWDECIMAL:
		*meta = cur_u16(c);
		return type;
	default:
		*meta = 0;
		return type;
	}
}

static bool meta_is_sane(uint8_t type, uint16_t meta)
{
	switch (type) {
	case WIRE_ENUM:
		return meta == 1 || meta == 2;
	case WIRE_SET:
		return meta >= 1 && meta <= 8;
	case WIRE_FLOAT:
		return meta == 4;
	case WIRE_DOUBLE:
		return meta == 8;
	case WIRE_TIMESTAMP2:
	case WIRE_DATETIME2:
	case WIRE_TIME2:
		return meta <= 6;
	case WIRE_BIT:
		return (meta & 0xff) < 8 && (meta >> 8) * 8 + (meta & 0xff) <= 64;
	case WIRE_NEWDECIMAL:
		return (meta & 0xff) <= 65 && meta >> 8 <= 38 && meta >> 8 <= (meta & 0xff);
	case WIRE_BLOB:
	case WIRE_MARIA_BLOB_COMPRESSED:
	case WIRE_GEOMETRY:
	case WIRE_JSON:
	case WIRE_VECTOR:
		return meta >= 1 && meta <= 4;
	default:
		return true;
	}
}

static bool is_number(uint8_t type)
{
	return type == WIRE_TINY || type == WIRE_SHORT || type == WIRE_INT24 || type == WIRE_LONG ||
	       type == WIRE_LONGLONG || type == WIRE_NEWDECIMAL || type == WIRE_FLOAT || type == WIRE_DOUBLE;
}

static bool is_text(uint8_t type)
{
	return type == WIRE_STRING || type == WIRE_VARCHAR || type == WIRE_VAR_STRING || type == WIRE_BLOB ||
	       type == WIRE_VECTOR || type == WIRE_MARIA_BLOB_COMPRESSED ||
	       type == WIRE_MARIA_VARCHAR_COMPRESSED;
}

/* MariaDB counts GEOMETRY among them. */
static bool is_text_of_maria(uint8_t type)
{
	return is_text(type) || type == WIRE_GEOMETRY;
}

static bool is_list(uint8_t type)
{
	return type == WIRE_ENUM || type == WIRE_SET;
}

/* MariaDB and MySQL 9 count YEAR among the numbers (seen); of older MySQL it is not known, so such a table's
 * signs are not taken. */
static bool counts_year(const struct binlog_format *f)
{
	return f->server.flavor == FLAVOR_MARIADB || f->server.version >= 90000;
}

static bool has_type(const struct binlog_table *t, uint8_t type)
{
	return memchr(t->types, type, t->ncolumns) != NULL;
}

/* One bit for each number, most significant first. */
static void read_signs(struct cur c, const struct binlog_format *f, struct arena *a, struct binlog_table *t)
{
	unsigned bit = 0;

	if (has_type(t, WIRE_YEAR) && !counts_year(f))
		return;
	t->is_unsigned = arena_zalloc(a, t->ncolumns * sizeof(*t->is_unsigned) + 1);
	for (unsigned i = 0; i < t->ncolumns; i++) {
		if (!is_number(t->types[i]) && t->types[i] != WIRE_YEAR)
			continue;
		if (bit / 8 < cur_left(&c))
			t->is_unsigned[i] = c.p[bit / 8] >> (7 - bit % 8) & 1;
		bit++;
	}
}

static void want_collations(struct arena *a, struct binlog_table *t)
{
	if (!t->collations)
		t->collations = arena_zalloc(a, t->ncolumns * sizeof(*t->collations) + 1);
}

/* A default, then (which of these columns, collation) for those that differ. */
static void read_default_collation(
	struct cur c, struct arena *a, struct binlog_table *t, bool (*is_one)(uint8_t))
{
	uint32_t fallback = (uint32_t)cur_lenenc(&c);
	uint64_t nth = UINT64_MAX, at = 0;
	uint32_t other = 0;

	want_collations(a, t);
	for (unsigned i = 0; i < t->ncolumns; i++) {
		if (!is_one(t->types[i]))
			continue;
		if (nth == UINT64_MAX && cur_left(&c) > 0) {
			nth = cur_lenenc(&c);
			other = (uint32_t)cur_lenenc(&c);
		}
		t->collations[i] = at == nth ? other : fallback;
		if (at == nth)
			nth = UINT64_MAX;
		at++;
	}
}

static void read_collations(struct cur c, struct arena *a, struct binlog_table *t, bool (*is_one)(uint8_t))
{
	want_collations(a, t);
	for (unsigned i = 0; i < t->ncolumns && cur_left(&c) > 0; i++)
		if (is_one(t->types[i]))
			t->collations[i] = (uint32_t)cur_lenenc(&c);
}

static int read_names(struct cur c, struct arena *a, struct binlog_table *t)
{
	t->names = arena_zalloc(a, t->ncolumns * sizeof(*t->names) + 1);
	for (unsigned i = 0; i < t->ncolumns; i++)
		t->names[i] = wire_text(&c, cur_lenenc(&c));
	return c.bad ? -1 : 0;
}

enum optional {
	SIGNEDNESS = 1,
	DEFAULT_CHARSET = 2,
	COLUMN_CHARSET = 3,
	COLUMN_NAME = 4,
	LIST_DEFAULT_CHARSET = 10,
	LIST_COLUMN_CHARSET = 11
};

static void read_optional(
	struct cur *c, const struct binlog_format *f, struct arena *a, struct binlog_table *t)
{
	bool maria = f->server.flavor == FLAVOR_MARIADB;

	while (cur_left(c) > 0 && !c->bad) {
		uint8_t what = cur_u8(c);
		size_t n = cur_lenenc(c);
		const uint8_t *p = cur_bytes(c, n);
		struct cur value = wire_cur((struct str){(const char *)p, p ? n : 0});

		if (c->bad)
			return;
		if (what == SIGNEDNESS)
			read_signs(value, f, a, t);
		else if (what == DEFAULT_CHARSET)
			read_default_collation(value, a, t, maria ? is_text_of_maria : is_text);
		else if (what == COLUMN_CHARSET)
			read_collations(value, a, t, maria ? is_text_of_maria : is_text);
		else if (what == LIST_DEFAULT_CHARSET)
			read_default_collation(value, a, t, is_list);
		else if (what == LIST_COLUMN_CHARSET)
			read_collations(value, a, t, is_list);
		else if (what == COLUMN_NAME && read_names(value, a, t) < 0)
			c->bad = true;
	}
}

static int read_types(struct cur *c, struct arena *a, struct binlog_table *t, struct err *e)
{
	const uint8_t *wire = cur_bytes(c, t->ncolumns);
	size_t n = cur_lenenc(c);
	const uint8_t *bytes = cur_bytes(c, n);
	struct cur meta = wire_cur((struct str){(const char *)bytes, bytes ? n : 0});
	uint8_t *types = arena_alloc(a, t->ncolumns + 1);

	t->types = types;
	t->meta = arena_alloc(a, (t->ncolumns + 1) * sizeof(*t->meta));
	for (unsigned i = 0; i < t->ncolumns && !c->bad && !meta.bad; i++) {
		types[i] = read_meta(&meta, wire[i], &t->meta[i]);
		if (!meta.bad && !meta_is_sane(types[i], t->meta[i]))
			return err_set(e, ERR_sync_binlog,
				"TABLE_MAP event of `%.*s`.`%.*s`: column %u of type %u has "
				"metadata %u",
				STR_ARG(t->schema), STR_ARG(t->table), i + 1, types[i], t->meta[i]);
	}
	if (meta.bad || cur_left(&meta) > 0)
		c->bad = true;
	return 0;
}

static void read_nullable(struct cur *c, struct arena *a, struct binlog_table *t)
{
	const uint8_t *bits = cur_bytes(c, (t->ncolumns + 7) / 8);

	t->nullable = arena_zalloc(a, t->ncolumns + 1);
	for (unsigned i = 0; bits && i < t->ncolumns; i++)
		t->nullable[i] = bits[i / 8] >> (i % 8) & 1;
}

static struct str read_name(struct cur *c)
{
	struct str s = wire_text(c, cur_u8(c));

	if (cur_u8(c) != 0 || s.n == 0)
		c->bad = true;
	return s;
}

int binlog_read_table_map(struct str event, const struct binlog_format *f, struct arena *a,
	struct binlog_table *t, struct err *e)
{
	struct binlog_header h;
	struct cur c;
	uint64_t n;

	memset(t, 0, sizeof(*t));
	t->flavor = f->server.flavor;
	if (wire_open(event, f, &h, &c, e) < 0)
		return -1;
	read_table_id(&c, f, BINLOG_TABLE_MAP, &t->id);
	cur_skip(&c, 2);
	t->schema = read_name(&c);
	t->table = read_name(&c);
	n = cur_lenenc(&c);
	if (n == 0 || n > MAX_COLUMNS)
		c.bad = true;
	if (wire_done(&c, &h, e) < 0)
		return -1;
	t->ncolumns = (unsigned)n;
	if (read_types(&c, a, t, e) < 0)
		return -1;
	read_nullable(&c, a, t);
	if (!c.bad)
		read_optional(&c, f, a, t);
	return wire_done(&c, &h, e);
}

int binlog_rows_table_id(struct str event, const struct binlog_format *f, uint64_t *id, struct err *e)
{
	struct binlog_header h;
	struct cur c;

	if (wire_open(event, f, &h, &c, e) < 0)
		return -1;
	read_table_id(&c, f, h.type, id);
	return wire_done(&c, &h, e);
}
