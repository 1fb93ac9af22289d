/*
 * CREATE TABLE as a structure and back. A column is described as type/charset/collation and flags: N
 * nullable, V{…} virtual, G{…} generated and stored, I invisible, A auto_increment, U unsigned; a key as
 * name(column:prefix, …) with P primary, u unique, w whole, k usable, * the one that names rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/sql/alike.h"
#include "common/sql/create.h"

static const struct server mysql = {FLAVOR_MYSQL, 90704}, maria = {FLAVOR_MARIADB, 101105};

#define MY &mysql
#define MA &maria

static const struct {
	const struct server *from;
	const char *columns, *want; /* want "!": an error that holds what stands behind it */
} rows[] = {
	{MA, "`a` int(11) NOT NULL AUTO_INCREMENT, PRIMARY KEY (`a`)", "a int(11) A; PRIMARY(a)Puwk*"},
	{MA, "a INTEGER UNSIGNED ZEROFILL, b bool, c dec(5), d numeric, e double precision",
		"a int unsigned zerofill NU; b tinyint(1) N; c decimal(5,0) N; d decimal(10,0) N; e double "
		"N"},
	{MY, "a bit, b binary, c char(3) CHARACTER SET latin1, d text COLLATE utf8mb3_bin",
		"a bit(1) N; b binary(1) N; c char(3)/latin1/latin1_swedish_ci N; d text/utf8mb3/utf8mb3_bin "
		"N"},
	{MY, "j json DEFAULT NULL, v vector(4)", "j json N; v vector(4) N"},
	{MA, "j JSON DEFAULT NULL, u uuid", "j longtext/utf8mb4/utf8mb4_bin N; u uuid N"},
	{MA, "j longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`j`))",
		"j longtext/utf8mb4/utf8mb4_bin N"},
	{MY, "e enum ('a', 'b,)', 'it''s') NOT NULL DEFAULT 'a', s SET('x','y') CHARACTER SET ascii",
		"e enum('a','b,)','it''s')/utf8mb4/utf8mb4_0900_ai_ci ; "
		"s set('x','y')/ascii/ascii_general_ci N"},
	{MY, "a int, g int GENERATED ALWAYS AS (a + 1) VIRTUAL NOT NULL, h varchar(3) AS (concat(a)) STORED",
		"a int N; g int V{a + 1}; h varchar(3)/utf8mb4/utf8mb4_0900_ai_ci NG{concat(a)}"},
	{MY,
		"a int NOT NULL /*!80023 INVISIBLE */ COMMENT 'NOT NULL, UNSIGNED (', b int /*!99999 NOT "
		"NULL */",
		"a int I; b int N"},
	{MA,
		"a timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(), b "
		"datetime(6) DEFAULT "
		"NULL",
		"a timestamp ; b datetime(6) N"},
	{MA,
		"a int DEFAULT -1 NOT NULL, b int DEFAULT (1 + 2) NOT NULL, c bigint DEFAULT "
		"nextval(`s`.`q`) NOT NULL",
		"a int ; b int ; c bigint "},
	{MA, "a blob /*M!100301 COMPRESSED*/ NOT NULL, x varchar(9)",
		"a blob /*M!100301 COMPRESSED*/ ; x varchar(9)/utf8mb4/utf8mb4_0900_ai_ci N"},
	{MA, "a varchar(9) COLLATE uca1400_ai_ci NOT NULL UNIQUE KEY",
		"a varchar(9)/utf8mb4/utf8mb4_uca1400_ai_ci ; a(a)uwk*"},
	{MA, "a varchar(9), g int AS (a = 'it\\'s \\\\ x')",
		"a varchar(9)/utf8mb4/utf8mb4_0900_ai_ci N; g int NV{a = 'it\\'s \\\\ x'}"},
	{MY, "a varchar(9), g int AS (a = 'it\\'s \\\\ x')",
		"a varchar(9)/utf8mb4/utf8mb4_0900_ai_ci N; g int NV{a = 'it\\'s \\\\ x'}"},
	{MY, "a int PRIMARY KEY, b int UNIQUE", "a int ; b int N; PRIMARY(a)Puwk*; b(b)uw"},
	{MA, "a int NOT NULL, c int KEY", "a int ; c int ; PRIMARY(c)Puwk*"},
	{MY, "a bigint unsigned SERIAL DEFAULT VALUE", "!`a`: SERIAL DEFAULT VALUE"},
	{MY,
		"a int NOT NULL, b varchar(20) NOT NULL, KEY k (b(3)), UNIQUE KEY z (a,b), CONSTRAINT n "
		"UNIQUE (b(2)), "
		"FULLTEXT KEY f (b), UNIQUE KEY x ((a + 1)), CONSTRAINT c CHECK (a > 0), "
		"CONSTRAINT fk FOREIGN KEY (a) REFERENCES p (a) ON DELETE CASCADE",
		"a int ; b varchar(20)/utf8mb4/utf8mb4_0900_ai_ci ; n(b:2)u; x()u; z(a,b)uwk*; f(b)w; "
		"k(b:3)"},
	{MY, "a int, b text NOT NULL, UNIQUE KEY x (a, b(4), (a + 1)), KEY p (a, b(5))",
		"a int N; b text/utf8mb4/utf8mb4_0900_ai_ci ; x(a,b)u; p(a,b:5)"},
	{MA, "a int, r timestamp(6) GENERATED ALWAYS AS ROW START, p int AS (a) PERSISTENT",
		"a int N; r timestamp(6) G{ROW START}; p int NG{a}"},
	{MA,
		"a int, s timestamp(6) GENERATED ALWAYS AS ROW START, e timestamp(6) GENERATED ALWAYS AS ROW "
		"END, PRIMARY KEY (a,e), UNIQUE KEY u (e), KEY k (e,a), PERIOD FOR SYSTEM_TIME (s,e)",
		"a int ; s timestamp(6) G{ROW START}; e timestamp(6) G{ROW END}; PRIMARY(a)Puwk*; k(e,a)w; "
		"u(e)w; ends e"},
	{MA, "a int WITH SYSTEM VERSIONING, b int", "a int N; b int N; ends row_end"},
	{MA, "a int WITHOUT SYSTEM VERSIONING, b int", "a int N; b int N"},
	{MY, "a int, b int, PRIMARY KEY (`b` DESC, `a`) USING BTREE", "a int ; b int ; PRIMARY(b,a)Puwk*"},
	{MA, "a int, b date, c date, PERIOD FOR p (b,c), UNIQUE KEY u (a, p WITHOUT OVERLAPS)",
		"!over a column"},
	{MY, "a nosuch", "!`a`: its type is not known"},
	{MY, "a text(100)", "!`a`: which of the four sizes"},
	{MY, "a varchar(3) COLLATE klingon_ci", "!`a`: its collation is not known"},
	{MY, "a varchar(3) BINARY", "!`a`: an attribute that says the charset"},
	{MY, "a int AS 1", "!`a`: what it is generated from"},
	{MY, "a char(3) CHARACTER SET binary", "!`a`: text of the charset binary"},
	{MY, "a int, A int", "!`A`: two columns"},
	{MY, "a int, KEY k (z)", "!`k`: a key over a column that the table has not"},
	{MY, "a int, KEY k", "!`k`: a key without columns"},
	{MY, "KEY k (z)", "!`k`: a key over"},
	{MY, "a", "!`a`: its type can't be read"},
	{MY, "a 'x'", "!`a`: its type can't be read"},
	{MY, "a int(", "!parentheses"},
};

