/*
 * A transaction that nothing may be beside: too large for memory. Written by the scheduler's thread over its
 * own connection, with its own progress row, while all lanes are empty.
 */
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "units/sync/split.h"
#include "units/sync/xa.h"

enum { PIECE_BYTES = 1 << 20 };

/* Its changes, as they come by. 1: a count is wrong. */
static int put_rows(struct apply *a, struct trx *t, struct err *e)
{
	struct change *list;
	struct decode d;
	size_t n;
	int r = writer_safe(&a->writer, t->safe, e);

	if (r != 0)
		return r;
	arena_clear(a->scratch);
	decode_open(&d, t, &a->tables);
	while ((r = decode_next(&d, a->scratch, PIECE_BYTES, &list, &n, e)) > 0) {
		r = writer_put(&a->writer, list, n, e);
		if (r != 0)
			break;
		arena_clear(a->scratch);
	}
	decode_close(&d);
	return r == 0 ? writer_flush(&a->writer, e) : r;
}

static int put_all(struct apply *a, struct trx *t, struct err *e)
{
	int r = apply_guard(a, a->db, t->end, a->gtid_text, e);

	writer_reset(&a->writer);
	a->writer.packet.at = t->start;
	if (r == 0)
		r = put_rows(a, t, e);
	if (r == 0 && t->xa)
		r = xa_record(a->db, &a->id, t, e);
	return r == 0 ? missing_record(&a->writer.missing, a->db, &a->id, a->slot.slot, e) : r;
}

static void give_way(unsigned tries)
{
	clock_sleep_ms(10u << (tries < 6 ? tries : 6));
}

/* 1: rolled back, it is too large for the downstream. */
static int put_until_done(struct apply *a, struct trx *t, struct err *e)
{
	for (unsigned tries = 0;; tries++) {
		enum writer_again again;
		int r = put_all(a, t, e);

		if (r == 0) {
			r = apply_commit(a, a->db, t->end, a->gtid_text, e);
			if (r == 0 || !writer_undone(e))
				return r;
		}
		again = writer_again(&a->writer, r, tries, e);
		if (again == WRITER_NOT)
			return -1;
		if (apply_rollback(a->db, e) < 0)
			return -1;
		if (again == WRITER_SINGLE)
			continue;
		if (again == WRITER_SPLIT)
			return 1;
		atomic_fetch_add(&a->counts.retries, 1);
		give_way(tries);
	}
}

static int pause_part(void *arg, unsigned tries)
{
	(void)arg;
	give_way(tries);
	return 0;
}

/* gtid: the set's text before it. */
static int put_in_parts(struct apply *a, struct trx *t, const char *gtid, uint64_t rows, struct err *e)
{
	struct buf applied = {0};
	struct split s = {.a = a,
		.db = a->db,
		.slot = &a->slot,
		.writer = &a->writer,
		.scratch = a->scratch,
		.tables = &a->tables,
		.t = t,
		.part = a->part,
		.kept = &a->part,
		.rows = rows,
		.pause = pause_part};
	int r;

	runs_text(&a->recorded, &applied);
	s.before = (struct meta_progress){a->slot.watermark, a->base, gtid, buf_cstr(&applied)};
	/* What is recorded above the watermark is behind it: it stays so. */
	s.after =
		(struct meta_progress){t->end, a->base, a->gtid_text ? a->gtid_text : "", buf_cstr(&applied)};
	r = split_apply(&s, e);
	buf_free(&applied);
	if (r == 0)
		apply_moved(a, t->end, a->gtid_text);
	writer_reset(&a->writer); /* its rows are counted already */
	return r;
}

/* 1: all leave. */
static int put_somehow(struct apply *a, struct trx *t, const char *gtid, struct err *e)
{
	enum { RESUMED_ROWS = 100000 };
	bool many = a->split_rows > 0 && (t->large || t->xa == TRX_XA_COMMIT || t->nchanges > a->split_rows);
	int r;

	/* Why it was split before this start is not known: if by need, a part finds its size again. */
	if (part_is(&a->part, t) || many)
		return put_in_parts(a, t, gtid, a->split_rows ? a->split_rows : RESUMED_ROWS, e);
	r = put_until_done(a, t, e);
	return r == 1 ? put_in_parts(a, t, gtid, split_guess(&a->writer), e) : r;
}

int apply_alone(struct apply *a, struct trx *t, struct err *e)
{
	struct apply_counts *c = &a->counts;
	char at[300], *gtid;
	int r;

	apply_write_gtid(a);
	gtid = xstrdup(a->gtid_text ? a->gtid_text : "");
	r = apply_add_gtid(a, t, e);
	if (r == 0) {
		apply_write_gtid(a);
		a->writer.cascades_logged = a->cascades_logged;
		r = put_somehow(a, t, gtid, e);
	}
	free(gtid);
	if (r < 0) {
		position_text(t->start, a->base, at, sizeof(at));
		err_add(e, "transaction at %s", at);
	}
	if (r != 0)
		return r;
	writer_fast(&a->writer);
	missing_report(&a->writer.missing, &a->missing, clock_ms());
	atomic_fetch_add(&c->inserts, a->writer.in_hand[BINLOG_INSERT]);
	atomic_fetch_add(&c->updates, a->writer.in_hand[BINLOG_UPDATE]);
	atomic_fetch_add(&c->deletes, a->writer.in_hand[BINLOG_DELETE]);
	atomic_fetch_add(&c->transactions, 1);
	atomic_fetch_add(&c->batches, 1);
	atomic_fetch_add(&c->bytes, t->bytes);
	if (trx_commit_us(t))
		atomic_store(&c->commit_us, trx_commit_us(t));
	return 0;
}
