/* Transactions out of events, and statements out of rows; on events that real servers wrote
 * (common/binlog/samples_test.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "common/base/xalloc.h"
#include "common/binlog/sample_decode.h"
#include "common/binlog/samples_test.h"
#include "units/sync/statement.h"
#include "units/sync/trx.h"

struct stream {
	struct assemble *a;
	struct position at;
	struct err e;
};

static int setup(void **state)
{
	struct stream *s = xcalloc(1, sizeof(*s));

	s->a = assemble_new(NULL);
	s->at = (struct position){1, 7, 4};
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct stream *s = *state;

	assemble_free(&s->a);
	free(s);
	return 0;
}

static int feed(struct stream *s, struct str event, struct trx **out)
{
	int r = assemble_event(s->a, event, s->at, out, &s->e);

	s->at.offset += event.n;
	return r;
}

/* Feeds a sample that ends nothing. */
static void feed_hex(struct stream *s, const char *hex)
{
	struct trx *t;
	size_t n;
	char *p = sample_bytes(hex, &n);

	assert_int_equal(feed(s, (struct str){p, n}, &t), 0);
	assert_null(t);
	free(p);
}

static struct trx *feed_end(struct stream *s, const char *hex)
{
	struct trx *t;
	size_t n;
	char *p = sample_bytes(hex, &n);

	assert_int_equal(feed(s, (struct str){p, n}, &t), 0);
	free(p);
	assert_non_null(t);
	return t;
}

/* A QUERY event in the default database "d"; its checksum is not looked at here. */
static struct buf query(const char *sql)
{
	struct buf b = {0};

	buf_put_u32(&b, 1700000000);
	buf_put_u8(&b, BINLOG_QUERY);
	buf_put_u32(&b, 1);
	buf_put_u32(&b, (uint32_t)(19 + 13 + 2 + strlen(sql) + 4));
	buf_put_u32(&b, 0);
	buf_put_u16(&b, 0);
	buf_put_u32(&b, 5); /* thread */
	buf_put_u32(&b, 0); /* time */
	buf_put_u8(&b, 1);  /* length of the schema */
	buf_put_u16(&b, 0); /* error */
	buf_put_u16(&b, 0); /* status variables */
	buf_puts(&b, "d");
	buf_putc(&b, '\0');
	buf_puts(&b, sql);
	buf_put_u32(&b, 0);
	return b;
}

static int feed_query(struct stream *s, const char *sql, struct trx **t)
{
	struct buf b = query(sql);
	int r = feed(s, buf_str(&b), t);

	buf_free(&b);
	return r;
}

static void nothing(struct stream *s, const char *sql)
{
	struct trx *t;

	if (feed_query(s, sql, &t) < 0)
		fail_msg("%s: %s", sql, s->e.text);
	assert_null(t);
}

static void begin(struct stream *s)
{
	feed_hex(s, mysql_format);
	feed_hex(s, mysql_gtid);
	feed_hex(s, mysql_begin);
	feed_hex(s, mysql_table_map);
	feed_hex(s, mysql_insert);
}

static void a_transaction_is_whole(void **state)
{
	struct stream *s = *state;
	struct position before;
	struct trx *t;

	feed_hex(s, mysql_format);
	before = s->at;
	assert_int_equal(position_cmp(assemble_safe(s->a), before), 0);
	feed_hex(s, mysql_gtid);
	feed_hex(s, mysql_begin);
	feed_hex(s, mysql_table_map);
	feed_hex(s, mysql_insert);
	/* No watermark may stand inside it. */
	assert_int_equal(position_cmp(assemble_safe(s->a), before), 0);
	t = feed_end(s, mysql_xid);
	assert_int_equal(t->kind, TRX_ROWS);
	assert_int_equal(t->events, 1);
	assert_int_equal(position_cmp(t->start, before), 0);
	assert_int_equal(position_cmp(t->end, s->at), 0);
	assert_int_equal(position_cmp(assemble_safe(s->a), s->at), 0);
	assert_true(t->has_gtid);
	trx_free(&t);
}

static void rollback_to_a_savepoint_takes_rows_back(void **state)
{
	struct stream *s = *state;
	struct trx *t;
	size_t bytes;

	begin(s);
	nothing(s, "SAVEPOINT `a`");
	feed_hex(s, mysql_insert);
	nothing(s, "SAVEPOINT b");
	feed_hex(s, mysql_update);
	nothing(s, "ROLLBACK TO `a`");
	assert_int_equal(feed_query(s, "ROLLBACK TO b", &t), -1);
	t = feed_end(s, mysql_xid);
	assert_int_equal(t->events, 1);
	bytes = t->raw.n;
	assert_int_equal(bytes, (strlen(mysql_table_map) + strlen(mysql_insert)) / 2);
	trx_free(&t);
}

