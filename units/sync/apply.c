/*
 * The applier's thread: batches of whole upstream transactions, each batch one downstream transaction. It
 * owns its connections and all that it knows of tables; the main thread only feeds the queue and reads the
 * counters.
 */
#include "units/sync/apply.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "units/sync/arrange.h"
#include "units/sync/ddl_record.h"

enum { WAIT_MS = 200, MOVE_MS = 500, RETRIES = 20, BATCH_TRX = 1000, PIECE_BYTES = 1 << 20 };

/* The transactions of one downstream transaction. */
struct batch {
	struct trx *list[BATCH_TRX];
	unsigned n;
	size_t bytes, events;
	struct position end;
};

static int open_connections(struct apply *a, struct err *e)
{
	struct db_options rows = {.session = DB_APPLY}, ddl = {.session = DB_DDL};

	a->ddl = db_open(a->downstream, &ddl, e);
	if (!a->ddl || meta_setup(a->ddl, a->id.schema, e) < 0 || meta_take_over(a->ddl, &a->id, e) < 0 ||
		meta_note_connection(a->ddl, &a->id, db_connection_id(a->ddl), e) < 0)
		return -1;
	a->db = db_open(a->downstream, &rows, e);
	if (!a->db || meta_note_connection(a->ddl, &a->id, db_connection_id(a->db), e) < 0)
		return -1;
	return 0;
}

static int read_limits(struct apply *a, struct err *e)
{
	char value[32];
	bool found;

	if (db_value(a->db, "SELECT @@max_allowed_packet", value, sizeof(value), &found, e) < 0)
		return -1;
	a->max_packet = strtoull(value, NULL, 10);
	if (a->batch_bytes * 2 > a->max_packet)
		a->batch_bytes = a->max_packet / 2;
	return 0;
}

int apply_open(struct apply *a, struct err *e)
{
	pthread_mutex_init(&a->lock, NULL);
	a->scratch = arena_new(1 << 20);
	tables_init(&a->tables);
	if (open_connections(a, e) < 0 || meta_slot_load(a->ddl, &a->id, 1, &a->slot, e) < 0 ||
		read_limits(a, e) < 0)
		return -1;
	writer_init(&a->writer, a->db, a->batch_bytes, a->max_packet);
	a->tables.rules = a->rules;
	a->tables.upstream = a->upstream;
	a->tables.ask_down = a->ddl;
	a->tables.id = &a->id;
	a->watermark = a->slot.watermark;
	return 0;
}

/* The set at the watermark is kept where there is one; what can't be read as one is no GTID position. */
static int take_gtid(struct apply *a, const char *text, struct err *e)
{
	bool mariadb = strchr(text, '-') && strspn(text, "0123456789-, \n") == strlen(text);

	gtid_set_free(&a->gtid);
	free(a->gtid_text);
	a->gtid_text = NULL;
	if (!*text)
		return 0;
	a->gtid = gtid_set_parse(mariadb ? FLAVOR_MARIADB : FLAVOR_MYSQL, str_of(text), e);
	if (!a->gtid)
		return -1;
	a->gtid_text = xstrdup(text);
	pthread_mutex_lock(&a->lock);
	free(a->watermark_gtid);
	a->watermark_gtid = xstrdup(text);
	pthread_mutex_unlock(&a->lock);
	return 0;
}

static int note_default(void *arg, const char *schema, struct err *e)
{
	struct apply *a = arg;

	return ddl_record_default(a, schema, a->slot.watermark, e);
}

int apply_begin_at(struct apply *a, struct position at, const char *base, const char *gtid, struct err *e)
{
	snprintf(a->base, sizeof(a->base), "%s", base);
	if (take_gtid(a, gtid, e) < 0)
		return -1;
	if (position_cmp(a->slot.watermark, at) == 0)
		return 0;
	if (apply_guard(a, a->db, at, gtid, e) < 0 ||
		tables_each_same_default(&a->tables, note_default, a, e) < 0)
		return -1;
	return apply_commit(a, a->db, at, gtid, e);
}

static void count_rows(struct apply *a)
{
	atomic_fetch_add(&a->counts.inserts, a->writer.in_hand[BINLOG_INSERT]);
	atomic_fetch_add(&a->counts.updates, a->writer.in_hand[BINLOG_UPDATE]);
	atomic_fetch_add(&a->counts.deletes, a->writer.in_hand[BINLOG_DELETE]);
}

