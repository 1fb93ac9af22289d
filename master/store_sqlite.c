/*
 * The store in one SQLite file: write-ahead log, each commit synced. Called by model.c and main.c. It knows
 * tables, keys and text, not what the documents mean; it never logs.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/io.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "master/store.h"
#include "master/store_vfs.h"

#define FILE_NAME "tidegate.db"

enum { TERM = 1, APPLICATION_ID = 0x54474154 /* "TGAT" */, BUSY_MS = 5000, URL = 4096 };

struct store {
	struct store_head head;
	const char *to; /* where its opener moves it; NULL: nowhere */
	struct store_vfs *vfs;
	sqlite3 *db;
	sqlite3_stmt *put[STORE_TABLES], *del[STORE_TABLES], *bump;
};

/*
 * migrations[n] makes version n+1 of version n; each runs in one transaction. Never change one that was
 * released: append. The indexes guard what the code must never do: two sources with one slot, two subtasks of
 * a source with one number.
 */
static const char *const migrations[] = {
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	"CREATE TABLE source(key TEXT PRIMARY KEY, body TEXT NOT NULL CHECK(json_valid(body))) WITHOUT ROWID;"
	"CREATE TABLE task(key TEXT PRIMARY KEY, body TEXT NOT NULL CHECK(json_valid(body))) WITHOUT ROWID;"
	"CREATE TABLE subtask(key TEXT PRIMARY KEY, body TEXT NOT NULL CHECK(json_valid(body))) WITHOUT "
	"ROWID;"
	"CREATE TABLE agent(key TEXT PRIMARY KEY, body TEXT NOT NULL CHECK(json_valid(body))) WITHOUT ROWID;"
	"INSERT INTO meta VALUES('revision', 1);",
	"CREATE UNIQUE INDEX source_slot ON source(json_extract(body, '$.slot'));"
	"CREATE UNIQUE INDEX subtask_sub ON subtask(json_extract(body, '$.source'), json_extract(body, "
	"'$.sub'));",
	"CREATE TABLE kept(key TEXT PRIMARY KEY, body TEXT NOT NULL CHECK(json_valid(body))) WITHOUT ROWID;",
};
enum { VERSION = sizeof(migrations) / sizeof(migrations[0]) };

static int fail(const struct store *s, const char *what, struct err *e)
{
	int code = s->db ? sqlite3_errcode(s->db) : SQLITE_NOMEM;
	const char *why = s->db ? sqlite3_errmsg(s->db) : "out of memory";

	switch (code) {
	case SQLITE_FULL:
		return err_set(e, ERR_disk_full,
			FILE_NAME " in the master's state folder: %s: the disk is full", what);
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
		return err_set(e, ERR_io, FILE_NAME " in the master's state folder: %s: %s: %s", what, why,
			strerror(sqlite3_system_errno(s->db)));
	default:
		return err_set(e, ERR_store, FILE_NAME " in the master's state folder: %s: %s", what, why);
	}
}

static int run(struct store *s, const char *sql, const char *what, struct err *e)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(s, what, e);
}

/* The first column of the first row; text must have room for size bytes (or be NULL), number may be NULL. */
static int ask(struct store *s, const char *sql, char *text, size_t size, int64_t *number, struct err *e)
{
	sqlite3_stmt *q = NULL;
	int r = -1;

	if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW) {
		if (text)
			snprintf(text, size, "%s", (const char *)sqlite3_column_text(q, 0));
		if (number)
			*number = sqlite3_column_int64(q, 0);
		r = 0;
	} else {
		fail(s, "reading", e);
	}
	sqlite3_finalize(q);
	return r;
}

/* The file is made by us, not by SQLite: for our user only, whatever the umask; -wal and -shm take its mode.
 */