static void put_flags(struct buf *b, const struct column *c)
{
	buf_puts(b, " ");
	if (c->nullable)
		buf_putc(b, 'N');
	if (c->generated)
		buf_putf(b, c->is_virtual ? "V{%s}" : "G{%s}", c->expression ? c->expression : "");
	if (c->invisible)
		buf_putc(b, 'I');
	if (c->auto_increment)
		buf_putc(b, 'A');
	if (c->is_unsigned)
		buf_putc(b, 'U');
}

static void describe(const struct structure *s, struct buf *b)
{
	for (unsigned i = 0; i < s->ncolumns; i++) {
		const struct column *c = &s->columns[i];

		buf_putf(b, "%s%s %s", i ? "; " : "", c->name, c->type);
		if (*c->charset)
			buf_putf(b, "/%s/%s", c->charset, c->collation);
		put_flags(b, c);
	}
	for (unsigned i = 0; i < s->nkeys; i++) {
		const struct key *k = &s->keys[i];

		buf_putf(b, "; %s(", k->name);
		for (unsigned p = 0; p < k->ncolumns; p++)
			buf_putf(b, k->prefixes && k->prefixes[p] ? "%s%s:%u" : "%s%s", p ? "," : "",
				s->columns[k->columns[p]].name, k->prefixes ? k->prefixes[p] : 0);
		buf_putf(b, ")%s%s%s%s%s", k->primary ? "P" : "", k->unique ? "u" : "", k->whole ? "w" : "",
			k->usable ? "k" : "", s->key == (int)i ? "*" : "");
	}
	if (*s->row_end)
		buf_putf(b, "; ends %s", s->row_end);
}

