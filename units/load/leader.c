/*
 * The course of a load, in one thread beside the main one: take over, look at the record, ask for the plan,
 * make the tables, run the workers, make routines and views, record the end. Every step may be the one after
 * a crash: the record says which.
 */
#include "units/load/leader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/db/dm_checkpoint.h"
#include "units/load/dumplink.h"
#include "units/load/filerec.h"
#include "units/load/filework.h"
#include "units/load/join.h"
#include "units/load/late.h"
#include "units/load/own.h"
#include "units/load/recode.h"
#include "units/load/record.h"
#include "units/load/relaylink.h"
#include "units/load/resume.h"
#include "units/load/routed.h"
#include "units/load/routine.h"
#include "units/load/shared.h"
#include "units/load/target.h"
#include "units/load/worker.h"

static void set_phase(struct load *l, enum load_phase p)
{
	atomic_store(&l->phase, (int)p);
	unit_wake(l->env);
}

/* own: of the record, for the server; all snapshots of a copy are of one. NULL: it is not known. */
static void publish_snapshot(struct load *l, const struct plan_snapshot *s, const json_t *own, bool taken)
{
	pthread_mutex_lock(&l->lock);
	l->taken = taken;
	plan_snapshot_fini(&l->snapshot);
	l->snapshot.file = xstrdup(s->file);
	l->snapshot.gtid = xstrdup(s->gtid);
	l->snapshot.offset = s->offset;
	l->snapshot.server = xstrdup(json_text(own_oldest(own), "identity", ""));
	pthread_mutex_unlock(&l->lock);
}

static struct db *take_over(struct load *l, struct err *e)
{
	struct db *c = load_connect(l, DB_DDL, false, e);

	if (!c)
		return NULL;
	l->to = *db_server(c);
	if (meta_setup(c, l->meta_schema, e) < 0 || meta_take_over(c, &l->id, e) < 0 ||
		meta_note_connection(c, &l->id, db_connection_id(c), e) < 0)
		load_disconnect(l, &c);
	return c;
}

/* Rows of tables that came by the binlog are there as well as those of the copy. */
static int keep_tracked(struct load *l, struct db *c, json_t *own, struct err *e)
{
	return record_tracked(l, c, "joined", own, e) < 0 || record_tracked(l, c, "shared", own, e) < 0 ? -1
													: 0;
}

/*
 * The record as it stands, after what the order wants forgotten is forgotten. It may be asked again after a
 * crash, until the agent has seen us begin: so what an unfinished copy made stays known as ours (it may be
 * dropped), what a finished one made does not (its rows are somebody's data now), but that rows of ours are
 * in what others share.
 */
static int read_record(struct load *l, struct db *c, struct record *r, struct err *e)
{
	json_t *own;
	int rc;

	if (record_read(l, c, r, e) < 0)
		return -1;
	if (!l->remove_meta || (r->copy_id && !r->copy_id[0]))
		return 0;
	log_info("forgetting what is recorded of an earlier run of this task (remove-meta)");
	own = r->own && r->stage != RECORD_FINISHED ? json_incref(r->own) : own_joined(r->own);
	json_object_del(own, "ready");
	rc = rules_route(l->rules) ? keep_tracked(l, c, own, e) : 0;
	record_fini(r);
	if (rc == 0)
		rc = record_remove(l, c, own, e);
	json_decref(own);
	return rc < 0 ? -1 : record_read(l, c, r, e);
}

static int begin_copy(struct load *l, struct db *c, struct record *r, struct err *e)
{
	json_t *own = json_object();
	int rc;

	if (r->stage == RECORD_LOAD)
		log_warn("the copy starts anew from another snapshot: what was loaded is dropped");
	rc = target_claim(l, c, r->own, own, e);
	resume_put_new(l, own);
	if (rc == 0)
		rc = join_decide(l, c, r->copy_id, own, e);
	if (rc == 0)
		rc = record_begin(l, c, own, join_verify, e);
	json_decref(r->own);
	r->own = own;
	return rc;
}

/*
 * What is another source's must not stay on record as ours, or a later start would drop it once the other one
 * is done. The next start claims anew.
 */
static void take_back(struct load *l, struct db *c, json_t *own)
{
	struct err e = {0};

	json_object_del(own, "snapshots");
	json_object_del(own, "tables");
	json_object_del(own, "ready");
	if (record_remove(l, c, own, &e) < 0)
		log_warn("%s", e.text);
}

