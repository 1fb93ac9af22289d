/*
 * The SQL of the comparison. Pure: structures in, text out. Called by compare.c. A value whose text may
 * differ between two servers though it is the same is left out and named, never compared by a guess.
 */
#include "units/cutover/checksum.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/sql/quote.h"

/* How a value gets to bytes. */
enum form {
	FORM_NONE,   /* it can't be compared */
	FORM_NUMBER, /* c+0: without ZEROFILL, YEAR and BIT as numbers */
	FORM_DOUBLE, /* no minus zero, which MariaDB's SQL does not know */
	FORM_AS_IS,  /* text of digits and signs */
	FORM_BYTES,
	FORM_UTF8,   /* of text in different charsets */
	FORM_MEMBER, /* ENUM, SET: its number too, as '' may be two things */
	FORM_SHOWN,  /* what CAST(… AS CHAR) shows */
};

static bool same_charset(const struct column *a, const struct column *b)
{
	const char *x = strcmp(a->charset, "utf8mb3") == 0 ? "utf8" : a->charset,
		   *y = strcmp(b->charset, "utf8mb3") == 0 ? "utf8" : b->charset;

	return strcmp(x, y) == 0;
}

static bool is_net(enum column_kind k)
{
	return k == COLUMN_UUID || k == COLUMN_INET4 || k == COLUMN_INET6;
}

/* A BIT(n) and a BINARY(n) have n in their type, an INT(11) what it shows. */
static bool same_type(const struct column *a, const struct column *b)
{
	return strcasecmp(a->type, b->type) == 0;
}

static enum form form_of_text(const struct column *a, const struct column *b)
{
	if (a->kind == COLUMN_ENUM || a->kind == COLUMN_SET)
		return FORM_MEMBER;
	return same_charset(a, b) ? FORM_BYTES : FORM_UTF8;
}

/* A period of MariaDB's row history, where the downstream has none: the same times in a wider type. */
static bool is_plain_period(const struct column *a, const struct column *b)
{
	return structure_is_row_time(a) && a->kind == COLUMN_TIMESTAMP && b->kind == COLUMN_DATETIME &&
	       strcmp(b->type, "datetime(6)") == 0;
}

static enum form form_of(const struct column *a, const struct checksum_side *sa, const struct column *b,
	const struct checksum_side *sb)
{
	bool tidb = sa->server->flavor == FLAVOR_TIDB || sb->server->flavor == FLAVOR_TIDB;

	if (is_net(a->kind) && (a->kind == b->kind || b->kind == COLUMN_TEXT))
		return FORM_SHOWN;
	if (is_net(b->kind) && a->kind == COLUMN_TEXT)
		return FORM_UTF8;
	if ((a->kind == COLUMN_VECTOR && b->kind == COLUMN_BINARY) ||
		(a->kind == COLUMN_BINARY && b->kind == COLUMN_VECTOR))
		return FORM_BYTES;
	if (is_plain_period(a, b))
		return FORM_AS_IS;
	if (a->kind != b->kind)
		return FORM_NONE;
	switch (a->kind) {
	case COLUMN_INT:
	case COLUMN_BIT:
		return FORM_NUMBER;
	case COLUMN_FLOAT:
	case COLUMN_DOUBLE: /* Go prints some of them otherwise */
		return tidb ? FORM_NONE : FORM_DOUBLE;
	case COLUMN_DECIMAL:
	case COLUMN_DATE:
	case COLUMN_TIME:
	case COLUMN_DATETIME:
	case COLUMN_TIMESTAMP:
		return same_type(a, b) ? FORM_AS_IS : FORM_NONE;
	case COLUMN_TEXT:
	case COLUMN_ENUM:
	case COLUMN_SET:
		return form_of_text(a, b);
	case COLUMN_JSON: /* one and the same writer of text on both sides */
		return sa->server->flavor == FLAVOR_MYSQL && sb->server->flavor == FLAVOR_MYSQL ? FORM_SHOWN
												: FORM_NONE;
	case COLUMN_BINARY:
	case COLUMN_GEOMETRY:
	case COLUMN_VECTOR:
		return FORM_BYTES;
	default:
		return FORM_NONE;
	}
}

/* Values that may be longer than what CONCAT may return (max_allowed_packet) go in as a hash. */
static bool may_be_long(const struct column *c)
{
	return strstr(c->type, "text") || strstr(c->type, "blob") || c->kind == COLUMN_JSON ||
	       c->kind == COLUMN_GEOMETRY || c->kind == COLUMN_VECTOR;
}

/*
 * All digits, in a form that does not depend on how wide a text the server allows (MySQL rounds what has more
 * than 22 characters, MariaDB writes more zeros behind the point): without the sign, and what is below one
 * times a power of 2^512, which is exact.
 */
#define TWO_512 "1.3407807929942597e154"
static void put_double(const char *q, struct buf *out)
{
	buf_putf(out,
		"CONCAT(SIGN(%s),CASE WHEN ABS(%s*1e0)>=1 THEN ABS(%s*1e0) WHEN ABS(%s*1e0)<1e-200 THEN "
		"CONCAT('s',ABS(%s*1e0)*" TWO_512 "*" TWO_512 "*" TWO_512
		") ELSE CONCAT('m',ABS(%s*1e0)*" TWO_512 "*" TWO_512 ") END)",
		q, q, q, q, q, q);
}

