/* Every captured event decodes to what the server wrote, and none of its prefixes breaks anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/xalloc.h"
#include "common/binlog/gtid.h"
#include "common/binlog/payload.h"
#include "common/binlog/sample_decode.h"
#include "common/binlog/samples_test.h"

struct bench {
	struct sample_state s;
	struct structure *structure;
	char *held[64]; /* samples whose bytes are still referred to */
	unsigned nheld;
};

static struct str hold(struct bench *b, const char *hex)
{
	size_t n;

	assert_true(b->nheld < 64);
	b->held[b->nheld++] = sample_bytes(hex, &n);
	return (struct str){b->held[b->nheld - 1], n};
}

static void start(struct bench *b, bool mariadb)
{
	struct err e = {0};

	*b = (struct bench){0};
	b->s.arena = arena_new(0);
	b->structure = sample_structure(mariadb);
	b->s.structure = b->structure;
	assert_int_equal(
		binlog_read_format(hold(b, mariadb ? maria_format : mysql_format), &b->s.format, &e), 0);
}

static void stop(struct bench *b)
{
	arena_free(&b->s.arena);
	structure_free(&b->structure);
	buf_free(&b->s.text);
	for (unsigned i = 0; i < b->nheld; i++)
		free(b->held[i]);
}

/* Decodes and gives the text. */
static const char *read(struct bench *b, const char *hex)
{
	struct str event = hold(b, hex);
	struct err e = {0};

	assert_true(binlog_checksum_ok(event));
	if (sample_decode(&b->s, event, &e) < 0)
		fail_msg("%s", e.text);
	return buf_cstr(&b->s.text);
}

static void test_format(void **state)
{
	struct bench b;

	(void)state;
	start(&b, false);
	assert_string_equal(b.s.format.server_version, "9.7.4-2");
	assert_int_equal(b.s.format.server.flavor, FLAVOR_MYSQL);
	assert_int_equal(b.s.format.server.version, 90704);
	assert_true(b.s.format.checksum);
	assert_int_equal(b.s.format.post_header[BINLOG_TABLE_MAP], 8);
	stop(&b);
	start(&b, true);
	assert_int_equal(b.s.format.server.flavor, FLAVOR_MARIADB);
	assert_int_equal(b.s.format.server.version, 110809);
	stop(&b);
}

static void test_checksum_finds_a_flipped_bit(void **state)
{
	size_t n;
	char *p = sample_bytes(mysql_insert, &n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		p[i] ^= 0x10;
		assert_false(binlog_checksum_ok((struct str){p, n}));
		p[i] ^= 0x10;
	}
	assert_true(binlog_checksum_ok((struct str){p, n}));
	free(p);
}

static const char mysql_row[] =
	"(1,%s,-70000,-12.345,'2020-01-02 03:04:05.678','-01:02:03.45',_utf8mb4'ab\\'c',"
	"_utf8mb4'{\"a\": [1, -2.5, \"x\"]}',300,2,3,1.1000000238418579e+00,1.1000000000000001e+00,"
	"'2020-01-02 03:04:05.678901',x'0000803F00000040',1999,x'61620000',_latin1'xyz',x'00786666')";
static const char maria_row[] =
	"(1,%s,-70000,-12.345,'2020-01-02 03:04:05.678','-01:02:03.45',_utf8mb4'ab\\'c',"
	"_utf8mb4'{\"a\": 1}',300,2,3,1.1000000238418579e+00,1.1000000000000001e+00,"
	"'2020-01-02 03:04:05.678901',_utf8mb4'12345678-9abc-4def-8123-456789abcd00',1999,x'61620000',"
	"_utf8mb4'2001:db8::1',x'%s',_utf8mb4'1.2.3.4')";

static void expect_rows(
	struct bench *b, const char *hex, const char *form, const char *before, const char *after)
{
	struct buf z = {0}, want = {0};

	for (unsigned i = 0; i < 200; i++)
		buf_puts(&z, "7A");
	if (before) {
		buf_putc(&want, '-');
		buf_putf(&want, form, before, buf_cstr(&z));
	}
	if (after) {
		buf_putc(&want, '+');
		buf_putf(&want, form, after, buf_cstr(&z));
	}
	assert_string_equal(read(b, hex), buf_cstr(&want));
	buf_free(&z);
	buf_free(&want);
}

