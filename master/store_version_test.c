/*
 * Files of older releases, as they made them: they come up to date with what is in them, and go to a cluster
 * (a real etcd). The contract itself: store_test.c.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka needs the ones above. */
#include <cmocka.h>

#include "common/base/clock.h"
#include "common/config/json.h"
#include "master/etcd.h"
#include "master/etcd_server.h"
#include "master/store.h"
#include "master/test_folder.h"

enum { LEAD_MS = 15000 };

/* What the release of that version ran; never change it. */
#define VERSION_1                                                                                            \
	"PRAGMA journal_mode=WAL; PRAGMA application_id=1413955924;"                                         \
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"                                      \
	"CREATE TABLE source(key TEXT PRIMARY KEY, body TEXT NOT NULL CHECK(json_valid(body))) WITHOUT "     \
	"ROWID;"                                                                                             \
	"CREATE TABLE task(key TEXT PRIMARY KEY, body TEXT NOT NULL CHECK(json_valid(body))) WITHOUT ROWID;" \
	"CREATE TABLE subtask(key TEXT PRIMARY KEY, body TEXT NOT NULL CHECK(json_valid(body))) WITHOUT "    \
	"ROWID;"                                                                                             \
	"CREATE TABLE agent(key TEXT PRIMARY KEY, body TEXT NOT NULL CHECK(json_valid(body))) WITHOUT "      \
	"ROWID;"                                                                                             \
	"INSERT INTO meta VALUES('revision', 41);"                                                           \
	"INSERT INTO meta VALUES('cluster', '0123456789abcdef0123456789abcdef');"                            \
	"INSERT INTO source VALUES('x', '{\"slot\":9,\"epoch\":77}');"                                       \
	"PRAGMA user_version=1;"
#define VERSION_2                                                                     \
	VERSION_1                                                                     \
	"CREATE UNIQUE INDEX source_slot ON source(json_extract(body, '$.slot'));"    \
	"CREATE UNIQUE INDEX subtask_sub ON subtask(json_extract(body, '$.source'), " \
	"json_extract(body, '$.sub'));"                                               \
	"PRAGMA user_version=2;"

static int make_place(void **state)
{
	struct test_folder *p = calloc(1, sizeof(*p));

	*state = p;
	return test_folder_make(p);
}

static int drop_place(void **state)
{
	test_folder_drop(*state);
	free(*state);
	return 0;
}

static void make_file(const struct test_folder *p, const char *sql)
{
	char path[60];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/tidegate.db", p->path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

static struct store *must_open(const struct test_folder *p)
{
	struct err e = {0};
	struct store *s = store_open_file(p->fd, &e);

	if (!s)
		fail_msg("%s", e.text);
	return s;
}

static int put(struct store *s, enum store_table t, const char *key, const char *text)
{
	json_t *doc = json_loads(text, 0, NULL);
	struct store_change c = {t, key, doc};
	struct err e = {0};
	int r = store_commit(s, store_revision(s) + 1, &c, 1, &e);

	json_decref(doc);
	return r;
}

/* How many rows of each table: sources, and what is kept. */
static void has(struct store *s, size_t sources, size_t kept)
{
	json_t *tables[STORE_TABLES];
	struct err e = {0};

	if (store_load(s, tables, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(json_object_size(tables[STORE_SOURCE]), sources);
	assert_int_equal(json_object_size(tables[STORE_KEPT]), kept);
	for (int t = 0; t < STORE_TABLES; t++)
		json_decref(tables[t]);
}

static void comes_up_to_date(const struct test_folder *p, const char *sql)
{
	struct store *s;

	make_file(p, sql);
	s = must_open(p);
	assert_int_equal(store_revision(s), 41);
	assert_string_equal(store_cluster(s), "0123456789abcdef0123456789abcdef");
	has(s, 1, 0);
	assert_int_equal(put(s, STORE_SOURCE, "y", "{\"slot\":9}"), -1); /* the index of version 2 is there */
	assert_int_equal(put(s, STORE_KEPT, "epoch", "{\"highest\":78}"), 0); /* the table of version 3 */
	store_close(&s);
	s = must_open(p);
	assert_int_equal(store_revision(s), 42);
	has(s, 1, 1);
	store_close(&s);
}

static void test_empty_file(void **state)
{
	struct test_folder *p = *state;
	struct store *s;

	close(openat(p->fd, "tidegate.db", O_CREAT | O_WRONLY, 0600));
	s = must_open(p);
	assert_int_equal(store_revision(s), 1);
	has(s, 0, 0);
	store_close(&s);
}

static void test_version_1(void **state)
{
	comes_up_to_date(*state, VERSION_1);
}

static void test_version_2(void **state)
{
	comes_up_to_date(*state, VERSION_2);
}

static struct store *lead(const struct etcd_conf *conf)
{
	const struct store_self self = {.name = "migrate", .address = ""};
	struct store *s = store_open_etcd(conf, &self);
	uint64_t deadline = clock_ms() + LEAD_MS;

	while (store_term(s) == 0 && clock_ms() < deadline)
		clock_sleep_ms(10);
	assert_int_not_equal(store_term(s), 0);
	return s;
}

static void test_version_2_to_a_cluster(void **state)
{
	struct test_folder *p = *state;
	struct etcd_servers servers = {0};
	struct etcd_conf conf;
	struct store *from, *to;
	struct err e = {0};
	char url[300];

	make_file(p, VERSION_2);
	etcd_servers_start(&servers, 1, false);
	etcd_servers_url(&servers, "/v", "lease=3", url, sizeof(url));
	assert_int_equal(etcd_conf_parse(url, &conf, &e), 0);
	from = store_open_to_move(p->fd, url, &e);
	assert_non_null(from);
	to = lead(&conf);
	if (store_import(to, from, url, &e) < 0)
		fail_msg("%s", e.text);
	has(to, 1, 0);
	assert_int_equal(store_revision(to), 41);
	assert_int_equal(put(to, STORE_KEPT, "epoch", "{\"highest\":78}"), 0);
	has(to, 1, 1);
	store_close(&to);
	store_close(&from);
	etcd_servers_stop(&servers);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, make_place, drop_place)
	const struct CMUnitTest tests[] = {
		T(test_empty_file), T(test_version_1), T(test_version_2), T(test_version_2_to_a_cluster)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