/* Names differ in their last character, in case, in what is quoted. */
static void savepoints_are_told_apart(void **state)
{
	static const char
		long_a[] = "SAVEPOINT `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxa`",
		long_b[] = "SAVEPOINT `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxb`";
	struct stream *s = *state;
	struct buf back = {0};
	struct trx *t;

	begin(s);
	nothing(s, long_a);
	feed_hex(s, mysql_insert);
	nothing(s, "SAVEPOINT `q``b`");
	feed_hex(s, mysql_insert);
	nothing(s, "SAVEPOINT `r``b`");
	nothing(s, long_b);
	feed_hex(s, mysql_update);
	nothing(s, "ROLLBACK TO SAVEPOINT `Q``B` /* x */");
	buf_putf(&back, "ROLLBACK TO %s", long_b + 10);
	assert_int_equal(feed_query(s, buf_cstr(&back), &t), -1);
	t = feed_end(s, mysql_xid);
	assert_int_equal(t->events, 2);
	trx_free(&t);
	buf_free(&back);
}

/* As query(), with a status variable: the client's charset, by number. */
static struct buf query_in(const char *sql, uint16_t charset)
{
	struct buf q = query(sql), b = {0};
	uint32_t size = (uint32_t)q.n + 7;

	buf_put(&b, q.p, 9);
	buf_put_u32(&b, size);
	buf_put(&b, q.p + 13, 17);
	buf_put_u16(&b, 7); /* status variables */
	buf_put_u8(&b, 4);
	for (int i = 0; i < 3; i++)
		buf_put_u16(&b, charset);
	buf_put(&b, q.p + 32, q.n - 32);
	buf_free(&q);
	return b;
}

/* The second byte of a character is a backslash, or a backtick: no quote is open behind it. */
static void two_byte_text_is_understood(void **state)
{
	static const char *const sql[] = {
		"CREATE TABLE t (a varchar(9) DEFAULT '\xd5\x5c')", "CREATE TABLE `\x81\x60` (a int)"};
	struct stream *s = *state;
	struct trx *t;

	feed_hex(s, mysql_format);
	for (size_t i = 0; i < 2; i++) {
		struct buf b = query_in(sql[i], 28);

		if (feed(s, buf_str(&b), &t) < 0)
			fail_msg("%s", s->e.text);
		assert_non_null(t);
		assert_int_equal(t->kind, TRX_DDL);
		assert_int_equal(t->raw.n, b.n);
		assert_memory_equal(t->raw.p, b.p, b.n);
		trx_free(&t);
		buf_free(&b);
	}
}

static void load_data_as_a_statement_stops(void **state)
{
	struct stream *s = *state;
	struct buf b = query("x");
	struct trx *t;

	begin(s);
	b.p[4] = BINLOG_BEGIN_LOAD;
	assert_int_equal(feed(s, buf_str(&b), &t), -1);
	assert_int_equal(s->e.code, ERR_sync_statement_dml);
	b.p[4] = BINLOG_EXECUTE_LOAD;
	assert_int_equal(feed(s, buf_str(&b), &t), -1);
	assert_int_equal(s->e.code, ERR_sync_statement_dml);
	buf_free(&b);
}

static void what_can_not_be_skipped_stops(void **state)
{
	static const char *const bad[] = {"XA START 'x'", "INSERT INTO t VALUES (1)",
		"LOAD DATA INFILE 'x' INTO TABLE t", "CREATE TABLE u SELECT * FROM t"};
	static const uint32_t codes[] = {ERR_sync_event_unknown, ERR_sync_statement_dml,
		ERR_sync_statement_dml, ERR_sync_statement_dml};
	struct stream *s = *state;
	struct trx *t;

	feed_hex(s, mysql_format);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(feed_query(s, bad[i], &t), -1);
		assert_int_equal(s->e.code, codes[i]);
		assert_non_null(strstr(s->e.text, "at 1:.000007:"));
	}
}

