/*
 * The one moment that all snapshots share: lock, snapshots, position, unlock (docs/design/copy.md). Called
 * once by the leader thread. Must never leave the upstream locked, nor let a waiting lock hold up everybody
 * for long: each try is short.
 */
#include "units/dump/lock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/db/status.h"
#include "common/sql/quote.h"
#include "units/dump/lockfree.h"
#include "units/dump/renew.h"

/* READ_MS: for so long tables that came are read while everybody waits; each time that this was too short it
 * is twice as long, up to READ_MOST_MS. */
enum {
	LOCK_WAIT_MS = 30000,
	PASSING_MS = 10000,
	PASSING_PAUSE_MS = 20,
	FLUSH_COSTS_MS = 100,
	TRY_S = 2,
	PAUSE_MS = 1000,
	READ_MS = 100,
	READ_MOST_MS = 800
};
enum {
	SQL_LOCK_TIMEOUT = 1205,
	SQL_DENIED = 1227,
	SQL_MANAGED_DENIED = 1045, /* said of FLUSH by servers that somebody else manages */
	SQL_XA_DENIED = 1401,
	SQL_NO_TABLE = 1146
};

struct locking {
	struct dump *d;
	struct db *control; /* holds the lock */
	struct db *lister;  /* one that does not: it may look at all tables meanwhile */
	struct db **conns;
	struct db **keeper;
	struct ddl_guard *guard;
	uint64_t locked_ms; /* when the lock was taken */
	unsigned read_ms;
	uint64_t passing_until_ms;
	uint64_t tell_ms; /* not before that */
	bool passing;     /* this try waits for nobody */
	bool waits;       /* not so any more, in a server that knows it */
	bool was_late;    /* the lock itself was not to be had */
	bool refused;     /* FLUSH TABLES WITH READ LOCK is nothing for this account */
	unsigned try_ms;  /* so long the last try took in all */
	bool told_xa;     /* that nobody knows of old ones */
	bool timed_out;   /* the last try may be repeated */
};

/* Nobody makes, changes or drops anything then. */
static bool holds_all_off(const struct locking *l)
{
	return l->d->o.consistency == CONSISTENCY_AUTO || l->d->o.consistency == CONSISTENCY_FLUSH;
}

static void put_lock_tables(struct buf *b, const struct catalog *c, bool all)
{
	const char *sep = "LOCK TABLES ";

	for (unsigned i = 0; i < c->tables.n; i++) {
		const struct item *t = &c->tables.p[i];

		if (!all && (t->transactional || t->no_data))
			continue;
		buf_puts(b, sep);
		sql_put_table(b, str_of(t->schema), str_of(t->name));
		buf_puts(b, " READ");
		sep = ",";
	}
}

/*
 * MariaDB ends DDL of others by a deadlock (1213) when it meets a LOCK TABLES that waits, be it for a single
 * table, and any server a transaction that wants a table of ours next. Where nobody waits nobody is ended.
 */
static void put_wanted_tables(struct locking *l, struct buf *sql)
{
	const struct server *s = &l->d->server;

	put_lock_tables(sql, &l->d->catalog, true);
	/* No table is wanted: whether one was made meanwhile the second look shows. */
	if (sql->n == 0)
		return;
	if (s->flavor != FLAVOR_MARIADB || s->version < 100300)
		return;
	l->passing = clock_ms() < l->passing_until_ms;
	if (l->passing)
		buf_puts(sql, " NOWAIT");
	else if (!l->waits)
		log_info("the tables are not to be had without waiting for others: from now on it waits, and "
			 "their statements may end by a deadlock (1213)");
	l->waits = !l->passing;
}

