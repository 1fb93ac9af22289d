/*
 * Answering readers from disk: fetch with its long poll, pin. The main thread's. Keeps no state of a reader
 * but the requests that wait; hands out whole events only, or pieces of one that is too large for a message,
 * and never bytes behind the last event that is whole on disk.
 */
#include "units/relay/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/base/xalloc.h"
#include "units/relay/evfile.h"
#include "units/relay/relay.h"

enum {
	PIECE = 1 << 20, /* a larger event comes in pieces of this size */
	FETCH_MIN = 64 * 1024,
	FETCH_MAX = 3 << 20,
	WAIT_MAX_MS = 30000,
	ASK_WAIT_MS = 1000,
	FRESH_US = 1000000,
};

struct serve_fetch {
	struct link_req *req;
	struct msg_fetch m; /* strings are borrowed from req */
	uint64_t deadline, came_us;
	uint64_t timer; /* 0: none */
	struct serve_fetch *next;
};

/* Who asked how far the upstream is while the last answer was old. */
struct serve_ask {
	struct link_req *req;
	uint64_t asks; /* any answer that is counted after this one will do */
	uint64_t deadline, timer;
	struct serve_ask *next;
};

/* --- where events begin --- */

static bool same_file(struct position a, struct position b)
{
	return a.generation == b.generation && a.file == b.file;
}

static void remember(struct serve *s, struct position at, uint64_t begin, uint32_t size)
{
	s->edges[s->next_edge++ % SERVE_EDGES] = (struct serve_edge){at, begin, size};
}

/* The edge at this place; known, or found by stepping through the file from the nearest known one before it.
 */
static int edge_of(struct relay *r, const struct store_span *span, struct serve_edge *out, struct err *e)
{
	uint64_t from = 0;
	unsigned i;

	for (i = 0; i < SERVE_EDGES; i++) {
		const struct serve_edge *k = &r->serve.edges[i];

		if (!same_file(k->at, span->at) || k->begin > span->at.offset)
			continue;
		if (k->at.offset == span->at.offset) {
			*out = *k;
			return 0;
		}
		from = k->begin > from ? k->begin : from;
	}
	out->at = span->at;
	if (evfile_boundary(r->store.dir, span->path, span->size, from, span->at.offset, &out->begin,
		    &out->size, e) < 0)
		return -1;
	if (out->begin == span->at.offset)
		out->size = 0;
	return 0;
}

/* --- data --- */

static int read_at(struct relay *r, const struct store_span *span, size_t n, struct buf *out, struct err *e)
{
	int fd = openat(r->store.dir, span->path, O_RDONLY | O_CLOEXEC);
	off_t at = (off_t)span->at.offset;
	int rc = 0;

	if (fd < 0)
		return err_sys(e, ERR_io, "opening %s", span->path);
	buf_clear(out);
	while (rc == 0 && out->n < n) {
		ssize_t got = pread(fd, buf_room(out, n - out->n), n - out->n, at + (off_t)out->n);

		if (got > 0)
			out->n += (size_t)got;
		else if (got == 0)
			rc = err_set(e, ERR_relay_parse, "%s is shorter than it was", span->path);
		else if (errno != EINTR)
			rc = err_sys(e, ERR_io, "reading %s", span->path);
	}
	io_close(&fd);
	return rc;
}

static int bad_event(const struct store_span *span, uint64_t at, struct err *e)
{
	return err_set(e, ERR_relay_parse, "%s: no event at %" PRIu64, span->path, at);
}

/* Of the bytes from an event's beginning on: how many are whole events. 0: not even the first is; *size is
 * its size. */
static int whole(const struct store_span *span, struct str b, size_t *n, uint32_t *size, struct err *e)
{
	struct binlog_header h;

	*n = 0;
	*size = 0;
	while (b.n - *n >= BINLOG_HEADER_SIZE) {
		uint64_t at = span->at.offset + *n;

		if (binlog_read_header((struct str){b.p + *n, b.n - *n}, &h, NULL) < 0 ||
			h.size > span->size - at)
			return bad_event(span, at, e);
		if (*n == 0)
			*size = h.size;
		if (h.size > b.n - *n)
			break;
		*n += h.size;
	}
	return 0;
}

