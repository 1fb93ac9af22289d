/*
 * The appliers' frame: taking the task over, reading what was recorded, connections, starting and ending the
 * threads. Main thread only, but for the accessors. The work is in schedule.c and lane.c.
 */
#include "units/sync/apply.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/sql/quote.h"
#include "units/sync/bulk.h"
#include "units/sync/ddl_record.h"
#include "units/sync/lane.h"

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

/* The quickest of some answers, so that a busy moment does not count. */
static int measure_distance(struct apply *a, struct err *e)
{
	enum { TIMES = 5 };
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < TIMES; i++) {
		uint64_t began = clock_us(), took;

		if (db_exec(a->db, STR_LIT("DO 1"), e) < 0)
			return -1;
		took = clock_us() - began;
		least = took < least ? took : least;
	}
	a->bulk_rows = bulk_worth(least);
	if (a->join_rows < bulk_worth_update(least))
		a->join_rows = bulk_worth_update(least);
	if (a->bulk_rows > bulk_worth(0))
		log_info("the downstream answers after %" PRIu64 " us: runs of less than %" PRIu64
			 " rows (updates that are no upserts: %" PRIu64 ") go as text",
			least, a->bulk_rows, a->join_rows);
	return 0;
}

static int read_limits(struct apply *a, struct err *e)
{
	if (db_limits_read(a->db, &a->limits, e) < 0 ||
		(a->bulk_rows == 0 && db_can_bulk(a->db) && measure_distance(a, e) < 0))
		return -1;
	if (a->batch_bytes * 2 > a->limits.packet)
		a->batch_bytes = a->limits.packet / 2;
	return 0;
}

static void swap(char **x, char **y)
{
	char *was = *x;

	*x = *y;
	*y = was;
}

/* Of another relay generation than the watermark (runs.h) they are compared by GTIDs. */
static int cut_recorded(struct apply *a, const struct meta_slot *best, struct err *e)
{
	struct gtid_set *set = NULL;

	if (*best->gtid && !(set = apply_parse_gtid(best->gtid, e)))
		return -1;
	runs_cut_by(&a->recorded, best->watermark, set);
	gtid_set_free(&set);
	return 0;
}

/* The highest watermark of all rows, and all intervals above it (T4): also those of rows that have no lane
 * now. */
static int recover(struct apply *a, struct meta_slot *list, size_t n, struct err *e)
{
	struct meta_slot *best = &list[0];

	for (size_t i = 0; i < n; i++) {
		if (position_cmp(list[i].watermark, best->watermark) > 0)
			best = &list[i];
		if (runs_parse(&a->recorded, str_of(list[i].applied), e) < 0 ||
			part_parse(&a->part, str_of(list[i].applied), e) < 0)
			return err_add(e, "slot %u of task %s", list[i].slot, a->id.task);
	}
	if (cut_recorded(a, best, e) < 0)
		return -1;
	/* They hold until the files are read, which must then be these (fetch.c). */
	heads_note(&a->heads, list[0].watermark, list[0].head, list[0].watermark);
	heads_note(&a->heads, best->watermark, best->head, list[0].watermark);
	a->durable = list[0].watermark;
	free(a->durable_gtid);
	a->durable_gtid = xstrdup(list[0].gtid);
	list[0].watermark = best->watermark;
	if (best != &list[0]) {
		list[0].head = best->head;
		swap(&list[0].base, &best->base);
		swap(&list[0].gtid, &best->gtid);
	}
	a->watermark = best->watermark;
	if (a->recorded.n > 0)
		log_info("%zu intervals behind the watermark are applied already", a->recorded.n);
	return 0;
}

static int open_lanes(struct apply *a, struct err *e)
{
	struct meta_slot *list;
	size_t n;
	int r;

	if (meta_slots_load(a->ddl, &a->id, a->workers + 1, &list, &n, e) < 0)
		return -1;
	r = recover(a, list, n, e);
	a->slot = list[0];
	list[0] = (struct meta_slot){0};
	for (unsigned i = 0; r == 0 && i < a->workers; i++) {
		a->lanes[i] = lane_open(a, i, &list[i + 1], e);
		if (!a->lanes[i])
			r = -1;
	}
	for (size_t i = 0; i < n; i++)
		meta_slot_fini(&list[i]);
	free(list);
	return r;
}

