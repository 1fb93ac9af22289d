/*
 * common/db against real servers: TIDEGATE_TEST_MYSQL and TIDEGATE_TEST_MARIADB hold URLs of accounts with
 * all rights, binlog on. Without either it says so and counts as skipped (77). Leaves nothing behind but
 * binlog.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/db/binlog_stream.h"
#include "common/db/internal.h"
#include "common/db/meta.h"
#include "common/db/status.h"
#include "common/db/structure.h"

#define META "tidegate_live_meta"
#define DATA "tidegate_live_data"

static struct endpoint *endpoint_of(void **state)
{
	return *state;
}

static void ok(int r, const struct err *e)
{
	if (r < 0)
		fail_msg("%u %s", e->code, e->text);
}

static struct db *open_as(void **state, enum db_session session)
{
	struct db_options o = {.session = session, .upstream = true};
	struct err e = {0};
	struct db *d = db_open(endpoint_of(state), &o, &e);

	if (!d)
		fail_msg("%u %s", e.code, e.text);
	return d;
}

static void value_is(struct db *d, const char *sql, const char *want)
{
	struct err e = {0};
	char got[512];
	bool found;

	ok(db_value(d, sql, got, sizeof(got), &found, &e), &e);
	assert_true(found);
	assert_string_equal(got, want);
}

static void exec(struct db *d, const char *sql)
{
	struct err e = {0};

	ok(db_exec(d, str_of(sql), &e), &e);
}

static void test_sessions(void **state)
{
	enum db_session s;

	for (s = DB_PLAIN; s <= DB_BINLOG; s++) {
		struct db *d = open_as(state, s);
		char id[24];

		snprintf(id, sizeof(id), "%llu", (unsigned long long)db_connection_id(d));
		value_is(d, "SELECT CONNECTION_ID()", id);
		assert_true(db_server(d)->version > 50700);
		if (s != DB_BINLOG)
			value_is(d, "SELECT @@time_zone", "+00:00");
		if (s == DB_APPLY) {
			value_is(d, "SELECT FIND_IN_SET('STRICT_ALL_TABLES', @@sql_mode) > 0", "1");
			value_is(d, "SELECT @@foreign_key_checks", "0");
			value_is(d, "SELECT @@unique_checks", "1");
			value_is(d, "SELECT @@character_set_client", "binary");
		}
		db_close(&d);
		assert_null(d);
	}
}

static void test_values(void **state)
{
	struct db *d = open_as(state, DB_PLAIN);
	struct err e = {0};
	struct db_rows *r =
		db_query(d, STR_LIT("SELECT NULL AS a, '' AS b, 'x\\0y' AS c UNION ALL SELECT 1,2,3"), &e);
	const struct str *v;
	bool found;
	char out[8];

	assert_non_null(r);
	assert_int_equal(db_columns(r), 3);
	assert_string_equal(db_column_name(r, 1), "b");
	assert_int_equal(db_fetch(r, &v, &e), 1);
	assert_null(v[0].p);
	assert_non_null(v[1].p);
	assert_int_equal(v[1].n, 0);
	assert_int_equal(v[2].n, 3);
	assert_int_equal(db_fetch(r, &v, &e), 1);
	assert_int_equal(db_fetch(r, &v, &e), 0);
	db_rows_close(&r);
	/* Left early: the connection stays usable. */
	r = db_query(d, STR_LIT("SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3"), &e);
	assert_int_equal(db_fetch(r, &v, &e), 1);
	db_rows_close(&r);
	value_is(d, "SELECT 7", "7");
	ok(db_value(d, "SELECT 1 FROM DUAL WHERE 1=0", out, sizeof(out), &found, &e), &e);
	assert_false(found);
	assert_null(db_query(d, STR_LIT("SELECT * FROM no_such_schema.t"), &e));
	assert_int_equal(e.code, ERR_db_query);
	assert_true(e.sql_errno == 1146 || e.sql_errno == 1049);
	db_close(&d);
}

