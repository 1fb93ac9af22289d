/*
 * MariaDB's snapshots know where in the binlog they are (T27): opened one after the other on all connections,
 * they are of one moment if all tell the same position. Called by lock.c before it takes a lock. Must never
 * call two moments one: in doubt there is the lock.
 */
#include "units/dump/lockfree.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/db/status.h"
#include "common/sql/quote.h"
#include "units/dump/renew.h"

enum { TRIES = 30 };

struct at {
	char file[256];
	uint64_t offset;
	char gtid[4096];
	bool has_gtid;
};

/* MyISAM and the like have no snapshot: only a lock makes them of the same moment. */
static bool all_have_snapshots(const struct catalog *c)
{
	for (unsigned i = 0; i < c->tables.n; i++)
		if (!c->tables.p[i].transactional && !c->tables.p[i].no_data)
			return false;
	return true;
}

static void take(struct at *at, struct str name, struct str value)
{
	char number[32];

	if (str_is_ci(name, "binlog_snapshot_file"))
		snprintf(at->file, sizeof(at->file), "%.*s", STR_ARG(value));
	if (str_is_ci(name, "binlog_snapshot_position")) {
		snprintf(number, sizeof(number), "%.*s", STR_ARG(value));
		at->offset = strtoull(number, NULL, 10);
	}
	if (str_is_ci(name, "binlog_snapshot_gtid") && value.n < sizeof(at->gtid)) {
		snprintf(at->gtid, sizeof(at->gtid), "%.*s", STR_ARG(value));
		at->has_gtid = true;
	}
}

static int read_at(struct db *c, struct at *at, struct err *e)
{
	struct db_rows *r = db_query(c, STR_LIT("SHOW SESSION STATUS LIKE 'binlog_snapshot_%'"), e);
	const struct str *v;
	int got = -1;

	*at = (struct at){0};
	while (r && (got = db_fetch(r, &v, e)) > 0)
		if (v[1].p)
			take(at, v[0], v[1]);
	db_rows_close(&r);
	return got;
}

static bool same(const struct at *a, const struct at *b)
{
	return strcmp(a->file, b->file) == 0 && a->offset == b->offset;
}

/* 1: all of one moment; 0: not. */
static int open_all(struct dump *d, struct db **conns, struct at *at, struct err *e)
{
	struct at other;

	for (unsigned i = 0; i < d->o.threads; i++)
		if (db_exec(conns[i], STR_LIT("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"), e) <
			0)
			return -1;
	if (read_at(conns[0], at, e) < 0)
		return -1;
	for (unsigned i = 1; i < d->o.threads; i++) {
		if (read_at(conns[i], &other, e) < 0)
			return -1;
		if (!same(at, &other))
			return 0;
	}
	return at->file[0] != '\0';
}

static int roll_back(struct dump *d, struct db **conns, struct err *e)
{
	for (unsigned i = 0; i < d->o.threads; i++)
		if (db_exec(conns[i], STR_LIT("ROLLBACK"), e) < 0)
			return -1;
	return 0;
}

/*
 * Rows prepared before the snapshots and committed behind them would be in neither (T12), and without a lock
 * they may be so between two looks. So: none pending before, and none ever prepared since the server started,
 * asked behind.
 */
static int ever_xa(struct db *c, struct err *e)
{
	uint64_t n;
	int r = db_status(c, "Com_xa_prepare", &n, e);

	return r < 0 ? -1 : r > 0 || n > 0;
}

/* 1: known; 0: the server does not say (NULL: it has no such place in its binlog any more), or more than
 * fits. */
static int ask_gtid(struct db *c, struct at *at, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *r;
	const struct str *v;
	int got = -1;

	buf_puts(&sql, "SELECT BINLOG_GTID_POS(");
	sql_put_string(&sql, str_of(at->file));
	buf_putf(&sql, ",%" PRIu64 ")", at->offset);
	r = db_query(c, buf_str(&sql), e);
	buf_free(&sql);
	if (r && (got = db_fetch(r, &v, e)) > 0) {
		got = v[0].p && v[0].n < sizeof(at->gtid);
		snprintf(at->gtid, sizeof(at->gtid), "%.*s", got ? (int)v[0].n : 0, got ? v[0].p : "");
	}
	db_rows_close(&r);
	return got;
}

/* 1: open, and right; 0: once more. */
static int try_once(struct dump *d, struct db **conns, struct at *at, struct err *e)
{
	int r = open_all(d, conns, at, e);

	if (r > 0 && (d->o.follows || d->o.to_files)) {
		int xa = ever_xa(conns[0], e);

		if (xa != 0)
			r = xa < 0 ? -1 : 0;
	}
	if (r > 0 && !at->has_gtid)
		r = ask_gtid(conns[0], at, e);
	return r == 0 && roll_back(d, conns, e) < 0 ? -1 : r;
}