/* It stops the applier when it gets there (units/sync/live_test.py), so that an operator can skip it. */
static void what_is_not_understood_is_handed_on(void **state)
{
	static const char *const odd[] = {"FROBNICATE t", "ALTER TABLE", "DROP TABLE 'x'"};
	struct stream *s = *state;
	struct trx *t;

	feed_hex(s, mysql_format);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		assert_int_equal(feed_query(s, odd[i], &t), 0);
		assert_non_null(t);
		assert_int_equal(t->kind, TRX_DDL);
		trx_free(&t);
	}
}

static void a_rollback_with_rows_stops(void **state)
{
	struct stream *s = *state;
	struct trx *t;

	begin(s);
	assert_int_equal(feed_query(s, "ROLLBACK", &t), -1);
	assert_int_equal(s->e.code, ERR_sync_event_unknown);
}

static void ddl_is_alone(void **state)
{
	struct stream *s = *state;
	struct trx *t;

	feed_hex(s, mysql_format);
	feed_hex(s, mysql_gtid);
	assert_int_equal(feed_query(s, "ALTER TABLE t ADD c INT", &t), 0);
	assert_non_null(t);
	assert_int_equal(t->kind, TRX_DDL);
	assert_false(t->inside);
	assert_true(position_cmp(t->start, t->event) < 0);
	assert_int_equal(position_cmp(t->end, s->at), 0);
	trx_free(&t);
}

static void ddl_inside_keeps_the_watermark(void **state)
{
	struct stream *s = *state;
	struct position start;
	struct trx *t;

	feed_hex(s, mysql_format);
	start = s->at;
	feed_hex(s, mysql_gtid);
	feed_hex(s, mysql_begin);
	assert_int_equal(feed_query(s, "CREATE TABLE t (a INT) START TRANSACTION", &t), 0);
	assert_non_null(t);
	assert_true(t->inside);
	assert_int_equal(position_cmp(t->end, start), 0);
	assert_int_equal(position_cmp(assemble_safe(s->a), start), 0);
	trx_free(&t);
	t = feed_end(s, mysql_xid);
	assert_int_equal(t->kind, TRX_ROWS);
	assert_true(t->has_gtid);
	trx_free(&t);
}

static void left_out_statements_move_the_position(void **state)
{
	static const char *const sql[] = {"CREATE USER u", "CREATE VIEW v AS SELECT 1", "ANALYZE TABLE t",
		"DROP /*!40005 TEMPORARY */ TABLE IF EXISTS t", "FLUSH TABLES"};
	struct stream *s = *state;
	struct trx *t;

	feed_hex(s, mysql_format);
	for (size_t i = 0; i < sizeof(sql) / sizeof(sql[0]); i++) {
		feed_hex(s, mysql_gtid);
		assert_int_equal(feed_query(s, sql[i], &t), 0);
		assert_non_null(t);
		assert_int_equal(t->events, 0);
		assert_int_equal(position_cmp(t->end, s->at), 0);
		trx_free(&t);
	}
}

static void truncated_events_are_errors(void **state)
{
	struct stream *s = *state;
	struct trx *t;
	size_t n;
	char *p = sample_bytes(mysql_gtid, &n);

	feed_hex(s, mysql_format);
	for (size_t k = 0; k < n; k++) {
		char *copy = xmemdup(p, k);

		assert_int_equal(assemble_event(s->a, (struct str){copy, k}, s->at, &t, &s->e), -1);
		free(copy);
	}
	free(p);
}

/* A table (id int primary key, v varchar(10), n int) with rows made by hand. */
struct fixture {
	struct table t;
	struct key key;
	struct column columns[3];
	struct structure s;
	int target[3];
	unsigned key_columns[1];
};

static void make(struct fixture *f, bool keyed)
{
	static const char *const names[] = {"id", "v", "n"};

	memset(f, 0, sizeof(*f));
	for (int i = 0; i < 3; i++) {
		f->columns[i] = (struct column){.name = (char *)names[i],
			.type = (char *)(i == 1 ? "varchar(10)" : "int"),
			.kind = i == 1 ? COLUMN_BINARY : COLUMN_INT,
			.charset = (char *)"",
			.collation = (char *)""};
		f->target[i] = i;
	}
	f->key = (struct key){.columns = f->key_columns, .ncolumns = 1, .primary = true};
	f->s = (struct structure){.columns = f->columns, .ncolumns = 3};
	f->t = (struct table){.head = (char *)"`d`.`t`",
		.up = &f->s,
		.down = &f->s,
		.target = f->target,
		.key = keyed ? &f->key : NULL,
		.wanted = true};
}