/* Once, and after each foreign key that comes with a DDL (T13). */
static int know_cascades(struct apply *a, const struct trx *t, struct err *e)
{
	if (a->cascades_known || t->events == 0)
		return 0;
	if (tables_cascades_logged(&a->tables, &t->format.server, &a->cascades_logged, e) < 0 ||
		(!a->cascades_logged && tables_check_cascades(&a->tables, e) < 0) ||
		arrange_read(&a->tables, e) < 0)
		return -1;
	a->writer.cascades_logged = a->cascades_logged;
	a->cascades_known = true;
	return 0;
}

/* A large transaction, which is not kept decoded. */
static int put_pieces(struct apply *a, struct trx *t, struct err *e)
{
	struct change *list;
	struct decode d;
	size_t n;
	int r;

	decode_open(&d, t, NULL);
	while ((r = decode_next(&d, a->scratch, PIECE_BYTES, &list, &n, e)) > 0) {
		r = writer_put(&a->writer, list, n, e);
		if (r != 0)
			break;
		arena_clear(a->scratch);
	}
	arena_clear(a->scratch);
	decode_close(&d);
	return r;
}

/* All rows of one upstream transaction into packets. 1: a count is wrong. */
static int put_trx(struct apply *a, struct trx *t, struct err *e)
{
	int r = know_cascades(a, t, e);

	if (r == 0 && !t->decoded && t->ntables == 0)
		r = decode_trx(t, &a->tables, e);
	if (r == 0)
		r = t->decoded ? writer_hold(&a->writer, t->changes, t->nchanges, e) : put_pieces(a, t, e);
	if (r < 0) {
		char at[300];

		position_text(t->start, a->base, at, sizeof(at));
		err_add(e, "transaction at %s", at);
	}
	return r;
}

static int put_batch(struct apply *a, const struct batch *b, struct err *e)
{
	int r = apply_guard(a, a->db, b->end, a->gtid_text, e);

	writer_reset(&a->writer);
	for (unsigned i = 0; r == 0 && i < b->n; i++)
		r = put_trx(a, b->list[i], e);
	if (r == 0)
		r = writer_flush(&a->writer, e);
	return r;
}

/* Deadlocks and lock waits end the transaction, not the connection: it is tried again as it was. */
static bool try_again(const struct err *e, unsigned tries)
{
	return err_act(e->code) == ERR_ACT_RETRY && e->sql_errno != 0 && !db_error_is_lost(e->sql_errno) &&
	       tries < RETRIES;
}

/* A statement that failed for what it says. */
static bool is_refused(const struct err *e)
{
	return e->sql_errno != 0 && err_act(e->code) != ERR_ACT_RETRY && !db_error_is_lost(e->sql_errno);
}

static int apply_batch(struct apply *a, const struct batch *b, struct err *e)
{
	for (unsigned tries = 0;; tries++) {
		int r = put_batch(a, b, e);

		if (r == 0)
			return apply_commit(a, a->db, b->end, a->gtid_text, e);
		if (!a->writer.packet.single && (r > 0 || is_refused(e))) {
			/* Once more, a row a statement and nothing folded, to name the row. */
			a->writer.packet.single = true;
			if (apply_rollback(a->db, e) < 0)
				return -1;
			continue;
		}
		if (r > 0 || !try_again(e, tries))
			return -1;
		log_warn("tried again: %s", e->text);
		if (apply_rollback(a->db, e) < 0)
			return -1;
		clock_sleep_ms(10u << (tries < 6 ? tries : 6));
	}
}

static void free_batch(struct batch *b)
{
	for (unsigned i = 0; i < b->n; i++)
		trx_free(&b->list[i]);
	b->n = 0;
}

static int finish_batch(struct apply *a, struct batch *b, struct err *e)
{
	uint32_t stamp = 0;
	int r;

	for (unsigned i = 0; i < b->n; i++) {
		if (apply_add_gtid(a, b->list[i], e) < 0)
			return -1;
		if (b->list[i]->timestamp)
			stamp = b->list[i]->timestamp;
	}
	apply_write_gtid(a);
	r = apply_batch(a, b, e);
	a->writer.packet.single = false;
	if (r == 0) {
		count_rows(a);
		atomic_fetch_add(&a->counts.transactions, b->n);
		atomic_fetch_add(&a->counts.bytes, b->bytes);
		atomic_store(&a->counts.last_timestamp, stamp);
		a->last_move_ms = clock_ms();
	}
	free_batch(b);
	tables_sweep(&a->tables);
	return r;
}