static int take_lock(struct locking *l, struct err *e)
{
	struct buf sql = {0};
	int r = 0;

	if (l->d->o.consistency == CONSISTENCY_LOCK)
		put_wanted_tables(l, &sql);
	else if (l->d->o.consistency != CONSISTENCY_NONE)
		buf_puts(&sql, "FLUSH TABLES WITH READ LOCK");
	if (sql.n > 0)
		r = db_exec(l->control, buf_str(&sql), e);
	buf_free(&sql);
	if (r < 0 && e->sql_errno == SQL_NO_TABLE)
		e->code = ERR_dump_changed; /* it was dropped just now */
	l->was_late = r < 0 && e->sql_errno == SQL_LOCK_TIMEOUT;
	l->refused = r < 0 && holds_all_off(l) &&
		     (e->sql_errno == SQL_DENIED || e->sql_errno == SQL_MANAGED_DENIED);
	if (r < 0 && (e->sql_errno == SQL_LOCK_TIMEOUT || e->sql_errno == SQL_NO_TABLE))
		l->timed_out = true;
	else if (r < 0 && err_act(e->code) == ERR_ACT_PAUSE)
		e->code = ERR_dump_lock;
	return r;
}

/* MyISAM and the like know no snapshot: they stay locked, they alone, until they are copied. */
static int keep_locked(struct locking *l, struct err *e)
{
	struct buf sql = {0};
	int r = 0;

	put_lock_tables(&sql, &l->d->catalog, false);
	if (sql.n > 0 && l->d->o.consistency != CONSISTENCY_NONE) {
		*l->keeper = dump_connect(l->d, DB_PLAIN, e);
		r = *l->keeper
			    ? db_execf(*l->keeper, e,
				      "SET SESSION lock_wait_timeout=%d, SESSION wait_timeout=2592000", TRY_S)
			    : -1;
		if (r == 0)
			r = db_exec(*l->keeper, buf_str(&sql), e);
		if (r < 0 && e->sql_errno == SQL_LOCK_TIMEOUT)
			l->timed_out = true;
		else if (r < 0 && err_act(e->code) == ERR_ACT_PAUSE)
			e->code = ERR_dump_lock;
	}
	buf_free(&sql);
	return r < 0 ? err_add(e, "locking the tables whose engine has no snapshot") : 0;
}

/* MySQL 8 shows prepared transactions only with a privilege of its own: without it, by what else it tells. */
static int without_xa_privilege(struct locking *l, struct err *e)
{
	static const char *const words[] = {
		[DB_XA_SEEN] = "the upstream has seen XA PREPARE, and this user may not ask whether any are "
			       "pending: GRANT XA_RECOVER_ADMIN ON *.* to it",
		[DB_XA_OLD] = "transactions with changes that no connection has are open in the upstream, as "
			      "prepared XA transactions from before its start are: XA COMMIT or XA ROLLBACK "
			      "them (XA RECOVER shows them with XA_RECOVER_ADMIN)",
		[DB_XA_UNKNOWN] = "this user may not ask whether XA transactions from before the upstream's "
				  "start are pending: GRANT XA_RECOVER_ADMIN ON *.*, or PROCESS, to it",
	};
	int r;

	err_clear(e);
	r = db_unseen_xa(l->control, e);
	if (r <= 0)
		return r;
	l->timed_out = r == DB_XA_OLD; /* a restart's own clearing up looks like one for a while */
	if (r != DB_XA_UNKNOWN || l->d->o.to_files)
		return err_set(e, ERR_dump_failed, "%s", words[r]);
	if (!l->told_xa)
		log_warn("%s", words[r]);
	l->told_xa = true;
	return 0;
}

/* Files are of use without a position to follow from: so it is only told, and marked. */
static void tell_xa(struct dump *d, const char *what)
{
	log_warn("prepared XA transactions are pending, or may be (%s): the files hold nothing of them, "
		 "and can't be followed from their position",
		what);
	d->pending_xa = true;
}

