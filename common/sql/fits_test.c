/* Whether a column or a key of a table that is there holds what the upstream's does: each pair of types with
 * its verdict. */
#include "common/sql/fits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct server maria = {.flavor = FLAVOR_MARIADB, .version = 101100};

static char *text(const char *s)
{
	return (char *)(uintptr_t)s;
}

/* "text latin1": the type, and behind the last space its charset, of a text, an ENUM or a SET. */
struct made {
	struct column c;
	char type[100], charset[20];
};

static const struct column *make(struct made *m, const char *said)
{
	static const char *const charsets[] = {"latin1", "utf8mb3", "utf8mb4", "ascii", "gbk", "gb18030"};
	const char *paren = strchr(said, '(');

	*m = (struct made){.charset = ""};
	strncpy(m->type, said, sizeof(m->type) - 1);
	for (size_t i = 0; i < sizeof(charsets) / sizeof(charsets[0]); i++) {
		char *at = strstr(m->type, charsets[i]);

		if (at && at > m->type && at[-1] == ' ') {
			at[-1] = '\0';
			strcpy(m->charset, charsets[i]);
		}
	}
	m->c = (struct column){.name = text("c"),
		.type = m->type,
		.charset = m->charset,
		.collation = text(""),
		.is_unsigned = strstr(m->type, "unsigned") != NULL};
	m->c.kind = column_kind_of(m->type, m->charset, &maria);
	if (paren && (m->c.kind == COLUMN_BIT || m->c.kind == COLUMN_BINARY))
		m->c.length = (unsigned)atoi(paren + 1);
	return &m->c;
}

static const struct {
	const char *from, *there;
	enum fit fit;
} columns[] = {
	/* whole numbers, and how many digits they have */
	{"int(11)", "bigint(20)", FIT_ALL},
	{"int(11)", "smallint(6)", FIT_SOME},
	{"int(11)", "int(10) unsigned", FIT_SOME},
	{"int(10) unsigned", "bigint(20)", FIT_ALL},
	{"bigint(20)", "decimal(19,0)", FIT_ALL},
	{"bigint(20)", "decimal(18,0)", FIT_SOME},
	{"bigint(20)", "varchar(20) latin1", FIT_ALL},
	{"bigint(20)", "varchar(19) latin1", FIT_SOME},
	{"bigint(20) unsigned", "decimal(20,0)", FIT_ALL},
	{"bigint(20) unsigned", "decimal(19,0)", FIT_SOME},
	{"int(11)", "decimal(10,0)", FIT_ALL},
	{"int(11)", "decimal(9,0)", FIT_SOME},
	{"tinyint(4)", "decimal(3,0)", FIT_ALL},
	{"tinyint(4)", "decimal(2,0)", FIT_SOME},
	{"mediumint(9)", "decimal(7,0)", FIT_ALL},
	{"mediumint(8) unsigned", "decimal(7,0)", FIT_SOME},
	{"int(11)", "double", FIT_ALL},
	{"bigint(20)", "double", FIT_OTHER},
	{"year(4)", "smallint(6)", FIT_ALL},
	{"year(4)", "tinyint(4)", FIT_SOME},
	/* digits behind the point */
	{"decimal(12,4)", "decimal(12,2)", FIT_OTHER},
	{"decimal(12,4)", "decimal(14,6)", FIT_ALL},
	{"decimal(12,4)", "decimal(12,6)", FIT_SOME},
	{"decimal(3,0)", "smallint(6)", FIT_ALL},
	{"decimal(3,0)", "tinyint(4)", FIT_SOME},
	{"decimal(3,0) unsigned", "year(4)", FIT_SOME},
	{"float", "double", FIT_ALL},
	{"double", "float", FIT_OTHER},
	/* times */
	{"datetime(6)", "datetime(3)", FIT_OTHER},
	{"datetime(3)", "datetime(6)", FIT_ALL},
	{"date", "datetime", FIT_ALL},
	/* texts: characters, bytes, charsets */
	{"varchar(40) latin1", "varchar(39) latin1", FIT_SOME},
	{"varchar(40) latin1", "varchar(40) utf8mb4", FIT_ALL},
	{"varchar(40) utf8mb4", "varchar(40) latin1", FIT_SOME},
	{"varchar(40) utf8mb4", "varbinary(40)", FIT_SOME},
	{"varchar(40) utf8mb4", "varbinary(160)", FIT_ALL},
	{"varchar(40) latin1", "char(40) latin1", FIT_OTHER},
	{"text latin1", "text utf8mb4", FIT_SOME},
	{"text latin1", "mediumtext utf8mb4", FIT_ALL},
	{"text utf8mb3", "text utf8mb4", FIT_ALL},
	{"longtext latin1", "longtext utf8mb4", FIT_ALL},
	{"tinytext gbk", "text utf8mb4", FIT_ALL},
	{"blob", "tinyblob", FIT_SOME},
	{"binary(4)", "binary(8)", FIT_OTHER},
	/* addresses are texts on their way */
	{"uuid", "char(36) latin1", FIT_ALL},
	{"uuid", "varchar(35) latin1", FIT_SOME},
	{"uuid", "binary(16)", FIT_SOME},
	{"uuid", "varbinary(36)", FIT_ALL},
	{"inet4", "varchar(15) latin1", FIT_ALL},
	{"inet4", "varbinary(4)", FIT_SOME},
	{"inet6", "varchar(39) latin1", FIT_ALL},
	{"inet6", "varchar(38) latin1", FIT_SOME},
	{"inet6", "binary(40)", FIT_OTHER},
	/* members */
	{"enum('a','b') latin1", "enum('a','b','c') latin1", FIT_ALL},
	{"enum('a','b') latin1", "enum('b','a') latin1", FIT_SOME},
	{"enum('a','b') latin1", "set('a','b') latin1", FIT_SOME},
	{"enum('a','b') latin1", "varchar(20) latin1", FIT_ALL},
	{"enum('a','b') utf8mb4", "varchar(20) ascii", FIT_SOME},
	{"enum('a','') latin1", "varchar(20) latin1", FIT_SOME},
	{"set('','b') latin1", "varchar(20) latin1", FIT_SOME},
	{"enum('a','b') gb18030", "varchar(20) utf8mb4", FIT_SOME},
	{"set('a','b') latin1", "text utf8mb4", FIT_ALL},
	{"enum('a','b') latin1", "int(11)", FIT_SOME},
	{"bit(9)", "bit(8)", FIT_SOME},
	{"bit(9)", "bit(20)", FIT_ALL},
};

