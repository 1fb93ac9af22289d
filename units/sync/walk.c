/*
 * The events of one transaction for whoever applies it. A large one is read a second time from the relay log:
 * there compressed payloads are unfolded event by event, and what a savepoint took back is left out by
 * number.
 */
#include "units/sync/walk.h"

#include <inttypes.h>

#include "units/sync/pieces.h"

void walk_begin(struct walk *w, const struct trx *t)
{
	*w = (struct walk){.t = t, .outer = t->format, .left = buf_str(&t->raw)};
	if (t->pieces)
		pieces_rewind(t->pieces);
}

void walk_end(struct walk *w)
{
	binlog_payload_close(&w->payload);
	buf_free(&w->chunk);
}

/* The end of a large one: it must have been the same as when it was first read. */
static int at_end(const struct walk *w, struct err *e)
{
	if (!w->t->large || w->nth == w->t->nth)
		return 0;
	return err_set(e, ERR_sync_binlog,
		"read again, a transaction has %" PRIu64 " events of rows and tables instead of %" PRIu64,
		w->nth, w->t->nth);
}

/* Has a ROLLBACK TO taken this one back? */
static bool is_cut(struct walk *w)
{
	const struct trx_cut *cuts = (const struct trx_cut *)(const void *)w->t->cuts.p;
	size_t n = w->t->cuts.n / sizeof(*cuts);
	uint64_t nth = w->nth++;

	while (w->cut < n && nth >= cuts[w->cut].to)
		w->cut++;
	return w->cut < n && nth >= cuts[w->cut].from;
}

/* The next event as it stands in the file. 0: no more. */
static int next_outer(struct walk *w, struct str *event, struct err *e)
{
	struct binlog_header h;
	int r;

	while (w->left.n == 0) {
		if (!w->t->pieces)
			return 0;
		buf_free(&w->chunk);
		r = pieces_take(w->t->pieces, &w->chunk, e);
		if (r <= 0)
			return r;
		w->left = buf_str(&w->chunk);
	}
	if (binlog_read_header(w->left, &h, e) < 0 || h.size > w->left.n)
		return err_set(e, ERR_sync_binlog, "a damaged event inside a transaction");
	*event = (struct str){w->left.p, h.size};
	w->left.p += h.size;
	w->left.n -= h.size;
	return 1;
}

/* One event, whatever it is. 0: the end; 2: nothing yet, go on. */
static int step(struct walk *w, struct str *event, const struct binlog_format **f, struct err *e)
{
	struct binlog_header h;
	int r;

	if (w->payload) {
		*f = &w->inner;
		r = binlog_payload_next(w->payload, event, e);
		if (r != 0)
			return r;
		binlog_payload_close(&w->payload);
	}
	*f = &w->outer;
	r = next_outer(w, event, e);
	if (r <= 0 || binlog_read_header(*event, &h, e) < 0)
		return r < 0 || r > 0 ? -1 : 0;
	if (h.type == BINLOG_FORMAT)
		return binlog_read_format(*event, &w->outer, e) < 0 ? -1 : 2;
	if (h.type != BINLOG_TRANSACTION_PAYLOAD)
		return 1;
	w->payload = binlog_payload_open(*event, &w->outer, e);
	w->inner = w->outer;
	w->inner.checksum = false;
	return w->payload ? 2 : -1;
}

int walk_next(struct walk *w, struct str *event, const struct binlog_format **f, struct err *e)
{
	struct binlog_header h;
	int r;

	while ((r = step(w, event, f, e)) > 0) {
		if (r == 2)
			continue;
		if (binlog_read_header(*event, &h, e) < 0)
			return -1;
		if ((h.type == BINLOG_TABLE_MAP || binlog_is_rows(h.type)) && !(w->t->large && is_cut(w)))
			return 1;
	}
	return r < 0 ? -1 : at_end(w, e);
}