static size_t at_most(uint64_t left, size_t n)
{
	return left < n ? (size_t)left : n;
}

/* A piece of the event that is too large. */
static int load_piece(struct relay *r, const struct store_span *span, const struct serve_edge *edge,
	struct buf *b, struct err *e)
{
	uint64_t left = edge->begin + edge->size - span->at.offset;

	if (edge->size > span->size - edge->begin || edge->size <= PIECE)
		return bad_event(span, span->at.offset, e);
	return read_at(r, span, at_most(left, PIECE), b, e);
}

/* The bytes to answer with; *piece as in the message. */
static int load(struct relay *r, const struct store_span *span, uint32_t max, struct buf *b,
	struct serve_edge *edge, struct err *e)
{
	uint64_t left = span->size - span->at.offset;
	uint32_t size;
	size_t n;

	if (edge_of(r, span, edge, e) < 0)
		return -1;
	if (edge->size)
		return load_piece(r, span, edge, b, e);
	max = max < FETCH_MIN ? FETCH_MIN : max > FETCH_MAX ? FETCH_MAX : max;
	if (read_at(r, span, at_most(left, max), b, e) < 0 || whole(span, buf_str(b), &n, &size, e) < 0)
		return -1;
	if (n == 0 && size > PIECE) {
		edge->begin = span->at.offset;
		edge->size = size;
		return load_piece(r, span, edge, b, e);
	}
	if (n == 0) {
		if (size == 0)
			return bad_event(span, span->at.offset, e);
		n = size;
		return read_at(r, span, n, b, e);
	}
	b->n = n;
	return 0;
}

static struct position behind(
	struct relay *r, const struct store_span *span, const struct serve_edge *edge, size_t n)
{
	struct position next = span->at;

	next.offset += n;
	if (edge->size && next.offset < edge->begin + edge->size)
		remember(&r->serve, next, edge->begin, edge->size);
	else if (next.offset == span->size && span->closed)
		next = span->next;
	else
		remember(&r->serve, next, next.offset, 0);
	return next;
}

static void reply_events(struct relay *r, struct link_req **req, struct msg_events *m)
{
	struct buf out = {0};
	char base[256];

	m->end = store_end(&r->store, base, sizeof(base));
	msg_put_events(&out, (*req)->head.request, m);
	link_reply(req, &out);
	buf_free(&out);
}

static void reply_data(struct relay *r, struct serve_fetch *f, const struct store_span *span)
{
	struct msg_events m = {.at = span->at, .base = str_of(span->base)};
	struct serve_edge edge = {0};
	struct buf b = {0};
	struct err e = {0};

	if (load(r, span, f->m.max_bytes, &b, &edge, &e) < 0)
		link_fail(&f->req, &e);
	else {
		m.data = buf_str(&b);
		m.piece = edge.size;
		m.next = behind(r, span, &edge, b.n);
		reply_events(r, &f->req, &m);
	}
	buf_free(&b);
}

static void reply_nothing(struct relay *r, struct serve_fetch *f, struct position at)
{
	struct msg_events m = {.at = at, .next = at};
	char base[256];

	store_end(&r->store, base, sizeof(base));
	m.base = str_of(base);
	reply_events(r, &f->req, &m);
}

static void reply_error(struct serve_fetch *f, enum err_code code, const char *why)
{
	char text[300];
	struct err e = {0};

	position_text(f->m.at, "", text, sizeof(text));
	err_set(&e, code, "%s: %s", text, why);
	link_fail(&f->req, &e);
}

static bool recovered(struct relay *r)
{
	bool yes;

	pthread_mutex_lock(&r->shared.lock);
	yes = r->shared.recovered;
	pthread_mutex_unlock(&r->shared.lock);
	return yes;
}

/* An answer of another server than the one that we read from (yet) says nothing about our files. */
struct position serve_upstream_end(const struct relay_shared *s, const char *server, uint32_t generation)
{
	struct position at = {.generation = generation, .offset = s->master.offset};
	char base[256];

	if (strcmp(s->master_server, server) != 0 ||
		binlog_name_split(str_of(s->master.file), base, sizeof(base), &at.file, NULL) < 0)
		return (struct position){0};
	return at;
}