static void add(struct batch *b, struct trx *t)
{
	b->list[b->n++] = t;
	b->bytes += t->raw.n;
	b->events += t->events;
	b->end = t->end;
}

/* Neighbours that are there already; it never waits while it is open. A DDL is taken alone. */
static void fill(struct apply *a, struct batch *b)
{
	struct position ignored;

	while (b->n < BATCH_TRX && b->bytes < a->batch_bytes && b->events < a->batch_rows) {
		const struct trx *next = queue_peek(a->queue);

		if (!next || next->kind == TRX_DDL)
			return;
		add(b, queue_take(a->queue, 0, &ignored));
	}
}

/* The stream went on without anything for us: the watermark follows, but not at each event (T4). */
static int move(struct apply *a, struct position safe, struct err *e)
{
	if (position_cmp(safe, a->slot.watermark) <= 0 || clock_ms() - a->last_move_ms < MOVE_MS)
		return 0;
	a->last_move_ms = clock_ms();
	if (apply_guard(a, a->db, safe, a->gtid_text, e) < 0)
		return -1;
	return apply_commit(a, a->db, safe, a->gtid_text, e);
}

static int apply_one(struct apply *a, struct trx *t, struct batch *b, struct err *e)
{
	int r;

	if (t->kind == TRX_DDL) {
		r = apply_ddl(a, t, e);
		trx_free(&t);
		return r;
	}
	*b = (struct batch){0};
	add(b, t);
	fill(a, b);
	return finish_batch(a, b, e);
}

static void *apply_main(void *arg)
{
	struct apply *a = arg;
	struct batch *b = xcalloc(1, sizeof(*b));
	struct err e = {0};
	int r = 0;

	while (r == 0 && !queue_leaving(a->queue)) {
		struct position safe;
		struct trx *t = queue_take(a->queue, WAIT_MS, &safe);

		if (t)
			r = apply_one(a, t, b, &e);
		else
			r = move(a, safe, &e);
		a->wake(a->wake_arg);
	}
	free_batch(b);
	free(b);
	if (r < 0) {
		pthread_mutex_lock(&a->lock);
		a->failed = true;
		a->error = e;
		pthread_mutex_unlock(&a->lock);
		a->wake(a->wake_arg);
	}
	return NULL;
}

void apply_start(struct apply *a)
{
	a->started = pthread_create(&a->thread, NULL, apply_main, a) == 0;
	if (!a->started) {
		a->failed = true;
		err_set(&a->error, ERR_internal, "a thread can't be started");
	}
}

void apply_stop(struct apply *a)
{
	if (!a->started)
		return;
	queue_leave(a->queue);
	pthread_join(a->thread, NULL);
	a->started = false;
}

void apply_close(struct apply *a)
{
	struct err ignored;

	if (!a->scratch)
		return; /* never opened */
	if (a->db && a->ddl) {
		meta_forget_connection(a->ddl, &a->id, db_connection_id(a->db), &ignored);
		meta_forget_connection(a->ddl, &a->id, db_connection_id(a->ddl), &ignored);
	}
	tables_fini(&a->tables);
	db_close(&a->db);
	db_close(&a->ddl);
	writer_fini(&a->writer);
	arena_free(&a->scratch);
	gtid_set_free(&a->gtid);
	meta_slot_fini(&a->slot);
	free(a->gtid_text);
	free(a->watermark_gtid);
	pthread_mutex_destroy(&a->lock);
}

struct position apply_watermark(struct apply *a, char **gtid)
{
	struct position p;

	pthread_mutex_lock(&a->lock);
	p = a->watermark;
	if (gtid)
		*gtid = xstrdup(a->watermark_gtid ? a->watermark_gtid : "");
	pthread_mutex_unlock(&a->lock);
	return p;
}

bool apply_failed(struct apply *a, struct err *e)
{
	bool failed;

	pthread_mutex_lock(&a->lock);
	failed = a->failed;
	if (failed)
		*e = a->error;
	pthread_mutex_unlock(&a->lock);
	return failed;
}
