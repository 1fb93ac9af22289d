/* The store: reopened, brought up to date, refused where it is not ours or torn, in a folder that can't be
 * walked to. */
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

#include "common/config/json.h"

struct place {
	char path[64];
	int fd;
};

static int make_place(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->path, "/tmp/tg-store-XXXXXX");
	if (!mkdtemp(p->path))
		return -1;
	p->fd = open(p->path, O_RDONLY | O_DIRECTORY);
	*state = p;
	return p->fd >= 0 ? 0 : -1;
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

static struct store *must_open(const struct place *p)
{
	struct err e = {0};
	struct store *s = store_open(p->fd, &e);

	if (!s)
		fail_msg("%s", e.text);
	return s;
}

static void put(struct store *s, enum store_table t, const char *key, const char *text)
{
	json_t *doc = text ? json_loads(text, 0, NULL) : NULL;
	struct store_change c = {t, key, doc};
	struct err e = {0};

	if (store_commit(s, &c, 1, &e) < 0)
		fail_msg("%s", e.text);
	json_decref(doc);
}

static void test_reopen(void **state)
{
	struct place *p = *state;
	struct store *s = must_open(p);
	json_t *tables[STORE_TABLES];
	struct err e = {0};
	char cluster[40];
	struct stat st;

	assert_int_equal(store_revision(s), 1);
	snprintf(cluster, sizeof(cluster), "%s", store_cluster(s));
	assert_int_equal(strlen(cluster), 32);
	put(s, STORE_SOURCE, "a", "{\"slot\":1,\"t\":\"\\u00e4 ' \\\"\"}");
	put(s, STORE_SOURCE, "b", "{\"slot\":2}");
	put(s, STORE_SOURCE, "b", "{\"slot\":3}");
	put(s, STORE_SOURCE, "a", NULL);
	put(s, STORE_TASK, "t", "{}");
	assert_int_equal(store_revision(s), 6);
	assert_int_equal(fstatat(p->fd, "tidegate.db", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(fstatat(p->fd, "tidegate.db-wal", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	store_close(&s);

	s = must_open(p);
	assert_int_equal(store_revision(s), 6);
	assert_string_equal(store_cluster(s), cluster);
	assert_int_equal(store_load(s, tables, &e), 0);
	assert_int_equal(json_object_size(tables[STORE_SOURCE]), 1);
	assert_int_equal(json_num(json_object_get(tables[STORE_SOURCE], "b"), "slot", 0), 3);
	assert_int_equal(json_object_size(tables[STORE_TASK]), 1);
	for (int t = 0; t < STORE_TABLES; t++)
		json_decref(tables[t]);
	store_close(&s);
}

/* A process that dies without closing leaves a -wal behind: what was committed is there. */
static void test_killed(void **state)
{
	struct place *p = *state;
	struct store *s;
	pid_t child = fork();
	int status;

	if (child == 0) { /* no assertion here: it would go on with the tests behind */
		s = store_open(p->fd, NULL);
		if (!s || store_commit(s, NULL, 0, NULL) < 0)
			_exit(1);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(faccessat(p->fd, "tidegate.db-wal", F_OK, 0), 0);
	s = must_open(p);
	assert_int_equal(store_revision(s), 2);
	store_close(&s);
}

/* All of a change set or nothing, and the unique indexes hold. */
static void test_atomic(void **state)
{
	struct place *p = *state;
	struct store *s = must_open(p);
	json_t *one = json_loads("{\"slot\":1}", 0, NULL), *tables[STORE_TABLES];
	struct store_change c[] = {
		{STORE_TASK, "t", one}, {STORE_SOURCE, "a", one}, {STORE_SOURCE, "b", one}};
	struct err e = {0};

	assert_int_equal(store_commit(s, c, 3, &e), -1);
	assert_int_equal(e.code, ERR_store);
	assert_int_equal(store_revision(s), 1);
	assert_int_equal(store_load(s, tables, &e), 0);
	assert_int_equal(json_object_size(tables[STORE_TASK]), 0);
	for (int t = 0; t < STORE_TABLES; t++)
		json_decref(tables[t]);
	assert_int_equal(store_commit(s, c, 2, &e), 0);
	assert_int_equal(store_commit(s, NULL, 0, &e), 0);
	assert_int_equal(store_revision(s), 3);
	json_decref(one);
	store_close(&s);
}

static void test_other_writer(void **state)
{
	struct place *p = *state;
	struct store *a = must_open(p), *b;
	struct place other = {.fd = dup(p->fd)};
	struct err e = {0};

	b = must_open(&other);
	put(b, STORE_TASK, "t", "{}");
	assert_int_equal(store_commit(a, NULL, 0, &e), -1);
	assert_int_equal(e.code, ERR_request_stale);
	store_close(&a);
	store_close(&b);
	close(other.fd);
}

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

/* Version 0 (an empty file) and version 1 come up to date with what is in them. */
static void test_migration(void **state)
{
	struct place *p = *state;
	struct store *s;
	json_t *tables[STORE_TABLES], *two = json_loads("{\"slot\":9}", 0, NULL);
	struct store_change c = {STORE_SOURCE, "y", two};
	struct err e = {0};

	close(openat(p->fd, "tidegate.db", O_CREAT | O_WRONLY, 0600));
	s = must_open(p);
	assert_int_equal(store_revision(s), 1);
	store_close(&s);
	sql(p, "DROP INDEX source_slot; DROP INDEX subtask_sub; PRAGMA user_version=1;"
	       "INSERT INTO source VALUES('x', '{\"slot\":9}'); UPDATE meta SET value=41 WHERE "
	       "key='revision'");
	s = must_open(p);
	assert_int_equal(store_revision(s), 41);
	assert_int_equal(store_load(s, tables, &e), 0);
	assert_int_equal(json_object_size(tables[STORE_SOURCE]), 1);
	for (int t = 0; t < STORE_TABLES; t++)
		json_decref(tables[t]);
	assert_int_equal(store_commit(s, &c, 1, &e), -1); /* the index of version 2 is there */
	json_decref(two);
	store_close(&s);
}

static void refused(const struct place *p, const char *says)
{
	struct err e = {0};

	if (store_open(p->fd, &e))
		fail_msg("taken, wanted: %s", says);
	if (!strstr(e.text, says) || !strstr(e.text, "tidegate.db") || strchr(e.text, '\n'))
		fail_msg("%s", e.text);
	assert_int_equal(e.code, ERR_store);
}

static void test_newer(void **state)
{
	struct place *p = *state;
	struct store *s = must_open(p);

	store_close(&s);
	sql(p, "PRAGMA user_version=999");
	refused(p, "newer Tidegate (version 999");
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

static void test_bad_body(void **state)
{
	struct place *p = *state;
	struct store *s = must_open(p);
	json_t *tables[STORE_TABLES];
	struct err e = {0};

	sql(p, "INSERT INTO task VALUES('t', '[1]')");
	assert_int_equal(store_load(s, tables, &e), -1);
	assert_int_equal(e.code, ERR_store);
	assert_non_null(strstr(e.text, "task `t`"));
	store_close(&s);
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
		s = store_open(inner.fd, NULL);
		if (!s || access(path, F_OK) == 0) /* can it be walked to, the test proves nothing */
			_exit(2);
		if (store_commit(s, NULL, 0, NULL) < 0 || faccessat(inner.fd, "tidegate.db-shm", F_OK, 0) < 0)
			_exit(3);
		store_close(&s);
		s = store_open(inner.fd, NULL);
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
#define T(name) cmocka_unit_test_setup_teardown(name, make_place, drop_place)
	const struct CMUnitTest tests[] = {
		T(test_reopen),
		T(test_killed),
		T(test_atomic),
		T(test_other_writer),
		T(test_migration),
		T(test_newer),
		T(test_other_program),
		T(test_garbage),
		T(test_torn),
		T(test_bad_body),
		T(test_unwalkable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