static void row(struct binlog_value v[3], const char *id)
{
	v[0] = (struct binlog_value){.present = true, .type = WIRE_LONG, .raw = {id, 4}};
	v[1] = (struct binlog_value){.present = true, .null = true, .type = WIRE_VARCHAR, .meta = 10};
	v[2] = (struct binlog_value){.present = true, .type = WIRE_LONG, .raw = {id, 4}};
}

static void neighbours_share_a_statement(void **state)
{
	struct binlog_value a[3], b[3];
	struct fixture f;
	struct packet p;
	struct err e;

	(void)state;
	make(&f, true);
	row(a, "\1\0\0\0");
	row(b, "\2\0\0\0");
	packet_init(&p, 1 << 20);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_INSERT, NULL, a, &e), 0);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_INSERT, NULL, b, &e), 0);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_DELETE, a, NULL, &e), 0);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_DELETE, b, NULL, &e), 0);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, a, b, &e), 0);
	packet_end(&p);
	assert_string_equal(buf_cstr(&p.sql),
		"INSERT INTO `d`.`t` (`id`,`v`,`n`) VALUES (1,NULL,1),(2,NULL,2);"
		"DELETE FROM `d`.`t` WHERE `id` IN (1,2);"
		"UPDATE `d`.`t` SET `id`=2,`v`=NULL,`n`=2 WHERE `id`=1");
	assert_int_equal(p.n, 3);
	assert_int_equal(p.list[0].rows, 2);
	assert_int_equal(p.list[1].rows, 2);
	assert_int_equal(p.list[2].rows, 1);
	packet_fini(&p);
}

/* Many changed rows in one statement, whose count tells whether all were there; what it can't tell is an
 * UPDATE.
 */
static void changed_rows_are_upserted(void **state)
{
	struct binlog_value a[3], b[3], c[3], same[3];
	struct fixture f;
	struct packet p;
	struct err e;

	(void)state;
	make(&f, true);
	f.t.order = TABLE_FOLDED;
	f.t.upsert = true;
	row(a, "\1\0\0\0");
	row(b, "\2\0\0\0");
	row(c, "\2\0\0\0");
	row(same, "\1\0\0\0");
	same[2].raw.p = "\7\0\0\0";
	c[2].raw.p = "\11\0\0\0";
	packet_init(&p, 1 << 20);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, a, same, &e), 0);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, b, c, &e), 0);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_INSERT, NULL, b, &e), 0);
	f.t.row_alias = true;
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, a, same, &e), 0);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, a, a, &e), 0); /* counts nothing */
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, a, b, &e), 0); /* another key */
	packet_end(&p);
	assert_string_equal(buf_cstr(&p.sql),
		"INSERT INTO `d`.`t` (`id`,`v`,`n`) VALUES (1,NULL,7),(2,NULL,9) ON DUPLICATE KEY UPDATE "
		"`v`=VALUES(`v`),`n`=VALUES(`n`);"
		"INSERT INTO `d`.`t` (`id`,`v`,`n`) VALUES (2,NULL,2);"
		"INSERT INTO `d`.`t` (`id`,`v`,`n`) VALUES (1,NULL,7) AS tg_new ON DUPLICATE KEY UPDATE "
		"`v`=tg_new.`v`,`n`=tg_new.`n`;"
		"UPDATE `d`.`t` SET `id`=1,`v`=NULL,`n`=1 WHERE `id`=1;"
		"UPDATE `d`.`t` SET `id`=2,`v`=NULL,`n`=2 WHERE `id`=1");
	assert_int_equal(p.n, 5);
	assert_true(statement_fits(&p.list[0], 4, 4));
	assert_false(statement_fits(&p.list[0], 3, 3)); /* one was not there */
	assert_false(statement_fits(&p.list[0], 2, 2)); /* neither was, or one was so already */
	assert_false(statement_fits(&p.list[1], 2, 2));
	assert_true(statement_fits(&p.list[3], 0, 1));
	assert_false(statement_fits(&p.list[3], 1, 0));
	packet_clear(&p);
	p.single = true;
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, a, same, &e), 0);
	packet_end(&p);
	assert_string_equal(buf_cstr(&p.sql), "UPDATE `d`.`t` SET `id`=1,`v`=NULL,`n`=7 WHERE `id`=1");
	packet_clear(&p);
	p.single = false;
	f.t.order = TABLE_TIED;
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, a, same, &e), 0);
	packet_end(&p);
	assert_string_equal(buf_cstr(&p.sql), "UPDATE `d`.`t` SET `id`=1,`v`=NULL,`n`=7 WHERE `id`=1");
	packet_fini(&p);
}