static int make_schema(struct load *l, struct db *c, struct record *r, struct err *e)
{
	json_t *own;
	int rc;

	set_phase(l, LOAD_SCHEMA);
	if (shared_check(l, c, r->own, e) < 0) {
		if (e->code == ERR_route_shared)
			take_back(l, c, r->own);
		return -1;
	}
	if (target_make(l, c, r->own, e) < 0 || join_wait(l, c, r->own, e) < 0)
		return -1;
	own = target_prune(l, r->own);
	rc = record_loading(l, c, own, join_verify_ready, e);
	json_decref(r->own);
	r->own = own;
	if (rc == 0 && FAILPOINT_HIT(load_plan_recorded))
		return err_set(e, ERR_db_lost, "failpoint load_plan_recorded");
	return rc;
}

/* Killed before its tables stood: meanwhile others may have come to them. */
static int decide_again(struct load *l, struct db *c, struct record *r, struct err *e)
{
	return join_decide(l, c, r->copy_id, r->own, e) < 0 ? -1 : record_again(l, c, r->own, join_verify, e);
}

/* Brings the downstream to where chunks can be loaded: at once where an earlier process of this copy did it.
 */
static int prepare(struct load *l, struct db *c, struct record *r, struct resume *u, struct err *e)
{
	/* What was only claimed is claimed again: its rows, and the routes, may be others by now. */
	bool kept = r->stage == RECORD_LOAD || own_snapshots(r->own) > 1,
	     same = kept && r->copy_id && strcmp(r->copy_id, l->plan.copy_id) == 0;

	if (same && r->stage == RECORD_SCHEMA && decide_again(l, c, r, e) < 0)
		return -1;
	if (!same && (u->on ? resume_begin(l, c, r, u, e) : begin_copy(l, c, r, e)) < 0)
		return -1;
	if (same && routed_check_places(l, r->own, e) < 0)
		return -1;
	resume_mark(l, r->own);
	if (same && r->stage == RECORD_LOAD && join_renew(l, r->own) && record_own(l, c, r->own, e) < 0)
		return -1;
	if (same && r->stage == RECORD_LOAD && l->folder) {
		if (filerec_read_all(l, c, e) < 0)
			return -1;
		log_info("%" PRIu64 " files, %" PRIu64 " rows are loaded already", l->recorded.chunks,
			l->recorded.rows);
		return 0;
	}
	if (same && r->stage == RECORD_LOAD) {
		if (record_chunks(l, c, &l->recorded, e) < 0 || record_places(l, c, &l->places, e) < 0)
			return -1;
		log_info("%" PRIu64 " chunks, %" PRIu64 " rows of this copy are loaded already",
			l->recorded.chunks, l->recorded.rows);
		return 0;
	}
	return make_schema(l, c, r, e);
}

static int check_sums(struct load *l, struct db *c, struct err *e)
{
	struct recorded all = {0};
	int r = record_chunks(l, c, &all, e);

	if (r == 0 && (all.rows != l->end_rows || all.bytes != l->end_bytes))
		r = err_set(e, ERR_load_failed,
			"%" PRIu64 " rows in %" PRIu64
			" bytes are recorded as loaded, the dump gave out %" PRIu64 " rows in %" PRIu64
			" bytes: stop the task, remove the dump folder, start it again with remove-meta",
			all.rows, all.bytes, l->end_rows, l->end_bytes);
	recorded_fini(&all);
	return r;
}

static int finish(struct load *l, struct db *c, struct record *r, struct err *e)
{
	if ((l->folder ? filework_check(l, c, e) : check_sums(l, c, e)) < 0)
		return -1;
	/* Views may ask functions. */
	if (routine_make_all(l, c, &l->plan.routines, r->own, e) < 0)
		return -1;
	if (l->plan.views.n > 0 &&
		(target_claim_views(l, c, r->own, e) < 0 || record_own(l, c, r->own, e) < 0 ||
			target_make_views(l, c, r->own, e) < 0))
		return -1;
	/* A trigger would run for each row that comes. */
	if (routine_make_all(l, c, &l->plan.lasts, r->own, e) < 0)
		return -1;
	if (FAILPOINT_HIT(load_all_done))
		return err_set(e, ERR_db_lost, "failpoint load_all_done");
	return record_finish(l, c, e);
}

