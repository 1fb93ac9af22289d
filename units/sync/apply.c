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
#include "units/sync/ddl_record.h"

enum { WAIT_MS = 200, MOVE_MS = 500, RETRIES = 20, BATCH_TRX = 1000 };

/* The transactions of one downstream transaction. */
struct batch {
	struct trx *list[BATCH_TRX];
	unsigned n;
	size_t bytes, events;
	struct position end;
};

/* A TABLE_MAP of the transaction in hand. */
struct mapped {
	struct binlog_table map;
	struct table *table;
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
	a->event = arena_new(1 << 20);
	a->maps = map_new();
	tables_init(&a->tables);
	if (open_connections(a, e) < 0 || meta_slot_load(a->ddl, &a->id, 1, &a->slot, e) < 0 ||
		read_limits(a, e) < 0)
		return -1;
	packet_init(&a->packet, a->batch_bytes);
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

static uint64_t key_of(uint64_t id, char out[8])
{
	memcpy(out, &id, 8);
	return id;
}

static int on_table_map(struct apply *a, const struct trx *t, struct str event, struct err *e)
{
	struct mapped *m = arena_zalloc(a->scratch, sizeof(*m));
	char key[8];

	if (binlog_read_table_map(event, &t->format, a->scratch, &m->map, e) < 0)
		return -1;
	m->table = tables_get(&a->tables, &m->map, e);
	if (!m->table)
		return -1;
	key_of(m->map.id, key);
	map_put(a->maps, (struct str){key, 8}, m);
	return 0;
}

/* Which statement did not do what it must, in words. */
static int missing(const struct packet *p, const struct statement *s, uint64_t did, struct err *e)
{
	static const char *const verbs[] = {"INSERT", "UPDATE", "DELETE"};
	size_t n = s->end - s->where;

	return err_set(e, ERR_sync_row_missing, "%s %s: %" PRIu64 " rows instead of %" PRIu64 ", %.*s",
		verbs[s->change], s->table->head, did, s->rows, n > 300 ? 300 : (int)n, p->sql.p + s->where);
}

/* Words of our own for what the downstream says of a structure that is not the expected one. */
static int say_why(const struct packet *p, const struct db_multi *m, struct err *e)
{
	enum { NO_TABLE = 1146, NO_COLUMN = 1054 };
	const struct statement *s = &p->list[m->done < p->n ? m->done : p->n - 1];
	size_t n = (s < &p->list[p->n - 1] ? s[1].from - 1 : p->sql.n) - s->from;
	char *in = strstr(e->text, ", in: ");

	if (e->sql_errno == NO_TABLE)
		e->code = ERR_sync_no_table;
	else if (e->sql_errno == NO_COLUMN)
		e->code = ERR_sync_columns;
	/* The packet's head is another statement. */
	if (in)
		snprintf(in, sizeof(e->text) - (size_t)(in - e->text), ", in: %.*s", n > 300 ? 300 : (int)n,
			p->sql.p + s->from);
	return err_add(e, "applying to %s", s->table->head);
}

static int too_large(const struct apply *a, const struct packet *p, struct err *e)
{
	return err_set(e, ERR_sync_too_large,
		"%s: a statement of %zu bytes, max_allowed_packet of the downstream is %" PRIu64,
		p->list[p->n - 1].table->head, p->sql.n, a->max_packet);
}

/* Sends the packet and compares every count. 1: a count is wrong (e says which). */
static int send_packet(struct apply *a, struct err *e)
{
	uint64_t affected[PACKET_STATEMENTS], matched[PACKET_STATEMENTS];
	struct packet *p = &a->packet;
	struct db_multi m = {.affected = affected, .matched = matched, .count = p->n};
	int r = 0;

	packet_end(p);
	if (p->n > 0 && p->sql.n + 64 > a->max_packet)
		return too_large(a, p, e);
	if (p->n > 0 && db_exec_multi(a->db, buf_str(&p->sql), &m, e) < 0)
		return say_why(p, &m, e);
	for (unsigned i = 0; i < p->n && r == 0; i++) {
		uint64_t did = p->list[i].change == BINLOG_UPDATE ? matched[i] : affected[i];

		if (i >= m.done || did != p->list[i].rows) {
			missing(p, &p->list[i], i < m.done ? did : 0, e);
			r = 1;
		}
	}
	packet_clear(p);
	if (r == 0 && FAILPOINT_HIT(sync_mid_rows))
		return err_set(e, ERR_db_lost, "failpoint");
	return r;
}

static void count_rows(struct apply *a)
{
	atomic_fetch_add(&a->counts.inserts, a->in_hand[BINLOG_INSERT]);
	atomic_fetch_add(&a->counts.updates, a->in_hand[BINLOG_UPDATE]);
	atomic_fetch_add(&a->counts.deletes, a->in_hand[BINLOG_DELETE]);
}

/* Once, and after each foreign key that comes with a DDL (T13). */
static int know_cascades(struct apply *a, const struct trx *t, struct err *e)
{
	if (a->cascades_known || t->events == 0)
		return 0;
	if (tables_cascades_logged(&a->tables, &t->format.server, &a->cascades_logged, e) < 0 ||
		(!a->cascades_logged && tables_check_cascades(&a->tables, e) < 0))
		return -1;
	a->cascades_known = true;
	return 0;
}

/*
 * Cascades that the upstream does not log must happen in the downstream too, so its checks are on where the
 * upstream's session had them on; where the upstream logs them, its rows say it all (T13).
 */
static int set_foreign_keys(struct apply *a, uint16_t flags, struct err *e)
{
	enum { NO_FOREIGN_KEY_CHECKS = 2 };
	bool on;
	int r;

	on = !a->cascades_logged && !(flags & NO_FOREIGN_KEY_CHECKS);
	if (on == a->foreign_keys)
		return 0;
	r = send_packet(a, e);
	if (r == 0 && db_execf(a->db, e, "SET foreign_key_checks=%d", on) < 0)
		return -1;
	if (r == 0)
		a->foreign_keys = on;
	return r;
}

static int on_rows(struct apply *a, const struct trx *t, struct str event, struct err *e)
{
	struct binlog_value *before, *after;
	struct binlog_rows rows;
	struct mapped *m;
	uint64_t id;
	char key[8];
	int r;

	if (binlog_rows_table_id(event, &t->format, &id, e) < 0)
		return -1;
	key_of(id, key);
	m = map_get(a->maps, (struct str){key, 8});
	if (!m)
		return err_set(e, ERR_sync_binlog, "rows of table id %" PRIu64 " without its TABLE_MAP", id);
	if (!m->table->wanted)
		return 0;
	/* Rows become text one by one: nothing refers to an earlier event's. */
	arena_clear(a->event);
	if (binlog_rows_open(event, &t->format, &m->map, a->event, &rows, e) < 0)
		return -1;
	r = set_foreign_keys(a, rows.flags, e);
	if (r != 0)
		return r;
	before = arena_alloc(a->event, m->map.ncolumns * sizeof(*before));
	after = arena_alloc(a->event, m->map.ncolumns * sizeof(*after));
	while ((r = binlog_rows_next(&rows, &m->map, before, after, e)) > 0) {
		if (packet_add(&a->packet, m->table, rows.change, before, after, e) < 0)
			return -1;
		a->in_hand[rows.change]++;
		if (packet_full(&a->packet) && (r = send_packet(a, e)) != 0)
			return r;
	}
	return r;
}

/* All rows of one upstream transaction into packets. 1: a count is wrong. */
static int put_trx(struct apply *a, const struct trx *t, struct err *e)
{
	struct str left = buf_str(&t->raw);
	struct binlog_header h;
	int r = 0;

	map_free(&a->maps, NULL);
	a->maps = map_new();
	arena_clear(a->scratch);
	r = know_cascades(a, t, e);
	while (r == 0 && left.n > 0) {
		struct str event;

		if (binlog_read_header(left, &h, e) < 0 || h.size > left.n)
			return err_set(e, ERR_sync_binlog, "a damaged event inside a transaction");
		event = (struct str){left.p, h.size};
		left.p += h.size;
		left.n -= h.size;
		r = h.type == BINLOG_TABLE_MAP ? on_table_map(a, t, event, e) : on_rows(a, t, event, e);
	}
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

	memset(a->in_hand, 0, sizeof(a->in_hand));
	for (unsigned i = 0; r == 0 && i < b->n; i++)
		r = put_trx(a, b->list[i], e);
	if (r == 0)
		r = send_packet(a, e);
	packet_clear(&a->packet);
	tables_sweep(&a->tables);
	arena_clear(a->event);
	return r;
}

/* Deadlocks and lock waits end the transaction, not the connection: it is tried again as it was. */
static bool try_again(const struct err *e, unsigned tries)
{
	return err_act(e->code) == ERR_ACT_RETRY && e->sql_errno != 0 && !db_error_is_lost(e->sql_errno) &&
	       tries < RETRIES;
}

static int apply_batch(struct apply *a, const struct batch *b, struct err *e)
{
	for (unsigned tries = 0;; tries++) {
		int r = put_batch(a, b, e);

		if (r == 0)
			return apply_commit(a, a->db, b->end, a->gtid_text, e);
		if (r > 0 && !a->packet.single) {
			/* Once more, a row a statement, to name the one that is missing. */
			a->packet.single = true;
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
	a->packet.single = false;
	if (r == 0) {
		count_rows(a);
		atomic_fetch_add(&a->counts.transactions, b->n);
		atomic_fetch_add(&a->counts.bytes, b->bytes);
		atomic_store(&a->counts.last_timestamp, stamp);
		a->last_move_ms = clock_ms();
	}
	free_batch(b);
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

	if (!a->maps)
		return; /* never opened */
	if (a->db && a->ddl) {
		meta_forget_connection(a->ddl, &a->id, db_connection_id(a->db), &ignored);
		meta_forget_connection(a->ddl, &a->id, db_connection_id(a->ddl), &ignored);
	}
	tables_fini(&a->tables);
	db_close(&a->db);
	db_close(&a->ddl);
	packet_fini(&a->packet);
	arena_free(&a->scratch);
	arena_free(&a->event);
	map_free(&a->maps, NULL);
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
