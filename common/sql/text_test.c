/* Quoting, tokens and the JSON form of structures, hostile bytes included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/sql/address.h"
#include "common/sql/lexer.h"
#include "common/sql/quote.h"
#include "common/sql/shown.h"
#include "common/sql/split.h"
#include "common/sql/structure.h"

/* --- quoting --- */

static void quoting(void **state)
{
	struct buf b = {0};

	(void)state;
	sql_put_ident(&b, STR_LIT("a`b"));
	assert_string_equal(buf_cstr(&b), "`a``b`");
	buf_clear(&b);
	sql_put_table(&b, STR_LIT("``"), STR_LIT("x.y"));
	assert_string_equal(buf_cstr(&b), "``````.`x.y`");
	buf_clear(&b);
	sql_put_string(&b, (struct str){"it's\\\n\r\0\x1a\xff\"`", 12});
	assert_string_equal(buf_cstr(&b), "'it\\'s\\\\\\n\\r\\0\\Z\xff\"`'");
	assert_null(memchr(b.p, '\n', b.n));
	buf_clear(&b);
	sql_put_string(&b, STR_LIT(""));
	assert_string_equal(buf_cstr(&b), "''");
	buf_clear(&b);
	sql_put_hex(&b, STR_LIT("\x0a\xff"));
	assert_string_equal(buf_cstr(&b), "x'0AFF'");
	buf_clear(&b);
	sql_put_hex(&b, STR_LIT(""));
	assert_string_equal(buf_cstr(&b), "''");
	buf_free(&b);
}

/* What is quoted must come back through the lexer as one token. */
static void quoted_is_one_token(void **state)
{
	unsigned seed = 7;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct buf b = {0};
		char bytes[40];
		size_t n = (size_t)(rand_r(&seed) % 40);
		struct sql_lexer lx;

		for (size_t i = 0; i < n; i++)
			bytes[i] = "'\\`\"\n\0a-*/#;"[rand_r(&seed) % 12];
		sql_put_string(&b, (struct str){bytes, n});
		sql_lex_init(&lx, buf_str(&b), false, 80030);
		assert_int_equal(sql_lex_next(&lx), SQL_STRING);
		assert_int_equal(sql_lex_next(&lx), SQL_END);
		buf_clear(&b);
		sql_put_ident(&b, (struct str){bytes, n});
		sql_lex_init(&lx, buf_str(&b), false, 80030);
		assert_int_equal(sql_lex_next(&lx), SQL_IDENT);
		assert_int_equal(sql_lex_next(&lx), SQL_END);
		buf_free(&b);
	}
}

/* Each place of a long text, each byte: as one looks at a time. */
static void long_text_is_quoted_as_short(void **state)
{
	char bytes[70];

	(void)state;
	for (unsigned at = 0; at < sizeof(bytes); at++)
		for (unsigned c = 0; c < 256; c++) {
			struct buf whole = {0}, parts = {0};

			memset(bytes, 'x', sizeof(bytes));
			bytes[at] = (char)c;
			sql_put_string(&whole, (struct str){bytes, sizeof(bytes)});
			buf_putc(&parts, '\'');
			for (unsigned i = 0; i < sizeof(bytes); i++) {
				struct buf one = {0};

				sql_put_string(&one, (struct str){bytes + i, 1});
				buf_put(&parts, one.p + 1, one.n - 2);
				buf_free(&one);
			}
			buf_putc(&parts, '\'');
			assert_int_equal(whole.n, parts.n);
			assert_memory_equal(whole.p, parts.p, whole.n);
			buf_free(&whole);
			buf_free(&parts);
		}
}

/* --- tokens --- */

enum { MYSQL = 1, MARIA = 2, ANSI = 4, NOBACK = 8 };

