/*
 * The scheduler's thread: transactions in the stream's order, decoded, looked at for what they touch, and put
 * into lanes (large ones by their tables, their rows are not read yet); DDL alone, with all lanes empty; and
 * the watermark. It owns all that is known of tables.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "units/sync/arrange.h"
#include "units/sync/keys.h"
#include "units/sync/lane.h"
#include "units/sync/noted.h"
#include "units/sync/ties.h"
#include "units/sync/xa.h"

enum {
	WAIT_MS = 200,
	REST_MS = 10000, /* with nothing under way, and nothing to be recorded */
	MOVE_MS = 500,
	LANES_BYTES = 48 << 20,
	COMING = 8,             /* times as many with those that are not committed: batches may be large */
	KEYS_MAX = 1 << 19,     /* of one transaction: above, its tables stand for them */
	LARGE_WEIGHT = 8 << 20, /* what a large one holds while it goes by: pieces and buffers */
	LARGE_ROW = 100,        /* bytes of events; a guess, for the lanes' loads */
	SLOW_ROWS = 20000,      /* some tenths of a second */
};

/* --- the watermark, under the lock --- */

static void over(struct apply *a, const struct ended *t)
{
	if (position_cmp(t->end, a->watermark) > 0)
		a->watermark = t->end;
	if (t->commit_us)
		atomic_store(&a->counts.commit_us, t->commit_us);
	if (t->has_gtid && a->gtid && !a->failed && gtid_set_add(a->gtid, &t->gtid, &a->error) < 0) {
		a->failed = a->leaving = true;
		a->wake(a->wake_arg);
	}
	a->gtid_moved = true;
}

void schedule_advance(struct apply *a)
{
	uint64_t seq;

	while (depend_pop(a->depend, &seq)) {
		const struct ended *t = window_ended(&a->window, seq);

		if (t)
			over(a, t);
		window_drop(&a->window, seq);
	}
	if (depend_empty(a->depend) && position_cmp(a->tail, a->watermark) > 0)
		a->watermark = a->tail;
	pthread_cond_broadcast(&a->changed);
}

struct position schedule_reach(struct apply *a, const struct lane *l, char **gtid)
{
	struct gtid_set *set = a->gtid ? gtid_set_copy(a->gtid) : NULL;
	struct position reach = a->watermark;
	struct buf text = {0};
	struct err ignored;

	for (uint64_t seq = depend_oldest(a->depend); seq < depend_next(a->depend); seq++) {
		const struct trx *t = window_trx(&a->window, seq);
		const struct ended *x = window_ended(&a->window, seq);

		/* In the upstream's order its COMMIT is not sent before those of all before it are done. */
		if (t && !lane_holds(l, t) && !(a->ordered && lane_waits_for(l, seq)))
			break;
		if (!x)
			continue;
		if (position_cmp(x->end, reach) > 0)
			reach = x->end;
		if (set && x->has_gtid)
			gtid_set_add(set, &x->gtid, &ignored);
	}
	if (set)
		gtid_set_text(set, &text);
	*gtid = xstrdup(buf_cstr(&text));
	buf_free(&text);
	gtid_set_free(&set);
	return reach;
}

/* The text of the set at the watermark, made when it is wanted. */
static void write_watermark(struct apply *a)
{
	struct buf text = {0};

	if (!a->gtid_moved || !a->gtid)
		return;
	gtid_set_text(a->gtid, &text);
	free(a->watermark_gtid);
	a->watermark_gtid = xstrdup(buf_cstr(&text));
	a->gtid_moved = false;
	buf_free(&text);
}

struct position apply_watermark(struct apply *a, char **gtid)
{
	struct position p;

	pthread_mutex_lock(&a->lock);
	write_watermark(a);
	p = a->watermark;
	if (gtid)
		*gtid = xstrdup(a->watermark_gtid ? a->watermark_gtid : "");
	pthread_mutex_unlock(&a->lock);
	return p;
}

/* --- placing --- */

static void see(void *arg, const struct change *list, size_t n)
{
	struct apply *a = arg;

	for (size_t i = 0; i < n && a->touch.nkeys + a->touch.nrefs <= KEYS_MAX; i++)
		keys_touch(&a->touch, &list[i]);
}

/* Once, and after each foreign key that comes with a DDL (T13); nothing is under way then. */
static int know_cascades(struct apply *a, const struct trx *t, struct err *e)
{
	a->tables.from = t->format.server;
	if (t->events == 0)
		return 0;
	if (a->cascades_known)
		return a->cascades_logged ? 0 : acting_check(a, t->start, e);
	if (tables_cascades_logged(&a->tables, &t->format.server, &a->cascades_logged, e) < 0 ||
		(!a->cascades_logged && tables_check_cascades(&a->tables, e) < 0) ||
		arrange_read(&a->tables, e) < 0 || ties_read(&a->tables, !a->cascades_logged, e) < 0)
		return -1;
	a->cascades_known = true;
	a->cascades_at = t->start;
	return a->cascades_logged ? 0 : acting_check(a, t->start, e);
}