static struct structure *read_columns(const struct server *from, const char *columns, struct err *e)
{
	struct buf text = {0};
	struct structure *s;

	buf_putf(&text, "CREATE TABLE `d`.`t` (%s) ENGINE=InnoDB", columns);
	s = structure_from_create(buf_str(&text), from, "utf8mb4_0900_ai_ci", e);
	buf_free(&text);
	return s;
}

/* What is written is read back as the same. */
static void there_and_back(const struct structure *s, const struct server *from, const char *columns)
{
	struct buf text = {0};
	struct err e = {0};
	struct structure *again;
	json_t *a, *b;

	structure_put_create(s, &text);
	again = structure_from_create(buf_str(&text), from, "", &e);
	if (!again)
		fail_msg("%s\n%s\n%s", columns, buf_cstr(&text), e.text);
	a = structure_to_json(s);
	b = structure_to_json(again);
	if (!json_equal(a, b))
		fail_msg("%s\n%s", columns, buf_cstr(&text));
	json_decref(a);
	json_decref(b);
	structure_free(&again);
	buf_free(&text);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err e = {0};
		struct structure *s = read_columns(rows[i].from, rows[i].columns, &e);
		struct buf got = {0};

		if (s) {
			describe(s, &got);
		} else {
			assert_int_equal(e.code, ERR_sql_parse);
			buf_putf(&got, "!%s", e.text);
		}
		if (rows[i].want[0] == '!' ? s || !strstr(buf_cstr(&got), rows[i].want + 1)
					   : strcmp(buf_cstr(&got), rows[i].want) != 0)
			fail_msg("%s\n got  %s\n want %s", rows[i].columns, buf_cstr(&got), rows[i].want);
		if (s)
			there_and_back(s, rows[i].from, rows[i].columns);
		structure_free(&s);
		buf_free(&got);
	}
}

static void refused(const char *text, const char *collation, const char *why)
{
	struct err e = {0};

	assert_null(structure_from_create(str_of(text), &mysql, collation, &e));
	assert_int_equal(e.code, ERR_sql_parse);
	if (!strstr(e.text, why))
		fail_msg("%s\n%s", text, e.text);
}

static void test_tables(void **state)
{
	static const char options[] = "CREATE TABLE t (a varchar(3), PRIMARY KEY (a)) ENGINE=InnoDB DEFAULT "
				      "CHARSET=latin1 COLLATE=latin1_german1_ci PARTITION BY KEY (a)";
	struct err e = {0};
	struct structure *s = structure_from_create(str_of(options), &mysql, "utf8mb4_bin", &e);

	(void)state;
	assert_non_null(s);
	assert_string_equal(s->columns[0].collation, "latin1_german1_ci");
	assert_string_equal(s->table, "t");
	assert_string_equal(s->charset, "latin1");
	there_and_back(s, &mysql, options);
	structure_free(&s);
	refused("DROP TABLE t", "", "a CREATE TABLE statement with its columns is wanted");
	refused("CREATE TABLE t LIKE u", "", "a CREATE TABLE statement with its columns is wanted");
	refused("CREATE TABLE t AS SELECT 1", "", "a CREATE TABLE statement with its columns is wanted");
	refused("CREATE TABLE t", "", "the table's columns are missing");
	refused("CREATE TABLE t ()", "", "a table without columns");
	refused("CREATE TABLE t (a varchar(3))", "", "its charset is not said");
	refused("nonsense", "", "a CREATE TABLE statement with its columns is wanted");
	refused("CREATE TABLE t (a int); DROP TABLE u", "", "the end");
}