static void test_mysql_rows(void **state)
{
	struct bench b;

	(void)state;
	start(&b, false);
	read(&b, mysql_table_map);
	assert_true(str_is(b.s.table.names[3], "c"));
	assert_true(b.s.table.is_unsigned[0]);
	assert_false(b.s.table.is_unsigned[1]);
	assert_int_equal(b.s.table.collations[17], 8);
	expect_rows(&b, mysql_insert, mysql_row, NULL, "-5");
	expect_rows(&b, mysql_update, mysql_row, "-5", "6");
	expect_rows(&b, mysql_delete, mysql_row, "6", NULL);
	assert_string_equal(read(&b, mysql_minimal_update), "-(8)+(1)");
	stop(&b);
}

/*
 * The sample as another server would have written it: with this type, and with n bytes of extra row
 * information (SIZE_MAX: a rows event of version 1, which has no length for that either).
 */
static struct str rewritten(struct bench *b, const char *hex, uint8_t type, const char *extra, size_t n)
{
	enum { LENGTH_AT = BINLOG_HEADER_SIZE + 8, ROWS_AT = LENGTH_AT + 2 };
	struct str was = hold(b, hex);
	struct buf out = {0};

	assert_int_equal((uint8_t)was.p[LENGTH_AT], 2); /* the sample has none */
	buf_put(&out, was.p, LENGTH_AT);
	if (n != SIZE_MAX) {
		buf_put_u16(&out, (uint16_t)(n + 2));
		buf_put(&out, extra, n);
	}
	buf_put(&out, was.p + ROWS_AT, was.n - ROWS_AT);
	out.p[4] = (char)type;
	for (unsigned i = 0; i < 4; i++)
		out.p[9 + i] = (char)(out.n >> (8 * i));
	b->held[b->nheld++] = out.p;
	return (struct str){out.p, out.n};
}

