/*
 * Ownership of a task and source in the downstream (T3): the epoch in tidegate_slot, and the connections of
 * its owners. A new owner ends the old one's connections and waits until they are gone, so that a host that
 * lost its source can't land another byte, be it by a transaction (fenced by the epoch) or by a DDL (fenced
 * by nothing else).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/db/meta_internal.h"

enum {
	LOCK_WAIT = 1205,
	NO_SUCH_THREAD = 1094,
	KILL_DENIED = 1095,
	GONE_WAIT_MS = 120 * 1000, /* a killed ALTER may have much to undo */
	DDL_WAIT_MS = 600 * 1000,
	ROUNDS = 20,
};

int meta_in_transaction(
	struct db *d, int (*fn)(struct db *d, void *arg, struct err *e), void *arg, struct err *e)
{
	if (db_exec(d, STR_LIT("BEGIN"), e) < 0)
		return -1;
	if (fn(d, arg, e) < 0) {
		db_exec(d, STR_LIT("ROLLBACK"), NULL);
		return -1;
	}
	return db_exec(d, STR_LIT("COMMIT"), e);
}

static int fenced(struct db *d, const struct meta_id *id, unsigned long long there, struct err *e)
{
	return err_set(e, ERR_sync_fenced, "%s: task %s, source %s belongs to epoch %llu, this is %llu",
		d->where, id->task, id->source, there, (unsigned long long)id->epoch);
}

/* The greatest epoch in tidegate_slot; slot 0 alone, or all of them, locked on demand. */
static int read_epoch(
	struct db *d, const struct meta_id *id, const char *tail, uint64_t *epoch, bool *found, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *r;
	const struct str *v;
	char text[24];
	int n;

	*epoch = 0;
	*found = false;
	buf_puts(&sql, "SELECT `epoch` FROM ");
	meta_put_table(&sql, id->schema, "tidegate_slot");
	meta_put_where(&sql, id);
	buf_puts(&sql, tail);
	r = db_query(d, buf_str(&sql), e);
	buf_free(&sql);
	if (!r)
		return -1;
	while ((n = db_fetch(r, &v, e)) > 0) {
		snprintf(text, sizeof(text), "%.*s", STR_ARG(v[0]));
		*found = true;
		if (strtoull(text, NULL, 10) > *epoch)
			*epoch = strtoull(text, NULL, 10);
	}
	db_rows_close(&r);
	return n;
}

int meta_lock_owner(struct db *d, const struct meta_id *id, struct err *e)
{
	uint64_t epoch;
	bool found;

	if (read_epoch(d, id, " AND `slot`=0 FOR UPDATE", &epoch, &found, e) < 0)
		return -1;
	return found && epoch == id->epoch ? 0 : fenced(d, id, epoch, e);
}

/*
 * One statement, committed by itself: a host that is cut off in between would leave its locks on these rows
 * with a connection that is on no record yet, and nobody could take over before the server gives it up. Rows
 * of a greater epoch are left alone: the caller looks.
 */
static int raise_epoch(struct db *d, const struct meta_id *id, struct err *e)
{
	struct buf sql = {0};
	int r;

	/* The version moves too: an older process of the same epoch can't pass its guard any more. */
	buf_puts(&sql, "UPDATE ");
	meta_put_table(&sql, id->schema, "tidegate_slot");
	buf_putf(&sql, " SET `epoch`=%llu, `version`=`version`+1", (unsigned long long)id->epoch);
	meta_put_where(&sql, id);
	buf_putf(&sql, " AND `epoch`<=%llu", (unsigned long long)id->epoch);
	r = db_exec(d, buf_str(&sql), e);
	buf_free(&sql);
	return r;
}

/* Somebody who came in between holds the rows: not long, then its connection is on record, and is ended. */
static int raise_soon(struct db *d, const struct meta_id *id, struct err *e)
{
	int r;

	if (db_exec(d, STR_LIT("SET @tidegate_wait=@@innodb_lock_wait_timeout"), e) < 0 ||
		db_exec(d, STR_LIT("SET innodb_lock_wait_timeout=3"), e) < 0)
		return -1;
	r = raise_epoch(d, id, e);
	if (db_exec(d, STR_LIT("SET innodb_lock_wait_timeout=@tidegate_wait"), r < 0 ? NULL : e) < 0)
		r = -1;
	return r;
}

static int make_owner_row(struct db *d, const struct meta_id *id, struct err *e)
{
	struct buf sql = {0};
	int r;

	buf_puts(&sql, "INSERT IGNORE INTO ");
	meta_put_table(&sql, id->schema, "tidegate_slot");
	buf_puts(&sql, " (`task`,`source`,`slot`,`epoch`,`version`,`position`,`base`,`gtid`) VALUES (");
	meta_put_text(&sql, id->task);
	buf_putc(&sql, ',');
	meta_put_text(&sql, id->source);
	buf_puts(&sql, ",0,0,0,'0:0:0','','')");
	r = db_exec(d, buf_str(&sql), e);
	buf_free(&sql);
	return r;
}