static void test_exec(void **state)
{
	struct db *d = open_as(state, DB_APPLY);
	uint64_t affected[4], matched[4], n;
	struct db_multi m = {.affected = affected, .matched = matched, .count = 4};
	struct err e = {0};

	exec(d, "CREATE DATABASE IF NOT EXISTS " DATA);
	exec(d, "DROP TABLE IF EXISTS " DATA ".m");
	exec(d, "CREATE TABLE " DATA ".m (id INT PRIMARY KEY, v INT, z DATE)");
	exec(d, "INSERT INTO " DATA ".m VALUES (1,1,'0000-00-00'),(2,1,'2026-02-31')");
	assert_int_equal(db_affected(d), 2);
	exec(d, "UPDATE " DATA ".m SET v=1");
	assert_int_equal(db_affected(d), 0);
	assert_true(db_matched(d, &n));
	assert_int_equal(n, 2);
	ok(db_exec_multi(d,
		   STR_LIT("UPDATE " DATA ".m SET v=2 WHERE id=1;UPDATE " DATA ".m SET v=2;DELETE FROM " DATA
			   ".m WHERE id=9"),
		   &m, &e),
		&e);
	assert_int_equal(m.done, 3);
	assert_int_equal(affected[0], 1);
	assert_int_equal(affected[1], 1);
	assert_int_equal(matched[1], 2);
	assert_int_equal(affected[2], 0);
	/* The server stops at the first that fails. */
	assert_int_equal(db_exec_multi(d,
				 STR_LIT("DELETE FROM " DATA ".m WHERE id=1;INSERT INTO " DATA
					 ".m VALUES (2,2,NULL);DELETE FROM " DATA ".m"),
				 &m, &e),
		-1);
	assert_int_equal(e.sql_errno, 1062);
	assert_int_equal(m.done, 1);
	value_is(d, "SELECT COUNT(*) FROM " DATA ".m", "1");
	/* Strict: what does not fit is an error. */
	assert_int_equal(db_exec(d, STR_LIT("UPDATE " DATA ".m SET v=99999999999"), &e), -1);
	assert_int_equal(e.code, ERR_db_execute);
	exec(d, "DROP DATABASE " DATA);
	db_close(&d);
}

static void test_refused(void **state)
{
	struct db_options o = {.session = DB_PLAIN, .upstream = true, .connect_timeout_s = 3};
	struct endpoint ep = *endpoint_of(state);
	struct err e = {0};

	snprintf(ep.password, sizeof(ep.password), "not-the-Password");
	assert_null(db_open(&ep, &o, &e));
	assert_int_equal(e.code, ERR_check_login);
	assert_null(strstr(e.text, "not-the-Password"));
	snprintf(ep.user, sizeof(ep.user), "root");
	assert_null(db_open(&ep, &o, &e));
	assert_int_equal(e.code, ERR_check_root_socket);
	assert_non_null(strstr(e.text, "CREATE USER"));
	ep.port = 1;
	assert_null(db_open(&ep, &o, &e));
	assert_int_equal(e.code, ERR_check_connect);
	snprintf(ep.host, sizeof(ep.host), "no-such-host.invalid");
	assert_null(db_open(&ep, &o, &e));
	assert_int_equal(e.code, ERR_check_connect);
}

/* A certificate that is checked by the system's authorities. */
static void check_authorities(struct endpoint *ep, const char *tls, bool trusted)
{
	struct db_options o = {.session = DB_PLAIN};
	struct err e = {0};
	struct db *d;

	snprintf(ep->tls, sizeof(ep->tls), "%s", tls);
	d = db_open(ep, &o, &e);
	assert_int_equal(d != NULL, trusted);
	if (!d)
		assert_int_equal(e.code, ERR_check_connect);
	db_close(&d);
}

/* With TIDEGATE_TEST_TRUSTED the servers that offer TLS have a certificate by an authority in SSL_CERT_FILE.
 */
