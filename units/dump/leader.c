/*
 * The course of a copy, in one thread beside the main one: list, lock, snapshot, look again, plan, workers,
 * manifest. Started by main.c. Never answers messages; never retries: an error ends the unit and the copy
 * starts anew.
 */
#include "units/dump/leader.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/sql/value_format.h"
#include "units/dump/file.h"
#include "units/dump/folder.h"
#include "units/dump/lock.h"
#include "units/dump/plan.h"
#include "units/dump/renew.h"
#include "units/dump/ties.h"
#include "units/dump/worker.h"

/* A chunk is one transaction, with its index entries; TiDB's limit is 100 MiB by default, and it keeps it in
 * memory. */
enum { TIDB_CHUNK_BYTES = 8 << 20 };

static void set_phase(struct dump *d, enum dump_phase p)
{
	atomic_store(&d->phase, (int)p);
	unit_wake(d->env);
}

static int list(struct dump *d, struct err *e)
{
	struct db *c = dump_connect(d, DB_PLAIN, e);
	int r;

	if (!c)
		return -1;
	d->server = *db_server(c);
	r = catalog_read(&d->catalog, c, d->rules, e);
	if (r == 0 && d->o.routines)
		r = catalog_read_routines(&d->catalog, c, d->rules, e);
	if (r == 0)
		r = ties_identity(c, d->identity, sizeof(d->identity), e);
	dump_disconnect(d, &c);
	if (r < 0)
		dump_sql_error(e);
	return r < 0 ? err_add(e, "listing the tables") : 0;
}

/* What is listed is final. */
static int complete_list(struct dump *d, struct db *c, struct err *e)
{
	catalog_leave_out(&d->catalog);
	log_info("%u tables, %u views in %u schemas, about %" PRIu64 " rows", d->catalog.tables.n,
		d->catalog.views.n, d->catalog.schemas.n, d->catalog.rows);
	if (d->o.to_files)
		return folder_put_others(d, c, e);
	return catalog_route(&d->catalog, rules_route(d->rules), d->source, e);
}

/* 0 with e: what was listed is not what the snapshots see. */
static int check(struct dump *d, struct err *e)
{
	struct db *c = dump_connect(d, DB_PLAIN, e);
	int r = c && catalog_look_shortly(c, e) == 0 ? catalog_check(&d->catalog, c, e) : -1;

	if (r > 0 && catalog_look_patiently(c, e) < 0)
		r = -1;
	if (r > 0)
		r = complete_list(d, c, e) < 0 ? -1 : 1;
	if (r < 0)
		dump_sql_error(e);
	dump_disconnect(d, &c);
	return r;
}

/* The connections are there before the lock, so that it is held for a few round trips only. */
static int open_conns(struct dump *d, struct db **conns, struct err *e)
{
	for (unsigned i = 0; i < d->o.threads; i++) {
		conns[i] = dump_connect(d, DB_DUMP, e);
		if (!conns[i])
			return -1;
		/* A full spool may keep a result waiting for as long as the load is paused. */
		if (db_exec(conns[i],
			    STR_LIT("SET SESSION net_write_timeout=2592000, SESSION wait_timeout=2592000"),
			    e) < 0)
			return -1;
	}
	return 0;
}

static void close_conns(struct dump *d, struct db **conns, struct db **keeper)
{
	for (unsigned i = 0; i < d->o.threads; i++)
		dump_disconnect(d, &conns[i]);
	dump_disconnect(d, keeper);
	free(conns);
}

static int clear(struct dump *d, struct err *e)
{
	return d->o.to_files ? folder_begin(d, e) : file_clear(d->dir, e);
}

/*
 * CSV is in UTF-8, whatever the columns are in. Not before the stretches are cut: their bounds are the
 * columns' own bytes, as rows in SQL are.
 */
static int set_results(struct dump *d, struct db **conns, struct err *e)
{
	for (unsigned i = 0; d->o.csv && i < d->o.threads; i++)
		if (db_exec(conns[i], STR_LIT("SET character_set_results=utf8mb4"), e) < 0)
			return -1;
	return 0;
}

/* What is wanted of it is the load's to say: a copy may go on under this snapshot. */
static int wait_for_load(struct dump *d, struct err *e)
{
	bool known;

	pthread_mutex_lock(&d->lock);
	d->snapshot_ready = true;
	unit_wake(d->env);
	while (!d->wants_known && !dump_stopping(d))
		pthread_cond_wait(&d->changed, &d->lock);
	known = d->wants_known;
	if (d->target == FLAVOR_TIDB && d->o.chunk_bytes > TIDB_CHUNK_BYTES)
		d->o.chunk_bytes = TIDB_CHUNK_BYTES;
	for (unsigned i = 0; i < d->catalog.tables.n; i++) {
		value_format_for(d->catalog.tables.p[i].structure, d->target);
		if (d->target != FLAVOR_MARIADB)
			structure_plain_period(d->catalog.tables.p[i].structure);
	}
	pthread_mutex_unlock(&d->lock);
	return known ? plan_want(d, buf_str(&d->wanted_text), e) : 0;
}

