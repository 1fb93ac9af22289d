/*
 * The rest of a transaction that was applied in part when the process began. It is the first one that is left
 * of the stream, so nothing is beside it: written by the scheduler's thread over its own connection, with its
 * own progress row, where the start has put the record of the parts.
 */
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "units/sync/split.h"

static int pause_part(void *arg, unsigned tries)
{
	(void)arg;
	clock_sleep_ms(10u << (tries < 6 ? tries : 6));
	return 0;
}

/* gtid: the set's text before it. */
static int put_rest(struct apply *a, struct trx *t, const char *gtid, struct err *e)
{
	/* Why it was split before this start is not known: if by need, a part finds its size again. */
	enum { RESUMED_ROWS = 100000 };
	struct buf applied = {0};
	struct split s = {.a = a,
		.db = a->db,
		.slot = &a->slot,
		.writer = &a->writer,
		.scratch = a->scratch,
		.t = t,
		.part = a->part,
		.kept = &a->part,
		.rows = a->split_rows ? a->split_rows : RESUMED_ROWS,
		.pause = pause_part};
	int r;

	runs_text(&a->recorded, &applied);
	s.before = (struct meta_progress){
		a->slot.watermark, a->base, gtid, buf_cstr(&applied), heads_of(&a->heads, a->slot.watermark)};
	/* What is recorded above the watermark is behind it: it stays so. */
	s.after = (struct meta_progress){t->end, a->base, a->gtid_text ? a->gtid_text : "",
		buf_cstr(&applied), heads_of(&a->heads, t->end)};
	r = split_apply(&s, e);
	buf_free(&applied);
	if (r == 0)
		apply_moved(a, t->end, a->gtid_text);
	writer_reset(&a->writer); /* its rows are counted already */
	return r;
}

static void count(struct apply *a, const struct trx *t)
{
	struct apply_counts *c = &a->counts;

	atomic_fetch_add(&c->transactions, 1);
	atomic_fetch_add(&c->filtered_rows, t->left_out);
	atomic_fetch_add(&c->batches, 1);
	atomic_fetch_add(&c->bytes, t->bytes);
	if (trx_commit_us(t))
		atomic_store(&c->commit_us, trx_commit_us(t));
}

int apply_rest(struct apply *a, struct trx *t, struct err *e)
{
	char at[300], *gtid;
	int r;

	apply_write_gtid(a);
	gtid = xstrdup(a->gtid_text ? a->gtid_text : "");
	r = apply_add_gtid(a, t, e);
	if (r == 0) {
		apply_write_gtid(a);
		a->writer.cascades_logged = a->cascades_logged;
		r = put_rest(a, t, gtid, e);
	}
	free(gtid);
	/* A large one's events have ended, for we leave. */
	if (r < 0 && t->large && queue_leaving(a->queue))
		return 1;
	if (r < 0) {
		position_text(t->start, a->base, at, sizeof(at));
		err_add(e, "transaction at %s", at);
	}
	if (r == 0)
		count(a, t);
	return r;
}