static void test_tls(void **state)
{
	struct db_options o = {.session = DB_PLAIN};
	struct endpoint ep = *endpoint_of(state);
	unsigned loaded = tls_authorities.loaded;
	struct err e = {0};
	struct db *d;
	bool offered;

	snprintf(ep.tls, sizeof(ep.tls), "disabled");
	d = db_open(&ep, &o, &e);
	assert_non_null(d); /* caching_sha2_password: by RSA */
	value_is(d, "SELECT 1", "1");
	db_close(&d);
	snprintf(ep.tls, sizeof(ep.tls), "preferred");
	d = db_open(&ep, &o, &e);
	assert_non_null(d);
	offered = !client_is_plain(d->c);
	db_close(&d);
	assert_int_equal(tls_authorities.loaded, loaded); /* they cost more than the whole connection */
	check_authorities(&ep, "verify-identity", offered && getenv("TIDEGATE_TEST_TRUSTED"));
	check_authorities(&ep, "verify-ca", offered && getenv("TIDEGATE_TEST_TRUSTED"));
	assert_int_equal(tls_authorities.loaded, loaded + (offered ? 2 : 0));
}

struct cut {
	struct db *d;
	uint64_t after_ms;
};

static void *cut_it(void *arg)
{
	struct cut *c = arg;

	clock_sleep_ms(c->after_ms);
	db_interrupt(c->d);
	return NULL;
}

static void test_interrupt(void **state)
{
	struct cut c = {open_as(state, DB_PLAIN), 300};
	uint64_t begin = clock_ms();
	struct err e = {0};
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, cut_it, &c), 0);
	assert_int_equal(db_exec(c.d, STR_LIT("DO SLEEP(20)"), &e), -1);
	assert_true(clock_ms() - begin < 15000);
	assert_int_equal(e.code, ERR_db_lost);
	pthread_join(t, NULL);
	db_interrupt(c.d); /* once more does no harm */
	db_close(&c.d);
}

static void test_structure(void **state)
{
	struct db *d = open_as(state, DB_DDL);
	bool mysql = db_server(d)->flavor == FLAVOR_MYSQL, found;
	struct err e = {0};
	struct structure *s;

	exec(d, "DROP DATABASE IF EXISTS " DATA);
	exec(d, "CREATE DATABASE " DATA);
	exec(d, "CREATE TABLE " DATA
		".s (a BIGINT UNSIGNED NOT NULL, b VARCHAR(20) CHARACTER SET latin1 NOT NULL, "
		"c BINARY(16) NULL, d INT AS (a+1) STORED, e ENUM('unsigned','x') NOT NULL, f BIT(9) NOT "
		"NULL, "
		"g BLOB NOT NULL, h INT NOT NULL DEFAULT 5, "
		"UNIQUE KEY k1 (c), UNIQUE KEY k2 (g(10)), UNIQUE KEY k3 (b,a), KEY k4 (h))");
	s = db_structure(d, DATA, "s", &found, &e);
	if (!s)
		fail_msg("%s", e.text);
	assert_true(found);
	assert_int_equal(s->ncolumns, 8);
	assert_true(s->columns[0].is_unsigned);
	assert_string_equal(s->columns[1].charset, "latin1");
	assert_int_equal(s->columns[2].length, 16);
	assert_true(s->columns[2].nullable);
	assert_true(s->columns[3].generated);
	assert_false(s->columns[4].is_unsigned);
	assert_int_equal(s->columns[4].kind, COLUMN_ENUM);
	assert_int_equal(s->columns[5].length, 9);
	assert_int_equal(s->nkeys, 4);
	assert_string_equal(s->keys[s->key].name, "k3");
	assert_int_equal(s->keys[s->key].ncolumns, 2);
	assert_int_equal(s->keys[s->key].columns[0], 1);
	assert_false(s->keys[0].usable); /* k1: nullable */
	assert_false(s->keys[1].usable); /* k2: a prefix */
	assert_null(s->keys[0].prefixes);
	assert_int_equal(s->keys[1].prefixes[0], 10);
	assert_non_null(s->columns[3].expression);
	assert_false(s->columns[3].is_virtual);
	structure_free(&s);
	if (mysql) {
		exec(d, "CREATE TABLE " DATA
			".x (a INT NOT NULL, b INT INVISIBLE, j JSON, u CHAR(9) DEFAULT (UUID()), "
			"UNIQUE KEY kx ((a+1), u(3)))");
		s = db_structure(d, DATA, "x", &found, &e);
		assert_non_null(s);
		assert_true(s->columns[1].invisible);
		assert_int_equal(s->columns[2].kind, COLUMN_JSON);
		assert_false(s->columns[3].generated);
		assert_int_equal(s->key, -1);
		assert_true(s->keys[0].unique);
		assert_false(s->keys[0].usable);
		assert_null(s->keys[0].prefixes);
		structure_free(&s);
	}
	assert_null(db_structure(d, DATA, "not there", &found, &e));
	assert_false(found);
	exec(d, "DROP DATABASE " DATA);
	db_close(&d);
}

