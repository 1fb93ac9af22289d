/*
 * The conversation with the relay: resolve, fetch, pin (docs/protocol.md). Called by the leader thread. A
 * relay that does not answer is waited for: its agent starts it again.
 */
#include "units/load/relaylink.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/log.h"
#include "common/binlog/event.h"
#include "common/proc/msg.h"

enum { ANSWER_MS = 5000, FETCH_WAIT_MS = 1000, FETCH_BYTES = 1 << 20, HEAD_BYTES = 4096, AGAIN_MS = 300 };

/* It is there, but not what is wanted: no use to ask again. */
static bool is_gone(const struct err *e)
{
	return e->code == ERR_relay_gone || e->code == ERR_relay_other || e->code == ERR_relay_ahead ||
	       e->code == ERR_relay_parse;
}

/* 1: body is the reply of that type, kept alive by bytes; 0: the relay can't serve it, e says why; -1:
 * leaving. */
static int ask(struct load *l, const struct buf *msg, uint16_t want, uint64_t timeout_ms, struct buf *bytes,
	struct str *body, struct err *e)
{
	while (!load_stopping(l)) {
		err_clear(e);
		if (link_call_wait(l->relay, msg, timeout_ms, bytes, e) == 0 &&
			msg_expect(buf_str(bytes), want, body, e) == 0)
			return 1;
		if (is_gone(e))
			return 0;
		log_debug("the relay: %s", e->text);
		load_pause(l, AGAIN_MS);
	}
	return err_set(e, ERR_link, "asked to leave");
}

/* Where the snapshot is in the relay log; files of a server before, or behind, say nothing about it. */
static int resolve(struct load *l, const struct plan_snapshot *s, struct position *at, struct err *e)
{
	struct msg_resolve m = {
		.file = str_of(s->file), .offset = s->offset, .server = str_of(s->server ? s->server : "")};
	struct buf b = {0}, bytes = {0};
	struct msg_located got;
	struct str body;
	int r;

	msg_put_resolve(&b, link_request_id(), &m);
	r = ask(l, &b, MSG_located, ANSWER_MS, &bytes, &body, e);
	if (r > 0 && msg_get_located(body, &got, e) < 0)
		r = -1;
	if (r > 0) {
		*at = got.at;
		at->offset = s->offset;
	}
	buf_free(&b);
	buf_free(&bytes);
	return r;
}

/* --- looking through it --- */

struct walk {
	struct load *l;
	struct scan *scan;
	struct position next, to;
	struct position begin; /* the first event to be looked at; zero once it is reached */
	struct buf event;      /* pieces of a large one */
	bool done;
};

static int on_event(struct walk *w, struct str event, struct position at, struct err *e)
{
	struct binlog_header h;

	w->done = position_cmp(at, w->to) >= 0;
	if (w->done)
		return 0;
	if (position_is_zero(w->begin) || position_cmp(at, w->begin) >= 0)
		return scan_event(w->scan, event, e);
	if (binlog_read_header(event, &h, e) < 0)
		return -1;
	if (h.type != BINLOG_FORMAT)
		return 0;
	/* The format is known: straight to the place. */
	w->next = w->begin;
	if (w->next.offset < at.offset + event.n)
		w->next.offset = at.offset + event.n;
	w->begin = (struct position){0};
	return scan_event(w->scan, event, e) < 0 ? -1 : 1;
}

static int on_whole(struct walk *w, const struct msg_events *m, struct err *e)
{
	struct str left = m->data;
	struct position at = m->at;
	struct binlog_header h;
	int r = 0;

	w->next = m->next;
	while (left.n > 0 && r == 0 && !w->done) {
		if (binlog_read_header(left, &h, e) < 0 || h.size < BINLOG_HEADER_SIZE || h.size > left.n)
			return err_set(e, ERR_sync_binlog,
				"the relay sent a damaged event at %" PRIu64 ":%" PRIu64, at.file, at.offset);
		r = on_event(w, (struct str){left.p, h.size}, at, e);
		left.p += h.size;
		left.n -= h.size;
		at.offset += h.size;
	}
	return r < 0 ? -1 : 0;
}

static int on_piece(struct walk *w, const struct msg_events *m, struct err *e)
{
	struct position start = m->at;

	if (w->event.n + m->data.n > m->piece)
		return err_set(e, ERR_sync_binlog, "the relay sent too much of an event");
	start.offset -= w->event.n;
	buf_put(&w->event, m->data.p, m->data.n);
	w->next = m->next;
	if (w->event.n < m->piece)
		return 0;
	if (on_event(w, buf_str(&w->event), start, e) < 0)
		return -1;
	buf_free(&w->event);
	return 0;
}

static int on_events(struct walk *w, struct str body, struct err *e)
{
	struct msg_events m;

	if (msg_get_events(body, &m, e) < 0)
		return -1;
	if (m.data.n == 0) {
		w->next = m.next;
		w->done = position_cmp(m.next, w->to) >= 0;
		return 0;
	}
	return m.piece ? on_piece(w, &m, e) : on_whole(w, &m, e);
}

static int step(struct walk *w, struct err *e)
{
	struct msg_fetch m = {.at = w->next,
		.max_bytes = position_is_zero(w->begin) ? FETCH_BYTES : HEAD_BYTES,
		.wait_ms = FETCH_WAIT_MS,
		.reader = str_of(w->l->task)};
	struct buf b = {0}, bytes = {0};
	struct str body;
	int r;

	msg_put_fetch(&b, link_request_id(), &m);
	r = ask(w->l, &b, MSG_events, FETCH_WAIT_MS + ANSWER_MS, &bytes, &body, e);
	if (r > 0 && on_events(w, body, e) < 0)
		r = -1;
	buf_free(&b);
	buf_free(&bytes);
	return r;
}

static int not_one_server(struct err *e)
{
	err_set(e, ERR_relay_gone, "the upstream has been another server since");
	return 0;
}

int relaylink_scan(struct load *l, const struct plan_snapshot *from, const struct plan_snapshot *to,
	struct scan *s, struct err *e)
{
	struct walk w = {.l = l, .scan = s};
	int r = resolve(l, from, &w.begin, e);

	if (r > 0)
		r = resolve(l, to, &w.to, e);
	if (r <= 0)
		return r;
	if (w.begin.generation != 1 || w.to.generation != 1 || position_cmp(w.begin, w.to) > 0)
		return not_one_server(e);
	log_info("looking through the binlog from %s:%" PRIu64 " to %s:%" PRIu64, from->file, from->offset,
		to->file, to->offset);
	w.next = (struct position){1, w.begin.file, BINLOG_MAGIC_SIZE};
	while (r > 0 && !w.done)
		r = step(&w, e);
	buf_free(&w.event);
	return r;
}

/* --- the pin --- */

int relaylink_pin(struct load *l, const struct plan_snapshot *at, struct err *e)
{
	struct msg_pin m = {.reader = str_of(l->task)};
	struct buf b = {0}, bytes = {0};
	struct str body;
	int r = resolve(l, at, &m.at, e);

	if (r > 0) {
		msg_put_pin(&b, link_request_id(), &m);
		r = ask(l, &b, MSG_ok, ANSWER_MS, &bytes, &body, e);
	}
	buf_free(&b);
	buf_free(&bytes);
	/* What it does not have it can't keep: then the sync says so. */
	if (r == 0)
		log_warn("the relay log does not hold the snapshot: %s", e->text);
	return r < 0 ? -1 : 0;
}