static void columns_hold_what_their_types_say(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		struct made from, there;
		enum fit fit = fit_column(make(&from, columns[i].from), make(&there, columns[i].there));

		if (fit != columns[i].fit)
			fail_msg("%s into %s: %d, not %d", columns[i].from, columns[i].there, (int)fit,
				(int)columns[i].fit);
	}
}

/* --- keys: "a,b:10" is (a, b(10)); "a,+" has an expression --- */

struct made_key {
	struct key k;
	unsigned columns[4], prefixes[4];
};

static struct key *make_key(struct made_key *m, const char *said)
{
	bool expression = strchr(said, '+') != NULL, prefixed = strchr(said, ':') != NULL;

	*m = (struct made_key){.k = {.name = text("k"), .unique = true, .columns = m->columns}};
	for (const char *p = said; *p; p++) {
		if (*p >= 'a' && *p <= 'd')
			m->columns[m->k.ncolumns++] = (unsigned)(*p - 'a');
		else if (*p == ':')
			m->prefixes[m->k.ncolumns - 1] = (unsigned)atoi(p + 1);
	}
	m->k.whole = !expression && !prefixed;
	m->k.prefixes = prefixed && !expression ? m->prefixes : NULL;
	return &m->k;
}

static const struct {
	const char *from, *there;
	bool stricter;
} keys[] = {
	{"a", "a", false},
	{"a", "a,b", false},
	{"a,b", "a", true},
	{"a", "b", true},
	{"b", "b:10", true},
	{"b:10", "b:10", false},
	{"b:10", "b", false},
	{"b:10", "b:20", false},
	{"b:20", "b:10", true},
	{"a", "a,b:10", false},
	{"a,+", "a", true},
	{"a", "a,+", true},
	{"a,+", "a,+", false},
	{"+", "+", false},
	{"a", "d", false}, /* there alone, and counted up by the server */
	{"a", "b,d", false},
};

static void keys_look_at_no_less(void **state)
{
	struct column list[4] = {{.name = text("a")}, {.name = text("b")}, {.name = text("c")},
		{.name = text("d"), .auto_increment = true}};

	(void)state;
	for (size_t i = 0; i < 4; i++)
		list[i].charset = list[i].collation = list[i].type = text("");
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct made_key ours, k;
		struct structure from = {
			.columns = list, .ncolumns = 3, .keys = make_key(&ours, keys[i].from), .nkeys = 1};
		struct structure there = {
			.columns = list, .ncolumns = 4, .keys = make_key(&k, keys[i].there), .nkeys = 1};

		if (fit_key_is_stricter(&there, &k.k, &from) != keys[i].stricter)
			fail_msg("%s there, %s here", keys[i].there, keys[i].from);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_hold_what_their_types_say),
		cmocka_unit_test(keys_look_at_no_less),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
