/*
 * Does a TABLE_MAP fit a known structure? Rows carry no names and hardly any types, so a structure that is a
 * DDL too old or too new would give wrong values without a word: it is found here (docs/design/apply.md).
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/binlog/row.h"
#include "common/sql/collation_id.h"

struct fit {
	const char *word; /* first word of the type; NULL: any */
	uint8_t type;
	uint8_t kind; /* enum column_kind */
	int16_t meta; /* -1: any */
};

static const struct fit fits[] = {
	{"tinyint", WIRE_TINY, COLUMN_INT, -1},
	{"smallint", WIRE_SHORT, COLUMN_INT, -1},
	{"mediumint", WIRE_INT24, COLUMN_INT, -1},
	{"int", WIRE_LONG, COLUMN_INT, -1},
	{"bigint", WIRE_LONGLONG, COLUMN_INT, -1},
	{"year", WIRE_YEAR, COLUMN_INT, -1},
	{NULL, WIRE_FLOAT, COLUMN_FLOAT, -1},
	{NULL, WIRE_DOUBLE, COLUMN_DOUBLE, -1},
	{NULL, WIRE_NEWDECIMAL, COLUMN_DECIMAL, -1},
	{NULL, WIRE_BIT, COLUMN_BIT, -1},
	{NULL, WIRE_DATE, COLUMN_DATE, -1},
	{NULL, WIRE_NEWDATE, COLUMN_DATE, -1},
	{NULL, WIRE_TIME, COLUMN_TIME, -1},
	{NULL, WIRE_TIME2, COLUMN_TIME, -1},
	{NULL, WIRE_DATETIME, COLUMN_DATETIME, -1},
	{NULL, WIRE_DATETIME2, COLUMN_DATETIME, -1},
	{NULL, WIRE_TIMESTAMP, COLUMN_TIMESTAMP, -1},
	{NULL, WIRE_TIMESTAMP2, COLUMN_TIMESTAMP, -1},
	{"varchar", WIRE_VARCHAR, COLUMN_TEXT, -1},
	{"varbinary", WIRE_VARCHAR, COLUMN_BINARY, -1},
	{"varchar", WIRE_VAR_STRING, COLUMN_TEXT, -1},
	{"varbinary", WIRE_VAR_STRING, COLUMN_BINARY, -1},
	{"varchar", WIRE_MARIA_VARCHAR_COMPRESSED, COLUMN_TEXT, -1},
	{"varbinary", WIRE_MARIA_VARCHAR_COMPRESSED, COLUMN_BINARY, -1},
	{NULL, WIRE_VARCHAR, COLUMN_VECTOR, -1},
	{NULL, WIRE_VECTOR, COLUMN_VECTOR, -1},
	{"char", WIRE_STRING, COLUMN_TEXT, -1},
	{"binary", WIRE_STRING, COLUMN_BINARY, -1},
	{NULL, WIRE_STRING, COLUMN_UUID, 16},
	{NULL, WIRE_STRING, COLUMN_INET6, 16},
	{NULL, WIRE_STRING, COLUMN_INET4, 4},
	{NULL, WIRE_ENUM, COLUMN_ENUM, -1},
	{NULL, WIRE_SET, COLUMN_SET, -1},
	{"tinytext", WIRE_BLOB, COLUMN_TEXT, 1},
	{"tinyblob", WIRE_BLOB, COLUMN_BINARY, 1},
	{"text", WIRE_BLOB, COLUMN_TEXT, 2},
	{"blob", WIRE_BLOB, COLUMN_BINARY, 2},
	{"mediumtext", WIRE_BLOB, COLUMN_TEXT, 3},
	{"mediumblob", WIRE_BLOB, COLUMN_BINARY, 3},
	{"longtext", WIRE_BLOB, COLUMN_TEXT, 4},
	{"json", WIRE_BLOB, COLUMN_TEXT, 4},
	{"longblob", WIRE_BLOB, COLUMN_BINARY, 4},
	{"tinytext", WIRE_MARIA_BLOB_COMPRESSED, COLUMN_TEXT, 1},
	{"tinyblob", WIRE_MARIA_BLOB_COMPRESSED, COLUMN_BINARY, 1},
	{"text", WIRE_MARIA_BLOB_COMPRESSED, COLUMN_TEXT, 2},
	{"blob", WIRE_MARIA_BLOB_COMPRESSED, COLUMN_BINARY, 2},
	{"mediumtext", WIRE_MARIA_BLOB_COMPRESSED, COLUMN_TEXT, 3},
	{"mediumblob", WIRE_MARIA_BLOB_COMPRESSED, COLUMN_BINARY, 3},
	{"longtext", WIRE_MARIA_BLOB_COMPRESSED, COLUMN_TEXT, 4},
	{"longblob", WIRE_MARIA_BLOB_COMPRESSED, COLUMN_BINARY, 4},
	{NULL, WIRE_JSON, COLUMN_JSON, -1},
	{NULL, WIRE_GEOMETRY, COLUMN_GEOMETRY, -1},
};