/* Rows prepared before the position are in neither the dump nor the binlog behind it (T12). */
static int check_xa(struct locking *l, struct err *e)
{
	struct buf list = {0};
	int n;

	if (!l->d->o.follows && !l->d->o.to_files)
		return 0;
	l->d->pending_xa = false;
	n = db_prepared_xa(l->control, &list, e);
	if (n < 0 && (e->sql_errno == SQL_DENIED || e->sql_errno == SQL_XA_DENIED))
		n = without_xa_privilege(l, e);
	if (n != 0 && l->d->o.to_files && !(n < 0 && db_error_is_lost(e->sql_errno))) {
		tell_xa(l->d, n > 0 ? buf_cstr(&list) : e->text);
		err_clear(e);
		n = 0;
	} else if (n > 0) {
		l->timed_out = true;
		err_set(e, ERR_dump_failed,
			"prepared XA transactions are pending (%s): XA COMMIT or XA ROLLBACK them",
			buf_cstr(&list));
		n = -1;
	}
	buf_free(&list);
	return n;
}

static int open_snapshots(struct locking *l, struct err *e)
{
	for (unsigned i = 0; i < l->d->o.threads; i++)
		if (db_exec(l->conns[i], STR_LIT("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"),
			    e) < 0)
			return err_add(e, "opening a snapshot");
	return 0;
}

/* MySQL breaks long sets into lines. */
static char *one_line(const char *text)
{
	char *copy = xstrdup(text ? text : ""), *to = copy;

	for (const char *p = copy; *p; p++)
		if (*p != '\n' && *p != '\r' && *p != ' ')
			*to++ = *p;
	*to = '\0';
	return copy;
}

static int read_position(struct locking *l, struct snapshot *s, struct err *e)
{
	struct db_master_status m = {0};

	if (db_master_status(l->control, &m, e) < 0) {
		if (l->d->o.follows || err_act(e->code) == ERR_ACT_RETRY)
			return err_add(e, "reading the binlog position");
		log_warn("the copy has no binlog position: %s", e->text);
		err_clear(e);
	}
	snprintf(s->file, sizeof(s->file), "%s", m.file);
	s->offset = m.offset;
	free(s->gtid);
	s->gtid = one_line(m.gtid);
	free(m.gtid);
	if (!s->file[0] && l->d->o.follows)
		return err_set(e, ERR_check_binlog_off, "%s", db_where(l->control));
	return 0;
}

/* --- DDL --- */

static void denied(struct ddl_guard *guard, struct err *e)
{
	log_info("DDL of others is not held off while the snapshots open: %s", e->text);
	err_clear(e);
	guard->given_up = true;
}

/* 1: held; 0: another DDL is in its way, with e, or the user may not; -1: the connection is gone. */
static int guard_take(struct ddl_guard *guard, struct err *e)
{
	if (!guard->c || guard->held || guard->given_up)
		return 1;
	guard->since_ms = clock_ms();
	guard->held = db_exec(guard->c, STR_LIT("LOCK INSTANCE FOR BACKUP"), e) == 0;
	if (guard->held)
		return 1;
	if (err_act(e->code) == ERR_ACT_RETRY && e->sql_errno != SQL_LOCK_TIMEOUT)
		return -1;
	if (e->sql_errno != SQL_LOCK_TIMEOUT)
		denied(guard, e);
	return 0;
}

static void guard_let_go(struct ddl_guard *guard)
{
	struct err ignored;

	if (!guard->held)
		return;
	db_exec(guard->c, STR_LIT("UNLOCK INSTANCE"), &ignored);
	guard->held = false;
	log_info("DDL was held off for %" PRIu64 " ms", clock_ms() - guard->since_ms);
}

void lock_release_ddl(struct dump *d, struct ddl_guard *guard)
{
	guard_let_go(guard);
	dump_disconnect(d, &guard->c);
}

/* The connection is there before the lock. */
static int guard_open(struct dump *d, struct ddl_guard *guard, struct err *e)
{
	if (guard->c || d->server.flavor != FLAVOR_MYSQL || d->server.version < 80000)
		return 0;
	guard->c = dump_connect(d, DB_PLAIN, e);
	return guard->c ? db_execf(guard->c, e, "SET SESSION lock_wait_timeout=1") : -1;
}

