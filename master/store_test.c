/*
 * The store's contract (store.h), one suite against each backend; and what only a file can suffer: torn, of
 * another program, in a folder that can't be walked to. What only etcd can: store_etcd_test.c.
 */
#include "master/store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka needs the ones above. */
#include <cmocka.h>

#include "common/base/clock.h"
#include "common/config/json.h"
#include "master/etcd.h"
#include "master/etcd_server.h"

enum { LEAD_MS = 15000, MANY = 3000 };

struct place;

/* What the suite needs of a backend beside the interface. */
struct backend {
	const char *name;
	/* A store that leads, of the place's content; NULL with e where it is refused. */
	struct store *(*open)(const struct place *p, struct err *e);
	/* Behind the store's back: a document's text, the layout's version, another one's commit. */
	void (*put_raw)(const struct place *p, const char *table, const char *key, const char *text);
	void (*set_version)(const struct place *p, int version);
	void (*intrude)(const struct place *p);
	const char *newer; /* what an error about it says */
};

struct place {
	const struct backend *b;
	char path[64]; /* of the file's folder */
	int fd;
	struct etcd_conf conf;
};

/* ---- SQLite ---- */

static void sql(const struct place *p, const char *text)
{
	char path[100];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/tidegate.db", p->path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", text, sqlite3_errmsg(db));
	sqlite3_close(db);
}

static struct store *file_open(const struct place *p, struct err *e)
{
	return store_open_file(p->fd, e);
}

static void file_put_raw(const struct place *p, const char *table, const char *key, const char *text)
{
	char statement[300];

	snprintf(statement, sizeof(statement), "INSERT INTO %s VALUES('%s', '%s')", table, key, text);
	sql(p, statement);
}

static void file_set_version(const struct place *p, int version)
{
	char statement[60];

	snprintf(statement, sizeof(statement), "PRAGMA user_version=%d", version);
	sql(p, statement);
}

static void file_intrude(const struct place *p)
{
	sql(p, "UPDATE meta SET value=value+1 WHERE key='revision'");
}

static const struct backend sqlite = {
	"sqlite", file_open, file_put_raw, file_set_version, file_intrude, "newer Tidegate (version 999"};

/* ---- etcd: one server for all tests, a prefix for each ---- */

static struct etcd_servers servers;

static struct store *cluster_open(const struct place *p, struct err *e)
{
	const struct store_self self = {.name = "m1", .address = "/run/m1.sock"};
	struct store *s = store_open_etcd(&p->conf, &self);
	uint64_t deadline = clock_ms() + LEAD_MS;
	json_t *tables[STORE_TABLES];

	while (store_term(s) == 0 && clock_ms() < deadline)
		clock_sleep_ms(10);
	assert_int_not_equal(store_term(s), 0);
	if (store_load(s, tables, e) < 0) {
		store_close(&s);
		return NULL;
	}
	for (int t = 0; t < STORE_TABLES; t++)
		json_decref(tables[t]);
	return s;
}

static void etcd_put(const struct place *p, const char *key, const char *value)
{
	struct etcd *c = etcd_new(&p->conf, NULL);
	char full[300];
	json_t *request, *answer;
	struct err e = {0};

	snprintf(full, sizeof(full), "%s/%s", p->conf.prefix, key);
	request = etcd_txn(json_array(), json_pack("[o]", etcd_op_put(full, str_of(value), 0)), json_array());
	if (etcd_post(c, "/v3/kv/txn", request, 5000, &answer, &e) < 0)
		fail_msg("%s", e.text);
	json_decref(request);
	json_decref(answer);
	etcd_free(&c);
}

static void cluster_put_raw(const struct place *p, const char *table, const char *key, const char *text)
{
	char full[200];

	snprintf(full, sizeof(full), "%s/%s", table, key);
	etcd_put(p, full, text);
}