/* What is loaded already, and the tables that have nothing to come. */
static int count_recorded(struct load *l, struct db *c, const json_t *own, struct tally *t, struct err *e)
{
	int r = l->recorded.chunks > 0 || own_snapshots(own) > 1 ? record_amounts(l, c, t, e) : 0;

	for (unsigned i = 0; i < l->plan.tables.n; i++)
		if (l->plan.tables.p[i].nstretches == 0)
			tally_end(t, i);
	return r;
}

static int count_start(struct load *l, struct db *c, const json_t *own, struct err *e)
{
	struct tally *t = tally_new(l->plan.tables.n);
	int r = 0;

	for (unsigned i = 0; i < l->plan.tables.n; i++)
		tally_expect(t, i, (struct amount){l->plan.tables.p[i].rows, l->plan.tables.p[i].bytes});
	if (l->folder)
		filework_count(l, t);
	else
		r = count_recorded(l, c, own, t, e);
	atomic_store(&l->chunks_done, l->recorded.chunks);
	pthread_mutex_lock(&l->lock);
	l->tally = t;
	pthread_mutex_unlock(&l->lock);
	set_phase(l, LOAD_LOAD);
	return r;
}

static void say_loaded(struct load *l)
{
	struct tally_now all;

	for (unsigned i = 0; i < l->plan.tables.n; i++)
		tally_end(l->tally, i);
	tally_all(l->tally, &all);
	log_info("the copy is loaded: %" PRIu64 " rows in %" PRIu64 " chunks", all.done.rows,
		atomic_load(&l->chunks_done));
}

/* What is told outside, and kept by the relay, is the oldest snapshot in use: the sync begins there (T21). */
static int publish_oldest(struct load *l, const json_t *own, struct err *e)
{
	struct plan_snapshot s = record_oldest(l, own);

	publish_snapshot(l, &s, own, false);
	/* Files may tell a GTID set only: where that is in the relay log, the sync finds out. */
	return l->follows && s.file[0] ? relaylink_pin(l, &s, e) : 0;
}

static int get_plan(struct load *l, struct db *c, struct record *r, struct err *e)
{
	struct resume u = {0};
	int rc = resume_ask(l, c, r, &u, e);

	if (rc == 0)
		rc = dumplink_plan(l, r->copy_id ? r->copy_id : "", e);
	if (rc == 0)
		rc = prepare(l, c, r, &u, e);
	resume_fini(&u);
	return rc;
}

/* Its snapshot is the files': nothing of another one can be gone on with. */
static int get_files(struct load *l, struct db *c, struct record *r, struct err *e)
{
	struct resume none = {0};

	return prepare(l, c, r, &none, e);
}

static int load_copy(struct load *l, struct db *c, struct record *r, struct err *e)
{
	if ((l->folder ? get_files(l, c, r, e) : get_plan(l, c, r, e)) < 0 ||
		publish_oldest(l, r->own, e) < 0 || recode_note(l, c, r->own, e) < 0)
		return -1;
	resume_mark(l, r->own);
	if (count_start(l, c, r->own, e) < 0)
		return -1;
	late_begin(l, r->own);
	if (l->folder)
		filework_run_all(l);
	else
		worker_run_all(l);
	if (load_stopping(l))
		return err_set(e, ERR_link, "asked to leave");
	if (finish(l, c, r, e) < 0)
		return -1;
	say_loaded(l);
	return 0;
}

/* Files that are not those of the finished copy: what is there is somebody's data, nothing of it may be
 * dropped. */
static void begin_with_other_files(struct load *l, struct record *r)
{
	if (!l->folder || r->stage != RECORD_FINISHED || strcmp(r->copy_id, l->plan.copy_id) == 0)
		return;
	log_info("the files are not those that this task has loaded before: they are loaded, too");
	r->stage = RECORD_NONE;
	json_decref(r->own);
	r->own = json_object();
}

static int plan_files(struct load *l, struct db *c, struct record *r, struct err *e)
{
	if (folder_open(l, e) < 0 || folder_plan(l, c, e) < 0)
		return -1;
	begin_with_other_files(l, r);
	return 0;
}

/*
 * The copy was done before. What the task's rules lead to no more is not its own any longer; and where the
 * binlog is applied behind it from now on (task-mode was full), nobody else must have its tables, but where
 * both share them.
 */
