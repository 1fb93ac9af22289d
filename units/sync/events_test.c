/* Events of every kind as the assembler takes them: what must stop, what says nothing, and MariaDB's ALTER in
 * two phases. */
#include "units/sync/stream_test.h"

/* A statement as an EXECUTE_LOAD_QUERY event: 13 bytes about the file behind its head. */
static struct buf load_query(const char *sql)
{
	static const char about[13];
	struct buf q = query(sql), b = {0};

	buf_put(&b, q.p, 32);
	buf_put(&b, about, sizeof(about));
	buf_put(&b, q.p + 32, q.n - 32);
	b.p[4] = BINLOG_EXECUTE_LOAD;
	b.p[9] = (char)(b.p[9] + 13); /* short ones only */
	buf_free(&q);
	return b;
}

static void load_data_as_a_statement_stops(void **state)
{
	struct stream *s = *state;
	struct buf b = query("x");
	struct trx *t;

	begin(s);
	/* The file itself goes nowhere yet. */
	b.p[4] = BINLOG_BEGIN_LOAD;
	assert_int_equal(feed(s, buf_str(&b), &t), 0);
	buf_free(&b);
	b = load_query("LOAD DATA LOCAL INFILE 'x' INTO TABLE `t`");
	assert_int_equal(feed(s, buf_str(&b), &t), -1);
	assert_int_equal(s->e.code, ERR_sync_statement_dml);
	assert_non_null(strstr(s->e.text, "INTO TABLE `t`"));
	buf_free(&b);
}

static void an_incident_stops(void **state)
{
	struct stream *s = *state;
	struct buf b = small_event(BINLOG_INCIDENT, 0);
	struct trx *t;

	feed_hex(s, mysql_format);
	assert_int_equal(feed(s, buf_str(&b), &t), -1);
	assert_int_equal(s->e.code, ERR_sync_binlog_incident);
	buf_free(&b);
}

/* Of a server that is newer than this code: it may hold rows. Nothing of what it stands in is handed on. */
static void an_unknown_event_stops(void **state)
{
	static const uint8_t unknown[] = {1, 6, 12, 50, 99, 127, 143, 180, 200, 255};
	struct stream *s = *state;
	struct position before;
	struct trx *t;

	feed_hex(s, mysql_format);
	before = assemble_safe(s->a);
	feed_hex(s, mysql_gtid);
	feed_hex(s, mysql_begin);
	for (size_t i = 0; i < sizeof(unknown); i++) {
		struct buf b = small_event(unknown[i], 0);
		char said[32];

		if (assemble_event(s->a, buf_str(&b), s->at, &t, &s->e) == 0)
			fail_msg("type %u passes", unknown[i]);
		assert_int_equal(s->e.code, ERR_sync_event_unknown);
		snprintf(said, sizeof(said), "(type %u)", unknown[i]);
		assert_non_null(strstr(s->e.text, said));
		assert_non_null(strstr(s->e.text, "at 1:.000007:"));
		assert_null(t);
		buf_free(&b);
	}
	assert_int_equal(position_cmp(assemble_safe(s->a), before), 0);
}

/* Whoever wrote it says that a reader who does not know it may go on, inside a transaction too. */
static void an_ignorable_unknown_event_passes(void **state)
{
	struct stream *s = *state;
	struct buf b = small_event(99, BINLOG_FLAG_IGNORABLE);
	struct trx *t;

	feed_hex(s, mysql_format);
	assert_int_equal(feed(s, buf_str(&b), &t), 0);
	assert_null(t);
	assert_int_equal(position_cmp(assemble_safe(s->a), s->at), 0);
	feed_hex(s, mysql_gtid);
	feed_hex(s, mysql_begin);
	feed_hex(s, mysql_table_map);
	assert_int_equal(feed(s, buf_str(&b), &t), 0);
	assert_null(t);
	feed_hex(s, mysql_insert);
	t = feed_end(s, mysql_xid);
	assert_int_equal(t->events, 1);
	assert_int_equal(t->raw.n, (strlen(mysql_table_map) + strlen(mysql_insert)) / 2);
	trx_free(&t);
	buf_free(&b);
}

/* MariaDB's encrypt_binlog: scheme, key version and nonce stand behind each file's FORMAT event, also behind
 * 4 GiB. The stream itself comes in the clear. */