static void cluster_set_version(const struct place *p, int version)
{
	char text[12];

	snprintf(text, sizeof(text), "%d", version);
	etcd_put(p, "meta/version", text);
}

static void cluster_intrude(const struct place *p)
{
	etcd_put(p, "meta/revision", "99 0123456789abcdef");
}

static const struct backend etcd = {"etcd", cluster_open, cluster_put_raw, cluster_set_version,
	cluster_intrude, "newer Tidegate (version 999"};

/* ---- the fixture ---- */

static int make_place(const struct backend *b, void **state)
{
	static unsigned number;
	struct place *p = calloc(1, sizeof(*p));
	char url[300], prefix[20];
	struct err e = {0};

	p->b = b;
	strcpy(p->path, "/tmp/tg-store-XXXXXX");
	if (!mkdtemp(p->path))
		return -1;
	p->fd = open(p->path, O_RDONLY | O_DIRECTORY);
	if (servers.n == 0)
		etcd_servers_start(&servers, 1, false);
	snprintf(prefix, sizeof(prefix), "/t%u", ++number);
	etcd_servers_url(&servers, prefix, "lease=3", url, sizeof(url));
	if (etcd_conf_parse(url, &p->conf, &e) < 0)
		fail_msg("%s", e.text);
	*state = p;
	return p->fd >= 0 ? 0 : -1;
}

static int make_file(void **state)
{
	return make_place(&sqlite, state);
}

static int make_cluster(void **state)
{
	return make_place(&etcd, state);
}

static int drop_place(void **state)
{
	static const char *const files[] = {
		"tidegate.db", "tidegate.db-wal", "tidegate.db-shm", "tidegate.db-journal"};
	struct place *p = *state;

	for (size_t i = 0; i < 4; i++)
		unlinkat(p->fd, files[i], 0);
	close(p->fd);
	rmdir(p->path);
	free(p);
	return 0;
}

static int stop_servers(void **state)
{
	(void)state;
	if (servers.n)
		etcd_servers_stop(&servers);
	return 0;
}

static struct store *must_open(const struct place *p)
{
	struct err e = {0};
	struct store *s = p->b->open(p, &e);

	if (!s)
		fail_msg("%s", e.text);
	return s;
}

static int commit(struct store *s, const struct store_change *c, size_t n, struct err *e)
{
	return store_commit(s, store_revision(s) + 1, c, n, e);
}

static void put(struct store *s, enum store_table t, const char *key, const char *text)
{
	json_t *doc = text ? json_loads(text, 0, NULL) : NULL;
	struct store_change c = {t, key, doc};
	struct err e = {0};

	if (commit(s, &c, 1, &e) < 0)
		fail_msg("%s", e.text);
	json_decref(doc);
}

static void load(struct store *s, json_t *tables[STORE_TABLES])
{
	struct err e = {0};

	if (store_load(s, tables, &e) < 0)
		fail_msg("%s", e.text);
}

static void drop(json_t *tables[STORE_TABLES])
{
	for (int t = 0; t < STORE_TABLES; t++)
		json_decref(tables[t]);
}

static size_t rows(struct store *s, enum store_table t)
{
	json_t *tables[STORE_TABLES];
	size_t n;

	load(s, tables);
	n = json_object_size(tables[t]);
	drop(tables);
	return n;
}

/* ---- the suite ---- */