/* Tokens as "w:word i:`x` …", one space between. */
static const struct {
	unsigned mode;
	const char *text, *tokens;
} lexed[] = {
	{MYSQL | MARIA, "", ""},
	{MYSQL | MARIA, " \t\r\n\v\f", ""},
	{MYSQL | MARIA, "CREATE TABLE t(a int)", "w:CREATE w:TABLE w:t c:( w:a w:int c:)"},
	{MYSQL | MARIA, "`a b`.`c``d`", "i:`a b` c:. i:`c``d`"},
	{MYSQL | MARIA, "'a''b' 'c\\'d'", "s:'a''b' s:'c\\'d'"},
	{NOBACK, "'a\\' b", "s:'a\\' w:b"},
	{MYSQL, "\"a\\\"b\"", "s:\"a\\\"b\""},
	{ANSI, "\"a\"\"b\"", "i:\"a\"\"b\""},
	{ANSI, "\"a\\\" b", "i:\"a\\\" w:b"},
	{MYSQL, "_utf8mb4'x' N'y' X'0F' b'1'", "w:_utf8mb4 s:'x' w:N s:'y' w:X s:'0F' w:b s:'1'"},
	{MYSQL, "1 1.5 .5 1e5 1.e5 1e-3 0x1F 0b01", "n:1 n:1.5 n:.5 n:1e5 n:1.e5 n:1e-3 n:0x1F n:0b01"},
	{MYSQL, "1a 2024_x 0xzz 0b12 1e 1ex", "w:1a w:2024_x w:0xzz w:0b12 w:1e w:1ex"},
	{MYSQL, "db.1t db.2024 `a`.5", "w:db c:. w:1t w:db c:. w:2024 i:`a` c:. w:5"},
	{MYSQL, "a.b.c", "w:a c:. w:b c:. w:c"},
	{MYSQL, "a$b _x \xc3\xa4", "w:a$b w:_x w:\xc3\xa4"},
	{MYSQL, "@x @@global.y @`z w` root@localhost 'r'@'%'",
		"v:@x v:@@global.y v:@`z w` w:root v:@localhost s:'r' v:@'%'"},
	{MYSQL, "a-- b\nc", "w:a w:c"},
	{MYSQL, "a--b", "w:a c:- c:- w:b"},
	{MYSQL, "a --", "w:a"},
	{MYSQL, "a # b ' \nc", "w:a w:c"},
	{MYSQL, "a # b", "w:a"},
	{MYSQL, "a /* ' */ b", "w:a w:b"},
	{MYSQL, "a /* /* */ b", "w:a w:b"},
	{MYSQL, "a /*!80016 b */ c", "w:a w:b w:c"},
	{MYSQL, "a /*! b */ c", "w:a w:b w:c"},
	{MYSQL, "a /*!123 b */ c", "w:a n:123 w:b w:c"},
	{MYSQL, "a /*!99999 b */ c", "w:a w:c"},
	{MYSQL, "a /*!99999 b /* x */ d */ c", "w:a w:c"},
	{MYSQL, "a /*!101105 b */ c", "w:a w:c"},
	{MYSQL, "a /*M!100100 b */ c", "w:a w:c"},
	{MYSQL, "a /*M! b */ c", "w:a w:c"},
	{MYSQL, "a /*!50100 b /* x */ d */ c", "w:a w:b w:d w:c"},
	{MYSQL, "a /*!50100 '*/' */ c", "w:a s:'*/' w:c"},
	{MYSQL, "a /*!50100b*/c", "w:a w:b w:c"},
	{MARIA, "a /*!80016 b */ c", "w:a w:c"},
	{MARIA, "a /*!50699 b */ c", "w:a w:b w:c"},
	{MARIA, "a /*!50700 b */ c", "w:a w:c"},
	{MARIA, "a /*!100301 b */ c", "w:a w:b w:c"},
	{MARIA, "a /*!120000 b */ c", "w:a w:c"},
	{MARIA, "a /*M!100301 b*/ c", "w:a w:b w:c"},
	{MARIA, "a /*M! b*/ c", "w:a w:b w:c"},
	{MARIA, "a /*M!120301 b*/ c", "w:a w:c"},
	{MARIA, "a /*M!80016 b*/ c", "w:a w:b w:c"},
	{MYSQL, "a */ b", "w:a c:* c:/ w:b"},
	{MYSQL, "a /* b", "w:a BAD"},
	{MYSQL, "a /*!50100 b", "w:a w:b BAD"},
	{MYSQL, "a 'b", "w:a BAD"},
	{MYSQL, "a 'b\\", "w:a BAD"},
	{MYSQL, "a `b", "w:a BAD"},
	{MYSQL, "a @'b", "w:a BAD"},
	{MYSQL, "a /", "w:a c:/"},
	{MYSQL, "a /*", "w:a BAD"},
	{MYSQL, "a /*!", "w:a BAD"},
	{MYSQL, "a /*!5010", "w:a n:5010 BAD"},
	{MYSQL, "a /*!99999 b /* ", "w:a BAD"},
	{MYSQL, "@", "v:@"},
	{MYSQL, "'", "BAD"},
};