static void expect_same_rows(struct bench *b, struct str event, const char *hex)
{
	struct err e = {0};
	char *want = xstrdup(read(b, hex));

	buf_clear(&b->s.text);
	if (sample_decode(&b->s, event, &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(buf_cstr(&b->s.text), want);
	free(want);
}

/* No server here writes them: MySQL with log_bin_use_v1_row_events, and rows of partitions or of NDB. */
static void test_mysql_rows_of_other_servers(void **state)
{
	static const char *const samples[] = {mysql_insert, mysql_update, mysql_delete, mysql_minimal_update};
	static const uint8_t v1[] = {BINLOG_WRITE_V1, BINLOG_UPDATE_V1, BINLOG_DELETE_V1, BINLOG_UPDATE_V1};
	static const uint8_t v2[] = {BINLOG_WRITE_V2, BINLOG_UPDATE_V2, BINLOG_DELETE_V2, BINLOG_UPDATE_V2};
	struct bench b;

	(void)state;
	start(&b, false);
	/* MySQL 9 knows them no more; 5.7 and 8.0 say 8 bytes. */
	for (unsigned type = BINLOG_WRITE_V1; type <= BINLOG_DELETE_V1; type++)
		b.s.format.post_header[type] = 8;
	read(&b, mysql_table_map);
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		struct str event = rewritten(&b, samples[i], v1[i], NULL, SIZE_MAX);
		struct err e = {0};

		expect_same_rows(&b, event, samples[i]);
		expect_same_rows(&b, rewritten(&b, samples[i], v2[i], "\1\5\0", 3), samples[i]);
		expect_same_rows(&b, rewritten(&b, samples[i], v2[i], "\0\4abcd", 6), samples[i]);
		/* A version 1 taken for a version 2 is an error, not other rows. */
		((char *)(uintptr_t)event.p)[4] = (char)v2[i];
		assert_int_equal(sample_decode(&b.s, event, &e), -1);
	}
	stop(&b);
}

static void test_mariadb_rows(void **state)
{
	struct bench b;

	(void)state;
	start(&b, true);
	read(&b, maria_table_map);
	assert_true(str_is(b.s.table.names[19], "s"));
	assert_true(b.s.table.is_unsigned[0]);
	expect_rows(&b, maria_insert, maria_row, NULL, "-5");
	expect_rows(&b, maria_update, maria_row, "-5", "6");
	expect_rows(&b, maria_delete, maria_row, "6", NULL);
	assert_non_null(strstr(read(&b, maria_insert_compressed), "_utf8mb4'aaaaaaaaaa'"));
	stop(&b);
}

static void test_queries(void **state)
{
	struct bench b;

	(void)state;
	start(&b, false);
	assert_string_equal(read(&b, mysql_begin), "s: BEGIN");
	assert_string_equal(read(&b, mysql_savepoint), "s: SAVEPOINT `s1`");
	assert_string_equal(read(&b, mysql_create_select),
		"s: CREATE TABLE `u` (\n  `x` int NOT NULL DEFAULT '0'\n) START TRANSACTION");
	assert_string_equal(read(&b, mysql_rotate), "mysql-bin.000011");
	stop(&b);
	start(&b, true);
	assert_string_equal(read(&b, maria_query_compressed),
		"s: alter table t comment='compressed compressed compressed compressed'");
	assert_string_equal(read(&b, maria_commit), "s: COMMIT");
	stop(&b);
}

static void test_query_session(void **state)
{
	struct binlog_query q;
	struct err e = {0};
	struct bench b;

	(void)state;
	start(&b, true);
	assert_int_equal(
		binlog_read_query(hold(&b, maria_query_compressed), &b.s.format, b.s.arena, &q, &e), 0);
	assert_true(q.has_sql_mode && q.sql_mode == 0);
	assert_true(q.has_charset);
	assert_true(q.has_explicit_defaults && q.explicit_defaults);
	assert_false(q.unknown_vars);
	assert_int_equal(binlog_read_query(hold(&b, maria_commit_alter), &b.s.format, b.s.arena, &q, &e), 0);
	assert_true(q.flags_extra & BINLOG_EXTRA_COMMIT_ALTER);
	assert_int_equal(q.alter_seq, 259);
	stop(&b);
}

static void test_gtids(void **state)
{
	struct binlog_gtid_event g;
	struct err e = {0};
	struct bench b;

	(void)state;
	start(&b, false);
	assert_string_equal(read(&b, mysql_gtid), "a375cbdf-e742-11f1-a903-02fc00000001:136");
	assert_string_equal(read(&b, mysql_tagged), "a375cbdf-e742-11f1-a903-02fc00000001:tagx:2");
	assert_string_equal(
		read(&b, mysql_previous_gtids), "a375cbdf-e742-11f1-a903-02fc00000001:1-134:tagx:1");
	assert_int_equal(binlog_read_gtid(hold(&b, mysql_tagged), &b.s.format, &g, &e), 0);
	assert_int_equal(g.last_committed, 1);
	assert_int_equal(g.sequence_number, 7);
	stop(&b);
	start(&b, true);
	assert_string_equal(read(&b, maria_gtid), "0-13501-253");
	assert_string_equal(read(&b, maria_gtid_list), "0-13501-251");
	assert_string_equal(read(&b, maria_xa_gtid), "0-13501-261");
	assert_int_equal(binlog_read_gtid(hold(&b, maria_start_alter_gtid), &b.s.format, &g, &e), 0);
	assert_true(g.flags_extra & BINLOG_EXTRA_START_ALTER);
	assert_true(g.flags2 & BINLOG_GTID_STANDALONE);
	assert_int_equal(binlog_read_gtid(hold(&b, maria_commit_alter_gtid), &b.s.format, &g, &e), 0);
	assert_true(g.flags_extra & BINLOG_EXTRA_COMMIT_ALTER);
	assert_int_equal(g.alter_seq, 259);
	stop(&b);
}

static void test_payload(void **state)
{
	struct bench b;

	(void)state;
	start(&b, false);
	read(&b, mysql_payload);
	/* The last event inside is the XID; the one before it were the rows. */
	assert_int_equal(b.s.table.ncolumns, 19);
	stop(&b);
}

static void test_partial_update(void **state)
{
	struct bench b;
	const char *text;

	(void)state;
	start(&b, false);
	read(&b, mysql_table_map);
	text = read(&b, mysql_partial_update);
	assert_non_null(strstr(text, ")+("));
	assert_non_null(strstr(strstr(text, ")+("), "{\"a\": \"bbbbbbbbbb"));
	stop(&b);
}

static void test_table_check(void **state)
{
	struct err e = {0};
	struct bench b;
	struct column *c;

	(void)state;
	start(&b, false);
	read(&b, mysql_table_map);
	assert_int_equal(binlog_table_check(&b.s.table, b.structure, &e), 0);
	c = b.structure->columns;
	c[1].is_unsigned = true;
	assert_int_equal(binlog_table_check(&b.s.table, b.structure, &e), -1);
	assert_non_null(strstr(e.text, "`a`"));
	c[1].is_unsigned = false;
	free(c[3].type);
	c[3].type = xstrdup("decimal(10,2)");
	assert_int_equal(binlog_table_check(&b.s.table, b.structure, &e), -1);
	free(c[3].type);
	c[3].type = xstrdup("decimal(10,3)");
	free(c[4].name);
	c[4].name = xstrdup("dd");
	assert_int_equal(binlog_table_check(&b.s.table, b.structure, &e), -1);
	assert_int_equal(e.code, ERR_sync_columns);
	b.structure->ncolumns--;
	assert_int_equal(binlog_table_check(&b.s.table, b.structure, &e), -1);
	b.structure->ncolumns++;
	stop(&b);
}

/* The bytes of a text say nothing of its charset; the TABLE_MAP does, where it is logged. */
static void test_charset_check(void **state)
{
	static char latin1[] = "latin1", utf8[] = "utf8", none[] = "", id[] = "id", text[] = "varchar(9)",
		    bytes[] = "varbinary(9)";
	static const uint8_t types[] = {WIRE_VARCHAR};
	struct column c = {.name = id, .type = text, .kind = COLUMN_TEXT, .charset = latin1};
	struct structure s = {.columns = &c, .ncolumns = 1};
	uint16_t meta[] = {36};
	uint32_t collation = 8; /* latin1_swedish_ci */
	struct binlog_table t = {.ncolumns = 1, .types = types, .meta = meta, .collations = &collation};
	struct err e = {0};

	(void)state;
	assert_int_equal(binlog_table_check(&t, &s, &e), 0);
	collation = 255; /* utf8mb4_0900_ai_ci */
	assert_int_equal(binlog_table_check(&t, &s, &e), -1);
	assert_int_equal(e.code, ERR_sync_columns);
	assert_non_null(strstr(e.text, "`id` is in charset utf8mb4 in the binlog and in latin1"));
	collation = 2304; /* MariaDB's utf8mb4_uca1400_ai_ci, and no number of MySQL's */
	assert_int_equal(binlog_table_check(&t, &s, &e), 0);
	t.flavor = FLAVOR_MARIADB;
	assert_int_equal(binlog_table_check(&t, &s, &e), -1);
	c.charset = utf8;
	collation = 33; /* utf8mb3_general_ci */
	assert_int_equal(binlog_table_check(&t, &s, &e), 0);
	collation = 63;
	assert_int_equal(binlog_table_check(&t, &s, &e), -1);
	c = (struct column){.name = id, .type = bytes, .kind = COLUMN_BINARY, .charset = none};
	assert_int_equal(binlog_table_check(&t, &s, &e), 0);
	collation = 33;
	assert_int_equal(binlog_table_check(&t, &s, &e), -1);
	t.collations = NULL;
	assert_int_equal(binlog_table_check(&t, &s, &e), 0);
}

/* MariaDB's unique keys over long values: a column each at the end of the rows, and in no structure. */
static void test_hidden_columns(void **state)
{
	static char none[] = "", id[] = "id", number[] = "bigint(20)", other[] = "int(11)";
	static const uint8_t types[] = {WIRE_LONGLONG, WIRE_LONGLONG, WIRE_LONGLONG},
			     ints[] = {WIRE_LONGLONG, WIRE_LONGLONG, WIRE_LONG};
	struct str names[] = {STR_LIT("id"), STR_LIT("DB_ROW_HASH_1"), STR_LIT("DB_ROW_HASH_2")};
	struct column c = {.name = id, .type = number, .kind = COLUMN_INT, .charset = none};
	struct key keys[] = {
		{.unique = true, .hashed = true}, {.unique = true}, {.unique = true, .hashed = true}};
	struct structure s = {.columns = &c, .ncolumns = 1, .keys = keys, .nkeys = 3};
	uint16_t meta[3] = {0};
	struct binlog_table t = {.ncolumns = 3, .types = types, .meta = meta};
	struct err e = {0};

	(void)state;
	assert_int_equal(binlog_table_check(&t, &s, &e), 0);
	assert_int_equal(binlog_table_hidden(&t, &s), 2);
	t.names = names;
	assert_int_equal(binlog_table_check(&t, &s, &e), 0);
	names[2] = STR_LIT("more");
	assert_int_equal(binlog_table_check(&t, &s, &e), -1);
	t.names = NULL;
	t.types = ints;
	assert_int_equal(binlog_table_check(&t, &s, &e), -1);
	t.types = types;
	s.nkeys = 2; /* one of them is a column of the table */
	assert_int_equal(binlog_table_check(&t, &s, &e), -1);
	t.ncolumns = 2;
	assert_int_equal(binlog_table_check(&t, &s, &e), 0);
	t.ncolumns = 1; /* a table in memory has such keys without a column */
	assert_int_equal(binlog_table_check(&t, &s, &e), 0);
	assert_int_equal(binlog_table_hidden(&t, &s), 0);
	c.type = other;
	assert_int_equal(binlog_table_check(&t, &s, &e), -1);
}

static const char *const mysql_all[] = {mysql_format, mysql_previous_gtids, mysql_gtid, mysql_begin,
	mysql_table_map, mysql_insert, mysql_xid, mysql_update, mysql_delete, mysql_savepoint, mysql_tagged,
	mysql_payload, mysql_minimal_update, mysql_create_select, mysql_rotate, mysql_drop};
static const char *const maria_all[] = {maria_format, maria_gtid_list, maria_ddl_gtid, maria_gtid,
	maria_table_map, maria_insert, maria_xid, maria_update, maria_delete, maria_insert_compressed,
	maria_query_compressed, maria_start_alter_gtid, maria_commit_alter_gtid, maria_commit_alter,
	maria_xa_gtid, maria_create_select, maria_sequence_map, maria_commit};

static void patch_size(char *p, size_t n)
{
	for (unsigned i = 0; i < 4; i++)
		p[9 + i] = (char)(n >> (8 * i));
}

/* Each length from nothing to all but one byte, with a header that says so; with and without a TABLE_MAP
 * before. */
static unsigned cut(const char *hex, const char *map, bool mariadb)
{
	unsigned refused = 0;
	size_t n;
	char *whole = sample_bytes(hex, &n);

	for (size_t i = 0; i < n; i++) {
		char *p = xmalloc(i ? i : 1);
		struct err e = {0};
		struct bench b;

		start(&b, mariadb);
		if (map)
			read(&b, map);
		memcpy(p, whole, i);
		if (i >= BINLOG_HEADER_SIZE)
			patch_size(p, i);
		if (sample_decode(&b.s, (struct str){p, i}, &e) < 0) {
			assert_int_not_equal(e.code, 0);
			refused++;
		}
		stop(&b);
		free(p);
	}
	free(whole);
	return refused;
}

static void test_truncated(void **state)
{
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(mysql_all) / sizeof(mysql_all[0]); i++)
		assert_true(cut(mysql_all[i], mysql_table_map, false) >= BINLOG_HEADER_SIZE);
	for (size_t i = 0; i < sizeof(maria_all) / sizeof(maria_all[0]); i++)
		assert_true(cut(maria_all[i], maria_table_map, true) >= BINLOG_HEADER_SIZE);
	/* A rows event that lost a single byte is never taken. */
	free(sample_bytes(mysql_update, &n));
	assert_int_equal(cut(mysql_update, mysql_table_map, false), n);
	free(sample_bytes(maria_insert_compressed, &n));
	assert_int_equal(cut(maria_insert_compressed, maria_table_map, true), n);
	free(sample_bytes(mysql_payload, &n));
	assert_int_equal(cut(mysql_payload, NULL, false), n);
}