/* --- the moment --- */

static int renew(struct locking *l, uint64_t until_ms, struct err *e)
{
	int r = catalog_renew(&l->d->catalog, l->lister, l->d->rules, until_ms, e);

	if (r > 0)
		return 0;
	l->timed_out = r == 0;
	return err_add(e, "looking at the tables again");
}

/*
 * What somebody made or dropped since the list was read is neither in it nor, for sure, in the binlog behind
 * the snapshots. Where all DDL waits, what is new is read at once; else only a list that stays as it is will
 * do, looked at in front of the snapshots and behind them.
 */
static int same_list(struct locking *l, struct err *e)
{
	return renew(l, holds_all_off(l) ? l->locked_ms + l->read_ms : 0, e);
}

static int list_under_lock(struct locking *l, struct err *e)
{
	/* Nothing is running that it could wait for; and if so, the lock is not held for longer than that. */
	if (holds_all_off(l) && guard_take(l->guard, e) < 0)
		return -1;
	err_clear(e);
	return same_list(l, e);
}

/* Everything that has to be of the same moment, under the lock. */
static int under_lock(struct locking *l, struct err *e)
{
	bool none = l->d->o.consistency == CONSISTENCY_NONE;

	if (FAILPOINT_HIT(dump_locked))
		return err_set(e, ERR_db_lost, "failpoint dump_locked");
	if (none && read_position(l, &l->d->snapshot, e) < 0)
		return -1;
	if (list_under_lock(l, e) < 0 || keep_locked(l, e) < 0 || check_xa(l, e) < 0 ||
		open_snapshots(l, e) < 0)
		return -1;
	/* A table that is made behind the second look must be made behind the position, too. */
	if (l->d->o.consistency == CONSISTENCY_LOCK && read_position(l, &l->d->snapshot, e) < 0)
		return -1;
	if (!holds_all_off(l) && same_list(l, e) < 0)
		return -1;
	if (l->d->o.consistency == CONSISTENCY_LOCK)
		return 0;
	return read_position(l, none ? &l->d->later : &l->d->snapshot, e);
}

int lock_give_back(
	struct dump *d, struct db **conns, struct db **keeper, struct ddl_guard *guard, struct err *e)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < d->o.threads; i++)
		r = db_exec(conns[i], STR_LIT("ROLLBACK"), e);
	dump_disconnect(d, keeper);
	/* A statement that waits for it has MySQL's global lock already, which the next lock would wait for.
	 */
	guard_let_go(guard);
	return r;
}

static int try_once(struct locking *l, struct err *e)
{
	struct err unlock = {0}, ignored = {0};
	uint64_t asked_ms;
	int r;

	l->timed_out = false;
	l->d->waited_ms = 0;
	/* Most of what has changed is read here, while nobody waits. */
	if (catalog_look_patiently(l->lister, e) < 0 || renew(l, UINT64_MAX, e) < 0 ||
		catalog_look_shortly(l->lister, e) < 0)
		return -1;
	asked_ms = clock_ms();
	r = take_lock(l, e);
	l->locked_ms = clock_ms();
	l->d->waited_ms = l->locked_ms - asked_ms;
	if (r < 0)
		return -1;
	r = under_lock(l, e);
	if (l->d->o.consistency != CONSISTENCY_NONE &&
		db_exec(l->control, STR_LIT("UNLOCK TABLES"), &unlock) < 0 && r == 0) {
		*e = unlock;
		r = -1;
	}
	atomic_store(&l->d->lock_ms, clock_ms() - l->locked_ms);
	l->d->waited_ms = clock_ms() - asked_ms;
	/* It closes all tables, which costs others more than the wait. */
	if (holds_all_off(l) && l->d->waited_ms < FLUSH_COSTS_MS)
		l->d->waited_ms = FLUSH_COSTS_MS;
	if (r < 0)
		lock_give_back(l->d, l->conns, l->keeper, l->guard, &ignored);
	return r;
}