/* Another server, or MySQL begun anew with another setting (which begins a file): whether it logs what its
 * foreign keys do may be another matter now. */
static bool may_log_otherwise(const struct apply *a, const struct trx *t)
{
	const struct server *from = &t->format.server;
	bool settable = from->flavor == FLAVOR_MYSQL && from->version >= MYSQL_LOGS_CASCADES;

	/* Without a foreign key downstream one may be missing there, which was no matter while all was
	 * logged. */
	return a->cascades_known && t->events > 0 && (a->cascades_logged || map_count(a->tables.tied) > 0) &&
	       (t->start.generation != a->cascades_at.generation ||
		       (settable && t->start.file != a->cascades_at.file));
}

/* Too many keys: its tables as a whole. */
static void touch_tables(struct apply *a, const struct trx *t)
{
	a->touch.nkeys = a->touch.nrefs = 0;
	for (size_t i = 0; i < t->ntables; i++)
		if (t->tables[i]->wanted && (i == 0 || t->tables[i] != t->tables[i - 1]))
			keys_touch_table(&a->touch, t->tables[i]);
}

static int look_at_rows(struct apply *a, struct trx *t, struct err *e)
{
	if (know_cascades(a, t, e) < 0 || decode_trx(t, &a->tables, see, a, e) < 0)
		return -1;
	if (a->touch.nkeys + a->touch.nrefs > KEYS_MAX)
		touch_tables(a, t);
	return 0;
}

/* Its rows are read when it is applied: what is known before are its tables. */
static int look_at_large(struct apply *a, struct trx *t, struct err *e)
{
	struct table *table;
	bool ours = false;
	size_t at = 0;

	if (know_cascades(a, t, e) < 0 || noted_find(t, &a->tables, e) < 0)
		return -1;
	while (noted_next(t->noted, &at, &table)) {
		ours = ours || table->wanted || table->left_out; /* to be counted */
		if (table->wanted)
			keys_touch_table(&a->touch, table);
	}
	t->nchanges = ours ? (size_t)(t->bytes / LARGE_ROW) + 1 : 0;
	if (!ours)
		trx_forgo(t);
	return 0;
}

/* What it is and what it touches. */
static int look_at(struct apply *a, struct trx *t, struct err *e)
{
	char where[300];

	touch_clear(&a->touch);
	if ((t->large ? look_at_large(a, t, e) : t->raw.n > 0 ? look_at_rows(a, t, e) : 0) < 0) {
		position_text(t->start, a->base, where, sizeof(where));
		return err_add(e, "transaction at %s", where);
	}
	if (t->xa)
		touch_key(&a->touch, xa_key(t));
	t->in_parts = a->split_rows > 0 && (t->large || t->nchanges > a->split_rows);
	t->apart = t->large || t->in_parts;
	a->touch.slow = t->apart || t->nchanges > SLOW_ROWS;
	return 0;
}

/* Intervals above the watermark stay few: a slow lane stops the others in the end (T4). What stands in a
 * lane's queue will be intervals too, if the slow one does not move: while lanes commit the first few, this
 * thread may place very many. */
static bool too_far_ahead(struct apply *a)
{
	for (unsigned i = 0; i < a->workers; i++) {
		size_t done = lane_runs(a->lanes[i], a->watermark);

		if (done >= a->runs_max || done + lane_coming(a->lanes[i]) >= COMING * a->runs_max)
			return true;
	}
	return false;
}

static bool has_room(struct apply *a, size_t weight)
{
	if (depend_empty(a->depend))
		return true;
	return !depend_full(a->depend) && (a->bytes == 0 || a->bytes + weight <= LANES_BYTES) &&
	       !too_far_ahead(a);
}

/* Under the lock. False: all must leave. */
static bool wait_room(struct apply *a, size_t weight)
{
	while (!a->leaving && !has_room(a, weight))
		pthread_cond_wait(&a->changed, &a->lock);
	return !a->leaving;
}

/* Nothing of it is to be done: it only moves the watermark. */
static void pass(struct apply *a, struct trx *t, bool breaks)
{
	pthread_mutex_lock(&a->lock);
	if (wait_room(a, 0)) {
		t->seq = depend_pass(a->depend);
		if (breaks)
			a->last_seq = t->seq;
		atomic_fetch_add(&a->counts.filtered_rows, t->left_out);
		window_put(&a->window, t->seq, t);
		window_commit(&a->window, t->seq); /* t is gone with it */
		t = NULL;
		atomic_fetch_add(&a->counts.transactions, 1);
		schedule_advance(a);
	}
	pthread_mutex_unlock(&a->lock);
	trx_free(&t);
}