static void put_value(const struct column *c, enum form f, struct buf *out)
{
	struct buf name = {0};
	const char *q;

	sql_put_ident(&name, str_of(c->name));
	q = buf_cstr(&name);
	if (f == FORM_NUMBER)
		buf_putf(out, "%s+0", q);
	else if (f == FORM_DOUBLE)
		put_double(q, out);
	else if (f == FORM_AS_IS)
		buf_putf(out, "CAST(%s AS CHAR)", q);
	else if (f == FORM_SHOWN)
		buf_putf(out, "CAST(%s AS CHAR CHARACTER SET utf8mb4)", q);
	else if (f == FORM_UTF8 && c->charset && c->charset[0])
		buf_putf(out, "CAST(CONVERT(%s USING utf8mb4) AS BINARY)", q);
	else if (f == FORM_UTF8)
		buf_putf(out, "CAST(%s AS CHAR CHARACTER SET utf8mb4)", q);
	else if (f == FORM_MEMBER)
		buf_putf(out, "CONCAT(CAST(%s AS UNSIGNED),':',CAST(CONVERT(%s USING utf8mb4) AS BINARY))", q,
			q);
	else if (c->kind == COLUMN_TEXT && !may_be_long(c))
		buf_putf(out, "CAST(%s AS BINARY)", q);
	else
		buf_puts(out, q);
	buf_free(&name);
}

/* A value of no fixed alphabet stands behind its length, so that no two rows are said by the same bytes. */
static void put_part(const struct column *c, enum form f, bool hashed, struct buf *out)
{
	struct buf v = {0};
	const char *value;

	put_value(c, f, &v);
	value = buf_cstr(&v);
	buf_puts(out, out->n ? "," : "");
	if (hashed)
		buf_putf(out, "IFNULL(SHA2(%s,256),'N'),','", value);
	else if (f == FORM_BYTES || f == FORM_UTF8 || f == FORM_MEMBER)
		buf_putf(out, "IFNULL(CONCAT(LENGTH(%s),':',%s),'N'),','", value, value);
	else
		buf_putf(out, "IFNULL(%s,'N'),','", value);
	buf_free(&v);
}

static const struct column *find(const struct structure *s, const char *name)
{
	for (unsigned i = 0; i < s->ncolumns; i++)
		if (strcasecmp(s->columns[i].name, name) == 0)
			return &s->columns[i];
	return NULL;
}

static void skip(struct checksum *c, const struct column *a)
{
	buf_puts(&c->skipped, c->skipped.n ? ", " : "");
	sql_put_ident(&c->skipped, str_of(a->name));
	buf_putf(&c->skipped, " (%s)", a->type);
}

static void add_column(struct checksum *c, const struct column *a, const struct checksum_side sides[2])
{
	const struct column *b = find(sides[1].structure, a->name);
	enum form f;
	bool hashed;

	if (!b) {
		snprintf(c->missing, sizeof(c->missing), "%s", a->name);
		return;
	}
	if (a->generated && b->generated)
		return; /* made of the others on either side */
	f = form_of(a, &sides[0], b, &sides[1]);
	if (f == FORM_NONE) {
		skip(c, a);
		return;
	}
	hashed = (may_be_long(a) || may_be_long(b)) && f != FORM_NUMBER && f != FORM_DOUBLE;
	put_part(a, f, hashed, &c->sql[0]);
	put_part(b, f, hashed, &c->sql[1]);
}

void checksum_make(struct checksum *c, const struct checksum_side sides[2])
{
	const struct structure *a = sides[0].structure, *b = sides[1].structure;

	*c = (struct checksum){0};
	for (unsigned i = 0; i < a->ncolumns; i++)
		add_column(c, &a->columns[i], sides);
	for (unsigned i = 0; i < b->ncolumns; i++)
		if (!find(a, b->columns[i].name))
			snprintf(c->surplus, sizeof(c->surplus), "%s", b->columns[i].name);
}

void checksum_fini(struct checksum *c)
{
	buf_free(&c->sql[0]);
	buf_free(&c->sql[1]);
	buf_free(&c->skipped);
}

void checksum_put_select(
	const struct checksum *c, int side, struct str schema, struct str table, struct buf *sql)
{
	if (c->sql[side].n > 0)
		/* A row too long for CONCAT is NULL, and no sum would see it: then the sides differ. */
		buf_putf(sql,
			"SELECT COUNT(*),COALESCE(SUM(CAST(IFNULL(CONV(LEFT(SHA2(CONCAT(%.*s),256),16),16,10)"
			",'%d') AS UNSIGNED)),0) FROM ",
			STR_ARG(c->sql[side]), side + 1);
	else
		buf_puts(sql, "SELECT COUNT(*),0 FROM ");
	sql_put_table(sql, schema, table);
}

static bool leads_a_key(const struct structure *s, const char *name)
{
	for (unsigned i = 0; i < s->nkeys; i++)
		if (s->keys[i].ncolumns > 0 && s->keys[i].whole &&
			strcasecmp(s->columns[s->keys[i].columns[0]].name, name) == 0)
			return true;
	return false;
}

const char *checksum_range_column(const struct checksum_side sides[2])
{
	const struct structure *a = sides[0].structure, *b = sides[1].structure;

	/* Keys come with the primary one first. */
	for (unsigned i = 0; i < a->nkeys; i++) {
		const struct key *k = &a->keys[i];
		const struct column *c, *other;

		if (k->ncolumns == 0 || !k->whole)
			continue;
		c = &a->columns[k->columns[0]];
		other = find(b, c->name);
		if (c->kind == COLUMN_INT && !c->nullable && other && other->kind == COLUMN_INT &&
			!other->nullable && leads_a_key(b, c->name))
			return c->name;
	}
	return NULL;
}