static void start_encryption_is_passed_by(void **state)
{
	struct stream *s = *state;
	struct buf b = {0};
	struct trx *t;

	feed_hex(s, maria_format);
	buf_put_u32(&b, 1700000000);
	buf_put_u8(&b, BINLOG_MARIA_START_ENCRYPTION);
	buf_put_u32(&b, 1);
	buf_put_u32(&b, 19 + 1 + 4 + 12 + 4);
	buf_put_u32(&b, 0);
	buf_put_u16(&b, BINLOG_FLAG_IGNORABLE);
	buf_put(&b, "\1\1\0\0\0nonce+nonce+\0\0\0\0", 21);
	assert_int_equal(feed(s, buf_str(&b), &t), 0);
	assert_null(t);
	assert_true(assemble_safe(s->a).offset == s->at.offset);
	s->at.offset = UINT64_C(5) << 32;
	assert_int_equal(feed(s, buf_str(&b), &t), 0);
	assert_true(!t && assemble_safe(s->a).offset == s->at.offset);
	buf_free(&b);
}

/* MariaDB's binlog_alter_two_phase: START when the ALTER begins, COMMIT or ROLLBACK when it ends, each under
 * a GTID of its own. */
static struct buf phase(const char *gtid, uint8_t flags_extra)
{
	struct buf b = {0};
	size_t n;
	char *p = sample_bytes(gtid, &n);

	buf_put(&b, p, n);
	b.p[19 + 8 + 4 + 1] = (char)flags_extra; /* behind number, domain and flags */
	free(p);
	return b;
}

static struct trx *feed_phase(struct stream *s, const char *gtid, uint8_t flags_extra, const char *sql)
{
	struct buf b = phase(gtid, flags_extra);
	struct trx *t;

	assert_int_equal(feed(s, buf_str(&b), &t), 0);
	assert_null(t);
	buf_free(&b);
	assert_int_equal(feed_query(s, sql, &t), 0);
	assert_non_null(t);
	assert_int_equal(position_cmp(t->end, s->at), 0);
	assert_int_equal(position_cmp(assemble_safe(s->a), s->at), 0);
	return t;
}

/* T18: the statement stands in both; only the second one is handed on as DDL. Both count as seen. */
static void a_two_phase_alter_is_done_once(void **state)
{
	static const char sql[] = "ALTER TABLE t ADD z INT";
	struct stream *s = *state;
	struct trx *t;

	feed_hex(s, maria_format);
	t = feed_phase(s, maria_start_alter_gtid, BINLOG_EXTRA_START_ALTER, sql);
	assert_int_equal(t->kind, TRX_ROWS);
	assert_int_equal(t->events, 0);
	assert_int_equal(t->raw.n, 0);
	assert_true(t->has_gtid);
	trx_free(&t);
	/* Others come between. */
	t = feed_phase(s, maria_start_alter_gtid, 0, "CREATE TABLE other (id INT)");
	assert_int_equal(t->kind, TRX_DDL);
	trx_free(&t);
	t = feed_phase(s, maria_commit_alter_gtid, BINLOG_EXTRA_COMMIT_ALTER, sql);
	assert_int_equal(t->kind, TRX_DDL);
	assert_true(t->has_gtid);
	assert_non_null(memmem(t->raw.p, t->raw.n, sql, sizeof(sql) - 1));
	trx_free(&t);
}

static void a_two_phase_alter_that_failed_is_nothing(void **state)
{
	static const char sql[] = "ALTER TABLE t ADD UNIQUE KEY (z)";
	struct stream *s = *state;
	struct trx *t;

	feed_hex(s, maria_format);
	t = feed_phase(s, maria_start_alter_gtid, BINLOG_EXTRA_START_ALTER, sql);
	assert_int_equal(t->kind, TRX_ROWS);
	trx_free(&t);
	t = feed_phase(s, maria_commit_alter_gtid, BINLOG_EXTRA_ROLLBACK_ALTER, sql);
	assert_int_equal(t->kind, TRX_ROWS);
	assert_int_equal(t->events, 0);
	assert_int_equal(t->raw.n, 0);
	assert_true(t->has_gtid);
	trx_free(&t);
}

/* As MariaDB 10.11 wrote it. */
static void a_captured_two_phase_alter(void **state)
{
	struct stream *s = *state;
	struct trx *t;

	feed_hex(s, maria_format);
	feed_hex(s, maria_commit_alter_gtid);
	t = feed_end(s, maria_commit_alter);
	assert_int_equal(t->kind, TRX_DDL);
	trx_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(load_data_as_a_statement_stops, setup, teardown),
		cmocka_unit_test_setup_teardown(an_incident_stops, setup, teardown),
		cmocka_unit_test_setup_teardown(an_unknown_event_stops, setup, teardown),
		cmocka_unit_test_setup_teardown(an_ignorable_unknown_event_passes, setup, teardown),
		cmocka_unit_test_setup_teardown(start_encryption_is_passed_by, setup, teardown),
		cmocka_unit_test_setup_teardown(a_two_phase_alter_is_done_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_two_phase_alter_that_failed_is_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_captured_two_phase_alter, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