static void describe(struct sql_lexer *lx, struct buf *out)
{
	static const char letter[] = {[SQL_WORD] = 'w',
		[SQL_IDENT] = 'i',
		[SQL_STRING] = 's',
		[SQL_NUMBER] = 'n',
		[SQL_VARIABLE] = 'v',
		[SQL_CHAR] = 'c'};

	for (;;) {
		enum sql_token t = sql_lex_next(lx);

		if (t == SQL_END)
			return;
		if (out->n)
			buf_putc(out, ' ');
		if (t == SQL_BAD) {
			buf_puts(out, "BAD");
			return;
		}
		buf_putf(out, "%c:%.*s", letter[t], STR_ARG(lx->token));
		assert_ptr_equal(lx->token.p, lx->text.p + lx->token_at);
	}
}

static void tokens_of(unsigned mode, const char *text, const char *want)
{
	struct sql_lexer lx;
	struct buf b = {0};
	size_t n = strlen(text);
	char *copy = malloc(n + 1); /* of the exact size: a sanitizer sees a byte too far */

	memcpy(copy, text, n);
	copy = realloc(copy, n ? n : 1);
	sql_lex_init(&lx, (struct str){copy, n}, mode & MARIA, mode & MARIA ? 101105 : 90700);
	lx.ansi_quotes = mode & ANSI;
	lx.no_backslash_escapes = mode & NOBACK;
	describe(&lx, &b);
	if (strcmp(buf_cstr(&b), want) != 0)
		fail_msg("[%s] (%u)\n got: %s\nwant: %s", text, mode, buf_cstr(&b), want);
	buf_free(&b);
	free(copy);
}

static void lexing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lexed) / sizeof(lexed[0]); i++) {
		unsigned m = lexed[i].mode;

		if (!(m & MARIA) || (m & MYSQL))
			tokens_of(m & ~(unsigned)MARIA, lexed[i].text, lexed[i].tokens);
		if (m & MARIA)
			tokens_of((m & ~(unsigned)MYSQL), lexed[i].text, lexed[i].tokens);
	}
}

static void identifiers(void **state)
{
	struct sql_lexer lx;
	char out[257], text[700];

	(void)state;
	sql_lex_init(&lx, STR_LIT("`a``b` 'no' 12 `` `x\0y` W"), false, 80030);
	sql_lex_next(&lx);
	assert_true(sql_lex_ident(&lx, out, sizeof(out)));
	assert_string_equal(out, "a`b");
	assert_false(sql_lex_ident(&lx, out, 3));
	for (int i = 0; i < 4; i++) {
		sql_lex_next(&lx);
		assert_false(sql_lex_ident(&lx, out, sizeof(out)));
	}
	sql_lex_next(&lx);
	assert_true(sql_lex_is(&lx, "w"));
	memset(text, 'x', sizeof(text));
	sql_lex_init(&lx, (struct str){text, 256}, false, 80030);
	sql_lex_next(&lx);
	assert_true(sql_lex_ident(&lx, out, sizeof(out)));
	sql_lex_init(&lx, (struct str){text, 257}, false, 80030);
	sql_lex_next(&lx);
	assert_false(sql_lex_ident(&lx, out, sizeof(out)));
}

/* --- structures --- */

