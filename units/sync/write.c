/*
 * The row-writer's hand on a connection: changes folded (fold.c), made to packets (statement.c), packets sent
 * to the server, counts compared. It begins and ends no transaction. Called by an applier.
 */
#include "units/sync/write.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/log.h"

/* More than this is not held: memory, and nothing is gained by it. */
enum { HOLD_CHANGES = 50000 };

void writer_init(struct writer *w, struct db *db, uint64_t batch_bytes, const struct db_limits *limits)
{
	*w = (struct writer){.db = db, .max_packet = limits->packet};
	packet_init(&w->packet, batch_bytes);
	w->packet.max_entry = limits->entry;
	w->fold = fold_new();
	w->bulk = bulk_new(db, limits->packet);
}

void writer_fini(struct writer *w)
{
	packet_fini(&w->packet);
	fold_free(&w->fold);
	missing_fini(&w->missing);
	bulk_free(&w->bulk);
}

void writer_reset(struct writer *w)
{
	packet_clear(&w->packet);
	fold_clear(w->fold);
	if (w->bulk)
		bulk_clear(w->bulk);
	w->in_bulk = w->packet.join = false;
	memset(w->in_hand, 0, sizeof(w->in_hand));
	missing_clear(&w->missing);
	w->failed_at = (struct position){0};
	w->safe = w->packet.safe = SAFE_OFF;
}

/* Which statement did not do what it must, in words. */
static int missing(const struct packet *p, const struct statement *s, uint64_t did, struct err *e)
{
	static const char *const verbs[] = {"INSERT", "UPDATE", "DELETE"};
	struct str key = statement_key(p, s);

	return err_set(e, ERR_sync_row_missing, "%s %s: %" PRIu64 " rows instead of %" PRIu64 ", %.*s",
		verbs[s->change], s->table->head, did, s->rows, STR_ARG(key));
}

/* Words of our own for what the downstream says of a structure that is not the expected one. */
static int say_why(const struct packet *p, unsigned done, struct err *e)
{
	enum { NO_TABLE = 1146, NO_COLUMN = 1054, ENTRY_TOO_LARGE = 8025 };
	const struct statement *s = &p->list[done < p->n ? done : p->n - 1];
	size_t n = (s < &p->list[p->n - 1] ? s[1].from - 1 : p->sql.n) - s->from;
	char *in = strstr(e->text, ", in: ");

	if (e->sql_errno == NO_TABLE)
		e->code = ERR_sync_no_table;
	else if (e->sql_errno == NO_COLUMN)
		e->code = ERR_sync_columns;
	else if (e->sql_errno == ENTRY_TOO_LARGE)
		e->code = ERR_sync_too_large;
	/* The packet's head is another statement. */
	if (in)
		snprintf(in, sizeof(e->text) - (size_t)(in - e->text), ", in: %.*s", n > 300 ? 300 : (int)n,
			p->sql.p + s->from);
	return err_add(e, "applying to %s", s->table->head);
}

static int too_large(const struct writer *w, const struct packet *p, struct err *e)
{
	return err_set(e, ERR_sync_too_large,
		"%s: a statement of %zu bytes, max_allowed_packet of the downstream is %" PRIu64,
		p->list[p->n - 1].table->head, p->sql.n, w->max_packet);
}

/* Folded, a statement's rows are of any transaction. */
static void note_place(struct writer *w, const struct statement *s)
{
	if (w->packet.single)
		w->failed_at = s->at;
}

/* 1: a count is not what was foretold, and that is no row that may be passed by. */
static int compare(struct writer *w, const struct db_multi *m, struct err *e)
{
	const struct packet *p = &w->packet;

	for (unsigned i = 0; i < p->n; i++) {
		const struct statement *s = &p->list[i];
		bool sent = i < m->done;
		uint64_t did = !sent ? 0 : s->change == BINLOG_UPDATE ? m->matched[i] : m->affected[i];

		if (sent && statement_fits(s, m->affected[i], m->matched[i]))
			continue;
		if (sent && missing_may_pass(&w->missing, p, s, did)) {
			missing_note(&w->missing, p, s, w->base);
			continue;
		}
		missing(p, s, did, e);
		note_place(w, s);
		return 1;
	}
	return 0;
}