static void test_reopen(void **state)
{
	struct place *p = *state;
	struct store *s = must_open(p);
	json_t *tables[STORE_TABLES];
	char cluster[40];

	assert_int_equal(store_revision(s), 1);
	snprintf(cluster, sizeof(cluster), "%s", store_cluster(s));
	assert_int_equal(strlen(cluster), 32);
	assert_int_not_equal(store_term(s), 0);
	put(s, STORE_SOURCE, "a", "{\"slot\":1,\"t\":\"\\u00e4 ' \\\"\"}");
	put(s, STORE_SOURCE, "b", "{\"slot\":2}");
	put(s, STORE_SOURCE, "b", "{\"slot\":3}");
	put(s, STORE_SUBTASK, "t/a", "{\"source\":\"a\",\"sub\":1,\"x\":[\"\\u20ac\"]}");
	put(s, STORE_SOURCE, "a", NULL);
	put(s, STORE_TASK, "t", "{}");
	put(s, STORE_KEPT, "epoch", "{\"highest\":41}");
	assert_int_equal(store_revision(s), 8);
	store_close(&s);
	assert_null(s);

	s = must_open(p);
	assert_int_equal(store_revision(s), 8);
	assert_string_equal(store_cluster(s), cluster);
	load(s, tables);
	assert_int_equal(json_object_size(tables[STORE_SOURCE]), 1);
	assert_int_equal(json_num(json_object_get(tables[STORE_SOURCE], "b"), "slot", 0), 3);
	assert_int_equal(json_object_size(tables[STORE_TASK]), 1);
	assert_int_equal(json_num(json_object_get(tables[STORE_KEPT], "epoch"), "highest", 0), 41);
	assert_string_equal(json_string_value(json_array_get(
				    json_object_get(json_object_get(tables[STORE_SUBTASK], "t/a"), "x"), 0)),
		"\u20ac");
	drop(tables);
	store_close(&s);
}

