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
#include "common/base/xalloc.h"
#include "units/sync/pending.h"
#include "units/sync/reread.h"

enum {
	FETCH_BYTES = 1 << 20,
	FETCH_WAIT_MS = 1000,
	FETCH_REST_MS = 10000,    /* what comes is answered at once all the same */
	FETCH_TIMEOUT_MS = 15000, /* … and that an answer takes longer than it may */
	HEAD_BYTES = 4096,
};

static const uint64_t EVENT_BYTES_MAX = UINT64_C(1)
					<< 30; /* the protocol's largest packet: no event is larger */

static void go_to(struct fetch *f, struct position at)
{
	f->next = (struct position){at.generation, at.file, 4};
	f->skip = at;
	f->resume = at;
}

/* The next XA transaction that was prepared before the watermark, then the watermark itself. */
static void next_place(struct fetch *f)
{
	const struct position *again = (const struct position *)(const void *)f->again.p;

	f->rereading = f->nagain < f->again.n / sizeof(*again);
	go_to(f, f->rereading ? again[f->nagain++] : f->watermark);
}

void fetch_resume(struct fetch *f, struct position watermark)
{
	f->assemble = assemble_new(f->apply->rules, f->keep);
	overlap_begin(&f->overlap, watermark, f->apply->gtid, f->by_gtid);
	f->watermark = watermark;
	f->head = f->apply->slot.head;
	f->heading = f->overlap.before && gtid_set_flavor(f->overlap.before) == FLAVOR_MARIADB &&
		     f->start_gtid && *f->start_gtid;
	next_place(f);
}

void fetch_begin(struct fetch *f, struct position head, struct position skip)
{
	assemble_free(&f->assemble);
	f->assemble = assemble_new(f->apply->rules, f->keep);
	f->scan.on = false;
	overlap_begin(&f->overlap, skip, f->apply->gtid, f->by_gtid);
	f->next = head;
	f->skip = skip;
}

int fetch_located(struct fetch *f, struct position head, const char *gtid, struct err *e)
{
	struct gtid_set *set = apply_parse_gtid(gtid, e);

	if (!set)
		return err_add(e, "the set at the head of the relay log's file");
	overlap_located(&f->overlap, head, set, NULL);
	return 0;
}

int fetch_scan(struct fetch *f, struct position head, struct position to, const char *gtid, struct err *e)
{
	f->assemble = assemble_new(f->apply->rules, f->keep);
	f->scan.on = true;
	f->next = head;
	f->skip = to;
	if (!*gtid)
		return 0;
	f->scan.set = apply_parse_gtid(gtid, e);
	return f->scan.set ? 0 : -1;
}

void fetch_leave(struct fetch *f)
{
	struct err e = {0};

	err_set(&e, ERR_link, "leaving");
	f->failed = true;
	f->error = e;
	/* First: a lane whose events end is to see that it is asked to leave. */
	if (f->queue)
		queue_leave(f->queue);
	reread_leave(f, &e);
}

void fetch_fini(struct fetch *f)
{
	reread_fini(f);
	assemble_free(&f->assemble);
	overlap_fini(&f->overlap);
	gtid_set_free(&f->scan.set);
	buf_free(&f->event);
	buf_free(&f->again);
}

/* What the relay must keep: from the watermark, or an XA transaction that is not decided yet. */
static struct position durable(struct fetch *f)
{
	struct position watermark = apply_durable(f->apply), pin = assemble_pin(f->assemble, watermark);
	const struct position *again = (const struct position *)(const void *)f->again.p;

	/* They are not known to the assembler before they are read again. */
	if (f->rereading && (position_is_zero(pin) || position_cmp(again[0], pin) < 0))
		pin = again[0];
	return !position_is_zero(pin) && position_cmp(pin, watermark) < 0 ? pin : watermark;
}

/* What is read for the second time must be what the record says: a PREPARE that begins there. 1: it is done.
 */
static int on_reread(struct fetch *f, struct trx *t, struct err *e)
{
	bool right = t->xa == TRX_XA_PREPARE && position_cmp(t->start, f->skip) == 0;

	trx_free(&t);
	if (!right)
		return err_set(e, ERR_relay_gone, "no XA transaction begins at %" PRIu64 ":%" PRIu64,
			f->skip.file, f->skip.offset);
	next_place(f);
	return 1;
}