static const struct {
	const char *type, *charset;
	enum flavor flavor;
	enum column_kind kind;
} kinds[] = {
	{"int(10) unsigned", "", FLAVOR_MARIADB, COLUMN_INT},
	{"tinyint(1)", "", FLAVOR_MYSQL, COLUMN_INT},
	{"year(4)", NULL, FLAVOR_MYSQL, COLUMN_INT},
	{"BIGINT", "", FLAVOR_MYSQL, COLUMN_INT},
	{"float(7,4)", "", FLAVOR_MYSQL, COLUMN_FLOAT},
	{"double unsigned", "", FLAVOR_MYSQL, COLUMN_DOUBLE},
	{"decimal(65,30)", "", FLAVOR_MYSQL, COLUMN_DECIMAL},
	{"bit(1)", "", FLAVOR_MYSQL, COLUMN_BIT},
	{"date", "", FLAVOR_MYSQL, COLUMN_DATE},
	{"time(6)", "", FLAVOR_MYSQL, COLUMN_TIME},
	{"datetime /* mariadb-5.3 */", "", FLAVOR_MARIADB, COLUMN_DATETIME},
	{"timestamp(3)", "", FLAVOR_MYSQL, COLUMN_TIMESTAMP},
	{"varchar(10)", "latin1", FLAVOR_MYSQL, COLUMN_TEXT},
	{"varchar(10)", "binary", FLAVOR_MYSQL, COLUMN_BINARY},
	{"longtext", "utf8mb4", FLAVOR_MARIADB, COLUMN_TEXT},
	{"longblob", NULL, FLAVOR_MARIADB, COLUMN_BINARY},
	{"binary(16)", "", FLAVOR_MARIADB, COLUMN_BINARY},
	{"enum('a','b')", "utf8mb4", FLAVOR_MARIADB, COLUMN_ENUM},
	{"set('a','b')", "utf8mb4", FLAVOR_MARIADB, COLUMN_SET},
	{"json", "", FLAVOR_MYSQL, COLUMN_JSON},
	{"json", "", FLAVOR_TIDB, COLUMN_JSON},
	{"json", "utf8mb4", FLAVOR_MARIADB, COLUMN_TEXT},
	{"geomcollection", "", FLAVOR_MYSQL, COLUMN_GEOMETRY},
	{"multipolygon", "", FLAVOR_MYSQL, COLUMN_GEOMETRY},
	{"vector(3)", "", FLAVOR_MYSQL, COLUMN_VECTOR},
	{"uuid", "", FLAVOR_MARIADB, COLUMN_UUID},
	{"inet4", "", FLAVOR_MARIADB, COLUMN_INET4},
	{"inet6", "", FLAVOR_MARIADB, COLUMN_INET6},
	{"xmltype", "", FLAVOR_MARIADB, COLUMN_OTHER},
	{"", "", FLAVOR_MARIADB, COLUMN_OTHER},
};

static void column_kinds(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct server s = {kinds[i].flavor, 101105};

		if (column_kind_of(kinds[i].type, kinds[i].charset, &s) != kinds[i].kind)
			fail_msg("%s", kinds[i].type);
	}
}

static const char whole[] =
	"{\"schema\":\"a\",\"table\":\"t\",\"columns\":["
	"{\"name\":\"id\",\"type\":\"bigint(20) "
	"unsigned\",\"kind\":\"int\",\"charset\":\"\",\"collation\":\"\",\"length\":0,"
	"\"unsigned\":true,\"nullable\":false,\"generated\":false,\"invisible\":false,\"auto_increment\":"
	"true},"
	"{\"name\":\"b\",\"type\":\"binary(16)\",\"kind\":\"binary\",\"charset\":\"\",\"collation\":\"\","
	"\"length\":16,"
	"\"unsigned\":false,\"nullable\":true,\"generated\":true,\"invisible\":true,\"auto_increment\":"
	"false,\"expression\":\"unhex(`id`)\",\"virtual\":true}"
	"],"
	"\"keys\":[{\"name\":\"PRIMARY\",\"primary\":true,\"unique\":true,\"usable\":true,\"whole\":true,"
	"\"columns\":[0]},"
	"{\"name\":\"p\",\"primary\":false,\"unique\":true,\"usable\":false,\"whole\":false,\"columns\":[0,1]"
	","
	"\"prefixes\":[0,4]},"
	"{\"name\":\"f\",\"primary\":false,\"unique\":false,\"usable\":false,\"whole\":false,\"columns\":[]}]"
	",\"key\":0}";

static void structure_round_trip(void **state)
{
	struct err e = {0};
	json_t *o = json_loads(whole, 0, NULL), *back;
	struct structure *s;

	(void)state;
	assert_non_null(o);
	s = structure_from_json(o, &e);
	if (!s)
		fail_msg("%s", e.text);
	assert_int_equal(s->ncolumns, 2);
	assert_int_equal(s->columns[1].length, 16);
	assert_int_equal(s->columns[1].kind, COLUMN_BINARY);
	assert_true(s->columns[0].auto_increment);
	assert_null(s->columns[0].expression);
	assert_string_equal(s->columns[1].expression, "unhex(`id`)");
	assert_true(s->columns[1].is_virtual);
	assert_null(s->keys[0].prefixes);
	assert_int_equal(s->keys[1].prefixes[0], 0);
	assert_int_equal(s->keys[1].prefixes[1], 4);
	assert_int_equal(structure_column(s, "B"), 1);
	assert_int_equal(structure_column(s, "c"), -1);
	back = structure_to_json(s);
	assert_true(json_equal(o, back));
	json_decref(o);
	json_decref(back);
	structure_free(&s);
	assert_null(s);
	structure_free(&s);
}

