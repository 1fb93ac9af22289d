/* Transactions out of events; on events that real servers wrote
 * (common/binlog/samples_test.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "units/sync/noted.h"
#include "units/sync/pieces.h"
#include "units/sync/stray.h"
#include "units/sync/stream_test.h"
#include "units/sync/walk.h"

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

/* More than anybody counts, back to one in the middle; one name is used over and over. */
static void savepoints_of_any_number(void **state)
{
	struct stream *s = *state;
	char sql[64];
	struct trx *t;

	begin(s);
	for (int i = 0; i < 5000; i++) {
		snprintf(sql, sizeof(sql), "SAVEPOINT `s_%d`", i);
		nothing(s, sql);
		feed_hex(s, mysql_insert);
		nothing(s, "SAVEPOINT again");
	}
	nothing(s, "ROLLBACK TO `S_2000`");
	assert_int_equal(feed_query(s, "ROLLBACK TO again", &t), -1);
	assert_int_equal(feed_query(s, "ROLLBACK TO `s_2001`", &t), -1);
	feed_hex(s, mysql_insert);
	nothing(s, "SAVEPOINT `s_1000`"); /* moves to the end */
	feed_hex(s, mysql_insert);
	nothing(s, "ROLLBACK TO `s_1000`");
	nothing(s, "ROLLBACK TO `s_1999`");
	feed_hex(s, mysql_insert);
	assert_int_equal(feed_query(s, "ROLLBACK TO `s_1000`", &t), -1);
	t = feed_end(s, mysql_xid);
	assert_int_equal(t->events, 1 + 1999 + 1);
	trx_free(&t);
}