static size_t weight_of(const struct trx *t)
{
	size_t n = sizeof(*t) + t->raw.n + (t->arena ? 2 * arena_used(t->arena) : 0);

	if (!t->large)
		return n;
	return n + (t->bytes < LARGE_WEIGHT ? (size_t)t->bytes : LARGE_WEIGHT);
}

static void place(struct apply *a, struct trx *t)
{
	struct place p;

	t->weight = weight_of(t);
	pthread_mutex_lock(&a->lock);
	if (wait_room(a, t->weight)) {
		runs_cut_by(&a->recorded, a->watermark, a->gtid);
		depend_place(a->depend, &a->touch, t->nchanges + 1, &p);
		t->seq = p.seq;
		t->lane = p.lane;
		t->prev = a->last_seq;
		t->nwaits = p.nwaits;
		if (p.nwaits) {
			t->waits = xcalloc(p.nwaits, sizeof(*t->waits));
			memcpy(t->waits, p.waits, p.nwaits * sizeof(*t->waits));
		}
		a->last_seq = p.seq;
		window_put(&a->window, p.seq, t);
		a->bytes += t->weight;
		lane_put(a->lanes[p.lane], t);
		t = NULL;
	}
	pthread_mutex_unlock(&a->lock);
	trx_free(&t);
}

/* --- DDL --- */

/* Waits until all that was placed is committed. False: all must leave. */
static bool drain(struct apply *a)
{
	bool ok;

	pthread_mutex_lock(&a->lock);
	while (!a->leaving && !depend_empty(a->depend))
		pthread_cond_wait(&a->changed, &a->lock);
	ok = !a->leaving;
	if (ok) {
		write_watermark(a);
		a->slot.watermark = a->watermark;
		/* No interval may reach over it. */
		a->last_seq = depend_pass(a->depend);
		schedule_advance(a);
	}
	pthread_mutex_unlock(&a->lock);
	return ok;
}

/* The upstream's server as it is by now says the same: nobody has to wait then. */
static int says_the_same(struct apply *a, const struct trx *t, struct err *e)
{
	bool logged;

	if (t->start.generation != a->cascades_at.generation)
		return 0;
	if (tables_cascades_logged(&a->tables, &t->format.server, &logged, e) < 0)
		return -1;
	if (logged == a->cascades_logged)
		a->cascades_at = t->start;
	return logged == a->cascades_logged;
}

/* Where only foreign keys that are missing downstream hang on it, a backlog goes on without an upstream: it
 * is asked again at the next file. */
static bool may_wait(struct apply *a, const struct trx *t, struct err *e)
{
	if (map_count(a->tables.tied) > 0 || err_act(e->code) != ERR_ACT_RETRY)
		return false;
	log_warn("whether the upstream logs by now what its foreign keys change is not known: %s", e->text);
	err_clear(e);
	a->cascades_at = t->start;
	return true;
}

/* 0: all must leave. */
static int ask_cascades_anew(struct apply *a, const struct trx *t, struct err *e)
{
	int same;

	db_close(&a->tables.ask_up); /* of the server as it was */
	same = says_the_same(a, t, e);
	if (same < 0 && may_wait(a, t, e))
		same = 1;
	if (same != 0)
		return same;
	a->cascades_known = a->acting.known = false;
	return drain(a);
}

/* A DDL, or the rest of one that a start found applied in part. */
static int alone(struct apply *a, struct trx *t, struct err *e)
{
	int r = 0;

	if (drain(a)) {
		if (t->kind == TRX_DDL)
			r = apply_ddl(a, t, e);
		else if (look_at(a, t, e) < 0)
			r = -1;
		else
			r = apply_rest(a, t, e);
		tables_sweep(&a->tables);
	}
	trx_free(&t);
	return r;
}

/* --- the thread --- */

/* With nothing under way, what was read without anything for us is behind us; recorded, but not at each event
 * (T4). */
static int move(struct apply *a, struct err *e)
{
	struct position to;
	bool due;

	pthread_mutex_lock(&a->lock);
	due = depend_empty(a->depend) && position_cmp(a->watermark, a->durable) > 0 && !a->leaving;
	to = a->watermark;
	if (due && clock_ms() - a->last_move_ms >= MOVE_MS)
		write_watermark(a);
	else
		due = false;
	pthread_mutex_unlock(&a->lock);
	if (!due)
		return 0;
	a->last_move_ms = clock_ms();
	apply_write_gtid(a);
	if (apply_guard(a, a->db, to, a->gtid_text, e) < 0)
		return -1;
	return apply_commit(a, a->db, to, a->gtid_text, e);
}