static int go_on_behind(struct load *l, struct db *c, struct record *r, struct err *e)
{
	json_t *own = json_deep_copy(r->own), *targets;
	bool follows = l->follows && !own_is_followed(own);
	int rc = 0;

	if (own_snapshots(own) > 0 && strcmp(r->copy_id, RECORD_OF_DM) != 0) {
		targets = routed_targets(l, own);
		own_keep(own, targets);
		rc = join_agree(own, targets, l->follows, e);
		if (rc == 0 && follows) {
			own_set_followed(own);
			rc = shared_check(l, c, targets, e);
		}
		json_decref(targets);
		if (rc == 0 && !json_equal(own, r->own))
			rc = record_done_own(l, c, r, own, e);
	}
	json_decref(own);
	return rc;
}

static int run(struct load *l, struct db *c, struct err *e)
{
	struct record r = {0};
	int rc = read_record(l, c, &r, e);

	if (rc == 0 && l->folder && r.stage == RECORD_FINISHED && folder_is_gone(l))
		log_info("the folder of the files is gone or empty");
	else if (rc == 0 && l->folder)
		rc = plan_files(l, c, &r, e);
	if (rc == 0 && r.stage == RECORD_FINISHED && (rc = go_on_behind(l, c, &r, e)) == 0) {
		log_info("the copy is loaded already");
		publish_snapshot(l, &r.snapshot, r.own, strcmp(r.copy_id, RECORD_OF_DM) == 0);
	} else if (rc == 0) {
		rc = load_copy(l, c, &r, e);
	}
	record_fini(&r);
	return rc;
}

/* DM's task of this name becomes ours, where it stands. 0: there is none. */
static int take_from_dm(struct load *l, struct db *c, struct err *e)
{
	struct plan_snapshot at = {0};
	struct dm_checkpoint dm;
	int r = dm_checkpoint_read(c, &l->id, &dm, e);

	if (r <= 0)
		return r;
	log_info("DM's task `%s` of source %s is taken over at %s:%" PRIu64 ": no new copy", l->task,
		l->source, dm.at.file, dm.at.offset);
	at = (struct plan_snapshot){dm.at.file, dm.gtid, dm.at.offset, NULL};
	r = record_taken(l, c, &at, e);
	if (r == 0)
		publish_snapshot(l, &at, NULL, true);
	dm_checkpoint_fini(&dm);
	return r < 0 ? -1 : 1;
}

/* Before anything is copied, and before the relay is told where to begin. */
static int look(struct load *l, struct db *c, struct err *e)
{
	struct record r = {0};
	bool followed = true;
	int found = record_read(l, c, &r, e);

	/* Files that are loaded may be gone: then only the following is left to do. */
	if (found == 0 && l->folder && (r.stage != RECORD_FINISHED || l->remove_meta)) {
		found = folder_open(l, e);
		if (found == 0)
			publish_snapshot(l, &l->folder->meta.at, NULL, false);
	} else if (found == 0 && r.stage == RECORD_FINISHED) {
		found = go_on_behind(l, c, &r, e);
		if (found == 0) {
			publish_snapshot(l, &r.snapshot, r.own, strcmp(r.copy_id, RECORD_OF_DM) == 0);
			found = 1;
		}
	} else if (found == 0 && r.stage != RECORD_NONE && r.snapshot.file[0]) {
		/* A copy that was interrupted: from there the binlog is wanted to go on with it. */
		publish_snapshot(l, &r.snapshot, r.own, false);
	} else if (found == 0 && r.stage == RECORD_NONE) {
		found = meta_has_followed(c, &l->id, &followed, e);
		if (found == 0 && !followed)
			found = take_from_dm(l, c, e);
	}
	record_fini(&r);
	pthread_mutex_lock(&l->lock);
	l->found = found > 0;
	pthread_mutex_unlock(&l->lock);
	return found < 0 ? -1 : 0;
}

static void leave(struct load *l, struct db **c)
{
	struct err ignored;

	if (*c && !load_stopping(l))
		meta_forget_connection(*c, &l->id, db_connection_id(*c), &ignored);
	load_disconnect(l, c);
}

void *leader_main(void *arg)
{
	struct load *l = arg;
	struct err e = {0};
	struct db *c = take_over(l, &e);
	int r = !c ? -1 : l->look ? look(l, c, &e) : run(l, c, &e);

	leave(l, &c);
	if (r < 0 && !e.code)
		err_set(&e, ERR_internal, "the load has failed without a reason");
	if (r < 0) {
		load_fail(l, &e);
		return NULL;
	}
	pthread_mutex_lock(&l->lock);
	l->finished = true;
	pthread_mutex_unlock(&l->lock);
	set_phase(l, LOAD_DONE);
	return NULL;
}