/* 0 with e: a structure has changed while the snapshots opened. */
static int try_snapshot(
	struct dump *d, struct db **conns, struct db **keeper, struct ddl_guard *guard, struct err *e)
{
	if (lock_snapshot(d, conns, keeper, guard, e) < 0)
		return -1;
	set_phase(d, DUMP_SNAPSHOT);
	if (FAILPOINT_HIT(dump_snapshot))
		return err_set(e, ERR_db_lost, "failpoint dump_snapshot");
	return check(d, e);
}

/* From the list to the snapshots, as of one moment. */
static int open_snapshot(
	struct dump *d, struct db **conns, struct db **keeper, struct ddl_guard *guard, struct err *e)
{
	enum { TRIES = 10, TRY_MS = 30000 };
	uint64_t deadline;
	unsigned pause_ms = 0;
	json_t *ties;
	int r;

	if (list(d, e) < 0 || open_conns(d, conns, e) < 0)
		return -1;
	if (FAILPOINT_HIT(dump_listed))
		return err_set(e, ERR_db_lost, "failpoint dump_listed");
	deadline = clock_ms() + TRY_MS;
	r = try_snapshot(d, conns, keeper, guard, e);
	for (unsigned i = 1; r == 0 && (i < TRIES || clock_ms() < deadline) && !dump_stopping(d); i++) {
		log_info("changed while the snapshots opened: %s; they are opened again", e->text);
		r = lock_give_back(d, conns, keeper, guard, e);
		if (r < 0 || !dump_pause_longer(d, &pause_ms, d->waited_ms))
			break;
		err_clear(e);
		r = try_snapshot(d, conns, keeper, guard, e);
	}
	if (r <= 0)
		return -1;
	ties = ties_of(&d->catalog, &d->server);
	return plan_name(d, &ties, e);
}

/* The load is waited for without holding statements off: it may have a long binlog to look through first. */
static int prepare(struct dump *d, struct db **conns, struct db **keeper, struct err *e)
{
	struct ddl_guard guard = {0};
	int r;

	if (clear(d, e) < 0)
		return -1;
	r = open_snapshot(d, conns, keeper, &guard, e);
	lock_release_ddl(d, &guard);
	if (r == 0 && !d->o.to_files)
		r = wait_for_load(d, e);
	if (r < 0 || dump_stopping(d))
		return r;
	worker_plan_all(d, conns);
	if (dump_stopping(d))
		return 0;
	return set_results(d, conns, e) < 0 ? -1 : plan_make(d, e);
}

static void expect_tables(struct dump *d)
{
	const struct items *t = &d->catalog.tables;

	d->tally = tally_new(t->n);
	for (unsigned i = 0; i < t->n; i++) {
		tally_expect(d->tally, i, (struct amount){t->p[i].rows, t->p[i].bytes});
		tally_cut(d->tally, i, d->tables[i].stretches.n);
		if (d->tables[i].stretches.n == 0)
			tally_end(d->tally, i);
	}
}

static void publish_plan(struct dump *d)
{
	pthread_mutex_lock(&d->lock);
	d->plan_ready = true;
	pthread_mutex_unlock(&d->lock);
	set_phase(d, DUMP_DUMP);
}

static int finish(struct dump *d, struct err *e)
{
	struct tally_now all;

	if (FAILPOINT_HIT(dump_all_done))
		return err_set(e, ERR_io, "failpoint dump_all_done");
	/* The load may have the end at once; the manifest only serves a restart. */
	spool_complete(&d->spool);
	unit_wake(d->env);
	if (plan_complete(d, e) < 0)
		return -1;
	tally_all(d->tally, &all);
	log_info("the dump is complete: %" PRIu64 " rows, %" PRIu64 " bytes in %zu chunks", all.done.rows,
		all.done.bytes, d->spool.n);
	set_phase(d, d->o.to_files ? DUMP_DONE : DUMP_SERVE);
	return 0;
}

static int copy(struct dump *d, struct err *e)
{
	struct db **conns = xcalloc(d->o.threads, sizeof(*conns)), *keeper = NULL;
	int r;

	clock_text(clock_wall_us(), d->started, sizeof(d->started));
	d->started[19] = '\0';
	r = prepare(d, conns, &keeper, e);
	if (r == 0 && !dump_stopping(d)) {
		expect_tables(d);
		publish_plan(d);
		worker_run_all(d, conns, &keeper);
	}
	close_conns(d, conns, &keeper);
	return r == 0 && !dump_stopping(d) ? finish(d, e) : r;
}

void *leader_main(void *arg)
{
	struct dump *d = arg;
	struct err e = {0};

	if (copy(d, &e) < 0)
		dump_fail(d, &e);
	return NULL;
}