int apply_open(struct apply *a, struct err *e)
{
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->changed, NULL);
	missing_log_init(&a->missing);
	heads_init(&a->heads);
	a->scratch = arena_new(0);
	a->workers = a->workers < 1 ? 1 : a->workers > LANES_MAX ? LANES_MAX : a->workers;
	a->depend = depend_new(a->workers, a->batch_rows);
	tables_init(&a->tables);
	if (open_connections(a, e) < 0 || read_limits(a, e) < 0 || open_lanes(a, e) < 0 ||
		missing_load(&a->missing, a->ddl, &a->id, e) < 0)
		return -1;
	writer_init(&a->writer, a->db, a->batch_bytes, &a->limits);
	a->writer.bulk_rows = a->bulk_rows;
	a->writer.join_rows = a->join_rows;
	a->writer.base = a->base;
	a->writer.missing.count = a->count_missing;
	a->tables.rules = a->rules;
	a->tables.upstream = a->upstream;
	a->tables.ask_down = a->ddl;
	a->tables.id = &a->id;
	a->tables.takeover = &a->takeover;
	a->tables.copied = &a->copied;
	a->tables.safe_mode = a->safe_mode;
	a->tables.no_upserts = a->no_upserts;
	return 0;
}

struct gtid_set *apply_parse_gtid(const char *text, struct err *e)
{
	bool mariadb = strchr(text, '-') && strspn(text, "0123456789-, \n") == strlen(text);

	return gtid_set_parse(mariadb ? FLAVOR_MARIADB : FLAVOR_MYSQL, str_of(text), e);
}

