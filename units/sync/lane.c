/*
 * One applier's thread: batches of whole upstream transactions, each batch one downstream transaction that
 * begins with the guard of the lane's own progress row. It knows of tables only what transactions bring
 * along.
 */
#include "units/sync/lane.h"
#include "units/sync/xa.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "units/sync/split.h"

enum { BATCH_TRX = 1000, PIECE_BYTES = 1 << 20 };

/* In the upstream's order the oldest batch may want what a later one, which waits for it, has locked: the
 * server can't see that. Metadata locks too: an ALTER of somebody may stand between the two. */
#define SHORT_WAITS "SET SESSION innodb_lock_wait_timeout=1, lock_wait_timeout=1"

/* The transactions of one downstream transaction, and the progress that it records. */
struct batch {
	struct trx *list[BATCH_TRX];
	unsigned n;
	size_t bytes, rows;
	struct runs runs; /* of this batch, above the watermark */
	struct position watermark;
	uint64_t head; /* of the watermark's file */
	bool cascades_logged;
	char *gtid;
	struct buf applied;
};

struct lane {
	struct apply *a;
	unsigned number;
	struct db *db;
	struct meta_slot slot;
	struct writer writer;
	struct buf opening; /* BEGIN and the guard of the batch in hand */
	struct arena *scratch;
	pthread_t thread;
	bool started;

	/* Under the scheduler's lock. */
	pthread_cond_t work;
	struct trx *head, **tail;
	uint64_t put_seq;   /* the last that was put */
	size_t coming;      /* intervals that the queue and the batch in hand may become */
	struct runs done;   /* committed, above the watermark */
	uint64_t done_seq;  /* the last of them */
	struct batch batch; /* n and list; the rest is the thread's */
	unsigned apart;     /* so many more batches of one transaction each */
};