static void keep(struct dump *d, const struct at *at, unsigned tries)
{
	struct snapshot *s = &d->snapshot;

	snprintf(s->file, sizeof(s->file), "%s", at->file);
	s->offset = at->offset;
	free(s->gtid);
	s->gtid = xstrdup(at->gtid);
	atomic_store(&d->lock_ms, 0);
	d->waited_ms = 0;
	log_info("snapshot at %s:%" PRIu64 " gtid=%s, without a lock (%u tries)", s->file, s->offset, s->gtid,
		tries);
}

/* Of a server without log_slave_updates: one that replicates from MySQL has no GTIDs, nor has a node of
 * Galera. */
static bool is_fed(struct db *c)
{
	struct err ignored = {0};
	char value[16] = "";
	bool found;
	uint64_t n;

	if (db_value(c, "SELECT @@log_slave_updates", value, sizeof(value), &found, &ignored) < 0)
		return true;
	if (strcmp(value, "1") == 0)
		return false;
	if (db_status(c, "Slaves_running", &n, &ignored) != 0 || n > 0)
		return true;
	return db_value(c,
		       "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_VARIABLES WHERE "
		       "VARIABLE_NAME='WSREP_ON'",
		       value, sizeof(value), &found, &ignored) < 0 ||
	       (found && strcmp(value, "ON") == 0);
}

/*
 * Does every commit move the place in the binlog? Not those of a replica that doesn't log what it applies,
 * nor of databases that the binlog leaves out: between two snapshots of one place there may be some. 0 also
 * where that can't be seen.
 */
static int logs_all(struct db *c, struct err *e)
{
	struct err ignored = {0};
	const struct str *v;
	struct db_rows *r;
	char value[16] = "";
	bool found, all;

	if (db_value(c, "SELECT @@log_slave_updates OR @@gtid_slave_pos=''", value, sizeof(value), &found,
		    e) < 0)
		return -1;
	if (strcmp(value, "1") != 0 || is_fed(c))
		return 0;
	r = db_master_status_rows(c, &ignored);
	all = r && db_fetch(r, &v, &ignored) > 0 && db_columns(r) > 3 && v[2].n == 0 && v[3].n == 0;
	db_rows_close(&r);
	return all;
}

/* 0: this server, these tables or XA transactions want a lock. */
static int may(struct dump *d, struct db *c, struct err *e)
{
	struct at at;
	int xa;

	if (d->o.consistency != CONSISTENCY_AUTO || db_server(c)->flavor != FLAVOR_MARIADB ||
		!all_have_snapshots(&d->catalog))
		return 0;
	if (read_at(c, &at, e) < 0)
		return -1;
	if (!at.file[0] || (xa = logs_all(c, e)) <= 0)
		return at.file[0] ? xa : 0;
	if (!d->o.follows && !d->o.to_files)
		return 1;
	xa = db_prepared_xa(c, NULL, e);
	if (xa == 0)
		xa = ever_xa(c, e);
	return xa < 0 ? -1 : xa == 0;
}

/*
 * 1: of one moment, with the list of tables that there were then: it is the same in front of the snapshots
 * and behind them; 0: once more. A statement that makes a table is waited for when the table is read.
 */
static int try_with_list(struct dump *d, struct db **conns, struct db *lister, struct at *at, struct err *e)
{
	int r = catalog_renew(&d->catalog, lister, d->rules, UINT64_MAX, e);

	/* A table that has no snapshot may have come. */
	if (r > 0)
		r = all_have_snapshots(&d->catalog) ? try_once(d, conns, at, e) : 0;
	if (r <= 0)
		return r;
	r = catalog_renew(&d->catalog, lister, d->rules, 0, e);
	return r == 0 && roll_back(d, conns, e) < 0 ? -1 : r;
}

int lockfree_snapshot(struct dump *d, struct db **conns, struct db *lister, struct err *e)
{
	struct at at;
	int r = may(d, conns[0], e);

	if (r <= 0)
		return r;
	for (unsigned i = 1; i <= TRIES && !dump_stopping(d); i++) {
		r = try_with_list(d, conns, lister, &at, e);
		if (r < 0)
			return err_add(e, "opening snapshots without a lock");
		err_clear(e);
		if (r > 0) {
			keep(d, &at, i);
			return 1;
		}
	}
	log_info("%d times transactions were committed or tables made between the snapshots of the "
		 "connections, "
		 "or their GTID position was not to be had: a short lock is taken",
		TRIES);
	return 0;
}