/* --- connections --- */

struct connection {
	uint64_t id;
	char account[256];
};

struct connections {
	struct connection *list;
	size_t n;
};

static int read_connections(struct db *d, const struct meta_id *id, struct connections *c, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *r;
	const struct str *v;
	char text[24];
	int n;

	buf_puts(&sql, "SELECT `connection`, `account` FROM ");
	meta_put_table(&sql, id->schema, "tidegate_connection");
	meta_put_where(&sql, id);
	buf_putf(&sql, " AND `epoch`<=%llu AND `connection`<>%llu", (unsigned long long)id->epoch,
		(unsigned long long)d->id);
	r = db_query(d, buf_str(&sql), e);
	buf_free(&sql);
	if (!r)
		return -1;
	while ((n = db_fetch(r, &v, e)) > 0) {
		struct connection *x;

		c->list = xrealloc(c->list, (c->n + 1) * sizeof(*c->list));
		x = &c->list[c->n++];
		snprintf(text, sizeof(text), "%.*s", STR_ARG(v[0]));
		x->id = strtoull(text, NULL, 10);
		snprintf(x->account, sizeof(x->account), "%.*s", STR_ARG(v[1]));
	}
	db_rows_close(&r);
	return n;
}

/* TiDB's own list spans its servers. */
static int is_there_tidb(struct db *d, uint64_t connection, const char *account, bool *there, struct err *e)
{
	struct buf sql = {0};
	char text[8];
	int r;

	buf_putf(&sql, "SELECT 1 FROM information_schema.CLUSTER_PROCESSLIST WHERE ID=%llu AND USER=",
		(unsigned long long)connection);
	meta_put_text(&sql, account);
	r = db_value(d, buf_cstr(&sql), text, sizeof(text), there, e);
	buf_free(&sql);
	return r;
}

/* SHOW, as MySQL's information_schema.PROCESSLIST fails (3854) while any running statement holds a character
 * of four bytes. */
int meta_is_there(struct db *d, uint64_t connection, const char *account, bool *there, struct err *e)
{
	const struct str *v;
	struct db_rows *rows;
	char id[24];
	int r;

	if (d->server.flavor == FLAVOR_TIDB)
		return is_there_tidb(d, connection, account, there, e);
	*there = false;
	snprintf(id, sizeof(id), "%llu", (unsigned long long)connection);
	rows = db_query(d, STR_LIT("SHOW PROCESSLIST"), e);
	if (!rows)
		return -1;
	while ((r = db_fetch(rows, &v, e)) > 0)
		*there |= str_is(v[0], id) && str_is(v[1], account);
	db_rows_close(&rows);
	return r;
}

/* 1: gone, 0: told to go. A user sees and may end its own connections; those of another account only KILL
 * itself tells. */
static int end_one(struct db *d, const struct connection *x, struct err *e)
{
	bool tidb = d->server.flavor == FLAVOR_TIDB, there = true;
	struct err mine = {0};

	if (strcmp(x->account, d->user) == 0 && meta_is_there(d, x->id, x->account, &there, e) < 0)
		return -1;
	if (!there)
		return 1;
	if (db_execf(d, &mine, "KILL %s%llu", tidb ? "TIDB " : "", (unsigned long long)x->id) == 0)
		return 0;
	if (mine.sql_errno == NO_SUCH_THREAD)
		return 1;
	if (mine.sql_errno == KILL_DENIED)
		return err_set(e, ERR_check_privilege,
			"%s: connection %llu of account %s belongs to the task's former owner and must end: "
			"KILL %llu",
			d->where, (unsigned long long)x->id, x->account, (unsigned long long)x->id);
	if (e)
		*e = mine;
	return -1;
}

static int wait_gone(struct db *d, const struct connection *x, struct err *e)
{
	uint64_t deadline = clock_ms() + GONE_WAIT_MS, pause = 5;
	int r;

	while ((r = end_one(d, x, e)) == 0) {
		if (clock_ms() > deadline)
			return err_set(e, ERR_db_lost,
				"%s: connection %llu of the task's former owner was killed and "
				"is still there",
				d->where, (unsigned long long)x->id);
		clock_sleep_ms(pause);
		pause = pause < 500 ? pause * 2 : pause;
	}
	return r;
}

uint64_t meta_hash(const struct meta_id *id)
{
	const char *parts[] = {id->task, id->source};
	uint64_t hash = 0xcbf29ce484222325u;

	for (int i = 0; i < 2; i++) {
		for (const char *p = parts[i]; *p; p++)
			hash = (hash ^ (uint8_t)*p) * 0x100000001b3u;
		hash = (hash ^ 0xff) * 0x100000001b3u;
	}
	return hash;
}

/*
 * TiDB runs a DDL as a job of its own, which may outlive the connection that asked for it. Those of this task
 * are known by their text, whoever's connection is on record; where one was ended just now, any job may be
 * its.
 */
