/*
 * Pulls the binlog from the relay by position and cuts it into events. The relay remembers nothing of us:
 * after any loss the same position is asked for again.
 */
#include "units/sync/fetch.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"

enum {
	FETCH_BYTES = 1 << 20,
	FETCH_WAIT_MS = 1000,
	FETCH_TIMEOUT_MS = 15000,
	HEAD_BYTES = 4096,
	PAUSE_MS = 200
};
enum { QUEUE_BYTES = 32 << 20 };

static const uint64_t EVENT_BYTES_MAX = UINT64_C(1)
					<< 30; /* the protocol's largest packet: no event is larger */

void fetch_resume(struct fetch *f, struct position watermark)
{
	f->assemble = assemble_new(f->apply->rules);
	overlap_begin(&f->overlap, watermark, f->apply->gtid);
	f->next = (struct position){watermark.generation, watermark.file, 4};
	f->skip = watermark;
	f->resume = watermark;
}

void fetch_begin(struct fetch *f, struct position head, struct position skip)
{
	f->assemble = assemble_new(f->apply->rules);
	overlap_begin(&f->overlap, skip, f->apply->gtid);
	f->next = head;
	f->skip = skip;
}

void fetch_fini(struct fetch *f)
{
	assemble_free(&f->assemble);
	overlap_fini(&f->overlap);
	buf_free(&f->event);
}

/* t and what hangs on it, to the applier. */
static int hand_on(struct fetch *f, struct trx *t, struct err *e)
{
	int r = 0;

	for (struct trx *i = t; i && r == 0; i = i->next)
		r = overlap_pass(&f->overlap, i, e);
	if (r == 0) {
		queue_put(f->queue, t);
		return 0;
	}
	while (t) {
		struct trx *next = t->next;

		trx_free(&t);
		t = next;
	}
	return -1;
}

/* One whole event of the stream. 1: the place to go on is elsewhere, what is behind it in this answer is of
 * no use. */
static int on_event(struct fetch *f, struct str event, struct position at, struct err *e)
{
	struct binlog_header h;
	struct trx *t = NULL;

	if (binlog_read_header(event, &h, e) < 0)
		return -1;
	if (position_cmp(at, f->skip) < 0 && h.type != BINLOG_FORMAT)
		return 0;
	if (assemble_event(f->assemble, event, at, &t, e) < 0)
		return -1;
	if (t && hand_on(f, t, e) < 0)
		return -1;
	queue_set_safe(f->queue, assemble_safe(f->assemble));
	/* The FORMAT event of the file is known: straight to where the work was. What is behind it in this
	 * answer comes again. */
	if (!position_is_zero(f->resume) && h.type == BINLOG_FORMAT) {
		f->next = f->resume;
		f->resume = (struct position){0};
		if (f->next.offset < at.offset + event.n)
			f->next.offset = at.offset + event.n;
		return 1;
	}
	return 0;
}

static int on_whole(struct fetch *f, const struct msg_events *m, struct err *e)
{
	struct str left = m->data;
	struct position at = m->at;
	struct binlog_header h;
	int r;

	f->next = m->next;
	while (left.n > 0) {
		if (binlog_read_header(left, &h, e) < 0 || h.size < BINLOG_HEADER_SIZE || h.size > left.n)
			return err_set(e, ERR_sync_binlog,
				"the relay sent a damaged event at %" PRIu64 ":%" PRIu64, at.file, at.offset);
		r = on_event(f, (struct str){left.p, h.size}, at, e);
		if (r != 0)
			return r < 0 ? -1 : 0;
		left.p += h.size;
		left.n -= h.size;
		at.offset += h.size;
	}
	return 0;
}

/* A piece of an event larger than a message: kept until it is whole. */
static int on_piece(struct fetch *f, const struct msg_events *m, struct err *e)
{
	struct position start = m->at;

	if (m->piece > EVENT_BYTES_MAX + 1024 || f->event.n + m->data.n > m->piece)
		return err_set(e, ERR_sync_binlog, "the relay sent %zu bytes of an event of %" PRIu64,
			f->event.n + m->data.n, m->piece);
	start.offset -= f->event.n;
	buf_put(&f->event, m->data.p, m->data.n);
	f->next = m->next;
	if (f->event.n < m->piece)
		return 0;
	if (on_event(f, buf_str(&f->event), start, e) < 0)
		return -1;
	buf_free(&f->event);
	return 0;
}

static int on_events(struct fetch *f, struct str reply, struct err *e)
{
	struct msg_events m;
	struct str body;

	if (msg_expect(reply, MSG_events, &body, e) < 0 || msg_get_events(body, &m, e) < 0)
		return -1;
	if (FAILPOINT_HIT(sync_fetched))
		return err_set(e, ERR_link, "failpoint");
	f->end = m.end;
	f->bytes += m.data.n;
	if (m.base.n > 0 && m.base.n < sizeof(f->base))
		snprintf(f->base, sizeof(f->base), "%.*s", STR_ARG(m.base));
	if (m.data.n == 0) {
		f->next = m.next;
		return 0;
	}
	return m.piece ? on_piece(f, &m, e) : on_whole(f, &m, e);
}

static void on_reply(void *arg, const struct err *e, struct str reply)
{
	struct fetch *f = arg;

	f->asking = false;
	f->again_ms = 0;
	if (e) {
		/* The relay is away, or busy: the same position again. Pieces are asked for from their first
		 * one. */
		log_debug("fetch: %s", e->text);
		f->again_ms = clock_ms() + PAUSE_MS;
		f->next.offset -= f->event.n;
		buf_free(&f->event);
	} else if (!f->failed && on_events(f, reply, &f->error) < 0) {
		/* A relay that is still catching up says so: it is asked again. */
		if (f->error.code == ERR_relay_not_there || f->error.code == ERR_link) {
			log_debug("fetch: %s", f->error.text);
			f->again_ms = clock_ms() + PAUSE_MS;
		} else {
			f->failed = true;
		}
	}
	unit_wake(f->env);
}

static void ask(struct fetch *f)
{
	struct buf out = {0};
	struct msg_fetch m = {.at = f->next,
		.max_bytes = position_is_zero(f->resume) ? FETCH_BYTES : HEAD_BYTES,
		.wait_ms = FETCH_WAIT_MS,
		.reader = str_of(f->reader),
		.durable = apply_durable(f->apply)};

	f->asking = true;
	msg_put_fetch(&out, link_request_id(), &m);
	link_call(f->relay, &out, FETCH_TIMEOUT_MS, on_reply, f);
	buf_free(&out);
}

int fetch_step(struct fetch *f, struct err *e)
{
	if (f->failed) {
		*e = f->error;
		return -1;
	}
	if (!f->asking && clock_ms() >= f->again_ms && queue_bytes(f->queue) < QUEUE_BYTES)
		ask(f);
	return 0;
}