static bool word_is(const char *type, const char *word)
{
	size_t n = strlen(word);

	return strncasecmp(type, word, n) == 0 && !isalnum((unsigned char)type[n]);
}

/* "decimal(10,2)": 10 and 2; absent ones stay as they are. */
static void numbers_of(const char *type, unsigned long out[2])
{
	const char *p = strchr(type, '(');
	char *end;

	if (!p || !isdigit((unsigned char)p[1]))
		return;
	out[0] = strtoul(p + 1, &end, 10);
	if (*end == ',')
		out[1] = strtoul(end + 1, NULL, 10);
}

static bool numbers_fit(uint8_t type, uint16_t meta, const char *text)
{
	unsigned long n[2] = {0, 0};

	switch (type) {
	case WIRE_NEWDECIMAL:
		n[0] = 10;
		numbers_of(text, n);
		return n[0] == (meta & 0xffu) && n[1] == (unsigned long)(meta >> 8);
	case WIRE_BIT:
		n[0] = 1;
		numbers_of(text, n);
		return n[0] == (meta >> 8) * 8ul + (meta & 0xffu);
	case WIRE_TIME2:
	case WIRE_DATETIME2:
	case WIRE_TIMESTAMP2:
		numbers_of(text, n);
		return n[0] == meta;
	default:
		return true;
	}
}

static bool column_fits(uint8_t type, uint16_t meta, const struct column *c)
{
	for (size_t i = 0; i < sizeof(fits) / sizeof(fits[0]); i++) {
		const struct fit *f = &fits[i];

		if (f->type == type && f->kind == c->kind && (f->meta < 0 || f->meta == meta) &&
			(!f->word || word_is(c->type, f->word)))
			return numbers_fit(type, meta, c->type);
	}
	return false;
}

static bool is_sized_integer(uint8_t type)
{
	return type == WIRE_TINY || type == WIRE_SHORT || type == WIRE_INT24 || type == WIRE_LONG ||
	       type == WIRE_LONGLONG;
}

static bool is_charset(struct str logged, const char *known)
{
	/* One, under two names. */
	if (str_is(logged, "utf8") || str_is(logged, "utf8mb3"))
		return strcmp(known, "utf8") == 0 || strcmp(known, "utf8mb3") == 0 ||
		       strcmp(known, "utf8mb4") == 0; /* the same bytes */
	return str_is(logged, known) || (str_is(logged, "ascii") && strncmp(known, "utf8", 4) == 0);
}

/*
 * Text and bytes look alike on the wire, in any charset: read in another one than they are in, they would be
 * other text. ENUM and SET are numbers, their charset says nothing of a row.
 */
static bool charset_fits(const struct binlog_table *t, unsigned i, const struct column *c)
{
	struct str logged;

	if (!t->collations || t->collations[i] == 0)
		return true;
	if (c->kind != COLUMN_BINARY && (c->kind != COLUMN_TEXT || !c->charset || !c->charset[0]))
		return true;
	logged = sql_charset_of_id(t->collations[i], t->flavor);
	return logged.n == 0 || is_charset(logged, c->kind == COLUMN_BINARY ? "binary" : c->charset);
}