/*
 * Behind the log's end, and nothing that is pulled will be there: a generation that this log has not reached
 * although it follows the source's server of now, or a place that this server itself has not reached, as it
 * said after it was asked for. Another host's log may have counted other servers.
 */
static bool never_comes(struct relay *r, const struct serve_fetch *f)
{
	struct relay_shared *s = &r->shared;
	char server[STORE_NAME] = "";
	struct store_generation g = {0};
	struct store_file file;
	struct position end;
	bool never;

	store_last(&r->store, &g, &file, server, sizeof(server));
	pthread_mutex_lock(&s->lock);
	end = serve_upstream_end(s, server, g.number);
	never = s->connected && !position_is_zero(end) && s->master_asked_us > f->came_us &&
		position_cmp(f->m.at, end) > 0;
	pthread_mutex_unlock(&s->lock);
	return never;
}

/* At rest the last answer may be old: has the asker another one got, or been told to get it? *asks: what
 * counts as one. */
static bool want_answer(struct relay_shared *s, uint64_t *asks)
{
	bool wanted;

	pthread_mutex_lock(&s->lock);
	*asks = s->asks;
	wanted = s->resting && clock_us() - s->master_asked_us > FRESH_US;
	if (wanted && !s->ask_wanted) {
		s->ask_wanted = true;
		pthread_cond_broadcast(&s->changed);
	}
	pthread_mutex_unlock(&s->lock);
	return wanted;
}

/* Another host may have given the generation's number to another server: purged is only what was here. */
static void reply_gone(struct relay *r, struct serve_fetch *f)
{
	if (store_never_had(&r->store, f->m.at))
		reply_error(f, ERR_relay_other, "its generation has other files in this relay log");
	else
		reply_error(f, ERR_relay_gone, "not in the relay log any more");
}

/* Answers if it can; late: it must. */
static void try(struct relay *r, struct serve_fetch *f, bool late)
{
	struct store_span span;
	uint64_t asks;

	if (!recovered(r)) {
		if (late)
			reply_nothing(r, f, f->m.at);
		return;
	}
	switch (store_find(&r->store, f->m.at, &span)) {
	case STORE_DATA:
		reply_data(r, f, &span);
		break;
	case STORE_LIVE:
		if (late)
			reply_nothing(r, f, span.at);
		break;
	case STORE_BEYOND:
		want_answer(&r->shared, &asks);
		if (late && never_comes(r, f))
			reply_error(f, ERR_relay_other,
				"not of the upstream that this relay log follows: resume the task, the relay "
				"then begins anew");
		else if (late)
			reply_error(f, ERR_relay_not_there, "behind the end of the relay log");
		break;
	case STORE_GONE:
		reply_gone(r, f);
		break;
	case STORE_WRONG:
		reply_error(f, ERR_relay_parse, "no such position in the relay log");
		break;
	}
}

/* --- waiting --- */

static void set_waiting(struct relay *r, bool waiting)
{
	pthread_mutex_lock(&r->shared.lock);
	r->shared.waiting = waiting;
	pthread_mutex_unlock(&r->shared.lock);
}

static void answer(struct relay *r, uint64_t now)
{
	struct serve_fetch **at = &r->serve.waiting, *f;

	while ((f = *at)) {
		try(r, f, now >= f->deadline);
		if (f->req) {
			at = &f->next;
			continue;
		}
		*at = f->next;
		loop_timer_stop(r->env->loop, f->timer);
		free(f);
	}
}

void serve_waiting(struct relay *r)
{
	if (!r->serve.waiting)
		return;
	answer(r, clock_ms());
	set_waiting(r, r->serve.waiting != NULL);
}

static bool waits_at_end(struct relay *r, const char *reader)
{
	const struct serve_fetch *f;
	struct store_span span;

	for (f = r->serve.waiting; f; f = f->next)
		if (str_is(f->m.reader, reader) && store_find(&r->store, f->m.at, &span) == STORE_LIVE)
			return true;
	return false;
}

bool serve_all_wait(struct relay *r)
{
	const char *reader;
	json_t *pin;

	json_object_foreach(r->pins.list, reader, pin)
		if (!waits_at_end(r, reader))
			return false;
	return json_object_size(r->pins.list) > 0;
}

/* A timer only wakes the loop: step() looks at all deadlines. */
static void wake(void *env)
{
	unit_wake(env);
}