/* Before the rest of a transaction that is applied in part, there is another one: it is not in the stream any
 * more, or the stream begins behind it. Only what is nothing to us may come before it. */
static int not_the_part(struct apply *a, struct trx *t, struct err *e)
{
	char at[300], part[300];
	int r = 0;

	position_text(t->start, a->base, at, sizeof(at));
	position_text(a->part.start, a->base, part, sizeof(part));
	if (t->kind == TRX_ROWS) {
		r = look_at(a, t, e);
		if (r == 0 && t->nchanges == 0) {
			pass(a, t, false);
			return 0;
		}
	}
	if (r == 0)
		r = err_set(e, ERR_sync_part,
			"%" PRIu64 " rows of the transaction at %s are applied, its rest does not come: at "
			"%s is another one",
			a->part.rows, part, at);
	trx_free(&t);
	return r;
}

static int judge_statements(struct apply *a, struct trx *t, struct err *e)
{
	char where[300];

	if (stray_check(a, t, e) == 0) {
		trx_judged(t);
		return 0;
	}
	position_text(t->start, a->base, where, sizeof(where));
	return err_add(e, "transaction at %s", where);
}

static int one(struct apply *a, struct trx *t, struct err *e)
{
	int go;

	t->safe = takeover_may_have(&a->takeover, t) ? SAFE_MUST
		  : a->safe_mode                     ? SAFE_WHERE_IT_CAN
						     : SAFE_OFF;
	/* Recorded ones first: whether a transaction is a large one need not be as it was before. */
	if (t->kind != TRX_DDL && runs_have(&a->recorded, t->start, t->end, t->has_gtid ? &t->gtid : NULL)) {
		if (!t->xa) {
			pass(a, t, true);
			return 0;
		}
		trx_empty(t);
	}
	if (part_pending(&a->part) && !part_is(&a->part, t) &&
		(t->kind == TRX_DDL || t->large || t->raw.n > 0))
		return not_the_part(a, t, e);
	if (judge_statements(a, t, e) < 0) {
		trx_free(&t);
		return -1;
	}
	if (may_log_otherwise(a, t) && (go = ask_cascades_anew(a, t, e)) <= 0) {
		trx_free(&t);
		return go;
	}
	if (t->kind == TRX_DDL || part_is(&a->part, t))
		return alone(a, t, e);
	if ((t->unknown && xa_refuse(t, e) < 0) || look_at(a, t, e) < 0) {
		trx_free(&t);
		return -1;
	}
	if (t->nchanges == 0 && !t->xa)
		pass(a, t, false);
	else
		place(a, t);
	return 0;
}

static void note_tail(struct apply *a, struct position safe)
{
	pthread_mutex_lock(&a->lock);
	a->tail = safe;
	schedule_advance(a);
	pthread_mutex_unlock(&a->lock);
}

/* At a start nobody has said yet how far the stream is. */
static int idle(struct apply *a, struct position safe, struct err *e)
{
	struct position done;

	note_tail(a, safe);
	done = apply_watermark(a, NULL);
	return acting_check_idle(a, position_cmp(safe, done) > 0 ? safe : done, e);
}

/* Nothing is to be done before a transaction comes, or the safe position moves. */
static bool at_rest(struct apply *a, struct position safe)
{
	bool rest;

	pthread_mutex_lock(&a->lock);
	rest = depend_empty(a->depend) && position_cmp(a->watermark, a->durable) <= 0 &&
	       position_cmp(a->tail, safe) == 0;
	pthread_mutex_unlock(&a->lock);
	return rest;
}

/* The upstream's connection is made anew when somebody asks by it. */
static void forget_upstream(struct apply *a, uint64_t took_ms)
{
	if (a->tables.ask_up && clock_ms() - took_ms >= a->idle_ms)
		db_close(&a->tables.ask_up);
}

void *schedule_main(void *arg)
{
	struct apply *a = arg;
	uint64_t took_ms = clock_ms();
	struct position safe = {0};
	struct err e = {0};
	int r = idle(a, safe, &e);

	while (r == 0 && !queue_leaving(a->queue)) {
		struct trx *t = queue_take(a->queue, at_rest(a, safe) ? REST_MS : WAIT_MS, &safe);

		if (t) {
			r = one(a, t, &e);
			took_ms = clock_ms();
		} else {
			r = idle(a, safe, &e);
			forget_upstream(a, took_ms);
		}
		if (r == 0)
			r = move(a, &e);
	}
	if (r < 0)
		apply_fail(a, &e);
	return NULL;
}