/* The set at the watermark is kept where there is one; what can't be read as one is no GTID position. */
static int take_gtid(struct apply *a, const char *text, struct err *e)
{
	gtid_set_free(&a->gtid);
	free(a->gtid_text);
	a->gtid_text = NULL;
	if (!*text)
		return 0;
	a->gtid = apply_parse_gtid(text, e);
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

/* What other rows hold above the watermark is in slot 1's now: a part that is still said there when its
 * transaction is long whole would be waited for in vain. */
static int forget_others(struct apply *a, struct err *e)
{
	struct buf sql = {0};
	int r;

	buf_puts(&sql, "UPDATE ");
	sql_put_table(&sql, str_of(a->id.schema), str_of("tidegate_slot"));
	buf_puts(&sql, " SET `applied`='' WHERE `task`=_utf8mb4");
	sql_put_string(&sql, str_of(a->id.task));
	buf_puts(&sql, " AND `source`=_utf8mb4");
	sql_put_string(&sql, str_of(a->id.source));
	buf_puts(&sql, " AND `slot`>1");
	r = db_exec(a->db, buf_str(&sql), e);
	buf_free(&sql);
	return r;
}

int apply_resume(struct apply *a, struct err *e)
{
	snprintf(a->base, sizeof(a->base), "%s", a->slot.base);
	if (take_gtid(a, a->slot.gtid, e) < 0)
		return -1;
	/* From here on lanes overwrite the rows that it was read from. */
	if (a->recorded.n == 0 && position_cmp(a->durable, a->slot.watermark) == 0 && !part_pending(&a->part))
		return 0;
	if (apply_guard(a, a->db, a->slot.watermark, a->slot.gtid, e) < 0 || forget_others(a, e) < 0)
		return -1;
	return apply_commit(a, a->db, a->slot.watermark, a->slot.gtid, e);
}

int apply_begin_at(struct apply *a, struct position at, const char *base, const char *gtid, struct err *e)
{
	snprintf(a->base, sizeof(a->base), "%s", base);
	if (take_gtid(a, gtid, e) < 0 || apply_guard(a, a->db, at, gtid, e) < 0 ||
		tables_each_same_default(&a->tables, note_default, a, e) < 0 ||
		(a->takeover.on && takeover_record(a, e) < 0))
		return -1;
	return apply_commit(a, a->db, at, gtid, e);
}

static void fail_locked(struct apply *a, const struct err *e)
{
	if (!a->failed)
		a->error = *e;
	a->failed = a->leaving = true;
}

static void wake_all(struct apply *a)
{
	pthread_cond_broadcast(&a->changed);
	for (unsigned i = 0; i < a->workers; i++)
		if (a->lanes[i])
			lane_wake(a->lanes[i]);
}

void apply_fail(struct apply *a, const struct err *e)
{
	pthread_mutex_lock(&a->lock);
	fail_locked(a, e);
	wake_all(a);
	pthread_mutex_unlock(&a->lock);
	a->wake(a->wake_arg);
}

void apply_start(struct apply *a)
{
	struct err e = {0};
	bool ok = true;

	for (unsigned i = 0; ok && i < a->workers; i++)
		ok = lane_start(a->lanes[i]);
	a->started = ok && pthread_create(&a->thread, NULL, schedule_main, a) == 0;
	if (!a->started) {
		err_set(&e, ERR_internal, "a thread can't be started");
		apply_fail(a, &e);
	}
}

/* All threads are gone: what lanes recorded as intervals becomes one position. */
static void save_position(struct apply *a)
{
	struct err ignored;
	char *gtid;
	struct position at = apply_watermark(a, &gtid);

	if (!a->failed && position_cmp(at, a->durable) > 0 && apply_guard(a, a->db, at, gtid, &ignored) == 0)
		apply_commit(a, a->db, at, gtid, &ignored);
	free(gtid);
}

void apply_stop(struct apply *a, bool save)
{
	bool started = a->started;

	if (!a->depend)
		return; /* never opened */
	queue_leave(a->queue);
	pthread_mutex_lock(&a->lock);
	a->leaving = true;
	wake_all(a);
	pthread_mutex_unlock(&a->lock);
	if (a->started)
		pthread_join(a->thread, NULL);
	a->started = false;
	for (unsigned i = 0; i < a->workers; i++)
		if (a->lanes[i])
			lane_join(a->lanes[i]);
	if (started && save)
		save_position(a);
}

void apply_close(struct apply *a)
{
	struct err ignored;

	if (!a->depend)
		return; /* never opened */
	for (unsigned i = 0; i < a->workers; i++)
		lane_close(&a->lanes[i]);
	if (a->db && a->ddl) {
		meta_forget_connection(a->ddl, &a->id, db_connection_id(a->db), &ignored);
		meta_forget_connection(a->ddl, &a->id, db_connection_id(a->ddl), &ignored);
	}
	window_fini(&a->window);
	tables_fini(&a->tables);
	acting_fini(&a->acting);
	stray_fini(&a->stray);
	if (a->writer.db)
		writer_fini(&a->writer);
	db_close(&a->db);
	db_close(&a->ddl);
	arena_free(&a->scratch);
	touch_fini(&a->touch);
	runs_fini(&a->recorded);
	heads_fini(&a->heads);
	takeover_fini(&a->takeover);
	copied_fini(&a->copied);
	depend_free(&a->depend);
	gtid_set_free(&a->gtid);
	meta_slot_fini(&a->slot);
	free(a->gtid_text);
	free(a->watermark_gtid);
	free(a->durable_gtid);
	pthread_cond_destroy(&a->changed);
	missing_log_fini(&a->missing);
	pthread_mutex_destroy(&a->lock);
}

char *apply_durable_gtid(struct apply *a)
{
	char *gtid;

	pthread_mutex_lock(&a->lock);
	gtid = xstrdup(a->durable_gtid ? a->durable_gtid : "");
	pthread_mutex_unlock(&a->lock);
	return gtid;
}

struct position apply_durable(struct apply *a)
{
	struct position p;

	pthread_mutex_lock(&a->lock);
	p = a->durable;
	pthread_mutex_unlock(&a->lock);
	return p;
}

void apply_load(struct apply *a, size_t *bytes, unsigned *busy)
{
	pthread_mutex_lock(&a->lock);
	*bytes = a->bytes;
	*busy = depend_busy(a->depend);
	pthread_mutex_unlock(&a->lock);
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
