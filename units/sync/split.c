/*
 * Applying one transaction in parts: because the task says so (split-transaction), or because the downstream
 * refuses it whole. What it costs is that readers of the downstream see parts of it; what it keeps is that
 * every row is written exactly once (docs/design/apply.md). Called by lane.c and rest.c.
 */
#include "units/sync/split.h"

#include <inttypes.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "units/sync/xa.h"

enum { PIECE_BYTES = 1 << 20 };

/* Its changes, from any place on. */
struct cursor {
	struct split *s;
	struct decode d;
	bool open;
	struct change *list; /* the piece in hand */
	size_t n, at;
};

static void cursor_close(struct cursor *c)
{
	if (c->open)
		decode_close(&c->d);
	c->open = false;
	arena_clear(c->s->scratch);
	c->n = c->at = 0;
}

/* 1: changes are in hand; 0: there are no more; -1 with e. */
static int cursor_fill(struct cursor *c, struct err *e)
{
	if (c->at < c->n)
		return 1;
	arena_clear(c->s->scratch);
	c->n = c->at = 0;
	return decode_next(&c->d, c->s->scratch, PIECE_BYTES, &c->list, &c->n, e);
}

/* At most so many, counted into *p; 0: there are no more, or none are wanted. */
static int cursor_take(
	struct cursor *c, uint64_t most, struct part *p, const struct change **list, size_t *n, struct err *e)
{
	int r = most > 0 ? cursor_fill(c, e) : 0;

	if (r <= 0)
		return r;
	*list = c->list + c->at;
	*n = c->n - c->at < most ? c->n - c->at : (size_t)most;
	c->at += *n;
	part_add(p, *list, *n);
	return 1;
}

static int other_one(const struct split *s, struct err *e)
{
	return err_set(e, ERR_sync_part,
		"%" PRIu64 " rows of it are applied, and what the binlog has there now is not the same",
		s->part.rows);
}

/* Behind what is committed. It must be the same as when that was written. */
static int cursor_open(struct cursor *c, struct err *e)
{
	struct split *s = c->s;
	const struct change *list;
	struct part again;
	size_t n;
	int r;

	cursor_close(c);
	decode_open(&c->d, s->t, NULL);
	c->open = true;
	part_begin(&again, s->t);
	while ((r = cursor_take(c, s->part.rows - again.rows, &again, &list, &n, e)) > 0)
		;
	if (r < 0)
		return -1;
	if (again.rows != s->part.rows || again.hash != s->part.hash)
		return other_one(s, e);
	return again.rows > 0 && FAILPOINT_HIT(split_again) ? err_set(e, ERR_db_lost, "failpoint") : 0;
}

static int begin(struct split *s, struct err *e)
{
	struct meta_progress p = s->before;
	struct buf applied = {0};
	int r;

	buf_puts(&applied, s->before.applied);
	part_text(&s->part, &applied);
	p.applied = buf_cstr(&applied);
	r = commit_guard(s->db, &s->a->id, s->slot, &p, e);
	buf_free(&applied);
	return r;
}

/* How far it is with this part: known only at its end, while the guard comes first. */
static int record(struct split *s, const struct part *now, bool last, struct err *e)
{
	struct meta_progress p = last ? s->after : s->before;
	struct buf applied = {0};
	int r;

	buf_puts(&applied, p.applied);
	if (!last)
		part_text(now, &applied);
	p.applied = buf_cstr(&applied);
	r = meta_slot_again(s->db, &s->a->id, s->slot, &p, e);
	buf_free(&applied);
	return r;
}

static int put_rows(struct cursor *c, struct part *now, struct err *e)
{
	struct split *s = c->s;
	const struct change *list;
	size_t n;
	int r = writer_safe(s->writer, s->t->safe, e);

	while (r == 0 && (r = cursor_take(c, s->part.rows + s->rows - now->rows, now, &list, &n, e)) > 0)
		r = writer_put(s->writer, list, n, e);
	return r == 0 ? writer_flush(s->writer, e) : r;
}

/* One part but for its COMMIT. 1: a count is wrong. */
static int put_part(struct cursor *c, struct part *now, bool *last, struct err *e)
{
	struct split *s = c->s;
	int r;

	writer_reset(s->writer);
	s->writer->packet.at = s->t->start;
	if ((!c->open && cursor_open(c, e) < 0) || begin(s, e) < 0)
		return -1;
	*now = s->part;
	r = put_rows(c, now, e);
	if (r != 0)
		return r;
	r = cursor_fill(c, e);
	*last = r == 0;
	if (*last)
		s->t->left_out = c->d.left_out;
	if (r < 0 || (*last && s->t->xa && xa_record(s->db, &s->a->id, s->t, e) < 0) ||
		missing_record(&s->writer->missing, s->db, &s->a->id, s->slot->slot, e) < 0)
		return -1;
	return record(s, now, *last, e);
}