/* A process that dies without closing: what was committed is there. */
static void test_killed(void **state)
{
	struct place *p = *state;
	struct store *s;
	pid_t child = fork();
	int status;

	if (child == 0) { /* no assertion here: it would go on with the tests behind */
		s = p->b->open(p, NULL);
		if (!s || commit(s, NULL, 0, NULL) < 0)
			_exit(1);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	s = must_open(p);
	assert_int_equal(store_revision(s), 2);
	store_close(&s);
}

/* All of a change set or nothing. */
static void test_atomic(void **state)
{
	struct place *p = *state;
	struct store *s = must_open(p);
	json_t *one = json_loads("{\"slot\":1}", 0, NULL);
	struct store_change c[] = {
		{STORE_TASK, "t", one}, {STORE_SOURCE, "a", one}, {STORE_SOURCE, "b", one}};
	struct err e = {0};

	assert_int_equal(commit(s, c, 3, &e), -1);
	assert_int_equal(e.code, ERR_store);
	assert_int_equal(store_revision(s), 1);
	assert_int_equal(rows(s, STORE_TASK), 0);
	assert_int_equal(commit(s, c, 2, &e), 0);
	assert_int_equal(commit(s, NULL, 0, &e), 0);
	assert_int_equal(store_revision(s), 3);
	assert_int_equal(rows(s, STORE_TASK), 1);
	json_decref(one);
	store_close(&s);
}

/* A slot, and a subtask's number within its source, is one's only; also over a reopening. */
static void test_unique(void **state)
{
	struct place *p = *state;
	struct store *s = must_open(p);
	json_t *doc = json_loads("{\"source\":\"a\",\"sub\":7,\"slot\":4}", 0, NULL);
	struct store_change sub = {STORE_SUBTASK, "u/a", doc}, source = {STORE_SOURCE, "c", doc};
	struct err e = {0};

	put(s, STORE_SOURCE, "b", "{\"slot\":4}");
	put(s, STORE_SUBTASK, "t/a", "{\"source\":\"a\",\"sub\":7}");
	put(s, STORE_SUBTASK, "t/b", "{\"source\":\"b\",\"sub\":7}");
	put(s, STORE_TASK, "t", "{\"slot\":4,\"sub\":7}"); /* means nothing in a task */
	assert_int_equal(commit(s, &sub, 1, &e), -1);
	assert_int_equal(e.code, ERR_store);
	store_close(&s);
	s = must_open(p);
	assert_int_equal(commit(s, &sub, 1, &e), -1);
	assert_int_equal(commit(s, &source, 1, &e), -1);
	put(s, STORE_SUBTASK, "t/a", NULL);
	put(s, STORE_SOURCE, "b", "{\"slot\":5}");
	assert_int_equal(commit(s, &sub, 1, &e), 0);
	assert_int_equal(commit(s, &source, 1, &e), 0);
	json_decref(doc);
	store_close(&s);
}

/* Two swap their numbers, or one takes another's that goes, in one change set: each number has its owner
 * afterwards. */
static void test_swap(void **state)
{
	struct place *p = *state;
	struct store *s = must_open(p);
	json_t *one = json_loads("{\"slot\":1}", 0, NULL), *two = json_loads("{\"slot\":2}", 0, NULL);
	struct store_change swap[] = {{STORE_SOURCE, "a", two}, {STORE_SOURCE, "b", one}};
	struct store_change take[] = {{STORE_SOURCE, "b", two}, {STORE_SOURCE, "a", NULL}};
	struct store_change third[] = {{STORE_SOURCE, "c", one}, {STORE_SOURCE, "c", two}};
	struct err e = {0};

	put(s, STORE_SOURCE, "a", "{\"slot\":1}");
	put(s, STORE_SOURCE, "b", "{\"slot\":2}");
	if (commit(s, swap, 2, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(commit(s, &third[0], 1, &e), -1);
	assert_int_equal(commit(s, &third[1], 1, &e), -1);
	if (commit(s, take, 2, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(commit(s, &third[1], 1, &e), -1);
	assert_int_equal(commit(s, &third[0], 1, &e), 0);
	assert_int_equal(rows(s, STORE_SOURCE), 2);
	json_decref(one);
	json_decref(two);
	store_close(&s);
}

/* Somebody else has moved the store on. */
static void test_other_writer(void **state)
{
	struct place *p = *state;
	struct store *s = must_open(p);
	json_t *doc = json_object();
	struct store_change c = {STORE_TASK, "t", doc};
	struct err e = {0};

	p->b->intrude(p);
	assert_int_equal(commit(s, &c, 1, &e), -1);
	assert_int_equal(e.code, ERR_request_stale);
	store_close(&s);
	s = must_open(p);
	assert_int_equal(rows(s, STORE_TASK), 0);
	json_decref(doc);
	store_close(&s);
}

/* The revision may leap, and never goes back. */
static void test_revision(void **state)
{
	struct place *p = *state;
	struct store *s = must_open(p);
	struct err e = {0};

	assert_int_equal(store_commit(s, 5000000000, NULL, 0, &e), 0);
	assert_int_equal(store_revision(s), 5000000000);
	assert_int_equal(store_commit(s, 5000000000, NULL, 0, &e), -1);
	assert_int_equal(e.code, ERR_internal);
	store_close(&s);
	s = must_open(p);
	assert_int_equal(store_revision(s), 5000000000);
	assert_int_equal(commit(s, NULL, 0, &e), 0);
	store_close(&s);
}

/* More rows in one commit than etcd takes operations, more in the store than a page holds, and large ones. */
static void test_many(void **state)
{
	struct place *p = *state;
	struct store *s = must_open(p);
	struct store_change *c = calloc(MANY, sizeof(*c));
	char(*names)[16] = calloc(MANY, sizeof(*names)), *big = calloc(1, 300001);
	json_t *tables[STORE_TABLES];
	struct err e = {0};

	for (int i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "n%d", i);
		c[i] = (struct store_change){STORE_SOURCE, names[i], json_pack("{s:i}", "slot", i)};
	}
	if (commit(s, c, MANY, &e) < 0)
		fail_msg("%s", e.text);
	memset(big, 'x', 300000);
	for (int i = 0; i < 20; i++) {
		json_t *doc = json_pack("{s:s}", "big", big);
		struct store_change one = {STORE_TASK, names[i], doc};

		if (commit(s, &one, 1, &e) < 0)
			fail_msg("%s", e.text);
		json_decref(doc);
	}
	store_close(&s);
	s = must_open(p);
	load(s, tables);
	assert_int_equal(json_object_size(tables[STORE_SOURCE]), MANY);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(json_num(json_object_get(tables[STORE_SOURCE], names[i]), "slot", -1), i);
	assert_int_equal(json_object_size(tables[STORE_TASK]), 20);
	assert_int_equal(strlen(json_text(json_object_get(tables[STORE_TASK], "n19"), "big", "")), 300000);
	drop(tables);
	for (int i = 0; i < MANY; i++) {
		json_decref((json_t *)(uintptr_t)c[i].doc);
		c[i].doc = NULL;
	}
	if (commit(s, c, MANY, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(rows(s, STORE_SOURCE), 0);
	free(c);
	free(names);
	free(big);
	store_close(&s);
}

static void refused(const struct place *p, const char *says)
{
	struct err e = {0};

	if (p->b->open(p, &e))
		fail_msg("taken, wanted: %s", says);
	if (!strstr(e.text, says) || strchr(e.text, '\n') ||
		!strstr(e.text, p->b == &sqlite ? "tidegate.db" : "etcd"))
		fail_msg("%s", e.text);
	assert_int_equal(e.code, ERR_store);
}

static void test_newer(void **state)
{
	struct place *p = *state;
	struct store *s = must_open(p);

	store_close(&s);
	p->b->set_version(p, 999);
	refused(p, p->b->newer);
}

static void test_bad_body(void **state)
{
	struct place *p = *state;
	struct store *s = must_open(p);
	json_t *tables[STORE_TABLES];
	struct err e = {0};

	p->b->put_raw(p, "task", "t", "[1]");
	assert_int_equal(store_load(s, tables, &e), -1);
	assert_int_equal(e.code, ERR_store);
	assert_non_null(strstr(e.text, p->b == &sqlite ? "task `t`" : "/task/t"));
	store_close(&s);
}

/* ---- from a file to a cluster ---- */

static struct store *lead(const struct place *p)
{
	const struct store_self self = {.name = "migrate", .address = ""};
	struct store *s = store_open_etcd(&p->conf, &self);
	uint64_t deadline = clock_ms() + LEAD_MS;

	while (store_term(s) == 0 && clock_ms() < deadline)
		clock_sleep_ms(10);
	assert_int_not_equal(store_term(s), 0);
	return s;
}

static void put_large(struct store *s, unsigned n)
{
	char *body = calloc(1, 40020), key[20];

	memset(body, 'x', 40010);
	memcpy(body, "{\"v\":\"", 6);
	memcpy(body + 40008, "\"}", 2);
	for (unsigned i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "large%u", i);
		put(s, STORE_TASK, key, body);
	}
	free(body);
}

static void test_import(void **state)
{
	struct place *p = *state;
	struct store *from = must_open(p), *to, *other;
	struct err e = {0};
	char key[20], text[60], cluster[40];
	json_t *tables[STORE_TABLES];
	struct place *q;
	bool done = false;

	for (int i = 0; i < 120; i++) {
		snprintf(key, sizeof(key), "s%d", i);
		snprintf(text, sizeof(text), "{\"slot\":%d,\"epoch\":%d}", i, 1000 + i);
		put(from, STORE_SOURCE, key, text);
	}
	put(from, STORE_TASK, "t", "{\"a\":1}");
	put(from, STORE_KEPT, "epoch", "{\"highest\":41}");
	put_large(from, 49); /* 2 MB; a request of etcd's takes 1.5 MiB */
	snprintf(cluster, sizeof(cluster), "%s", store_cluster(from));
	etcd_put(p, "source/gone", "{}");
	to = lead(p);
	assert_int_equal(store_import(to, from, "etcd://h/x", &e), -1); /* whose is that? */
	assert_non_null(strstr(e.text, "not of a move of this file"));
	etcd_put(p, "source/s5", "{\"slot\":1}"); /* left by an import that did not come to its end */
	etcd_put(p, "meta/import", cluster);
	assert_int_equal(store_load(to, tables, &e), -1); /* no master begins with that */
	if (store_import(to, from, "etcd://h/x", &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(store_import(to, from, "etcd://h/x", &e), 0); /* once more: it is done */
	store_close(&to);
	to = cluster_open(p, &e);
	if (!to)
		fail_msg("%s", e.text);
	assert_string_equal(store_cluster(to), cluster);
	assert_int_equal(store_revision(to), store_revision(from));
	assert_int_equal(rows(to, STORE_SOURCE), 120);
	assert_int_equal(rows(to, STORE_TASK), 50);
	assert_int_equal(rows(to, STORE_KEPT), 1);
	put(to, STORE_TASK, "u", "{}");
	make_place(&sqlite, (void **)&q);
	other = must_open(q);
	assert_int_equal(store_import(to, other, "etcd://h/x", &e), -1); /* it lives already */
	assert_non_null(strstr(e.text, "in use already"));
	store_close(&other);
	drop_place((void **)&q);

	/* Cut off before the file is retired: no master takes it, the same move goes on, though masters have
	 * worked meanwhile. */
	store_close(&from);
	refused(p, "is being moved to etcd://h/x");
	assert_null(store_open_to_move(p->fd, "etcd://h/y", &e));
	from = store_open_to_move(p->fd, "etcd://h/x", &e);
	assert_non_null(from);
	assert_int_equal(store_import_check(to, from, &done, &e), 0);
	assert_true(done);
	store_close(&to);

	/* A file that is open elsewhere is not retired; one that is retired is no store any more. */
	other = store_open_to_move(p->fd, "etcd://h/x", &e);
	assert_int_equal(store_retire_file(from, NULL, &e), -1);
	store_close(&other);
	store_close(&from);
	from = store_open_to_move(p->fd, "etcd://h/x", &e);
	assert_int_equal(store_retire_file(from, NULL, &e), 0);
	assert_int_equal(store_retire_file(from, "etcd://h/x", &e), 0);
	store_close(&from);
	refused(p, "moved to etcd://h/x");
}

/* ---- what only a file can suffer ---- */

static void test_modes(void **state)
{
	struct place *p = *state;
	struct store *s = must_open(p);
	struct stat st;

	put(s, STORE_TASK, "t", "{}");
	assert_int_equal(fstatat(p->fd, "tidegate.db", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(fstatat(p->fd, "tidegate.db-wal", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	store_close(&s);
}

static void test_two_handles(void **state)
{
	struct place *p = *state;
	struct store *a = must_open(p), *b;
	struct place other = {.b = &sqlite, .fd = dup(p->fd)};
	struct err e = {0};

	b = must_open(&other);
	put(b, STORE_TASK, "t", "{}");
	assert_int_equal(commit(a, NULL, 0, &e), -1);
	assert_int_equal(e.code, ERR_request_stale);
	store_close(&a);
	store_close(&b);
	close(other.fd);
}

static void test_other_program(void **state)
{
	sql(*state, "CREATE TABLE x(y); PRAGMA user_version=3");
	refused(*state, "another program's");
}

static void write_at(const struct place *p, off_t at, const void *bytes, size_t n)
{
	int fd = openat(p->fd, "tidegate.db", O_WRONLY | O_CREAT, 0600);

	assert_int_equal(pwrite(fd, bytes, n, at), n);
	close(fd);
}

static void test_garbage(void **state)
{
	char junk[5000];

	memset(junk, 0x5a, sizeof(junk));
	write_at(*state, 0, junk, sizeof(junk));
	refused(*state, "not a database");
}

/* Cut in the middle, and overwritten in the middle. */
static void test_torn(void **state)
{
	struct place *p = *state;
	struct store *s = must_open(p);
	char big[9000], junk[4096], key[20];
	struct stat st;

	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	memcpy(big, "{\"v\":\"", 6);
	memcpy(big + sizeof(big) - 3, "\"}", 3);
	for (int i = 0; i < 20; i++) {
		snprintf(key, sizeof(key), "t%d", i);
		put(s, STORE_TASK, key, big);
	}
	store_close(&s);
	assert_int_equal(fstatat(p->fd, "tidegate.db", &st, 0), 0);
	memset(junk, 0xee, sizeof(junk));
	write_at(p, 4096 * 2, junk, sizeof(junk));
	write_at(p, 4096 * 5, junk, sizeof(junk));
	refused(p, "");
	assert_int_equal(unlinkat(p->fd, "tidegate.db", 0), 0);
	s = must_open(p);
	for (int i = 0; i < 20; i++) {
		snprintf(key, sizeof(key), "t%d", i);
		put(s, STORE_TASK, key, big);
	}
	store_close(&s);
	char path[100];
	snprintf(path, sizeof(path), "%s/tidegate.db", p->path);
	assert_int_equal(truncate(path, st.st_size / 2), 0);
	refused(p, "");
}

/* As another user, in a folder below one that this user may not enter: only the descriptor leads there (T35).
 */
static void test_unwalkable(void **state)
{
	struct place *p = *state, inner = {0};
	struct store *s;
	pid_t child;
	int status;

	if (geteuid() != 0)
		skip();
	assert_int_equal(fchmod(p->fd, 0700), 0);
	assert_int_equal(mkdirat(p->fd, "inner", 0700), 0);
	assert_int_equal(fchownat(p->fd, "inner", 65534, 65534, 0), 0);
	inner.fd = openat(p->fd, "inner", O_RDONLY | O_DIRECTORY);
	child = fork();
	if (child == 0) {
		char path[100];

		if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
			_exit(1);
		snprintf(path, sizeof(path), "%s/inner/tidegate.db", p->path);
		s = store_open_file(inner.fd, NULL);
		if (!s || access(path, F_OK) == 0) /* can it be walked to, the test proves nothing */
			_exit(2);
		if (commit(s, NULL, 0, NULL) < 0 || faccessat(inner.fd, "tidegate.db-shm", F_OK, 0) < 0)
			_exit(3);
		store_close(&s);
		s = store_open_file(inner.fd, NULL);
		_exit(s && store_revision(s) == 2 ? 0 : 4);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	unlinkat(inner.fd, "tidegate.db", 0);
	unlinkat(inner.fd, "tidegate.db-wal", 0);
	unlinkat(inner.fd, "tidegate.db-shm", 0);
	close(inner.fd);
	unlinkat(p->fd, "inner", AT_REMOVEDIR);
}

int main(void)
{
#define FILE_ONLY(test) cmocka_unit_test_setup_teardown(test, make_file, drop_place)
#define BOTH(test)                                                  \
	{#test " sqlite", test, make_file, drop_place, NULL},       \
	{                                                           \
#test " etcd", test, make_cluster, drop_place, NULL \
	}
	const struct CMUnitTest tests[] = {
		BOTH(test_reopen),
		BOTH(test_killed),
		BOTH(test_atomic),
		BOTH(test_unique),
		BOTH(test_swap),
		BOTH(test_other_writer),
		BOTH(test_revision),
		BOTH(test_many),
		BOTH(test_newer),
		BOTH(test_bad_body),
		FILE_ONLY(test_import),
		FILE_ONLY(test_modes),
		FILE_ONLY(test_two_handles),
		FILE_ONLY(test_other_program),
		FILE_ONLY(test_garbage),
		FILE_ONLY(test_torn),
		FILE_ONLY(test_unwalkable),
	};

	return cmocka_run_group_tests(tests, NULL, stop_servers);
}
