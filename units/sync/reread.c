/*
 * The second reading of large transactions: the FORMAT event of their file, then their range, whole events in
 * chunks of a message's size, into the short queue of each one's applier (pieces.h). Called by fetch.c.
 */
#include "units/sync/reread.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "units/sync/fetch.h"
#include "units/sync/pieces.h"

struct reread {
	struct reread *next;
	struct fetch *f;
	struct pieces *pieces;
	struct position from, to, at; /* at: to be asked for */
	struct buf event;             /* pieces of a huge one */
	bool head;                    /* the FORMAT event of its file is sent */
	bool asking;
	uint64_t again_ms; /* not before; 0: at once */
};

static void wake(void *arg)
{
	unit_wake(arg);
}

static void from_the_head(struct reread *r)
{
	r->at = (struct position){r->from.generation, r->from.file, 4};
	r->head = false;
	buf_free(&r->event);
}

void reread_begin(struct fetch *f, struct trx *t)
{
	struct reread *r = xcalloc(1, sizeof(*r));

	r->f = f;
	r->pieces = t->pieces = pieces_new(wake, f->env);
	r->from = t->from;
	r->to = t->to;
	from_the_head(r);
	r->next = f->rereads;
	f->rereads = r;
}

/* An event, if it is one of the transaction's own. 1: that was all of this answer. */
static int on_event(struct reread *r, struct str event, struct position at, struct buf *chunk, struct err *e)
{
	struct binlog_header h;

	if (!r->head) {
		if (binlog_read_header(event, &h, e) < 0)
			return -1;
		if (h.type != BINLOG_FORMAT)
			return err_set(e, ERR_sync_binlog, "no FORMAT_DESCRIPTION event at a file's head");
		r->head = true;
		r->at = r->from;
		buf_put(chunk, event.p, event.n);
		return 1;
	}
	if (position_cmp(at, r->to) >= 0)
		return 1;
	buf_put(chunk, event.p, event.n);
	return 0;
}

static void hand_on(struct reread *r, struct buf *chunk)
{
	if (chunk->n > 0)
		pieces_put(r->pieces, chunk);
	buf_free(chunk);
	if (r->head && position_cmp(r->at, r->to) >= 0)
		pieces_end(r->pieces);
}

static int on_whole(struct reread *r, const struct msg_events *m, struct err *e)
{
	struct str left = m->data;
	struct position at = m->at;
	struct buf chunk = {0};
	struct binlog_header h;
	int done = 0;

	r->at = m->next;
	while (left.n > 0 && done == 0) {
		if (binlog_read_header(left, &h, e) < 0 || h.size < BINLOG_HEADER_SIZE || h.size > left.n)
			done = err_set(e, ERR_sync_binlog,
				"the relay sent a damaged event at %" PRIu64 ":%" PRIu64, at.file, at.offset);
		else
			done = on_event(r, (struct str){left.p, h.size}, at, &chunk, e);
		left.p += h.size;
		left.n -= h.size;
		at.offset += h.size;
	}
	hand_on(r, &chunk);
	return done < 0 ? -1 : 0;
}

/* A piece of an event larger than a message: kept until it is whole. */
static int on_piece(struct reread *r, const struct msg_events *m, struct err *e)
{
	if (fetch_add_piece(&r->event, m, e) < 0)
		return -1;
	r->at = m->next;
	if (r->event.n == m->piece)
		hand_on(r, &r->event);
	return 0;
}

static int on_events(struct reread *r, struct str reply, struct err *e)
{
	struct msg_events m;
	struct str body;

	if (msg_expect(reply, MSG_events, &body, e) < 0 || msg_get_events(body, &m, e) < 0)
		return -1;
	if (FAILPOINT_HIT(large_fetched))
		return err_set(e, ERR_link, "failpoint");
	r->f->bytes += m.data.n;
	if (m.data.n == 0) {
		r->at = m.next;
		return 0;
	}
	return m.piece ? on_piece(r, &m, e) : on_whole(r, &m, e);
}

/* The relay is away, or busy: the same position again. Pieces are asked for from their first one. */
static void ask_later(struct reread *r, const struct err *e)
{
	log_debug("fetch: %s", e->text);
	r->again_ms = clock_ms() + FETCH_PAUSE_MS;
	r->at.offset -= r->event.n;
	buf_free(&r->event);
}

static void on_reply(void *arg, const struct err *failed, struct str reply)
{
	struct reread *r = arg;
	struct err e = {0};

	r->asking = false;
	r->again_ms = 0;
	if (failed)
		ask_later(r, failed);
	else if (!r->f->failed && on_events(r, reply, &e) < 0) {
		if (e.code == ERR_relay_not_there || e.code == ERR_link)
			ask_later(r, &e);
		else
			fetch_fail(r->f, &e);
	}
	unit_wake(r->f->env);
}

static void ask(struct reread *r)
{
	if (pieces_again(r->pieces))
		from_the_head(r);
	if (!pieces_room(r->pieces))
		return;
	r->asking = true;
	fetch_ask(r->f, r->at, !r->head, on_reply, r);
}

static void drop(struct reread **at)
{
	struct reread *r = *at;

	*at = r->next;
	pieces_release(&r->pieces);
	buf_free(&r->event);
	free(r);
}

void reread_step(struct fetch *f)
{
	struct reread **at = &f->rereads, *r;

	while ((r = *at)) {
		if (!r->asking && pieces_alone(r->pieces)) {
			drop(at);
			continue;
		}
		if (!r->asking && clock_ms() < r->again_ms)
			fetch_again_at(f, r->again_ms);
		else if (!r->asking)
			ask(r);
		at = &r->next;
	}
}

void reread_leave(struct fetch *f, const struct err *e)
{
	for (struct reread *r = f->rereads; r; r = r->next)
		pieces_fail(r->pieces, e);
}

void reread_fini(struct fetch *f)
{
	while (f->rereads)
		drop(&f->rereads);
}