static void init_monotonic(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

/*
 * The connection, by whichever thread has the lane at the moment. It is on record before it writes, by
 * itself, as the scheduler's connections are the scheduler's: a new owner either finds it there and ends it,
 * or has raised the epoch before, and then it is refused (T3).
 */
static int connect_downstream(struct lane *l, struct err *e)
{
	struct db_options rows = {.session = DB_APPLY};
	struct apply *a = l->a;

	l->db = db_open(a->downstream, &rows, e);
	if (!l->db)
		return -1;
	writer_init(&l->writer, l->db, a->batch_bytes, &a->limits);
	l->writer.bulk_rows = a->bulk_rows;
	l->writer.join_rows = a->join_rows;
	l->writer.base = a->base;
	l->writer.missing.count = a->count_missing;
	if (FAILPOINT_HIT(lane_opened))
		return err_set(e, ERR_db_lost, "failpoint");
	if (meta_note_connection(l->db, &a->id, db_connection_id(l->db), e) < 0)
		return -1;
	return a->ordered ? db_exec(l->db, STR_LIT(SHORT_WAITS), e) : 0;
}

/* by: over which its note is taken away, behind its last transaction. */
static void disconnect(struct lane *l, struct db *by)
{
	struct err ignored;

	if (!l->db)
		return;
	meta_forget_connection(by, &l->a->id, db_connection_id(l->db), &ignored);
	if (FAILPOINT_HIT(lane_closing))
		log_warn("failpoint lane_closing");
	writer_fini(&l->writer);
	db_close(&l->db);
}

struct lane *lane_open(struct apply *a, unsigned number, struct meta_slot *s, struct err *e)
{
	struct lane *l = xcalloc(1, sizeof(*l));

	l->a = a;
	l->number = number;
	l->slot = *s;
	*s = (struct meta_slot){0};
	l->tail = &l->head;
	l->scratch = arena_new(0);
	init_monotonic(&l->work);
	if (connect_downstream(l, e) < 0)
		lane_close(&l);
	return l;
}

void lane_close(struct lane **lane)
{
	struct lane *l = *lane;

	*lane = NULL;
	if (!l)
		return;
	/* Transactions that it did not take are the window's. */
	disconnect(l, l->a->ddl);
	meta_slot_fini(&l->slot);
	runs_fini(&l->done);
	runs_fini(&l->batch.runs);
	buf_free(&l->batch.applied);
	buf_free(&l->opening);
	free(l->batch.gtid);
	arena_free(&l->scratch);
	pthread_cond_destroy(&l->work);
	free(l);
}

void lane_put(struct lane *l, struct trx *t)
{
	t->next = NULL;
	t->begins_run = t->prev != l->put_seq || l->put_seq == 0;
	l->put_seq = t->seq;
	l->coming += t->begins_run;
	*l->tail = t;
	l->tail = &t->next;
	pthread_cond_signal(&l->work);
}

void lane_wake(struct lane *l)
{
	pthread_cond_signal(&l->work);
}

size_t lane_runs(struct lane *l, struct position watermark)
{
	runs_cut(&l->done, watermark);
	return runs_weight(&l->done);
}

size_t lane_coming(const struct lane *l)
{
	return l->coming;
}

bool lane_waits_for(const struct lane *l, uint64_t seq)
{
	return l->batch.n > 0 && seq < l->batch.list[0]->seq;
}

bool lane_holds(const struct lane *l, const struct trx *t)
{
	const struct batch *b = &l->batch;

	/* In the order of the stream, as the queue was. */
	return t->lane == l->number && b->n > 0 && t->seq >= b->list[0]->seq &&
	       t->seq <= b->list[b->n - 1]->seq;
}

/* --- rows --- */

/* A transaction that is not kept decoded, or not kept at all. */
static int put_pieces(struct lane *l, struct trx *t, struct err *e)
{
	struct change *list;
	struct decode d;
	size_t n;
	int r;

	decode_open(&d, t, NULL);
	while ((r = decode_next(&d, l->scratch, PIECE_BYTES, &list, &n, e)) > 0) {
		r = writer_put(&l->writer, list, n, e);
		if (r == 0 && t->large && FAILPOINT_HIT(large_rows))
			r = err_set(e, ERR_db_lost, "failpoint");
		if (r != 0)
			break;
		arena_clear(l->scratch);
	}
	arena_clear(l->scratch);
	t->left_out = d.left_out;
	decode_close(&d);
	return r;
}

/* All rows of one upstream transaction into packets. 1: a count is wrong. */
static int put_trx(struct lane *l, struct trx *t, struct err *e)
{
	int r;

	l->writer.packet.at = t->start;
	r = writer_safe(&l->writer, t->safe, e);
	if (r == 0)
		r = t->decoded ? writer_hold(&l->writer, t->changes, t->nchanges, e) : put_pieces(l, t, e);
	return r;
}

/* Of the transaction that the error is about, or of the one in hand. */
static void say_where(const struct lane *l, const struct trx *t, struct err *e)
{
	bool known = !position_is_zero(l->writer.failed_at);
	char at[300];

	position_text(known ? l->writer.failed_at : t->start, l->a->base, at, sizeof(at));
	err_add(e, "transaction at %s", at);
}

static int open_batch(struct lane *l, struct err *e)
{
	struct batch *b = &l->batch;
	struct meta_progress p = {
		b->watermark, l->a->base, b->gtid ? b->gtid : "", buf_cstr(&b->applied), b->head};

	writer_reset(&l->writer);
	if (FAILPOINT_HIT(sync_before_guard))
		return err_set(e, ERR_db_lost, "failpoint");
	buf_clear(&l->opening);
	commit_put_opening(&l->opening, &l->a->id, &l->slot, &p);
	return writer_open(&l->writer, buf_str(&l->opening), e);
}

/* Behind all rows: they go by one packet after the other, and it is one transaction. */
static int put_records(struct lane *l, struct err *e)
{
	struct batch *b = &l->batch;
	int r = missing_record(&l->writer.missing, l->db, &l->a->id, l->slot.slot, e);

	for (unsigned i = 0; r == 0 && i < b->n; i++) {
		if (!b->list[i]->xa)
			continue;
		r = xa_record(l->db, &l->a->id, b->list[i], e);
		if (r == 0 && FAILPOINT_HIT(xa_record))
			r = err_set(e, ERR_db_lost, "failpoint");
		if (r < 0)
			say_where(l, b->list[i], e);
	}
	return r;
}

static int put_batch(struct lane *l, struct err *e)
{
	struct batch *b = &l->batch;
	struct trx *t = NULL;
	int r = open_batch(l, e);

	for (unsigned i = 0; r == 0 && i < b->n; i++) {
		t = b->list[i];
		r = put_trx(l, t, e);
	}
	if (r == 0)
		r = writer_flush(&l->writer, e);
	if (r == WRITER_FENCED)
		return commit_fenced(l->db, &l->a->id, &l->slot, e);
	if (r != 0 && t)
		say_where(l, t, e);
	return r == 0 ? put_records(l, e) : r;
}

/* Two lanes that lock each other's gaps must not meet again at the same moment. */
static void give_way(const struct lane *l, unsigned tries)
{
	clock_sleep_ms((10u << (tries < 6 ? tries : 6)) + 7 * l->number);
}

/* --- the upstream's order (turn.c) --- */

/* Nobody will commit the oldest transaction any more. */
static bool nothing_comes(struct apply *a)
{
	const struct trx *t = window_trx(&a->window, depend_oldest(a->depend));

	if (a->failed || !a->leaving)
		return a->failed;
	for (unsigned i = 0; i < a->workers; i++)
		if (t && lane_holds(a->lanes[i], t))
			return false;
	return true;
}

/* TURN_WAIT: it is no use, all leave. */
static enum turn_next wait_turn(struct lane *l)
{
	struct apply *a = l->a;
	uint64_t first = l->batch.list[0]->seq;
	enum turn_next next;

	if (FAILPOINT_HIT(order_turn))
		return TURN_GIVE_UP;
	pthread_mutex_lock(&a->lock);
	while ((next = turn_now(&a->turns, a->depend, first)) == TURN_WAIT && !nothing_comes(a))
		pthread_cond_wait(&a->changed, &a->lock);
	pthread_mutex_unlock(&a->lock);
	return next;
}

/* With nothing open. False: all leave. */
static bool wait_oldest(struct lane *l)
{
	struct apply *a = l->a;
	uint64_t first = l->batch.list[0]->seq;
	bool oldest;

	pthread_mutex_lock(&a->lock);
	while (!(oldest = turn_is_oldest(a->depend, first)) && !nothing_comes(a))
		pthread_cond_wait(&a->changed, &a->lock);
	pthread_mutex_unlock(&a->lock);
	return oldest;
}

/* A lock was not to be had. True: it may be tried again at once. */
static bool failed_first(struct lane *l)
{
	struct apply *a = l->a;
	bool first;

	pthread_mutex_lock(&a->lock);
	first = turn_failed(&a->turns, a->depend, l->batch.list[0]->seq);
	if (first)
		pthread_cond_broadcast(&a->changed);
	pthread_mutex_unlock(&a->lock);
	return first;
}

/* --- one batch --- */

static int commit_batch(struct lane *l, struct err *e)
{
	if (commit_end(l->db, &l->slot, e) < 0)
		return -1;
	missing_report(&l->writer.missing, &l->a->missing, clock_ms());
	return 0;
}

/* 0: committed; 1: rolled back, to be written again; 2: rolled back, all leave. */
static int end_batch(struct lane *l, struct err *e)
{
	enum turn_next next = l->a->ordered ? wait_turn(l) : TURN_COMMIT;

	if (next == TURN_COMMIT)
		return commit_batch(l, e);
	if (apply_rollback(l->db, e) < 0)
		return -1;
	return next == TURN_GIVE_UP && wait_oldest(l) ? 1 : 2;
}

/* What this batch's COMMIT will make true. */
static void note_progress(struct lane *l)
{
	struct batch *b = &l->batch;

	free(b->gtid);
	b->watermark = schedule_reach(l->a, l, &b->gtid);
	b->head = heads_of(&l->a->heads, b->watermark);
	runs_clear(&b->runs);
	for (unsigned i = 0; i < b->n; i++) {
		const struct trx *t = b->list[i];

		if (position_cmp(t->end, b->watermark) > 0)
			runs_add(&b->runs, t->start, t->end, t->has_gtid ? &t->gtid : NULL,
				i > 0 && t->prev == b->list[i - 1]->seq);
	}
	runs_cut(&l->done, b->watermark);
	buf_clear(&b->applied);
	runs_text(&l->done, &b->applied);
	runs_text(&b->runs, &b->applied);
}

/* --- too large for the downstream --- */

/* The last of the batch stands first in the queue again, and so on; the first is tried alone, and so are
 * they. */
static void give_back(struct lane *l)
{
	struct apply *a = l->a;
	struct batch *b = &l->batch;
	uint64_t back = 0;

	pthread_mutex_lock(&a->lock);
	l->apart = b->n - 1;
	while (b->n > 1) {
		struct trx *t = b->list[--b->n];

		t->next = l->head;
		if (!l->head)
			l->tail = &t->next;
		l->head = t;
		back += t->nchanges + 1;
	}
	b->bytes = b->list[0]->bytes;
	b->rows = b->list[0]->nchanges;
	depend_returned(a->depend, l->number, back);
	note_progress(l);
	pthread_mutex_unlock(&a->lock);
}

static int pause_part(void *arg, unsigned tries)
{
	struct lane *l = arg;

	if (l->a->ordered)
		failed_first(l);
	give_way(l, tries);
	return 0;
}

/*
 * The batch's one transaction, in parts; when everything before it is committed, so that a start meets its
 * rest first. What depends on it waits until it is whole.
 */
static int split_batch(struct lane *l, uint64_t rows, struct err *e)
{
	struct batch *b = &l->batch;
	struct buf applied = {0};
	struct split s = {.a = l->a,
		.db = l->db,
		.slot = &l->slot,
		.writer = &l->writer,
		.scratch = l->scratch,
		.t = b->list[0],
		.rows = rows,
		.pause = pause_part,
		.arg = l};
	char *gtid;
	int r;

	if (!wait_oldest(l))
		return 2;
	s.before.watermark = apply_watermark(l->a, &gtid);
	pthread_mutex_lock(&l->a->lock);
	runs_cut(&l->done, s.before.watermark);
	runs_text(&l->done, &applied);
	pthread_mutex_unlock(&l->a->lock);
	s.before = (struct meta_progress){s.before.watermark, l->a->base, gtid, buf_cstr(&applied),
		heads_of(&l->a->heads, s.before.watermark)};
	s.after = (struct meta_progress){
		b->watermark, l->a->base, b->gtid ? b->gtid : "", buf_cstr(&b->applied), b->head};
	r = split_apply(&s, e);
	if (r < 0)
		say_where(l, s.t, e);
	free(gtid);
	buf_free(&applied);
	writer_reset(&l->writer); /* its rows are counted already */
	return r == 1 ? 2 : r;
}

/* 2: not committed, all leave. */
static int apply_batch(struct lane *l, struct err *e)
{
	if (l->batch.list[0]->in_parts)
		return split_batch(l, l->a->split_rows, e);
	for (unsigned tries = 0;;) {
		enum writer_again again;
		int r = put_batch(l, e);

		if (r == 0) {
			r = end_batch(l, e);
			if (r == 1)
				continue;
			if (r >= 0 || !writer_undone(e))
				return r;
		}
		again = writer_again(&l->writer, r, tries, e);
		if (again == WRITER_NOT || apply_rollback(l->db, e) < 0)
			return -1;
		if (again == WRITER_SINGLE)
			continue;
		if (again == WRITER_SPLIT && l->batch.n == 1)
			return split_batch(l, split_guess(&l->writer), e);
		if (again == WRITER_SPLIT) {
			give_back(l);
			continue;
		}
		atomic_fetch_add(&l->a->counts.retries, 1);
		if (!l->a->ordered || failed_first(l))
			give_way(l, tries++);
		else if (!wait_oldest(l))
			return 2;
	}
}

/* --- batches, under the scheduler's lock --- */

static bool may_begin(struct apply *a, const struct trx *t)
{
	for (unsigned i = 0; i < t->nwaits; i++)
		if (!depend_committed(a->depend, t->waits[i]))
			return false;
	return true;
}

/* In the upstream's order a batch is a stretch of neighbours: what it waits for at its COMMIT is before all
 * of it. */
static bool may_join(const struct lane *l)
{
	const struct trx *last = l->batch.list[l->batch.n - 1];

	return !last->apart && !l->head->apart && (!l->a->ordered || l->head->prev == last->seq);
}

/* In the upstream's order a large one begins when it is the oldest: it is not written twice for a lock, and
 * nobody waits for it to see that it must give way. */
static bool may_begin_now(struct apply *a, const struct trx *t)
{
	if (!may_begin(a, t))
		return false;
	return !a->ordered ||
	       (t->apart ? turn_is_oldest(a->depend, t->seq) : turn_may_begin(&a->turns, a->depend, t->seq));
}

static void add(struct lane *l)
{
	struct batch *b = &l->batch;
	struct trx *t = l->head;

	l->head = t->next;
	if (!l->head)
		l->tail = &l->head;
	t->next = NULL;
	b->list[b->n++] = t;
	b->bytes += t->bytes;
	b->rows += t->nchanges;
}

static bool is_leaving(struct apply *a)
{
	bool leaving;

	pthread_mutex_lock(&a->lock);
	leaving = a->leaving;
	pthread_mutex_unlock(&a->lock);
	return leaving;
}

/* A downstream that has given the room to others meanwhile may have some again: the work waits for it. */
static int connect_again(struct lane *l, struct err *e)
{
	enum { TRIES = 60, PAUSE_MS = 1000 };

	for (unsigned tries = 0;; tries++) {
		if (connect_downstream(l, e) == 0)
			return 0;
		if (!db_error_is_busy(e->sql_errno) || tries == TRIES || is_leaving(l->a))
			return -1;
		if (tries == 0)
			log_warn("no room for a connection, tried again for %d s: %s", TRIES, e->text);
		err_clear(e);
		clock_sleep_ms(PAUSE_MS);
	}
}

/*
 * Until there is work, or all leave. A connection that has had none for long is closed: the downstream has
 * other use for it. Nothing is open by it then, and the next one begins as this one did.
 */
static void wait_work(struct lane *l)
{
	struct timespec until = clock_deadline(l->a->idle_ms);
	struct apply *a = l->a;

	while (!l->head && !a->leaving) {
		if (!l->db) {
			pthread_cond_wait(&l->work, &a->lock);
		} else if (pthread_cond_timedwait(&l->work, &a->lock, &until) == ETIMEDOUT && !l->head &&
			   !a->leaving) {
			pthread_mutex_unlock(&a->lock);
			disconnect(l, l->db);
			pthread_mutex_lock(&a->lock);
		}
	}
}

/* The first may have to wait for other lanes, and nothing is open then; those behind it may not (T6). False:
 * all leave.
 */
static bool take(struct lane *l)
{
	struct apply *a = l->a;
	struct batch *b = &l->batch;
	unsigned most;

	wait_work(l);
	if (!a->leaving && !may_begin_now(a, l->head))
		atomic_fetch_add(&a->counts.waits, 1);
	while (!a->leaving && !may_begin_now(a, l->head))
		pthread_cond_wait(&a->changed, &a->lock);
	if (a->leaving)
		return false;
	b->bytes = b->rows = 0;
	most = l->apart > 0 ? 1 : BATCH_TRX;
	l->apart -= l->apart > 0;
	do
		add(l);
	while (l->head && may_begin(a, l->head) && may_join(l) && b->n < most && b->bytes < a->batch_bytes &&
		b->rows < a->batch_rows);
	depend_taken(a->depend, l->number, b->rows + b->n);
	b->cascades_logged = a->cascades_logged;
	note_progress(l);
	return true;
}

static void count(struct lane *l)
{
	struct apply_counts *c = &l->a->counts;

	atomic_fetch_add(&c->inserts, l->writer.in_hand[BINLOG_INSERT]);
	atomic_fetch_add(&c->updates, l->writer.in_hand[BINLOG_UPDATE]);
	atomic_fetch_add(&c->deletes, l->writer.in_hand[BINLOG_DELETE]);
	atomic_fetch_add(&c->transactions, l->batch.n);
	for (unsigned i = 0; i < l->batch.n; i++)
		atomic_fetch_add(&c->filtered_rows, l->batch.list[i]->left_out);
	atomic_fetch_add(&c->bytes, l->batch.bytes);
	atomic_fetch_add(&c->batches, 1);
}

static void finish(struct lane *l)
{
	struct apply *a = l->a;
	struct batch *b = &l->batch;
	bool neighbour = l->done.n > 0 && b->list[0]->prev == l->done_seq &&
			 position_cmp(b->list[0]->end, b->watermark) > 0;

	turn_committed(&a->turns, b->list[0]->seq);
	runs_append(&l->done, &b->runs, neighbour);
	l->done_seq = b->list[b->n - 1]->seq;
	for (unsigned i = 0; i < b->n; i++) {
		depend_done(a->depend, b->list[i]->seq);
		a->bytes -= b->list[i]->weight;
		l->coming -= b->list[i]->begins_run;
		window_commit(&a->window, b->list[i]->seq);
	}
	b->n = 0;
	if (position_cmp(b->watermark, a->durable) > 0) {
		a->durable = b->watermark;
		free(a->durable_gtid);
		a->durable_gtid = b->gtid;
		b->gtid = NULL;
	}
	depend_taken(a->depend, l->number, 0);
	schedule_advance(a);
}

/* Its batch will not be committed: nobody may wait for its turn behind that. */
static void leave(struct lane *l)
{
	l->batch.n = 0;
	pthread_cond_broadcast(&l->a->changed);
}

/* 2: not committed, all leave. */
static int apply_or_leave(struct lane *l, struct err *e)
{
	int r = apply_batch(l, e);

	/* A large one's events have ended, for we leave: the connection's end takes back what it wrote. */
	return r < 0 && l->batch.list[0]->large && queue_leaving(l->a->queue) ? 2 : r;
}

static void *lane_main(void *arg)
{
	struct lane *l = arg;
	struct apply *a = l->a;
	struct err e = {0};

	pthread_mutex_lock(&a->lock);
	while (take(l)) {
		int r;

		pthread_mutex_unlock(&a->lock);
		r = l->db ? 0 : connect_again(l, &e);
		l->writer.cascades_logged = l->batch.cascades_logged;
		if (r == 0)
			r = apply_or_leave(l, &e);
		writer_fast(&l->writer);
		if (r < 0)
			apply_fail(a, &e);
		else if (r == 0)
			count(l);
		pthread_mutex_lock(&a->lock);
		if (r != 0) {
			leave(l);
			break;
		}
		finish(l);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

bool lane_start(struct lane *l)
{
	l->started = pthread_create(&l->thread, NULL, lane_main, l) == 0;
	return l->started;
}

void lane_join(struct lane *l)
{
	if (l->started)
		pthread_join(l->thread, NULL);
	l->started = false;
}