static int take_pins(struct relay *r, const struct msg_fetch *m, struct err *e)
{
	if (!position_is_zero(m->durable))
		return pins_set(&r->pins, m->reader, m->durable, e);
	return pins_has(&r->pins, m->reader) ? 0 : pins_set(&r->pins, m->reader, m->at, e);
}

void serve_on_fetch(void *self, struct unit_env *env, struct link_req **req)
{
	struct relay *r = self;
	struct serve_fetch *f = xcalloc(1, sizeof(*f));
	struct err e = {0};

	if (msg_get_fetch((*req)->body, &f->m, &e) < 0 || take_pins(r, &f->m, &e) < 0) {
		link_fail(req, &e);
		free(f);
		return;
	}
	if (f->m.wait_ms > WAIT_MAX_MS)
		f->m.wait_ms = WAIT_MAX_MS;
	f->req = *req;
	*req = NULL;
	f->deadline = clock_ms() + f->m.wait_ms;
	f->came_us = clock_us();
	/* First said, then looked: data that comes in between wakes us. */
	set_waiting(r, true);
	f->next = r->serve.waiting;
	r->serve.waiting = f;
	serve_waiting(r);
	if (r->serve.waiting == f && f->m.wait_ms)
		f->timer = loop_timer(env->loop, f->m.wait_ms, wake, env);
}

/* --- how far the upstream is --- */

static void reply_upstream(struct relay *r, struct link_req **req)
{
	struct relay_shared *s = &r->shared;
	char server[STORE_NAME] = "";
	struct store_generation g = {0};
	struct msg_upstream_at m = {0};
	struct buf b = {0};
	struct store_file f;

	store_last(&r->store, &g, &f, server, sizeof(server));
	pthread_mutex_lock(&s->lock);
	m.asked_us = s->master_asked_us;
	m.clock_us = s->master_clock_us;
	m.at = serve_upstream_end(s, server, g.number);
	m.gtid = str_of(s->master.gtid ? s->master.gtid : "");
	msg_put_upstream_at(&b, (*req)->head.request, &m);
	pthread_mutex_unlock(&s->lock);
	link_reply(req, &b);
	buf_free(&b);
}

static void answer_asks(struct relay *r, uint64_t now)
{
	struct serve_ask **at = &r->serve.asks, *w;
	uint64_t asks;

	pthread_mutex_lock(&r->shared.lock);
	asks = r->shared.asks;
	pthread_mutex_unlock(&r->shared.lock);
	while ((w = *at)) {
		if (w->asks == asks && now < w->deadline) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		loop_timer_stop(r->env->loop, w->timer);
		reply_upstream(r, &w->req);
		free(w);
	}
}

void serve_upstream(struct relay *r)
{
	if (r->serve.asks)
		answer_asks(r, clock_ms());
}

void serve_dismiss(struct relay *r)
{
	answer(r, UINT64_MAX);
	answer_asks(r, UINT64_MAX);
	set_waiting(r, false);
}

void serve_on_upstream(void *self, struct unit_env *env, struct link_req **req)
{
	struct relay *r = self;
	struct serve_ask *w;
	uint64_t asks;

	if (!want_answer(&r->shared, &asks)) {
		reply_upstream(r, req);
		return;
	}
	w = xcalloc(1, sizeof(*w));
	*w = (struct serve_ask){.req = *req,
		.asks = asks,
		.deadline = clock_ms() + ASK_WAIT_MS,
		.timer = loop_timer(env->loop, ASK_WAIT_MS, wake, env),
		.next = r->serve.asks};
	r->serve.asks = w;
	*req = NULL;
}

void serve_on_pin(void *self, struct unit_env *env, struct link_req **req)
{
	struct relay *r = self;
	struct msg_ok ok = {0};
	struct msg_pin m;
	struct buf b = {0};
	struct err e = {0};

	(void)env;
	if (msg_get_pin((*req)->body, &m, &e) < 0 || pins_set(&r->pins, m.reader, m.at, &e) < 0 ||
		pins_save(&r->pins, true, &e) < 0) {
		link_fail(req, &e);
		return;
	}
	msg_put_ok(&b, (*req)->head.request, &ok);
	link_reply(req, &b);
	buf_free(&b);
}