static const struct meta_id mine = {META, "ta'sk", "src-1", 5};

static void drop_meta(void **state)
{
	struct db *d = open_as(state, DB_DDL);

	exec(d, "DROP DATABASE IF EXISTS " META);
	db_close(&d);
}

static void guarded(
	struct db *d, const struct meta_id *id, struct meta_slot *s, uint64_t offset, uint64_t want)
{
	struct position p = {1, 3, offset};
	struct buf sql = {0};

	meta_slot_guard(
		&sql, id, s, &(struct meta_progress){p, "mysql-bin", "0-1-\\7'", "1:3:5 1:3:9 -\n", 0xabc});
	exec(d, buf_cstr(&sql));
	assert_int_equal(db_affected(d), want);
	buf_free(&sql);
}

static void test_meta_slot(void **state)
{
	struct db *d = open_as(state, DB_APPLY);
	struct meta_id older = mine;
	struct meta_slot s, again;
	struct err e = {0};

	drop_meta(state);
	ok(meta_setup(d, META, &e), &e);
	ok(meta_setup(d, META, &e), &e);
	assert_int_equal(meta_slot_load(d, &mine, 1, &s, &e), -1); /* not the owner yet */
	assert_int_equal(e.code, ERR_sync_fenced);
	ok(meta_take_over(d, &mine, &e), &e);
	ok(meta_slot_load(d, &mine, 1, &s, &e), &e);
	assert_true(position_is_zero(s.watermark));
	assert_int_equal(s.version, 0);
	guarded(d, &mine, &s, 4711, 1);
	guarded(d, &mine, &s, 4712, 0); /* the version has moved */
	ok(meta_slot_load(d, &mine, 1, &again, &e), &e);
	assert_int_equal(again.version, 1);
	assert_int_equal(again.watermark.offset, 4711);
	assert_string_equal(again.gtid, "0-1-\\7'");
	assert_string_equal(again.base, "mysql-bin");
	assert_string_equal(again.applied, "1:3:5 1:3:9 -\n");
	/* A younger owner of the same epoch fences as well. */
	ok(meta_take_over(d, &mine, &e), &e);
	guarded(d, &mine, &again, 4713, 0);
	older.epoch = 4;
	assert_int_equal(meta_take_over(d, &older, &e), -1);
	assert_int_equal(e.code, ERR_sync_fenced);
	assert_int_equal(meta_note_connection(d, &older, 1, &e), -1);
	assert_int_equal(e.code, ERR_sync_fenced);
	assert_int_equal(err_act(e.code), ERR_ACT_STOP);
	/* As an earlier program finds them: one line, and nothing is touched. */
	exec(d, "UPDATE " META ".tidegate_version SET version=version+1");
	assert_int_equal(meta_setup(d, META, &e), -1);
	assert_int_equal(e.code, ERR_meta_newer);
	assert_non_null(strstr(e.text, "the tables in " META " have version 11, this Tidegate knows 10"));
	assert_null(strchr(e.text, '\n'));
	value_is(d, "SELECT version FROM " META ".tidegate_version", "11");
	meta_slot_fini(&s);
	meta_slot_fini(&again);
	db_close(&d);
	drop_meta(state);
}