static int try_timed(struct locking *l, struct err *e)
{
	uint64_t since = clock_ms();
	int r;

	l->passing = l->was_late = false;
	r = try_once(l, e);
	l->try_ms = (unsigned)(clock_ms() - since);
	return r;
}

/* Rows of: connection, user, seconds, what. */
static bool put_rows(struct db *c, const char *sql, struct buf *out)
{
	struct err ignored;
	struct db_rows *r = db_query(c, str_of(sql), &ignored);
	const struct str *v;
	bool good = r != NULL;

	while (r && db_fetch(r, &v, &ignored) > 0)
		buf_putf(out, "%sconnection %.*s of %.*s since %.*s s: %.*s", out->n ? "; " : "",
			STR_ARG(v[0]), STR_ARG(v[1]), STR_ARG(v[2]), STR_ARG(v[3]));
	db_rows_close(&r);
	return good;
}

#define OTHERS "P.ID<>CONNECTION_ID() AND P.COMMAND NOT IN ('Daemon','Binlog Dump','Binlog Dump GTID')"

/* Who is running for long, or idle inside a transaction, which LOCK TABLES and DDL wait for, too: best
 * effort, PROCESS shows others. */
static void put_blockers(struct db *c, struct buf *out)
{
	if (put_rows(c,
		    "SELECT P.ID,P.USER,P.TIME,COALESCE(LEFT(P.INFO,80),'(idle in a transaction)') FROM "
		    "information_schema.PROCESSLIST P LEFT JOIN information_schema.INNODB_TRX T ON "
		    "T.trx_mysql_thread_id=P.ID WHERE (P.INFO IS NOT NULL OR T.trx_id IS NOT NULL) "
		    "AND " OTHERS " ORDER BY P.TIME DESC LIMIT 3",
		    out))
		return;
	put_rows(c,
		"SELECT P.ID,P.USER,P.TIME,LEFT(P.INFO,80) FROM information_schema.PROCESSLIST P "
		"WHERE P.INFO IS NOT NULL AND " OTHERS " ORDER BY P.TIME DESC LIMIT 3",
		out);
}

static int give_up(struct locking *l, struct err *e)
{
	struct buf who = {0};
	struct err why = *e;

	if (why.code == ERR_dump_failed || why.code == ERR_dump_changed) /* it says all there is to say */
		return err_add(e, "no moment within %d s", LOCK_WAIT_MS / 1000);
	put_blockers(l->control, &who);
	err_set(e, ERR_dump_lock, "no lock within %d s; running for long: %s (%s)", LOCK_WAIT_MS / 1000,
		who.n ? buf_cstr(&who) : "nobody that this user may see", why.text);
	buf_free(&who);
	return -1;
}

/* Before the next try. 0: asked to leave. */
static bool pause_before(struct locking *l, unsigned *ms, const struct err *why)
{
	if (why->code == ERR_dump_changed)
		return dump_pause_longer(l->d, ms, l->d->waited_ms);
	/* Nobody waited: only the server's work for our list counts. */
	if (l->passing && l->was_late)
		return dump_pause(l->d, l->try_ms > PASSING_PAUSE_MS ? l->try_ms : PASSING_PAUSE_MS);
	/* Whoever queued behind our wait gets through now. */
	return dump_pause(l->d, PAUSE_MS);
}

/* Tries may be 20 ms apart: a line a second is enough. */
static void tell_waiting(struct locking *l, const struct err *why)
{
	enum { TELL_MS = 1000 };

	if (clock_ms() < l->tell_ms)
		return;
	l->tell_ms = clock_ms() + TELL_MS;
	log_info("the lock is not to be had yet, trying again: %s", why->text);
}