static int make_file(int dir, struct err *e)
{
	int fd = openat(dir, FILE_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_sys(e, ERR_io, "opening " FILE_NAME " in the master's state folder");
	close(fd);
	return 0;
}

static int open_file(struct store *s, int dir, struct err *e)
{
	char path[64];
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX;

	s->vfs = store_vfs_new(dir, e);
	if (!s->vfs || make_file(dir, e) < 0)
		return -1;
	store_vfs_path(s->vfs, FILE_NAME, path, sizeof(path));
	if (sqlite3_open_v2(path, &s->db, flags, store_vfs_name(s->vfs)) != SQLITE_OK)
		return fail(s, "opening", e);
	sqlite3_extended_result_codes(s->db, 0);
	sqlite3_busy_timeout(s->db, BUSY_MS);
	return 0;
}

/* Is it ours, and whole? Before anything is written to it. */
static int check_file(struct store *s, int64_t *version, struct err *e)
{
	char verdict[200];
	int64_t application;

	if (ask(s, "PRAGMA application_id", NULL, 0, &application, e) < 0 ||
		ask(s, "PRAGMA user_version", NULL, 0, version, e) < 0 ||
		ask(s, "PRAGMA quick_check(1)", verdict, sizeof(verdict), NULL, e) < 0)
		return -1;
	if (strcmp(verdict, "ok") != 0)
		return err_set(
			e, ERR_store, FILE_NAME " in the master's state folder is damaged: %s", verdict);
	if (application != APPLICATION_ID && (application != 0 || *version != 0))
		return err_set(e, ERR_store,
			FILE_NAME " in the master's state folder is another program's database");
	if (*version < 0 || *version > VERSION)
		return err_set(e, ERR_store,
			FILE_NAME " in the master's state folder is of a newer Tidegate (version %" PRId64
				  ", this one knows %d)",
			*version, VERSION);
	return 0;
}

static int migrate(struct store *s, int64_t version, struct err *e)
{
	char pragma[80];

	for (; version < VERSION; version++) {
		snprintf(pragma, sizeof(pragma), "PRAGMA application_id=%d; PRAGMA user_version=%d",
			APPLICATION_ID, (int)version + 1);
		if (run(s, "BEGIN IMMEDIATE", "bringing it up to date", e) < 0)
			return -1;
		if (run(s, migrations[version], "bringing it up to date", e) < 0 ||
			run(s, pragma, "bringing it up to date", e) < 0 ||
			run(s, "COMMIT", "bringing it up to date", e) < 0) {
			sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
			return -1;
		}
	}
	return 0;
}

/*
 * A file whose content went to a cluster must not be worked with beside it, nor one that is on its way:
 * nobody knows whether the last step was done.
 */
static int read_moved(struct store *s, struct err *e)
{
	char url[URL];

	if (ask(s, "SELECT coalesce((SELECT value FROM meta WHERE key='moving'), '')", url, sizeof(url), NULL,
		    e) < 0)
		return -1;
	s->head.moving = url[0] && s->to && strcmp(url, s->to) == 0;
	if (url[0] && !s->head.moving)
		return err_set(e, ERR_store,
			FILE_NAME " in the master's state folder is being moved to %s: run the same "
				  "tidegate-master migrate again, it goes on",
			url);
	if (ask(s, "SELECT coalesce((SELECT value FROM meta WHERE key='moved'), '')", url, sizeof(url), NULL,
		    e) < 0)
		return -1;
	if (!url[0])
		return 0;
	return err_set(e, ERR_store,
		FILE_NAME " in the master's state folder was moved to %s: start the master with --store, or "
			  "move the file away",
		url);
}

/* The cluster's id: made once, kept for ever. */
static int read_meta(struct store *s, struct err *e)
{
	char sql[120], id[33];
	int64_t revision;

	if (io_random_hex(id, 16, e) < 0)
		return -1;
	snprintf(sql, sizeof(sql), "INSERT OR IGNORE INTO meta VALUES('cluster', '%s')", id);
	if (run(s, sql, "writing the cluster's id", e) < 0 ||
		ask(s, "SELECT value FROM meta WHERE key='cluster'", s->head.cluster, sizeof(s->head.cluster),
			NULL, e) < 0 ||
		ask(s, "SELECT value FROM meta WHERE key='revision'", NULL, 0, &revision, e) < 0)
		return -1;
	s->head.revision = (uint64_t)revision;
	return read_moved(s, e);
}

static int prepare_one(struct store *s, const char *sql, sqlite3_stmt **out, struct err *e)
{
	if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) == SQLITE_OK)
		return 0;
	return fail(s, "preparing", e);
}