static void rows_without_a_key_are_found_by_all_columns(void **state)
{
	struct binlog_value a[3];
	struct fixture f;
	struct packet p;
	struct err e;

	(void)state;
	make(&f, false);
	row(a, "\1\0\0\0");
	packet_init(&p, 1 << 20);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_DELETE, a, NULL, &e), 0);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_DELETE, a, NULL, &e), 0);
	packet_end(&p);
	assert_string_equal(buf_cstr(&p.sql),
		"DELETE FROM `d`.`t` WHERE `id`=1 AND `v` IS NULL AND `n`=1 LIMIT 1;"
		"DELETE FROM `d`.`t` WHERE `id`=1 AND `v` IS NULL AND `n`=1 LIMIT 1");
	a[2].present = false;
	assert_int_equal(packet_add(&p, &f.t, BINLOG_DELETE, a, NULL, &e), -1);
	assert_int_equal(e.code, ERR_sync_columns);
	packet_fini(&p);
}

/* Of another charset downstream, and a VECTOR: compared as the same bytes. */
static void bytes_are_compared_whatever_the_column(void **state)
{
	struct column down[3];
	struct binlog_value a[3];
	struct structure there;
	struct fixture f;
	struct packet p;
	struct err e;

	(void)state;
	make(&f, false);
	memcpy(down, f.columns, sizeof(down));
	there = (struct structure){.columns = down, .ncolumns = 3};
	f.t.down = &there;
	row(a, "\1\0\0\0");
	a[1] = (struct binlog_value){.present = true, .type = WIRE_VARCHAR, .meta = 10, .raw = {"\xe4", 1}};
	f.columns[1].kind = down[1].kind = COLUMN_TEXT;
	f.columns[1].charset = (char *)"latin1";
	down[1].charset = (char *)"utf8mb4";
	packet_init(&p, 1 << 20);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_DELETE, a, NULL, &e), 0);
	packet_end(&p);
	assert_string_equal(buf_cstr(&p.sql),
		"DELETE FROM `d`.`t` WHERE `id`=1 AND CAST(`v` AS BINARY)=CAST(CONVERT(_latin1'\xe4' USING "
		"utf8mb4) AS BINARY) AND `n`=1 LIMIT 1");
	packet_clear(&p);
	f.columns[1].kind = down[1].kind = COLUMN_VECTOR;
	assert_int_equal(packet_add(&p, &f.t, BINLOG_DELETE, a, NULL, &e), 0);
	packet_end(&p);
	assert_non_null(strstr(buf_cstr(&p.sql), "HEX(`v`)=HEX("));
	packet_fini(&p);
}

/* Nothing of a minimal image is written downstream (generated there): still one statement, and its row
 * counts. */
static void an_update_of_nothing_is_still_sql(void **state)
{
	struct binlog_value a[3], b[3];
	struct fixture f;
	struct packet p;
	struct err e;

	(void)state;
	make(&f, true);
	row(a, "\1\0\0\0");
	row(b, "\1\0\0\0");
	f.target[2] = -1;
	b[0].present = b[1].present = false;
	packet_init(&p, 1 << 20);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, a, b, &e), 0);
	packet_end(&p);
	assert_string_equal(buf_cstr(&p.sql), "UPDATE `d`.`t` SET `id`=`id` WHERE `id`=1");
	packet_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_transaction_is_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(rollback_to_a_savepoint_takes_rows_back, setup, teardown),
		cmocka_unit_test_setup_teardown(what_can_not_be_skipped_stops, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_not_understood_is_handed_on, setup, teardown),
		cmocka_unit_test_setup_teardown(a_rollback_with_rows_stops, setup, teardown),
		cmocka_unit_test_setup_teardown(ddl_is_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(ddl_inside_keeps_the_watermark, setup, teardown),
		cmocka_unit_test_setup_teardown(left_out_statements_move_the_position, setup, teardown),
		cmocka_unit_test_setup_teardown(truncated_events_are_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(savepoints_are_told_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(two_byte_text_is_understood, setup, teardown),
		cmocka_unit_test_setup_teardown(load_data_as_a_statement_stops, setup, teardown),
		cmocka_unit_test(bytes_are_compared_whatever_the_column),
		cmocka_unit_test(an_update_of_nothing_is_still_sql),
		cmocka_unit_test(neighbours_share_a_statement),
		cmocka_unit_test(changed_rows_are_upserted),
		cmocka_unit_test(rows_without_a_key_are_found_by_all_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