/* Sends all that the packet has. m: the answers, those of the opening too. */
static int execute(struct writer *w, struct db_multi *m, struct err *e)
{
	struct packet *p = &w->packet;
	unsigned done;

	if (p->n > 0 && p->sql.n + 64 > w->max_packet) {
		note_place(w, &p->list[p->n - 1]);
		return too_large(w, p, e);
	}
	if (db_exec_multi(w->db, buf_str(&p->sql), m, e) == 0)
		return 0;
	/* Whatever the rows met: behind a guard that did not pass it says nothing. */
	if (p->opening > 0 && m->done >= p->opening && m->affected[p->opening - 1] != 1)
		return WRITER_FENCED;
	if (m->done < p->opening)
		return err_add(e, "the guard");
	done = m->done - p->opening;
	note_place(w, &p->list[done < p->n ? done : p->n - 1]);
	return say_why(p, done, e);
}

/* What a strict server refuses, and a lax one says after it has cut a value to what fits. */
static bool is_loss(unsigned long number)
{
	static const unsigned losses[] = {
		1048, 1210, 1260, 1261, 1263, 1264, 1265, 1292, 1364, 1366, 1406, 1411, 1441, 1690};

	for (size_t i = 0; i < sizeof(losses) / sizeof(*losses); i++)
		if (losses[i] == number)
			return true;
	return false;
}

/* -1: one of them is of another value than ENUM's invalid one. Deprecated charsets are among them. */
static int judge_warnings(const struct statement *s, struct db_rows *rows, unsigned all, struct err *e)
{
	unsigned losses = 0, seen = 0;
	const struct str *v;
	int n;

	for (; (n = db_fetch(rows, &v, e)) > 0; seen++) {
		unsigned long number = v[1].n ? strtoul(v[1].p, NULL, 10) : 0;

		if (str_is(v[0], "Note") || !is_loss(number) || ++losses <= s->invalid)
			continue;
		err_set(e, db_error_code((uint32_t)number),
			"applying to %s: a row with an ENUM's invalid value, and another value that does not "
			"fit: %lu %.*s",
			s->table->head, number, STR_ARG(v[2]));
		e->sql_errno = (uint32_t)number;
		return -1;
	}
	if (n == 0 && seen < all)
		return err_set(e, ERR_db_execute,
			"applying to %s: a row with an ENUM's invalid value, and %u warnings, of which the "
			"server keeps %u (max_error_count): what else did not fit is not known",
			s->table->head, all, seen);
	return n;
}

/* A lax statement, always the packet's last one: only what it is lax for may have passed. */
static int check_lax(struct writer *w, struct err *e)
{
	const struct packet *p = &w->packet;
	const struct statement *s = p->n > 0 ? &p->list[p->n - 1] : NULL;
	struct db_rows *rows;
	unsigned all;
	int r;

	if (!s || s->invalid == 0 || (all = db_warnings(w->db)) <= s->invalid)
		return 0;
	rows = db_query(w->db, STR_LIT("SHOW WARNINGS"), e);
	if (!rows)
		return -1;
	r = judge_warnings(s, rows, all, e);
	db_rows_close(&rows);
	if (r < 0)
		note_place(w, s);
	return r;
}

/* Sends the packet and compares every count. */
static int send_packet(struct writer *w, struct err *e)
{
	uint64_t affected[PACKET_OPENING + PACKET_STATEMENTS], matched[PACKET_OPENING + PACKET_STATEMENTS];
	struct packet *p = &w->packet;
	struct db_multi m = {.affected = affected, .matched = matched, .count = p->n + p->opening};
	unsigned opening = p->opening;
	int r;

	packet_end(p);
	if (m.count == 0)
		return 0;
	r = execute(w, &m, e);
	if (r != 0)
		return r;
	if (opening > 0 && (m.done < opening || affected[opening - 1] != 1))
		return WRITER_FENCED;
	m.affected += opening;
	m.matched += opening;
	m.done -= opening;
	r = check_lax(w, e);
	if (r == 0)
		r = compare(w, &m, e);
	packet_clear(p);
	if (opening > 0 && r == 0 && FAILPOINT_HIT(sync_after_guard))
		return err_set(e, ERR_db_lost, "failpoint");
	if (m.done > 0 && r == 0 && FAILPOINT_HIT(sync_mid_rows))
		return err_set(e, ERR_db_lost, "failpoint");
	return r;
}