static int prepare(struct store *s, struct err *e)
{
	char sql[200];

	for (int t = 0; t < STORE_TABLES; t++) {
		snprintf(sql, sizeof(sql),
			"INSERT INTO %s VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET body=excluded.body",
			store_table_names[t]);
		if (prepare_one(s, sql, &s->put[t], e) < 0)
			return -1;
		snprintf(sql, sizeof(sql), "DELETE FROM %s WHERE key=?1", store_table_names[t]);
		if (prepare_one(s, sql, &s->del[t], e) < 0)
			return -1;
	}
	return prepare_one(s, "UPDATE meta SET value=?1 WHERE key='revision' AND value=?2", &s->bump, e);
}

static void file_close(struct store *s)
{
	for (int t = 0; t < STORE_TABLES; t++) {
		sqlite3_finalize(s->put[t]);
		sqlite3_finalize(s->del[t]);
	}
	sqlite3_finalize(s->bump);
	sqlite3_close(s->db);
	store_vfs_free(&s->vfs);
	free(s);
}

static uint64_t file_term(struct store *s)
{
	(void)s;
	return TERM;
}

/* Nobody else is asked: there is only this one. */
static void file_leader(struct store *s, struct store_leader *out)
{
	(void)s;
	(void)out;
}

static int load_row(sqlite3_stmt *q, const char *table, json_t *out, struct err *e)
{
	const char *key = (const char *)sqlite3_column_text(q, 0),
		   *body = (const char *)sqlite3_column_text(q, 1);
	json_t *doc = json_parse((struct str){body, (size_t)sqlite3_column_bytes(q, 1)}, FILE_NAME, e);

	if (json_is_object(doc) && json_object_set(out, key, doc) == 0) {
		json_decref(doc);
		return 0;
	}
	json_decref(doc);
	return err_set(e, ERR_store, FILE_NAME " in the master's state folder: %s `%s` is damaged", table,
		key ? key : "");
}

static int load_table(struct store *s, const char *table, json_t *out, struct err *e)
{
	sqlite3_stmt *q = NULL;
	char sql[80];
	int r = 0, step = SQLITE_ERROR;

	snprintf(sql, sizeof(sql), "SELECT key, body FROM %s ORDER BY key", table);
	if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) != SQLITE_OK)
		return fail(s, "reading", e);
	while (r == 0 && (step = sqlite3_step(q)) == SQLITE_ROW)
		r = load_row(q, table, out, e);
	if (r == 0 && step != SQLITE_DONE)
		r = fail(s, "reading", e);
	sqlite3_finalize(q);
	return r;
}

static int file_load(struct store *s, json_t *out[STORE_TABLES], struct err *e)
{
	for (int t = 0; t < STORE_TABLES; t++)
		if (load_table(s, store_table_names[t], out[t], e) < 0)
			return -1;
	return 0;
}

/* Steps a prepared change and makes it ready for the next time. */
static int step(struct store *s, sqlite3_stmt *q, struct err *e)
{
	int r = sqlite3_step(q) == SQLITE_DONE ? 0 : fail(s, "writing", e);

	sqlite3_reset(q);
	sqlite3_clear_bindings(q);
	return r;
}

static int delete_row(struct store *s, const struct store_change *c, struct err *e)
{
	sqlite3_stmt *q = s->del[c->table];

	sqlite3_bind_text(q, 1, c->key, -1, SQLITE_STATIC);
	return step(s, q, e);
}

static int put_row(struct store *s, const struct store_change *c, struct err *e)
{
	sqlite3_stmt *q = s->put[c->table];
	struct buf body = {0};
	int r;

	json_write(c->doc, &body);
	sqlite3_bind_text(q, 1, c->key, -1, SQLITE_STATIC);
	sqlite3_bind_text(q, 2, body.p, (int)body.n, SQLITE_STATIC);
	r = step(s, q, e);
	buf_free(&body);
	return r;
}