/* -1: one of them (t and what hangs on it) must not be applied. */
static int look_at(struct fetch *f, struct trx *t, struct err *e)
{
	for (; t; t = t->next)
		if (overlap_pass(&f->overlap, t, e) < 0)
			return -1;
	return 0;
}

/* To the applier. 1: it was none for it, and the place to go on is elsewhere. */
static int hand_on(struct fetch *f, struct trx *t, struct err *e)
{
	int r;

	if (f->rereading)
		return on_reread(f, t, e);
	r = look_at(f, t, e);
	while (r < 0 && t) {
		struct trx *next = t->next;

		trx_free(&t);
		t = next;
	}
	if (r < 0)
		return -1;
	for (struct trx *x = t; x; x = x->next)
		if (x->large)
			reread_begin(f, x);
	queue_put(f->queue, t);
	return 0;
}

/* 1: the place is reached. */
static int on_scanned(struct fetch *f, struct str event, struct position at, struct err *e)
{
	struct binlog_gtid_event g;
	struct binlog_header h;

	f->scan.done = position_cmp(at, f->skip) >= 0;
	if (f->scan.done)
		return 1;
	if (binlog_read_header(event, &h, e) < 0)
		return -1;
	if (h.type == BINLOG_FORMAT)
		return binlog_read_format(event, &f->scan.format, e);
	if (h.type != BINLOG_GTID && h.type != BINLOG_GTID_TAGGED && h.type != BINLOG_MARIA_GTID)
		return 0;
	if (binlog_read_gtid(event, &f->scan.format, &g, e) < 0)
		return -1;
	if (!f->scan.set)
		f->scan.set = gtid_set_new(g.mariadb ? FLAVOR_MARIADB : FLAVOR_MYSQL);
	return gtid_set_add(f->scan.set, &g, e);
}

/* --- how files are known again on another host --- */

/*
 * The watermark's file must be the one that it was recorded of: another host may have given generation and
 * name to another server's, when the last switch that was followed here had not been heard of there.
 */
static int note_head(struct fetch *f, struct str event, struct position at, struct err *e)
{
	bool watermarks = at.generation == f->watermark.generation && at.file == f->watermark.file;
	uint64_t id = binlog_format_id(event);
	char file[300];

	if (watermarks && f->head && id != f->head) {
		f->other = true;
		binlog_name_make(file, sizeof(file), f->base, at.file);
		return err_set(e, ERR_relay_other,
			"%s of this host's relay log is not the file that was applied up to, but another "
			"server's: resume the task, the relay then begins anew (not while another task of "
			"the source needs this log: then copy this one again)",
			file);
	}
	heads_note(&f->apply->heads, at, id, durable(f));
	return 0;
}

struct position fetch_need(struct fetch *f, uint64_t *head, char **gtid)
{
	struct position at;

	/* First: it may be older than the place, not newer. */
	*gtid = apply_durable_gtid(f->apply);
	at = durable(f);
	*head = heads_of(&f->apply->heads, at);
	return at;
}

/* One whole event of the stream. 1: the place to go on is elsewhere, what is behind it in this answer is of
 * no use. */