/* Each value of the whole, one after the other, made wrong: refused, nothing leaked (a sanitizer tells). */
static void structure_refused(void **state)
{
	static const struct {
		const char *find, *put;
	} wrong[] = {
		{"\"schema\":\"a\"", "\"schema\":1"},
		{"\"columns\":[{", "\"columns\":[1,{"},
		{"\"kind\":\"binary\"", "\"kind\":\"tensor\""},
		{"\"length\":16", "\"length\":-1"},
		{"\"length\":16", "\"length\":4294967296"},
		{"\"type\":\"binary(16)\"", "\"typ\":\"binary(16)\""},
		{"\"columns\":[0]", "\"columns\":[2]"},
		{"\"columns\":[0]", "\"columns\":[\"id\"]"},
		{"\"columns\":[0]", "\"columns\":[]"},
		{"\"columns\":[0]", "\"columns\":0"},
		{"\"prefixes\":[0,4]", "\"prefixes\":[0]"},
		{"\"prefixes\":[0,4]", "\"prefixes\":[0,-1]"},
		{"\"expression\":\"unhex(`id`)\"", "\"expression\":1"},
		{"\"key\":0", "\"key\":3"},
		{"\"key\":0", "\"key\":-2"},
		{"\"key\":0", "\"key\":\"PRIMARY\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char text[2000];
		const char *at = strstr(whole, wrong[i].find);
		struct err e = {0};
		json_t *o;

		assert_non_null(at);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - whole), whole, wrong[i].put,
			at + strlen(wrong[i].find));
		o = json_loads(text, 0, NULL);
		assert_non_null(o);
		if (structure_from_json(o, &e))
			fail_msg("%s was taken", wrong[i].put);
		assert_int_not_equal(e.code, 0);
		json_decref(o);
	}
}

/* --- what an operator types --- */

static int join(void *arg, struct str s, struct err *e)
{
	struct buf *b = arg;

	(void)e;
	buf_putc(b, '[');
	buf_put(b, s.p, s.n);
	buf_putc(b, ']');
	return 0;
}