static int write_all(
	struct store *s, uint64_t revision, const struct store_change *changes, size_t n, struct err *e)
{
	/* All the old ones go first: the indexes look at each statement, and rows may swap their numbers. */
	for (size_t i = 0; i < n; i++)
		if (delete_row(s, &changes[i], e) < 0)
			return -1;
	for (size_t i = 0; i < n; i++)
		if (changes[i].doc && put_row(s, &changes[i], e) < 0)
			return -1;
	sqlite3_bind_int64(s->bump, 1, (int64_t)revision);
	sqlite3_bind_int64(s->bump, 2, (int64_t)s->head.revision);
	if (step(s, s->bump, e) < 0)
		return -1;
	if (sqlite3_changes(s->db) != 1)
		return err_set(e, ERR_request_stale, "another master has written to the store since");
	return run(s, "COMMIT", "writing", e);
}

static int file_commit(
	struct store *s, uint64_t revision, const struct store_change *changes, size_t n, struct err *e)
{
	if (run(s, "BEGIN IMMEDIATE", "writing", e) < 0)
		return -1;
	if (write_all(s, revision, changes, n, e) < 0) {
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
		return -1;
	}
	s->head.revision = revision;
	return 0;
}

static const struct store_ops file_ops = {
	file_close, file_term, file_leader, file_load, file_commit, NULL, NULL, NULL};

struct store *store_open_to_move(int dir, const char *url, struct err *e)
{
	struct store *s = xcalloc(1, sizeof(*s));
	int64_t version;

	s->head.ops = &file_ops;
	s->to = url;
	if (open_file(s, dir, e) == 0 && check_file(s, &version, e) == 0 &&
		run(s, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY",
			"setting up", e) == 0 &&
		migrate(s, version, e) == 0 && read_meta(s, e) == 0 && prepare(s, e) == 0)
		return s;
	store_close(&s);
	return NULL;
}

struct store *store_open_file(int dir, struct err *e)
{
	return store_open_to_move(dir, NULL, e);
}

/*
 * Leaving the write-ahead log needs the file alone: as long as a master has it open, SQLite says that it is
 * busy.
 */
static int want_alone(struct store *s, struct err *e)
{
	char mode[16];

	for (int t = 0; t < STORE_TABLES; t++) {
		sqlite3_finalize(s->put[t]);
		sqlite3_finalize(s->del[t]);
		s->put[t] = s->del[t] = NULL;
	}
	sqlite3_finalize(s->bump);
	s->bump = NULL;
	if (ask(s, "PRAGMA journal_mode=DELETE", mode, sizeof(mode), NULL, e) == 0 &&
		strcmp(mode, "delete") == 0)
		return 0;
	return err_set(e, ERR_store,
		FILE_NAME " in the master's state folder is open in another process: end the "
			  "master first");
}

/* Only of what was loaded: a master that began and ended meanwhile may have written. */
int store_mark_moving(struct store *s, const char *url, struct err *e)
{
	sqlite3_stmt *q = NULL;
	int r;

	if (want_alone(s, e) < 0)
		return -1;
	if (prepare_one(s,
		    "INSERT OR REPLACE INTO meta SELECT 'moving', ?1 WHERE EXISTS (SELECT 1 FROM meta WHERE "
		    "key='revision' AND value=?2)",
		    &q, e) < 0)
		return -1;
	sqlite3_bind_text(q, 1, url, -1, SQLITE_STATIC);
	sqlite3_bind_int64(q, 2, (int64_t)s->head.revision);
	r = step(s, q, e);
	sqlite3_finalize(q);
	if (r == 0 && sqlite3_changes(s->db) != 1)
		return err_set(
			e, ERR_request_stale, FILE_NAME " in the master's state folder was written to since");
	s->head.moving |= r == 0;
	return r;
}

int store_retire_file(struct store *s, const char *url, struct err *e)
{
	sqlite3_stmt *q = NULL;
	int r;

	if (want_alone(s, e) < 0)
		return -1;
	if (!url) /* only asked whether it could be done */
		return 0;
	if (prepare_one(s, "INSERT OR REPLACE INTO meta VALUES('moved', ?1)", &q, e) < 0)
		return -1;
	sqlite3_bind_text(q, 1, url, -1, SQLITE_STATIC);
	r = step(s, q, e);
	sqlite3_finalize(q);
	return r == 0 ? run(s, "DELETE FROM meta WHERE key='moving'", "writing", e) : r;
}