/* Every byte of every sample turned to something else: no crash, whatever comes out. */
static void test_damaged(void **state)
{
	static const uint8_t masks[] = {0x01, 0x80, 0xff};

	(void)state;
	for (size_t k = 0; k < sizeof(mysql_all) / sizeof(mysql_all[0]); k++) {
		size_t n;
		char *p = sample_bytes(mysql_all[k], &n);

		for (size_t i = BINLOG_HEADER_SIZE; i < n * 3; i++) {
			struct err e = {0};
			struct bench b;

			if (i % n < BINLOG_HEADER_SIZE)
				continue;
			start(&b, false);
			read(&b, mysql_table_map);
			p[i % n] = (char)(p[i % n] ^ masks[i / n]);
			sample_decode(&b.s, (struct str){p, n}, &e);
			p[i % n] = (char)(p[i % n] ^ masks[i / n]);
			stop(&b);
		}
		free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_checksum_finds_a_flipped_bit),
		cmocka_unit_test(test_mysql_rows),
		cmocka_unit_test(test_mysql_rows_of_other_servers),
		cmocka_unit_test(test_mariadb_rows),
		cmocka_unit_test(test_queries),
		cmocka_unit_test(test_query_session),
		cmocka_unit_test(test_gtids),
		cmocka_unit_test(test_payload),
		cmocka_unit_test(test_partial_update),
		cmocka_unit_test(test_table_check),
		cmocka_unit_test(test_charset_check),
		cmocka_unit_test(test_hidden_columns),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
