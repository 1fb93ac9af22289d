/*
 * Test support: one table with a column of most kinds and one row of it. No process links it.
 */
#include "common/sql/expr_sample.h"

#include <string.h>

#include "common/base/xalloc.h"

static const struct {
	const char *name, *type;
	enum column_kind kind;
	const char *charset, *collation;
	struct expr_value value;
	const char *decimal;
} columns[] = {
	{"i", "int(11)", COLUMN_INT, "", "", {.type = EXPR_INT, {.i = 5}}, NULL},
	{"neg", "int(11)", COLUMN_INT, "", "", {.type = EXPR_INT, {.i = -7}}, NULL},
	{"nul", "int(11)", COLUMN_INT, "", "", {.type = EXPR_NULL, {.i = 0}}, NULL},
	{"b", "bigint(20)", COLUMN_INT, "", "", {.type = EXPR_INT, {.i = INT64_MAX}}, NULL},
	{"u", "bigint(20) unsigned", COLUMN_INT, "", "", {.type = EXPR_UINT, {.u = UINT64_MAX}}, NULL},
	{"d", "decimal(10,3)", COLUMN_DECIMAL, "", "", {.type = EXPR_DECIMAL, {.i = 0}}, "2.500"},
	{"g", "double", COLUMN_DOUBLE, "", "", {.type = EXPR_DOUBLE, {.d = 1.5}}, NULL},
	{"v", "varchar(20)", COLUMN_TEXT, "utf8mb4", "utf8mb4_general_ci",
		{.type = EXPR_STRING, {.s = {"Abc", 3}}}, NULL},
	{"far", "varchar(20)", COLUMN_TEXT, "utf8mb4", "utf8mb4_general_ci",
		{.type = EXPR_STRING, {.s = {"\xe6\x97\xa5\xe6\x9c\xac", 6}}}, NULL},
	{"acute", "varchar(20)", COLUMN_TEXT, "utf8mb4", "utf8mb4_general_ci",
		{.type = EXPR_STRING, {.s = {"\xc3\xa9t\xc3\xa9", 5}}}, NULL},
	{"vb", "varchar(20)", COLUMN_TEXT, "utf8mb4", "utf8mb4_bin",
		{.type = EXPR_STRING, {.s = {"Abc ", 4}}}, NULL},
	{"odd", "varchar(20)", COLUMN_TEXT, "utf8mb4", "utf8mb4_spanish_ci",
		{.type = EXPR_STRING, {.s = {"ch", 2}}}, NULL},
	{"x", "varbinary(20)", COLUMN_BINARY, "", "", {.type = EXPR_STRING, {.s = {"Ab", 2}}}, NULL},
	{"da", "date", COLUMN_DATE, "", "", {.type = EXPR_DATE, {.i = 0}}, "2024-02-29"},
	{"dt", "datetime(3)", COLUMN_DATETIME, "", "", {.type = EXPR_DATETIME, {.i = 0}},
		"2024-02-29 10:11:12.345"},
	{"t", "time", COLUMN_TIME, "", "", {.type = EXPR_TIME, {.i = -INT64_C(36610000000)}}, NULL},
	{"e", "enum('red','it''s')", COLUMN_ENUM, "utf8mb4", "utf8mb4_general_ci",
		{.type = EXPR_UINT, {.u = 2}}, NULL},
	{"j", "json", COLUMN_JSON, "", "", {.type = EXPR_OPAQUE, {.i = 0}}, NULL},
	{"y", "year(4)", COLUMN_INT, "", "", {.type = EXPR_UINT, {.u = 2024}}, NULL},
};

struct structure *expr_sample_structure(void)
{
	struct structure *s = xcalloc(1, sizeof(*s));

	s->schema = xstrdup("s");
	s->table = xstrdup("t");
	s->ncolumns = sizeof(columns) / sizeof(columns[0]);
	s->columns = xcalloc(s->ncolumns, sizeof(*s->columns));
	for (unsigned i = 0; i < s->ncolumns; i++)
		s->columns[i] = (struct column){.name = xstrdup(columns[i].name),
			.type = xstrdup(columns[i].type),
			.kind = columns[i].kind,
			.is_unsigned = strstr(columns[i].type, "unsigned") != NULL,
			.charset = xstrdup(columns[i].charset),
			.collation = xstrdup(columns[i].collation)};
	s->key = -1;
	return s;
}

static int value(void *arg, unsigned column, struct arena *a, struct expr_value *out, struct err *e)
{
	struct expr_moment m = {2024, 2, 29, 0, 0, 0, 0};

	(void)arg, (void)a, (void)e;
	*out = columns[column].value;
	if (out->type == EXPR_DECIMAL)
		expr_decimal_read(str_of(columns[column].decimal), &out->decimal);
	if (out->type == EXPR_DATETIME)
		m = (struct expr_moment){2024, 2, 29, 10, 11, 12, 345000};
	if (out->type == EXPR_DATE || out->type == EXPR_DATETIME)
		out->i = expr_pack_datetime(&m);
	return 0;
}

struct expr_row expr_sample_row(void)
{
	return (struct expr_row){value, NULL};
}