/* 9 -> 10: what is on record stands under its own name. now: the version. */
static void structures_get_targets(struct db *d, const char *now)
{
	struct err e = {0};

	exec(d, "ALTER TABLE " META
		".tidegate_structure DROP COLUMN target_schema, DROP COLUMN target_table");
	exec(d, "INSERT INTO " META
		".tidegate_structure (task,source,table_schema,table_name,position,structure)"
		" VALUES ('t','s','app','t','0:0:0','{}')");
	exec(d, "UPDATE " META ".tidegate_version SET version=9");
	ok(meta_setup(d, META, &e), &e);
	value_is(d, "SELECT CONCAT('<',target_schema,target_table,'>') FROM " META ".tidegate_structure",
		"<>");
	exec(d, "DELETE FROM " META ".tidegate_structure");
	value_is(d, "SELECT version FROM " META ".tidegate_version", now);
}

/* Rows of an earlier start with more appliers count too; tables of version 1 get what they lack. */
static void test_meta_slots(void **state)
{
	struct db *d = open_as(state, DB_APPLY);
	struct meta_slot *list;
	struct err e = {0};
	char now[8], version[8];
	bool found;
	size_t n;

	drop_meta(state);
	ok(meta_setup(d, META, &e), &e);
	ok(db_value(d, "SELECT version FROM " META ".tidegate_version", now, sizeof(now), &found, &e), &e);
	exec(d, "ALTER TABLE " META ".tidegate_slot DROP COLUMN applied, DROP COLUMN head");
	exec(d, "ALTER TABLE " META
		".tidegate_structure DROP COLUMN target_schema, DROP COLUMN target_table");
	exec(d, "UPDATE " META ".tidegate_version SET version=1");
	ok(meta_setup(d, META, &e), &e);
	ok(db_value(d, "SELECT version FROM " META ".tidegate_version", version, sizeof(version), &found, &e),
		&e);
	assert_string_equal(version, now);
	/* 6 -> 7: a table that came by; what is recorded stays. */
	exec(d, "INSERT INTO " META
		".tidegate_connection (task,source,connection,epoch,account) VALUES ('t','s',7,1,'a')");
	exec(d, "DROP TABLE " META ".tidegate_file");
	exec(d, "UPDATE " META ".tidegate_version SET version=6");
	ok(meta_setup(d, META, &e), &e);
	value_is(d, "SELECT version FROM " META ".tidegate_version", now);
	value_is(d, "SELECT COUNT(*) FROM " META ".tidegate_file", "0");
	value_is(d, "SELECT connection FROM " META ".tidegate_connection", "7");
	exec(d, "DELETE FROM " META ".tidegate_connection");
	/* 7 -> 8: rows of before know no head. */
	exec(d, "INSERT INTO " META
		".tidegate_slot (task,source,slot,position,base,gtid) VALUES ('t','s',1,'1:2:3','b','')");
	exec(d, "ALTER TABLE " META ".tidegate_slot DROP COLUMN head");
	exec(d, "UPDATE " META ".tidegate_version SET version=7");
	ok(meta_setup(d, META, &e), &e);
	value_is(d, "SELECT version FROM " META ".tidegate_version", now);
	value_is(d, "SELECT CONCAT(position,'/',head) FROM " META ".tidegate_slot", "1:2:3/");
	exec(d, "DELETE FROM " META ".tidegate_slot");
	/* 8 -> 9: another table; twice is as good as once. */
	exec(d, "DROP TABLE " META ".tidegate_online");
	exec(d, "UPDATE " META ".tidegate_version SET version=8");
	ok(meta_setup(d, META, &e), &e);
	value_is(d, "SELECT version FROM " META ".tidegate_version", now);
	value_is(d, "SELECT COUNT(*) FROM " META ".tidegate_online", "0");
	exec(d, "INSERT INTO " META ".tidegate_online (task,source,table_schema,table_name,record)"
		" VALUES ('t','s','app','_t_gho','{}'),('t','s','app','_T_gho','{}')");
	exec(d, "UPDATE " META ".tidegate_version SET version=8");
	ok(meta_setup(d, META, &e), &e);
	value_is(d, "SELECT COUNT(*) FROM " META ".tidegate_online", "2");
	exec(d, "DELETE FROM " META ".tidegate_online");
	structures_get_targets(d, now);
	assert_int_equal(meta_slots_load(d, &mine, 3, &list, &n, &e), -1); /* not the owner yet */
	assert_int_equal(e.code, ERR_sync_fenced);
	ok(meta_take_over(d, &mine, &e), &e);
	ok(meta_slots_load(d, &mine, 5, &list, &n, &e), &e);
	assert_int_equal(n, 5);
	guarded(d, &mine, &list[4], 4711, 1);
	for (size_t i = 0; i < n; i++)
		meta_slot_fini(&list[i]);
	free(list);
	ok(meta_slots_load(d, &mine, 2, &list, &n, &e), &e);
	assert_int_equal(n, 5);
	assert_int_equal(list[4].slot, 5);
	assert_int_equal(list[4].watermark.offset, 4711);
	assert_string_equal(list[4].applied, "1:3:5 1:3:9 -\n");
	assert_int_equal(list[4].head, 0xabc);
	assert_int_equal(list[1].head, 0);
	assert_string_equal(list[1].applied, "");
	for (size_t i = 0; i < n; i++)
		meta_slot_fini(&list[i]);
	free(list);
	db_close(&d);
	drop_meta(state);
}