static int on_event(struct fetch *f, struct str event, struct position at, struct err *e)
{
	struct position end = {at.generation, at.file, at.offset + event.n};
	struct binlog_header h;
	struct trx *t = NULL;
	int r = 0;

	if (f->scan.on)
		return on_scanned(f, event, at, e);
	if (binlog_read_header(event, &h, e) < 0)
		return -1;
	if (position_cmp(at, f->skip) < 0 && h.type != BINLOG_FORMAT)
		return 0;
	if (h.type == BINLOG_FORMAT && note_head(f, event, at, e) < 0)
		return -1;
	if (assemble_event(f->assemble, event, at, &t, e) < 0)
		return -1;
	if (t)
		r = hand_on(f, t, e);
	/* Not past what was refused: it would count as applied. */
	if (r >= 0 && !f->rereading && position_is_zero(f->resume))
		queue_set_safe(f->queue, assemble_safe(f->assemble));
	/* The FORMAT event of the file is known: straight to where the work was. What is behind it in this
	 * answer comes again. */
	if (r == 0 && !position_is_zero(f->resume) && h.type == BINLOG_FORMAT) {
		f->next = f->resume;
		f->resume = (struct position){0};
		if (f->next.offset < end.offset)
			f->next.offset = end.offset;
		return 1;
	}
	return r;
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

int fetch_add_piece(struct buf *event, const struct msg_events *m, struct err *e)
{
	if (m->piece > EVENT_BYTES_MAX + 1024 || event->n + m->data.n > m->piece)
		return err_set(e, ERR_sync_binlog, "the relay sent %zu bytes of an event of %" PRIu64,
			event->n + m->data.n, m->piece);
	if (event->n == 0)
		buf_room(event, m->piece);
	buf_put(event, m->data.p, m->data.n);
	return 0;
}

/* A piece of an event larger than a message: kept until it is whole. */
static int on_piece(struct fetch *f, const struct msg_events *m, struct err *e)
{
	struct position start = m->at;

	start.offset -= f->event.n;
	if (fetch_add_piece(&f->event, m, e) < 0)
		return -1;
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
	f->placed |= m.data.n > 0 && !f->rereading;
	f->bytes += m.data.n;
	if (m.base.n > 0 && m.base.n < sizeof(f->base))
		snprintf(f->base, sizeof(f->base), "%.*s", STR_ARG(m.base));
	if (m.data.n == 0) {
		f->next = m.next;
		f->scan.done = f->scan.on && position_cmp(m.next, f->skip) >= 0;
		return 0;
	}
	return m.piece ? on_piece(f, &m, e) : on_whole(f, &m, e);
}

/* The relay is away, or busy: the same position again. */
static void ask_later(struct fetch *f, const struct err *e)
{
	log_debug("fetch: %s", e->text);
	f->again_ms = clock_ms() + FETCH_PAUSE_MS;
}

/* --- a relay log that begins behind our place --- */

/* In the generation of what is applied, or before it: positions must not go back. */
static int say_place(const struct fetch *f, struct position at, struct err *e)
{
	char file[300], first[300];

	binlog_name_make(file, sizeof(file), f->apply->base, f->watermark.file);
	binlog_name_make(first, sizeof(first), f->apply->base, at.file);
	/* Gone, and not of others: the relay had that file (serve.c, reply_gone). */
	if (at.generation == f->watermark.generation && !f->others)
		return err_set(e, ERR_relay_gone,
			"%s, up to which all is applied, is not in the relay log any more, of which %s is "
			"the first file to go on with: it was purged",
			file, first);
	return err_set(e, ERR_relay_other,
		"%s, up to which all is applied, is not in this host's relay log, which is of other "
		"servers under the same numbers: resume the task, the relay then begins anew",
		file);
}

/* at: where the log begins behind what is applied, with that set. Not where positions would go back: the
 * highest counts. */
static int go_on_by_gtids(struct fetch *f, struct position at, struct str gtid, struct err *e)
{
	char *head;
	int rc;

	if (at.generation <= f->watermark.generation)
		return say_place(f, at, e);
	head = xstrndup(gtid.p, gtid.n);
	rc = fetch_located(f, at, head, e);
	free(head);
	if (rc < 0)
		return -1;
	f->next = f->skip = at;
	f->resume = (struct position){0};
	f->moving = false;
	f->placed = true;
	log_info("the relay log is of another host, and begins behind a switch of the upstream: going on by "
		 "GTIDs");
	return 0;
}

static void on_located(void *arg, const struct err *e, struct str reply)
{
	struct fetch *f = arg;
	struct msg_located m;
	struct err wrong = {0};
	struct str body;

	f->asking = false;
	if (e) {
		ask_later(f, e);
	} else if (msg_expect(reply, MSG_located, &body, &wrong) == 0 &&
		   msg_get_located(body, &m, &wrong) == 0) {
		go_on_by_gtids(f, m.at, m.gtid, &wrong);
	}
	/* One of other servers may lack the set; the one that takes its place is made by it. */
	if (wrong.code == ERR_relay_gone && f->others)
		wrong.code = ERR_relay_other;
	if (wrong.code == ERR_link || wrong.code == ERR_relay_not_there)
		ask_later(f, &wrong);
	else if (wrong.code)
		fetch_fail(f, &wrong);
	unit_wake(f->env);
}

/* In which file of the generation the task began, by its set, before the restart: what that one's head says.
 */
static void on_head(void *arg, const struct err *e, struct str reply)
{
	struct fetch *f = arg;
	struct gtid_set *head = NULL, *start = NULL;
	struct msg_located m;
	struct err wrong = {0};
	struct str body;

	f->asking = false;
	if (e)
		wrong = *e;
	else if (msg_expect(reply, MSG_located, &body, &wrong) == 0 &&
		 msg_get_located(body, &m, &wrong) == 0 && m.at.generation == f->watermark.generation) {
		head = gtid_set_parse(FLAVOR_MARIADB, m.gtid, &wrong);
		start = head ? apply_parse_gtid(f->start_gtid, &wrong) : NULL;
	}
	if (start)
		overlap_located(&f->overlap, m.at, head, start);
	else
		gtid_set_free(&head);
	/* Purged, or of another host's log: nothing can be said. */
	if (wrong.code == ERR_link || wrong.code == ERR_relay_not_there)
		ask_later(f, &wrong);
	else
		f->heading = false;
	unit_wake(f->env);
}

static void ask_located(struct fetch *f, void (*done)(void *arg, const struct err *e, struct str reply))
{
	struct buf out = {0}, text = {0};

	gtid_set_text(f->overlap.seen, &text);
	msg_put_locate(&out, link_request_id(), &(struct msg_locate){.gtid = buf_str(&text)});
	link_call(f->relay, &out, FETCH_TIMEOUT_MS, done, f);
	buf_free(&out);
	buf_free(&text);
}

/* The very first place is gone: on another host the log may begin in a later generation, where the upstream
 * was switched at the same time. XA transactions that were prepared before are known by place only. */
static bool may_move(const struct fetch *f, const struct err *e)
{
	bool first = f->other ? f->again.n == 0 : !f->placed;
	bool gone = e->code == ERR_relay_gone || e->code == ERR_relay_other;

	return gone && first && !f->rereading && !f->scan.on && f->overlap.seen;
}

static void on_reply(void *arg, const struct err *e, struct str reply)
{
	struct fetch *f = arg;
	struct err wrong = {0};

	f->asking = false;
	f->again_ms = 0;
	if (e) {
		ask_later(f, e);
		/* Pieces are asked for from their first one. */
		f->next.offset -= f->event.n;
		buf_free(&f->event);
	} else if (!f->failed && on_events(f, reply, &wrong) < 0) {
		/* A relay that is still catching up says so: it is asked again. */
		if (wrong.code == ERR_relay_not_there || wrong.code == ERR_link) {
			ask_later(f, &wrong);
		} else if (may_move(f, &wrong)) {
			f->moving = true;
			f->others = wrong.code == ERR_relay_other;
		} else {
			fetch_fail(f, &wrong);
		}
	}
	unit_wake(f->env);
}

void fetch_fail(struct fetch *f, const struct err *e)
{
	if (!f->failed)
		f->error = *e;
	f->failed = true;
}

bool fetch_is_lost(const struct fetch *f)
{
	return f->failed && f->error.code == ERR_relay_other;
}

void fetch_again_at(struct fetch *f, uint64_t ms)
{
	if (f->env->again_ms == 0 || ms < f->env->again_ms)
		f->env->again_ms = ms;
}

void fetch_ask(struct fetch *f, struct position at, bool head,
	void (*done)(void *arg, const struct err *e, struct str reply), void *arg)
{
	struct buf out = {0};
	struct msg_fetch m = {.at = at,
		.max_bytes = head ? HEAD_BYTES : FETCH_BYTES,
		.wait_ms = f->rests ? FETCH_REST_MS : FETCH_WAIT_MS,
		.reader = str_of(f->reader),
		.durable = durable(f)};

	msg_put_fetch(&out, link_request_id(), &m);
	link_call(f->relay, &out, m.wait_ms + FETCH_TIMEOUT_MS, done, arg);
	buf_free(&out);
}

int fetch_step(struct fetch *f, struct err *e)
{
	if (f->failed) {
		*e = f->error;
		return -1;
	}
	reread_step(f);
	if (f->asking || (f->scan.on && f->scan.done))
		return 0;
	if (clock_ms() < f->again_ms) {
		fetch_again_at(f, f->again_ms);
		return 0;
	}
	if (f->heading || f->moving) {
		f->asking = true;
		ask_located(f, f->heading ? on_head : on_located);
	} else if (queue_has_room(f->queue, assemble_held(f->assemble))) {
		f->asking = true;
		fetch_ask(f, f->next, !position_is_zero(f->resume), on_reply, f);
	}
	return 0;
}