#define OF(name, comment, more)                                                                  \
	STR_LIT("CREATE TABLE `" name "` (\n  `a` int NOT NULL AUTO_INCREMENT COMMENT '" comment \
		"',\n  PRIMARY KEY (`a`)\n) ENGINE=InnoDB" more " DEFAULT CHARSET=utf8mb4")

static void check_alike(struct str a, struct str b, const char *why)
{
	struct buf out = {0};

	assert_int_equal(alike(a, b, &mysql, &out), !why);
	assert_string_equal(buf_cstr(&out), why ? why : "");
	buf_free(&out);
}

static void test_alike(void **state)
{
	(void)state;
	check_alike(OF("m", "", ""), OF("a(b", "", ""), NULL);
	check_alike(OF("m", "", " AUTO_INCREMENT=7"), OF("m1", "", ""), NULL);
	check_alike(OF("m", "", ""), OF("m1", "", " AUTO_INCREMENT=12345"), NULL);
	check_alike(OF("m", ") AUTO_INCREMENT=7", ""), OF("m1", ") AUTO_INCREMENT=8", ""),
		"\"…ENT COMMENT ') AUTO_INCREMENT=7',\" of the first is \"…ENT COMMENT ') "
		"AUTO_INCREMENT=8',\" of the second");
	check_alike(OF("m", "", ""), OF("m1", "", " ROW_FORMAT=DYNAMIC"),
		"\") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4\" of the first is \") ENGINE=InnoDB "
		"ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4\" of the second");
	check_alike(OF("m", "", " COMMENT=' AUTO_INCREMENT=7'"), OF("m", "", " COMMENT=' AUTO_INCREMENT=8'"),
		"\"…noDB COMMENT=' AUTO_INCREMENT=7' DEFAULT CHARSET=utf8mb4\" of the first is \"…noDB "
		"COMMENT=' "
		"AUTO_INCREMENT=8' DEFAULT CHARSET=utf8mb4\" of the second");
	/* a line more, on either side */
	check_alike(STR_LIT("CREATE TABLE `m` (\n  `a` int,\n  `b` int\n)"),
		STR_LIT("CREATE TABLE `m1` (\n  `a` int\n)"),
		"\"`a` int,\" of the first is \"`a` int\" of the second");
	check_alike(STR_LIT("CREATE TABLE `m` (\n  `a` int,\n  `b` int\n)"),
		STR_LIT("CREATE TABLE `m1` (\n  `a` int,\n  `x` int,\n  `b` int\n)"),
		"\"`b` int\" of the first is \"`x` int,\" of the second");
	/* whole letters, wherever it is cut */
	check_alike(OF("m", "äöüäöüäöüäöüäöüäöüx1yäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöü", ""),
		OF("m", "äöüäöüäöüäöüäöüäöüx2", ""),
		"\"…öüäöüäöüäöüäöüx1yäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüä\" of the first is "
		"\"…öüäöüäöüäöüäöüx2',\" of the second");
	assert_true(alike_counts(OF("m", "", ""), &mysql));
	assert_false(alike_counts(STR_LIT("CREATE TABLE `AUTO_INCREMENT` (\n  `a` int COMMENT "
					  "'AUTO_INCREMENT'\n) AUTO_INCREMENT=7"),
		&mysql));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows), cmocka_unit_test(test_tables), cmocka_unit_test(test_alike)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