/* What CAST makes of them on MariaDB 11.8; NULL: it takes them for none. */
static void addresses(void **state)
{
	static const struct {
		enum column_kind kind;
		const char *text, *form;
	} cases[] = {
		{COLUMN_UUID, "6CCD780C-BABA-1026-9564-5B8C656024DB", "6ccd780c-baba-1026-9564-5b8c656024db"},
		{COLUMN_UUID, "6ccd780cbaba102695645b8c656024db", "6ccd780c-baba-1026-9564-5b8c656024db"},
		{COLUMN_UUID, "6-ccd--780cbaba102695645b8c656024db", "6ccd780c-baba-1026-9564-5b8c656024db"},
		{COLUMN_UUID, "6ccd780cbaba102695645b8c656024d", NULL},
		{COLUMN_UUID, "6ccd780cbaba102695645b8c656024dbx", NULL},
		{COLUMN_UUID, "6ccd780cbaba102695645b8c656024dbb", NULL},
		{COLUMN_UUID, "-6ccd780cbaba102695645b8c656024db", NULL},
		{COLUMN_UUID, "{6ccd780cbaba102695645b8c656024db}", NULL},
		{COLUMN_UUID, " 6ccd780cbaba102695645b8c656024db", NULL},
		{COLUMN_UUID, "", NULL},
		{COLUMN_INET6, "0:0:0:0:0:0:0:1", "::1"},
		{COLUMN_INET6, "::FFFF:1.2.3.4", "::ffff:1.2.3.4"},
		{COLUMN_INET6, "::1.2.3.4", "::1.2.3.4"},
		{COLUMN_INET6, "::01.2.3.4", "::1.2.3.4"},
		{COLUMN_INET6, "1.2.3.4", "::ffff:1.2.3.4"},
		{COLUMN_INET6, "2001:0DB8:0000:0000:0000:0000:0000:0001", "2001:db8::1"},
		{COLUMN_INET6, "1::2:0:0:3", "1::2:0:0:3"},
		{COLUMN_INET6, "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7::"},
		{COLUMN_INET6, "0:1:2:3:4:5:6:7", "::1:2:3:4:5:6:7"},
		{COLUMN_INET6, "::", "::"},
		{COLUMN_INET6, "00000::1", NULL},
		{COLUMN_INET6, "fe80::1%eth0", NULL},
		{COLUMN_INET6, " ::1", NULL},
		{COLUMN_INET6, "", NULL},
		{COLUMN_INET6, ":", NULL},
		{COLUMN_INET4, "001.002.003.004", "1.2.3.4"},
		{COLUMN_INET4, "255.255.255.256", NULL},
		{COLUMN_INET4, "0001.2.3.4", NULL},
		{COLUMN_INET4, "1.2.3", NULL},
		{COLUMN_INET4, "1.2.3.", NULL},
		{COLUMN_INET4, "1.2.3.4 ", NULL},
		{COLUMN_INET4, "", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf got = {0};
		size_t n = strlen(cases[i].text);
		char *copy = malloc(n ? n : 1); /* of the exact size: a sanitizer sees a byte too far */
		bool ok;

		memcpy(copy, cases[i].text, n);
		ok = sql_canonical_address(cases[i].kind, (struct str){copy, n}, &got);
		if (ok != (cases[i].form != NULL) || (ok && strcmp(buf_cstr(&got), cases[i].form) != 0))
			fail_msg("%s: %s", cases[i].text, buf_cstr(&got));
		free(copy);
		buf_free(&got);
	}
}

static void split(void **state)
{
	static const char *const good[][2] = {
		{"DROP TABLE a", "[DROP TABLE a]"},
		{" ALTER TABLE a ADD b int ;; DROP TABLE `x;y`; ",
			"[ALTER TABLE a ADD b int][DROP TABLE `x;y`]"},
		{"ALTER TABLE a COMMENT 'a;b' /* ; */; TRUNCATE a",
			"[ALTER TABLE a COMMENT 'a;b' /* ; */][TRUNCATE a]"},
	};
	static const char *const bad[] = {"", " ; ", "INSERT INTO a VALUES (1)", "DROP TABLE a; SELECT 1",
		"DROP TABLE 'a", "CREATE TABLE a AS SELECT 1", "GRANT ALL ON *.* TO x"};
	struct buf b = {0};
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		buf_clear(&b);
		assert_int_equal(sql_split_ddl(str_of(good[i][0]), join, &b, &e), 0);
		assert_string_equal(buf_cstr(&b), good[i][1]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err_clear(&e);
		assert_int_equal(sql_split_ddl(str_of(bad[i]), join, &b, &e), -1);
		assert_int_equal(e.code, ERR_sql_parse);
	}
	buf_free(&b);
}

/* --- texts of SHOW CREATE --- */

static void check_shown(const char *text, const char *want)
{
	const struct server mariadb = {.flavor = FLAVOR_MARIADB, .version = 101100};
	struct buf b = {0};

	shown_put_utf8(&b, str_of(text), &mariadb);
	assert_string_equal(buf_cstr(&b), want);
	buf_free(&b);
}

static void literals_of_bytes_are_hexadecimal(void **state)
{
	(void)state;
	check_shown("`ü` binary(2) DEFAULT 'a\\0' COMMENT 'it''s ü'",
		"`ü` binary(2) DEFAULT 'a\\0' COMMENT 'it''s ü'");
	check_shown("`ü` binary(5) DEFAULT '\xFE\\0\\\\''\\n' COMMENT 'it''s \xC3\xBC'",
		"`ü` binary(5) DEFAULT x'FE005C270A' COMMENT 'it''s ü'");
	check_shown(
		"concat(_binary'\xFF',_latin1\"\xE9\"),'\xFE'", "concat(_binary x'FF',_latin1 x'E9'),x'FE'");
	check_shown("'\xFE' 'not closed", "x'FE' 'not closed");
	check_shown("not \xFE closed '\xFE", "not \xFE closed '\xFE");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literals_of_bytes_are_hexadecimal),
		cmocka_unit_test(quoting),
		cmocka_unit_test(quoted_is_one_token),
		cmocka_unit_test(long_text_is_quoted_as_short),
		cmocka_unit_test(lexing),
		cmocka_unit_test(identifiers),
		cmocka_unit_test(column_kinds),
		cmocka_unit_test(structure_round_trip),
		cmocka_unit_test(structure_refused),
		cmocka_unit_test(addresses),
		cmocka_unit_test(split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