static void *hold_ddl(void *arg)
{
	struct err e = {0};

	db_exec(arg, STR_LIT("ALTER TABLE " META ".t ADD COLUMN b INT"), &e);
	return (void *)(uintptr_t)e.sql_errno;
}

/* The old owner sits inside a transaction, and in an ALTER that waits for a lock: both must be gone, and must
 * not land. */
static void test_take_over(void **state)
{
	struct db *d = open_as(state, DB_APPLY), *old = open_as(state, DB_APPLY),
		  *ddl = open_as(state, DB_DDL);
	struct db *reader = open_as(state, DB_PLAIN);
	struct meta_id next = mine;
	struct meta_slot s;
	struct err e = {0};
	uint64_t begin;
	pthread_t t;

	drop_meta(state);
	ok(meta_setup(d, META, &e), &e);
	ok(meta_take_over(d, &mine, &e), &e);
	exec(d, "CREATE TABLE " META ".t (a INT)");
	ok(meta_note_connection(old, &mine, db_connection_id(old), &e), &e);
	ok(meta_note_connection(ddl, &mine, db_connection_id(ddl), &e), &e);
	ok(meta_note_connection(old, &mine, 4000000000u, &e), &e); /* one that never was */
	ok(meta_slot_load(old, &mine, 0, &s, &e), &e);
	exec(reader, "BEGIN");
	exec(reader, "SELECT * FROM " META ".t");
	assert_int_equal(pthread_create(&t, NULL, hold_ddl, ddl), 0);
	exec(old, "BEGIN");
	guarded(old, &mine, &s, 99, 1);
	clock_sleep_ms(300);
	next.epoch = 6;
	begin = clock_ms();
	ok(meta_take_over(d, &next, &e), &e);
	assert_true(clock_ms() - begin < 20000);
	exec(reader, "COMMIT");
	pthread_join(t, NULL);
	assert_int_equal(db_exec(old, STR_LIT("COMMIT"), &e), -1);
	assert_int_equal(e.code, ERR_db_lost);
	value_is(d,
		"SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='" META
		"' AND TABLE_NAME='t'",
		"1");
	value_is(d, "SELECT COUNT(*) FROM " META ".tidegate_connection", "0");
	meta_slot_fini(&s);
	ok(meta_slot_load(d, &next, 0, &s, &e), &e);
	assert_true(position_is_zero(s.watermark));
	meta_slot_fini(&s);
	db_close(&d);
	db_close(&old);
	db_close(&ddl);
	db_close(&reader);
	drop_meta(state);
}