static int wait_ddl_jobs(struct db *d, const struct meta_id *id, bool any, struct err *e)
{
	uint64_t deadline = clock_ms() + DDL_WAIT_MS;
	bool found = true, said = false;
	struct buf sql = {0};
	char job[24];
	int r = 0;

	buf_puts(&sql, "SELECT JOB_ID FROM information_schema.DDL_JOBS WHERE STATE NOT IN "
		       "('synced','cancelled','rollback done')");
	buf_putf(&sql, " AND (QUERY LIKE '%%tidegate-%016" PRIx64 "-%%'%s) LIMIT 1", meta_hash(id),
		any ? " OR STATE<>'paused'" : "");
	while (r == 0 && found) {
		if (db_value(d, buf_cstr(&sql), job, sizeof(job), &found, e) < 0)
			r = err_add(e, "looking for DDL jobs of the task's former owner");
		else if (found && clock_ms() > deadline)
			r = err_set(e, ERR_db_lost,
				"%s: DDL job %s, perhaps of the task's former owner, is not over", d->where,
				job);
		else if (found) {
			if (!said)
				log_info("waiting for DDL job %s, begun before this process", job);
			said = true;
			clock_sleep_ms(500);
		}
	}
	buf_free(&sql);
	return r;
}

static int end_connections(struct db *d, const struct meta_id *id, struct err *e)
{
	struct connections c = {0};
	int r = read_connections(d, id, &c, e);
	size_t i;

	for (i = 0; r == 0 && i < c.n; i++)
		if (wait_gone(d, &c.list[i], e) < 0 || meta_forget_connection(d, id, c.list[i].id, e) < 0)
			r = -1;
	if (r == 0 && d->server.flavor == FLAVOR_TIDB)
		r = wait_ddl_jobs(d, id, c.n > 0, e);
	free(c.list);
	return r;
}

/*
 * Connections first: they may hold the rows that carry the epoch. Then the epoch; then again, for one that
 * came in between: its note is refused from now on, because noting reads the epoch under the rows' lock.
 */
int meta_take_over(struct db *d, const struct meta_id *id, struct err *e)
{
	struct err mine = {0};
	uint64_t epoch;
	bool found;
	unsigned i;
	int r = -1;

	if (read_epoch(d, id, "", &epoch, &found, e) < 0 || (!found && make_owner_row(d, id, e) < 0))
		return -1;
	if (epoch > id->epoch)
		return fenced(d, id, epoch, e);
	for (i = 0; r < 0 && i < ROUNDS; i++) {
		if (end_connections(d, id, e) < 0)
			return -1;
		err_clear(&mine);
		r = raise_soon(d, id, &mine);
		if (r < 0 && mine.sql_errno != LOCK_WAIT)
			break;
	}
	if (r < 0) {
		if (e)
			*e = mine;
		return err_add(e, "taking over task %s, source %s", id->task, id->source);
	}
	if (read_epoch(d, id, "", &epoch, &found, e) < 0)
		return -1;
	if (epoch != id->epoch)
		return fenced(d, id, epoch, e);
	return end_connections(d, id, e);
}

/* One statement too, for the same reason: it waits for the row's lock, but holds it over no round trip. */
int meta_note_connection(struct db *d, const struct meta_id *id, uint64_t connection, struct err *e)
{
	struct buf sql = {0};
	uint64_t epoch;
	bool found;
	int r;

	buf_puts(&sql, "REPLACE INTO ");
	meta_put_table(&sql, id->schema, "tidegate_connection");
	buf_puts(&sql, " (`task`,`source`,`connection`,`epoch`,`account`) SELECT ");
	meta_put_text(&sql, id->task);
	buf_putc(&sql, ',');
	meta_put_text(&sql, id->source);
	buf_putf(&sql, ",%llu,%llu,", (unsigned long long)connection, (unsigned long long)id->epoch);
	meta_put_text(&sql, d->user);
	buf_puts(&sql, " FROM ");
	meta_put_table(&sql, id->schema, "tidegate_slot");
	meta_put_where(&sql, id);
	buf_putf(&sql, " AND `slot`=0 AND `epoch`=%llu %s", (unsigned long long)id->epoch,
		d->server.flavor == FLAVOR_TIDB ? "FOR UPDATE" : "LOCK IN SHARE MODE");
	r = db_exec(d, buf_str(&sql), e);
	buf_free(&sql);
	if (r < 0 || db_affected(d) > 0)
		return r < 0 ? -1 : 0;
	return read_epoch(d, id, "", &epoch, &found, e) < 0 ? -1 : fenced(d, id, epoch, e);
}

int meta_forget_connection(struct db *d, const struct meta_id *id, uint64_t connection, struct err *e)
{
	struct buf sql = {0};
	int r;

	buf_puts(&sql, "DELETE FROM ");
	meta_put_table(&sql, id->schema, "tidegate_connection");
	meta_put_where(&sql, id);
	buf_putf(&sql, " AND `connection`=%llu", (unsigned long long)connection);
	r = db_exec(d, buf_str(&sql), e);
	buf_free(&sql);
	return r;
}
