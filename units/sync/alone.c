/*
 * A transaction that nothing may be beside: too large for memory. Written by the scheduler's thread over its
 * own connection, with its own progress row, while all lanes are empty.
 */
#include "common/base/clock.h"
#include "units/sync/apply.h"
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

static int put_until_done(struct apply *a, struct trx *t, struct err *e)
{
	for (unsigned tries = 0;; tries++) {
		enum writer_again again;
		int r = put_all(a, t, e);

		if (r == 0) {
			r = apply_commit(a, a->db, t->end, a->gtid_text, e);
			if (r == 0 || !db_error_is_undone(e->sql_errno))
				return r;
		}
		again = writer_again(&a->writer, r, tries, e);
		if (again == WRITER_NOT)
			return -1;
		if (apply_rollback(a->db, e) < 0)
			return -1;
		if (again == WRITER_SINGLE)
			continue;
		atomic_fetch_add(&a->counts.retries, 1);
		clock_sleep_ms(10u << (tries < 6 ? tries : 6));
	}
}

int apply_alone(struct apply *a, struct trx *t, struct err *e)
{
	struct apply_counts *c = &a->counts;
	char at[300];

	if (apply_add_gtid(a, t, e) < 0)
		return -1;
	apply_write_gtid(a);
	a->writer.cascades_logged = a->cascades_logged;
	if (put_until_done(a, t, e) < 0) {
		position_text(t->start, a->base, at, sizeof(at));
		return err_add(e, "transaction at %s", at);
	}
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