/* Reads one file by the stream; every byte but the magic must come. */
static uint64_t stream_file(void **state, const char *file, uint32_t server_id, uint64_t *events)
{
	struct binlog_stream_options o = {server_id, file, 4, 1000, false, true};
	struct db *d = open_as(state, DB_BINLOG);
	struct err e = {0};
	struct binlog_stream *s = binlog_stream_open(&d, &o, &e);
	uint64_t at = 4;
	bool mine_now = true;
	struct str event;
	int r;

	if (!s)
		fail_msg("%s", e.text);
	assert_null(d);
	while ((r = binlog_stream_next(s, &event, &e)) > 0) {
		const uint8_t *p = (const uint8_t *)event.p;
		bool artificial = p[4] == 4 && (p[17] & 0x20);

		if (artificial)
			mine_now = memmem(event.p + 27, event.n - 27, file, strlen(file)) != NULL;
		else if (mine_now && p[4] != 27 && p[4] != 41) {
			at += event.n;
			(*events)++;
		}
	}
	ok(r, &e);
	binlog_stream_close(&s);
	return at;
}

static void test_stream(void **state)
{
	struct db *d = open_as(state, DB_PLAIN);
	struct db_master_status status;
	struct err e = {0};
	uint64_t events = 0;
	uint32_t id = 0;

	exec(d, "CREATE DATABASE IF NOT EXISTS " DATA);
	exec(d, "DROP DATABASE " DATA);
	ok(binlog_pick_server_id(d, &id, &e), &e);
	assert_true(id >= 429496729);
	ok(db_master_status(d, &status, &e), &e);
	assert_true(status.gtid && *status.gtid);
	assert_int_equal(stream_file(state, status.file, id, &events), status.offset);
	assert_true(events >= 4);
	free(status.gtid);
	db_close(&d);
}

static void test_stream_refused(void **state)
{
	struct binlog_stream_options o = {4000000001u, "no-such-bin.000099", 4, 1000, false, true};
	struct db *d = open_as(state, DB_BINLOG);
	struct err e = {0};
	struct binlog_stream *s = binlog_stream_open(&d, &o, &e);
	struct str event;

	assert_non_null(s);
	assert_int_equal(binlog_stream_next(s, &event, &e), -1);
	assert_int_equal(e.code, ERR_relay_gone);
	assert_int_equal(e.sql_errno, 1236);
	binlog_stream_close(&s);
	o.offset = 5ull << 30;
	d = open_as(state, DB_BINLOG);
	assert_null(binlog_stream_open(&d, &o, &e));
	assert_non_null(d);
	db_close(&d);
}

static int run(const char *variable)
{
	const char *url = getenv(variable);
	struct endpoint ep;
	struct err e = {0};
	struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_exec),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_interrupt),
		cmocka_unit_test(test_structure),
		cmocka_unit_test(test_meta_slot),
		cmocka_unit_test(test_meta_slots),
		cmocka_unit_test(test_take_over),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_stream_refused),
	};
	size_t i;

	if (!url || !*url)
		return -1;
	if (endpoint_parse_url(url, &ep, &e) < 0) {
		printf("%s: %s\n", variable, e.text);
		return 1;
	}
	for (i = 0; i < sizeof(tests) / sizeof(*tests); i++)
		tests[i].initial_state = &ep;
	return cmocka_run_group_tests_name(variable, tests, NULL, NULL);
}

int main(void)
{
	int mysql = run("TIDEGATE_TEST_MYSQL"), mariadb = run("TIDEGATE_TEST_MARIADB");

	if (mysql < 0 && mariadb < 0) {
		printf("not run: neither TIDEGATE_TEST_MYSQL nor TIDEGATE_TEST_MARIADB is set\n");
		return 77;
	}
	return mysql > 0 || mariadb > 0 ? 1 : 0;
}