int writer_open(struct writer *w, struct str opening, struct err *e)
{
	packet_open(&w->packet, opening);
	return w->packet.apart ? send_packet(w, e) : 0;
}

static int run_bulk(struct writer *w, struct err *e)
{
	bool any = !bulk_empty(w->bulk);
	int r = bulk_run(w->bulk, e);

	if (any && r == 0 && FAILPOINT_HIT(sync_mid_rows))
		return err_set(e, ERR_db_lost, "failpoint");
	return r;
}

static int add_to_bulk(struct writer *w, const struct table *t, enum bulk_form form,
	const struct binlog_value *before, const struct binlog_value *after, struct err *e)
{
	int r = w->in_order ? send_packet(w, e) : 0;

	if (r == 0)
		r = bulk_add(w->bulk, t, form, before, after, e);
	return r == 0 && bulk_full(w->bulk) ? run_bulk(w, e) : r;
}

static int add_change(void *arg, const struct table *t, enum binlog_change kind,
	const struct binlog_value *before, const struct binlog_value *after, struct err *e)
{
	struct writer *w = arg;
	enum bulk_form form;
	int r;

	form = w->in_bulk ? bulk_form(t, kind, before, after) : BULK_NOT;
	/* Folded rows that are no upserts are few (those that are as they were), and don't cut the run. */
	if (form == BULK_UPDATE && t->upsert && !w->in_order)
		form = BULK_NOT;
	if (form != BULK_NOT)
		return add_to_bulk(w, t, form, before, after, e);
	r = w->in_bulk && w->in_order ? run_bulk(w, e) : 0;
	if (r != 0)
		return r;
	if (packet_add(&w->packet, t, kind, before, after, e) < 0)
		return -1;
	return packet_full(&w->packet) ? send_packet(w, e) : 0;
}

static bool by_bulk(const struct writer *w, const struct table *t, enum binlog_change kind, size_t n)
{
	return w->bulk && t->bulk &&
	       n >= (kind == BINLOG_UPDATE && !t->upsert ? w->join_rows : w->bulk_rows) &&
	       (kind == BINLOG_INSERT || (kind == BINLOG_UPDATE && (t->upsert || t->bulk_update)));
}

/* What comes next of a table: by bulk, or in the packet. What stands in the packet goes first. */
static int on_run(void *arg, const struct table *t, enum binlog_change kind, size_t n, struct err *e)
{
	struct writer *w = arg;
	bool fast = !w->packet.single && !w->packet.safe;
	int r = w->in_bulk ? run_bulk(w, e) : 0;

	w->in_bulk = fast && by_bulk(w, t, kind, n);
	w->in_order = w->in_bulk && fold_ordered(w->fold, t);
	w->packet.join = fast && kind == BINLOG_UPDATE && n >= w->join_rows;
	return r == 0 && w->in_bulk ? send_packet(w, e) : r;
}

/* What is held becomes statements. */
static int unfold(struct writer *w, struct err *e)
{
	int r = fold_count(w->fold) > 0 ? fold_each(w->fold, on_run, add_change, w, e) : 0;

	fold_clear(w->fold);
	return r;
}

int writer_flush(struct writer *w, struct err *e)
{
	int r = unfold(w, e);

	return r == 0 ? send_packet(w, e) : r;
}

/*
 * Cascades that the upstream does not log must happen in the downstream too, so its checks are on where the
 * upstream's session had them on; where the upstream logs them, its rows say it all (T13).
 */
static int set_foreign_keys(struct writer *w, bool checks, struct err *e)
{
	/* In safe mode a row's parent may be gone already. */
	bool on = !w->cascades_logged && checks && !w->packet.safe;
	int r;

	if (on == w->foreign_keys)
		return 0;
	r = send_packet(w, e);
	if (r == 0 && db_execf(w->db, e, "SET foreign_key_checks=%d", on) < 0)
		return -1;
	if (r == 0)
		w->foreign_keys = on;
	return r;
}

/* For the changes that come. */
static int turn_safe(struct writer *w, enum safe_mode mode, struct err *e)
{
	int r = mode == w->packet.safe ? 0 : unfold(w, e);

	if (r != 0 || mode == w->packet.safe)
		return r;
	packet_end(&w->packet);
	w->packet.safe = mode;
	return 0;
}