static int check_column(const struct binlog_table *t, unsigned i, const struct column *c, struct err *e)
{
	if (t->names && !(t->names[i].n == strlen(c->name) &&
				strncasecmp(t->names[i].p, c->name, t->names[i].n) == 0))
		return err_set(e, ERR_sync_columns,
			"`%.*s`.`%.*s`: column %u is `%.*s` in the binlog and `%s` in the known "
			"structure",
			STR_ARG(t->schema), STR_ARG(t->table), i + 1, STR_ARG(t->names[i]), c->name);
	if (!column_fits(t->types[i], t->meta[i], c))
		return err_set(e, ERR_sync_columns,
			"`%.*s`.`%.*s`: column %u is of type %u (%u) in the binlog and `%s` %s in "
			"the known structure",
			STR_ARG(t->schema), STR_ARG(t->table), i + 1, t->types[i], t->meta[i], c->name,
			c->type);
	if (t->is_unsigned && is_sized_integer(t->types[i]) && t->is_unsigned[i] != c->is_unsigned)
		return err_set(e, ERR_sync_columns,
			"`%.*s`.`%.*s`: column `%s` is %s in the binlog and not in the known structure",
			STR_ARG(t->schema), STR_ARG(t->table), c->name,
			t->is_unsigned[i] ? "unsigned" : "signed");
	if (!charset_fits(t, i, c))
		return err_set(e, ERR_sync_columns,
			"`%.*s`.`%.*s`: column `%s` is in charset %.*s in the binlog and in %s in the known "
			"structure",
			STR_ARG(t->schema), STR_ARG(t->table), c->name,
			STR_ARG(sql_charset_of_id(t->collations[i], t->flavor)),
			c->kind == COLUMN_TEXT ? c->charset : "none");
	return 0;
}

bool binlog_table_is_end(const struct binlog_table *t, unsigned i)
{
	return t->types[i] == WIRE_TIMESTAMP2 && t->meta[i] == 6;
}

static bool is_period(const struct binlog_table *t, unsigned i)
{
	return binlog_table_is_end(t, i) && binlog_table_is_end(t, i + 1) &&
	       (!t->names || (str_is_ci(t->names[i], "row_start") && str_is_ci(t->names[i + 1], "row_end")));
}

unsigned binlog_table_hidden(const struct binlog_table *t, const struct structure *s)
{
	static const char name[] = "DB_ROW_HASH_";
	unsigned hashed = 0, period = structure_hides_period(s) ? 2 : 0;

	for (unsigned k = 0; k < s->nkeys; k++)
		hashed += s->keys[k].hashed;
	if (t->ncolumns != s->ncolumns + period + hashed || (period && !is_period(t, s->ncolumns)))
		return 0;
	for (unsigned i = s->ncolumns + period; i < t->ncolumns; i++)
		if (t->types[i] != WIRE_LONGLONG ||
			(t->names && (t->names[i].n < sizeof(name) - 1 ||
					     memcmp(t->names[i].p, name, sizeof(name) - 1) != 0)))
			return 0;
	return period + hashed;
}

int binlog_table_check(const struct binlog_table *t, const struct structure *s, struct err *e)
{
	unsigned hidden = binlog_table_hidden(t, s);

	if (t->ncolumns - hidden != s->ncolumns || (hidden == 0 && structure_hides_period(s)))
		return err_set(e, ERR_sync_columns,
			"`%.*s`.`%.*s`: %u columns in the binlog, %u in the known structure",
			STR_ARG(t->schema), STR_ARG(t->table), t->ncolumns, s->ncolumns);
	for (unsigned i = 0; i < s->ncolumns; i++)
		if (check_column(t, i, &s->columns[i], e) < 0)
			return -1;
	return 0;
}

void binlog_table_adopt(struct binlog_table *t, const struct structure *s)
{
	for (unsigned i = 0; i < t->ncolumns && i < s->ncolumns; i++) {
		unsigned long n[2] = {0, 0};

		if (t->types[i] != WIRE_TIME && t->types[i] != WIRE_DATETIME && t->types[i] != WIRE_TIMESTAMP)
			continue;
		numbers_of(s->columns[i].type, n);
		t->meta[i] = (uint16_t)(n[0] <= 6 ? n[0] : 0);
	}
}