/* To the servers an accent is nothing: which of two is meant is not known here. */
static void savepoints_beyond_ascii(void **state)
{
	struct stream *s = *state;
	struct trx *t;

	begin(s);
	nothing(s, "SAVEPOINT `\u00e9t\u00e9`");
	feed_hex(s, mysql_insert);
	nothing(s, "SAVEPOINT `\u00e9t\u00e9`");
	feed_hex(s, mysql_insert);
	nothing(s, "SAVEPOINT `\u00e9xo`");
	nothing(s, "SAVEPOINT oxe");
	nothing(s, "ROLLBACK TO `\u00e9t\u00e9`");
	assert_int_equal(feed_query(s, "ROLLBACK TO `\u00e9xo`", &t), -1);
	nothing(s, "SAVEPOINT ete");
	feed_hex(s, mysql_insert);
	assert_int_equal(feed_query(s, "ROLLBACK TO `\u00e9t\u00e9`", &t), -1);
	assert_non_null(strstr(s->e.text, "may have the same name"));
	nothing(s, "ROLLBACK TO ete");
	t = feed_end(s, mysql_xid);
	assert_int_equal(t->events, 2);
	trx_free(&t);
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

static void what_can_not_be_skipped_stops(void **state)
{
	static const char *const bad[] = {"XA COMMIT 'x'", "INSERT INTO t VALUES (1)",
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

static void each_row_change_as_a_statement_stops(void **state)
{
	static const char *const bad[] = {"INSERT INTO t VALUES (1)", "INSERT INTO t SELECT * FROM u",
		"REPLACE INTO t VALUES (1)", "UPDATE t SET a=1", "DELETE FROM t",
		"insert /* x */ t values (1)", "/* x */ delete t from t join u", "CALL p()",
		"WITH x AS (SELECT 1) UPDATE t SET a=1", "LOAD DATA LOCAL INFILE 'x' INTO TABLE t"};
	struct stream *s = *state;
	struct trx *t;

	feed_hex(s, mysql_format);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (feed_query(s, bad[i], &t) == 0)
			fail_msg("%s", bad[i]);
		assert_int_equal(s->e.code, ERR_sync_statement_dml);
	}
}

/* An XA_PREPARE event of the transaction X'78',X'',1. */
static struct buf xa_prepare(char name, bool one_phase)
{
	struct buf b = {0};

	buf_put_u32(&b, 1700000000);
	buf_put_u8(&b, BINLOG_XA_PREPARE);
	buf_put_u32(&b, 1);
	buf_put_u32(&b, 19 + 13 + 1 + 4);
	buf_put_u32(&b, 0);
	buf_put_u16(&b, 0);
	buf_put_u8(&b, one_phase);
	buf_put_u32(&b, 1);
	buf_put_u32(&b, 1);
	buf_put_u32(&b, 0);
	buf_putc(&b, name);
	buf_put_u32(&b, 0); /* the checksum is not looked at here */
	return b;
}

/* Judged where it is prepared. */
static void prepared_statements(struct stream *s)
{
	struct buf b = xa_prepare('a', false);
	struct trx *t;

	nothing(s, "XA START X'61',X'',1");
	nothing(s, "INSERT INTO Ev VALUES (1)");
	nothing(s, "XA END X'61',X'',1");
	assert_int_equal(feed(s, buf_str(&b), &t), 0);
	assert_true(t && t->xa == TRX_XA_PREPARE && map_get(t->notes->words, STR_LIT("d\0ev")));
	trx_free(&t);
	assert_int_equal(feed_query(s, "XA COMMIT X'61',X'',1", &t), 0);
	assert_true(t && t->xa == TRX_XA_COMMIT && !t->notes);
	trx_free(&t);
	buf_free(&b);
}

/* In a database that is not wanted it passes, and its names go to the scheduler, which asks the upstream. */
static void statements_of_unwanted_databases(void **state)
{
	struct stream *s = *state;
	json_t *o = json_pack("{s:[s]}", "do_dbs", "app");
	struct err e = {0};
	struct rules *rules = rules_new(o, "dm_meta", &e);
	struct trx *t;

	assert_non_null(rules);
	assemble_free(&s->a);
	s->a = assemble_new(rules, 1 << 20);
	feed_hex(s, mysql_format);
	assert_int_equal(feed_query(s, "INSERT INTO Ev VALUES ('app', 1, f(2))", &t), 0);
	assert_non_null(t);
	assert_int_equal(map_count(t->notes->words), 5);
	assert_string_equal(
		map_get(t->notes->words, STR_LIT("d\0ev")), "INSERT INTO Ev VALUES ('app', 1, f(2))");
	assert_null(t->made);
	trx_free(&t);
	/* Another database's name stands in it. */
	assert_int_equal(feed_query(s, "INSERT INTO app.t VALUES (1)", &t), -1);
	assert_int_equal(s->e.code, ERR_sync_statement_dml);
	assert_int_equal(feed_query(s, "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a=1", &t), 0);
	assert_true(t && !t->notes && map_get(t->made->words, STR_LIT("\0d")));
	trx_free(&t);
	assert_int_equal(feed_query(s, "DROP DATABASE Other", &t), 0);
	assert_true(t && map_get(t->made->words, STR_LIT("\0other")));
	trx_free(&t);
	prepared_statements(s);
	assemble_free(&s->a);
	rules_free(&rules);
	json_decref(o);
	s->a = assemble_new(NULL, 1 << 20);
}

/* An event's own end_log_pos has 32 bits, and is 0 in places: what counts is where it stands. */
static void positions_have_64_bits(void **state)
{
	struct stream *s = *state;
	struct trx *t;
	uint64_t start;

	feed_hex(s, mysql_format);
	s->at.offset = start = (UINT64_C(1) << 32) - 300; /* it wraps inside the transaction */
	feed_hex(s, mysql_gtid);
	feed_hex(s, mysql_begin);
	feed_hex(s, mysql_table_map);
	feed_hex(s, mysql_insert);
	t = feed_end(s, mysql_xid);
	assert_true(t->start.offset == start);
	assert_true(t->end.offset > UINT64_C(1) << 32 && t->end.offset == s->at.offset);
	trx_free(&t);
	assert_true(assemble_safe(s->a).offset == s->at.offset);
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

static void no_wake(void *arg)
{
	(void)arg;
}

static struct trx *prepare_as(struct stream *s, char name, bool one_phase)
{
	struct buf b = xa_prepare(name, one_phase);
	struct trx *t;

	feed_hex(s, mysql_gtid);
	nothing(s, "XA START X'78',X'',1");
	feed_hex(s, mysql_table_map);
	feed_hex(s, mysql_insert);
	nothing(s, "XA END X'78',X'',1");
	assert_int_equal(feed(s, buf_str(&b), &t), 0);
	buf_free(&b);
	assert_non_null(t);
	return t;
}

static struct trx *prepare(struct stream *s, bool one_phase)
{
	return prepare_as(s, 'x', one_phase);
}

static void prepared_rows_wait_for_their_commit(void **state)
{
	struct stream *s = *state;
	struct position start, behind;
	struct trx *t;

	feed_hex(s, mysql_format);
	start = s->at;
	t = prepare(s, false);
	behind = s->at;
	assert_int_equal(t->xa, TRX_XA_PREPARE);
	assert_int_equal(t->events, 0);
	assert_int_equal(t->raw.n, 0);
	assert_int_equal(position_cmp(t->start, start), 0);
	assert_int_equal(position_cmp(t->end, behind), 0);
	trx_free(&t);
	/* The watermark moves on, the relay keeps what it needs. */
	assert_int_equal(position_cmp(assemble_safe(s->a), behind), 0);
	assert_int_equal(position_cmp(assemble_pin(s->a, behind), start), 0);
	feed_hex(s, mysql_gtid);
	assert_int_equal(feed_query(s, "XA COMMIT X'78',X'',1", &t), 0);
	assert_int_equal(t->xa, TRX_XA_COMMIT);
	assert_int_equal(t->events, 1);
	assert_int_equal(t->raw.n, (strlen(mysql_table_map) + strlen(mysql_insert)) / 2);
	assert_int_equal(position_cmp(t->start, behind), 0);
	/* Until it is applied. */
	assert_int_equal(position_cmp(assemble_pin(s->a, behind), start), 0);
	assert_true(position_is_zero(assemble_pin(s->a, t->end)));
	trx_free(&t);
	assert_int_equal(feed_query(s, "XA COMMIT X'78',X'',1", &t), 0);
	assert_true(t->unknown);
	trx_free(&t);
}

static void a_prepared_name_may_come_again(void **state)
{
	struct stream *s = *state;
	struct position second;
	struct trx *t;

	feed_hex(s, mysql_format);
	t = prepare(s, false);
	trx_free(&t);
	assert_int_equal(feed_query(s, "XA ROLLBACK X'78',X'',1", &t), 0);
	assert_int_equal(t->xa, TRX_XA_ROLLBACK);
	assert_int_equal(t->events, 0);
	trx_free(&t);
	second = s->at;
	t = prepare(s, false);
	trx_free(&t);
	assert_int_equal(position_cmp(assemble_pin(s->a, second), second), 0);
	assert_int_equal(feed_query(s, "XA COMMIT X'78',X'',1", &t), 0);
	assert_int_equal(position_cmp(t->from, second), 0);
	trx_free(&t);
}

static void one_phase_is_a_transaction_like_others(void **state)
{
	struct stream *s = *state;
	struct trx *t;

	feed_hex(s, mysql_format);
	t = prepare(s, true);
	assert_int_equal(t->xa, TRX_XA_NONE);
	assert_int_equal(t->events, 1);
	trx_free(&t);
	assert_true(position_is_zero(assemble_pin(s->a, s->at)));
}

/* The events of t, read again from the file that starts with the FORMAT event; hex are its events. */
static size_t walked(struct trx *t, const char *const *hex, size_t n)
{
	const struct binlog_format *f;
	struct buf chunk = {0};
	struct pieces *reader;
	struct err e = {0};
	struct str event;
	struct walk w;
	size_t count = 0;
	int r;

	t->pieces = pieces_new(no_wake, NULL);
	for (size_t i = 0; i < n; i++) {
		size_t size;
		char *p = sample_bytes(hex[i], &size);

		buf_put(&chunk, p, size);
		free(p);
		pieces_put(t->pieces, &chunk);
	}
	pieces_end(t->pieces);
	reader = t->pieces;
	pieces_release(&reader);
	walk_begin(&w, t);
	while ((r = walk_next(&w, &event, &f, &e)) > 0)
		count++;
	walk_end(&w);
	if (r < 0)
		print_message("%s\n", e.text);
	pieces_release(&t->pieces);
	return r < 0 ? SIZE_MAX : count;
}

static size_t tables_noted(const struct trx *t)
{
	struct table *table;
	size_t at = 0, n = 0;

	while (noted_next(t->noted, &at, &table))
		n++;
	return n;
}

static void a_large_one_is_not_kept(void **state)
{
	static const char *const events[] = {mysql_format, mysql_gtid, mysql_begin, mysql_table_map,
		mysql_insert, mysql_insert, mysql_update, mysql_insert, mysql_xid};
	struct stream *s = *state;
	struct position start;
	struct trx *t;

	assemble_free(&s->a);
	s->a = assemble_new(NULL, 100);
	feed_hex(s, mysql_format);
	start = s->at;
	feed_hex(s, mysql_gtid);
	feed_hex(s, mysql_begin);
	feed_hex(s, mysql_table_map);
	feed_hex(s, mysql_insert);
	nothing(s, "SAVEPOINT a");
	feed_hex(s, mysql_insert);
	nothing(s, "SAVEPOINT b");
	feed_hex(s, mysql_update);
	nothing(s, "ROLLBACK TO b");
	nothing(s, "ROLLBACK TO a");
	feed_hex(s, mysql_insert);
	t = feed_end(s, mysql_xid);
	assert_true(t->large);
	assert_int_equal(tables_noted(t), 1);
	assert_int_equal(t->raw.n, 0);
	assert_int_equal(t->events, 2);
	assert_int_equal(t->nth, 5);
	assert_int_equal(position_cmp(t->from, start), 0);
	assert_int_equal(position_cmp(t->to, s->at), 0);
	assert_int_equal(walked(t, events, sizeof(events) / sizeof(events[0])), 3);
	/* Another file than the one that was read before. */
	assert_int_equal(walked(t, events, 5), SIZE_MAX);
	trx_free(&t);
}

/* The same table under another number, or another one. */
static void feed_map(struct stream *s, char number, bool other)
{
	size_t n;
	char *p = sample_bytes(mysql_table_map, &n);
	struct trx *t;

	p[19] = number;
	if (other)
		p[19 + 8 + 1] = 'x'; /* behind the number, the flags and its length: the schema's name */
	assert_int_equal(feed(s, (struct str){p, n}, &t), 0);
	free(p);
}

/* Each table once, those of savepoints that were taken back not at all. */
static void a_large_one_says_its_tables(void **state)
{
	struct stream *s = *state;
	struct trx *t;

	assemble_free(&s->a);
	s->a = assemble_new(NULL, 100);
	feed_hex(s, mysql_format);
	feed_hex(s, mysql_gtid);
	feed_hex(s, mysql_begin);
	for (char i = 1; i < 5; i++)
		feed_map(s, i, false);
	nothing(s, "SAVEPOINT a");
	feed_map(s, 6, true);
	nothing(s, "ROLLBACK TO a");
	t = feed_end(s, mysql_xid);
	assert_true(t->large);
	assert_int_equal(tables_noted(t), 1);
	trx_free(&t);
	feed_hex(s, mysql_gtid);
	feed_hex(s, mysql_begin);
	feed_map(s, 1, false);
	feed_map(s, 2, true);
	t = feed_end(s, mysql_xid);
	assert_int_equal(tables_noted(t), 2);
	trx_free(&t);
}

/* Rows of prepared ones are kept as long as there is room for all: the second is read again at its COMMIT. */
static void a_prepared_one_is_let_go(void **state)
{
	struct stream *s = *state;
	struct trx *t;

	assemble_free(&s->a);
	s->a = assemble_new(NULL, 400);
	feed_hex(s, mysql_format);
	for (char name = 'x'; name <= 'y'; name++) {
		t = prepare_as(s, name, false);
		assert_int_equal(tables_noted(t), 0);
		trx_free(&t);
	}
	feed_hex(s, mysql_gtid);
	assert_int_equal(feed_query(s, "XA COMMIT X'78',X'',1", &t), 0);
	assert_false(t->large);
	trx_free(&t);
	feed_hex(s, mysql_gtid);
	assert_int_equal(feed_query(s, "XA COMMIT X'79',X'',1", &t), 0);
	assert_true(t->large);
	assert_int_equal(tables_noted(t), 1);
	trx_free(&t);
}

static void a_large_compressed_one_is_unfolded_on_the_way(void **state)
{
	static const char *const events[] = {mysql_format, mysql_gtid, mysql_payload};
	struct stream *s = *state;
	struct trx *t;

	assemble_free(&s->a);
	s->a = assemble_new(NULL, 100);
	feed_hex(s, mysql_format);
	feed_hex(s, mysql_gtid);
	t = feed_end(s, mysql_payload);
	assert_true(t->large);
	assert_true(tables_noted(t) >= 1);
	assert_int_equal(walked(t, events, 3), t->nth);
	assert_true(t->nth >= 2);
	trx_free(&t);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_transaction_is_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(rollback_to_a_savepoint_takes_rows_back, setup, teardown),
		cmocka_unit_test_setup_teardown(what_can_not_be_skipped_stops, setup, teardown),
		cmocka_unit_test_setup_teardown(each_row_change_as_a_statement_stops, setup, teardown),
		cmocka_unit_test_setup_teardown(statements_of_unwanted_databases, setup, teardown),
		cmocka_unit_test_setup_teardown(positions_have_64_bits, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_not_understood_is_handed_on, setup, teardown),
		cmocka_unit_test_setup_teardown(a_rollback_with_rows_stops, setup, teardown),
		cmocka_unit_test_setup_teardown(ddl_is_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(prepared_rows_wait_for_their_commit, setup, teardown),
		cmocka_unit_test_setup_teardown(a_prepared_name_may_come_again, setup, teardown),
		cmocka_unit_test_setup_teardown(one_phase_is_a_transaction_like_others, setup, teardown),
		cmocka_unit_test_setup_teardown(a_large_one_is_not_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(a_large_one_says_its_tables, setup, teardown),
		cmocka_unit_test_setup_teardown(a_prepared_one_is_let_go, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_large_compressed_one_is_unfolded_on_the_way, setup, teardown),
		cmocka_unit_test_setup_teardown(ddl_inside_keeps_the_watermark, setup, teardown),
		cmocka_unit_test_setup_teardown(left_out_statements_move_the_position, setup, teardown),
		cmocka_unit_test_setup_teardown(truncated_events_are_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(savepoints_are_told_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(savepoints_of_any_number, setup, teardown),
		cmocka_unit_test_setup_teardown(savepoints_beyond_ascii, setup, teardown),
		cmocka_unit_test_setup_teardown(two_byte_text_is_understood, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