static int try_until(struct locking *l, struct err *e)
{
	uint64_t deadline = clock_ms() + LOCK_WAIT_MS;
	unsigned pause_ms = 0;
	int r;

	l->passing_until_ms = clock_ms() + PASSING_MS;
	while ((r = try_timed(l, e)) < 0 && l->timed_out) {
		if (clock_ms() >= deadline)
			return give_up(l, e);
		tell_waiting(l, e);
		/* What holds the lock off may be a statement that waits for the guard. What it changes is
		   found behind the snapshots. */
		guard_let_go(l->guard);
		l->guard->given_up |= !holds_all_off(l);
		if (e->code == ERR_dump_changed && l->read_ms < READ_MOST_MS)
			l->read_ms *= 2;
		if (!pause_before(l, &pause_ms, e))
			return -1;
	}
	return r;
}

/* A lock of the wanted tables lets others be made: then that is held off in front of it. */
static int hold_ddl(struct locking *l, struct err *e)
{
	uint64_t deadline = clock_ms() + LOCK_WAIT_MS;
	struct buf who = {0};
	int r;

	while ((r = guard_take(l->guard, e)) == 0 && !l->guard->given_up) {
		if (clock_ms() >= deadline) {
			put_blockers(l->control, &who);
			log_warn("DDL is running that does not end: it is not held off (%s)", buf_cstr(&who));
			buf_free(&who);
			l->guard->given_up = true;
		} else if (!dump_pause(l->d, PAUSE_MS)) {
			return -1;
		}
	}
	err_clear(e);
	return r < 0 ? -1 : 0;
}

static int with_lock(struct locking *l, struct err *e)
{
	if (db_execf(l->control, e, "SET SESSION lock_wait_timeout=%d", TRY_S) < 0 ||
		guard_open(l->d, l->guard, e) < 0)
		return -1;
	if (!holds_all_off(l) && hold_ddl(l, e) < 0)
		return -1;
	return try_until(l, e);
}

/* As DM's auto has it: servers that somebody else manages may refuse FLUSH whatever is granted. */
static int lock_instead(struct locking *l, struct err *e)
{
	log_warn("FLUSH TABLES WITH READ LOCK is refused (%s): LOCK TABLES of all wanted tables instead, "
		 "as with consistency lock",
		e->text);
	err_clear(e);
	l->d->o.consistency = CONSISTENCY_LOCK;
	if (hold_ddl(l, e) < 0)
		return -1;
	return try_until(l, e) < 0 ? err_add(e, "FLUSH TABLES WITH READ LOCK is refused, and so") : 0;
}

static int take_moment(struct locking *l, struct err *e)
{
	struct dump *d = l->d;
	int r = lockfree_snapshot(d, l->conns, l->lister, e);

	if (r != 0)
		return r < 0 ? -1 : 0;
	l->control = dump_connect(d, DB_PLAIN, e);
	r = l->control ? with_lock(l, e) : -1;
	if (r < 0 && l->refused && d->o.consistency == CONSISTENCY_AUTO)
		r = lock_instead(l, e);
	dump_disconnect(d, &l->control);
	if (r == 0 && d->o.consistency != CONSISTENCY_NONE)
		log_info("snapshot at %s:%" PRIu64 " gtid=%s, the lock was held for %" PRIu64 " ms",
			d->snapshot.file, d->snapshot.offset, d->snapshot.gtid, atomic_load(&d->lock_ms));
	return r;
}

int lock_snapshot(
	struct dump *d, struct db **conns, struct db **keeper, struct ddl_guard *guard, struct err *e)
{
	struct locking l = {.d = d, .conns = conns, .keeper = keeper, .guard = guard, .read_ms = READ_MS};
	int r = -1;

	l.lister = dump_connect(d, DB_PLAIN, e);
	if (l.lister && catalog_fresh_estimates(l.lister, e) == 0)
		r = take_moment(&l, e);
	dump_disconnect(d, &l.lister);
	return r;
}