int writer_safe(struct writer *w, enum safe_mode mode, struct err *e)
{
	w->safe = mode;
	return turn_safe(w, mode, e);
}

/* Does any column change by which a foreign key could find this row? */
static bool changes_a_key(const struct change *c)
{
	const struct table *t = c->table;

	for (unsigned k = 0; k < t->down->nkeys; k++)
		for (unsigned d = 0; d < t->down->keys[k].ncolumns; d++)
			for (unsigned i = 0; i < t->up->ncolumns; i++)
				if (t->target[i] == (int)t->down->keys[k].columns[d] && c->after[i].present &&
					c->before[i].present &&
					(c->after[i].null != c->before[i].null ||
						!str_eq(c->after[i].raw, c->before[i].raw)))
					return true;
	return false;
}

/*
 * A change that must make others happen downstream: those need the row that the upstream had, and the checks.
 * So it is no change that can be made twice.
 */
static bool must_act(const struct writer *w, const struct change *c)
{
	return c->table->acts && !w->cascades_logged && c->checks && c->kind != BINLOG_INSERT &&
	       (c->kind == BINLOG_DELETE || changes_a_key(c));
}

static int put_change(struct writer *w, const struct change *c, struct err *e)
{
	int r;

	if (!w->packet.single && !w->packet.safe && fold_add(w->fold, c->table, c->kind, c->before, c->after))
		return 0;
	/* Tied tables keep their order among themselves, and no other table has to do with them. Else: what
	 * is held of this table goes first. */
	r = c->table->order == TABLE_TIED ? set_foreign_keys(w, c->checks, e) : unfold(w, e);
	return r == 0 ? add_change(w, c->table, c->kind, c->before, c->after, e) : r;
}

static int take(struct writer *w, const struct change *c, struct err *e)
{
	enum safe_mode mode = c->again ? SAFE_MUST : w->safe;
	int r = turn_safe(w, mode, e);

	w->in_hand[c->kind]++;
	if (r != 0)
		return r;
	if (mode == SAFE_OFF || !must_act(w, c))
		return put_change(w, c, e);
	if (mode == SAFE_MUST)
		return err_set(e, ERR_sync_safe_mode, "%s: foreign keys to it change rows of other tables",
			c->table->head);
	r = turn_safe(w, SAFE_OFF, e);
	return r == 0 ? put_change(w, c, e) : r;
}

int writer_hold(struct writer *w, const struct change *list, size_t n, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = take(w, &list[i], e);
	if (r == 0 && fold_count(w->fold) >= HOLD_CHANGES)
		r = unfold(w, e);
	return r;
}

int writer_put(struct writer *w, const struct change *list, size_t n, struct err *e)
{
	int r = writer_hold(w, list, n, e);

	return r == 0 ? unfold(w, e) : r;
}

/* A statement that failed for what it says, or for all that was to go in one packet. */
static bool is_refused(const struct err *e)
{
	if (e->code == ERR_sync_too_large)
		return true;
	return e->sql_errno != 0 && err_act(e->code) != ERR_ACT_RETRY && !db_error_is_lost(e->sql_errno);
}

enum writer_again writer_again(struct writer *w, int r, unsigned tries, const struct err *e)
{
	enum { RETRIES = 20 };

	if (r < 0 && db_error_is_too_large(e))
		return WRITER_SPLIT;
	if ((r > 0 && !w->packet.single) || (r <= 0 && is_refused(e) && !w->packet.apart)) {
		log_info("row by row: %s", e->text);
		w->packet.single = true;
		/* A missing row stops nothing of what is in its packet: where they are counted there may be
		 * many. */
		w->packet.apart = r <= 0 || !w->missing.count;
		return WRITER_SINGLE;
	}
	if (r > 0 || err_act(e->code) != ERR_ACT_RETRY || e->sql_errno == 0 || db_error_is_lost(e->sql_errno))
		return WRITER_NOT;
	if (tries >= RETRIES) {
		log_warn("tried %u times, the process begins anew: %s", tries + 1, e->text);
		return WRITER_NOT;
	}
	log_warn("tried again: %s", e->text);
	return WRITER_SAME;
}

bool writer_undone(const struct err *e)
{
	return db_error_is_undone(e->sql_errno) || db_error_is_too_large(e);
}

void writer_fast(struct writer *w)
{
	w->packet.single = w->packet.apart = false;
}