static void count(struct split *s, bool last)
{
	struct apply_counts *c = &s->a->counts;
	const uint64_t *rows = s->writer->in_hand;

	atomic_fetch_add(&c->inserts, rows[BINLOG_INSERT]);
	atomic_fetch_add(&c->updates, rows[BINLOG_UPDATE]);
	atomic_fetch_add(&c->deletes, rows[BINLOG_DELETE]);
	atomic_fetch_add(&c->batches, !last); /* the last one is counted with the transaction */
	atomic_fetch_add(&c->parts, 1);
	missing_report(&s->writer->missing, &s->a->missing, clock_ms());
}

static int commit_part(struct cursor *c, const struct part *now, bool last, struct err *e)
{
	struct split *s = c->s;

	if (commit_end(s->db, s->slot, e) < 0)
		return -1;
	count(s, last);
	s->part = *now;
	if (s->kept)
		*s->kept = last ? (struct part){0} : *now;
	return !last && FAILPOINT_HIT(split_part) ? err_set(e, ERR_db_lost, "failpoint") : 0;
}

static bool smaller(struct split *s, const struct part *now, const struct err *e)
{
	uint64_t tried = now->rows - s->part.rows;

	if (tried < 2)
		return false;
	s->rows = tried / 2;
	log_warn("the downstream does not take %" PRIu64 " rows at once: %" PRIu64
		 " at a time from here on: %s",
		tried, s->rows, e->text);
	return true;
}

/* A part that did not go through. 0: it is to be written again; 1: all leave; -1: e stands. */
static int after_failure(struct cursor *c, const struct part *now, int r, unsigned *tries, struct err *e)
{
	struct split *s = c->s;
	enum writer_again again = writer_again(s->writer, r, *tries, e);

	if (again == WRITER_NOT || (again == WRITER_SPLIT && !smaller(s, now, e)) ||
		apply_rollback(s->db, e) < 0)
		return -1;
	cursor_close(c);
	if (again != WRITER_SAME)
		return 0;
	atomic_fetch_add(&s->a->counts.retries, 1);
	return s->pause(s->arg, (*tries)++) < 0;
}

static void say(const struct split *s)
{
	char at[300];

	position_text(s->t->start, s->a->base, at, sizeof(at));
	if (s->part.rows > 0)
		log_warn("transaction at %s: %" PRIu64
			 " rows of it are applied already, the rest follows, %" PRIu64 " rows at a time",
			at, s->part.rows, s->rows);
	else
		log_warn("transaction at %s is applied in parts of %" PRIu64
			 " rows: readers of the downstream may see some without the others",
			at, s->rows);
}

static int work(struct cursor *c, struct err *e)
{
	struct part now = c->s->part;
	unsigned tries = 0;
	bool last = false;

	while (!last) {
		int r = put_part(c, &now, &last, e);

		if (r == 0 && commit_part(c, &now, last, e) == 0) {
			tries = 0;
			writer_fast(c->s->writer);
			if (!last && queue_leaving(c->s->a->queue))
				return 1;
			continue;
		}
		/* After any other error of a COMMIT it is open whether it is committed: the next start asks.
		 */
		if (r == 0 && !writer_undone(e))
			return -1;
		r = r == 0 ? -1 : r;
		last = false;
		r = after_failure(c, &now, r, &tries, e);
		if (r != 0)
			return r;
	}
	return 0;
}

uint64_t split_guess(const struct writer *w)
{
	uint64_t rows = w->in_hand[BINLOG_INSERT] + w->in_hand[BINLOG_UPDATE] + w->in_hand[BINLOG_DELETE];

	return rows < 2 ? 1 : rows / 2;
}

int split_apply(struct split *s, struct err *e)
{
	struct cursor c = {.s = s};
	int r;

	if (!part_pending(&s->part))
		part_begin(&s->part, s->t);
	say(s);
	r = work(&c, e);
	cursor_close(&c);
	writer_fast(s->writer);
	if (r == 0)
		atomic_fetch_add(&s->a->counts.split, 1);
	return r;
}
