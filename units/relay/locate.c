/*
 * Answering "where?": locate turns a GTID set into the file to begin with, resolve an upstream's file and
 * offset. Both name a file's head, where its format is; the reader steps over what it has. The main thread's.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "units/relay/head.h"
#include "units/relay/relay.h"
#include "units/relay/unlogged.h"

enum {
	BEYOND_MS = 8000,  /* so long a place may be newer than what the upstream has said */
	FORGET_MS = 30000, /* a place that nobody has asked for since */
};

/* unlogged: NULL where it does not matter. */
static void reply_located(struct relay *r, struct link_req **req, struct position at,
	const struct gtid_set *set, const struct buf *unlogged)
{
	char server[STORE_NAME];
	struct msg_located m = {.at = at};
	struct buf text = {0}, b = {0};

	gtid_set_text(set, &text);
	store_server(&r->store, at.generation, server, sizeof(server));
	m.gtid = buf_str(&text);
	m.server = str_of(server);
	if (unlogged)
		m.unlogged = buf_str(unlogged);
	msg_put_located(&b, (*req)->head.request, &m);
	link_reply(req, &b);
	buf_free(&text);
	buf_free(&b);
}

static bool is_set(struct relay *r, const bool *flag)
{
	bool set;

	pthread_mutex_lock(&r->shared.lock);
	set = *flag;
	pthread_mutex_unlock(&r->shared.lock);
	return set;
}

static bool ready(struct relay *r)
{
	return is_set(r, &r->shared.recovered);
}

static size_t count(struct relay *r)
{
	struct store_span span;
	size_t n = 0;

	while (store_walk(&r->store, n, &span))
		n++;
	return n;
}

/*
 * May a reader that has `wanted` begin with a file whose head is `head`? An empty set says nothing about
 * files without GTIDs: it wants the oldest, and only where nothing came before that.
 */
static bool fits(const struct gtid_set *wanted, const struct gtid_set *head)
{
	return gtid_set_flavor(wanted) == gtid_set_flavor(head) && gtid_set_contains(wanted, head);
}

static int not_yet(const struct store_span *span, struct err *e)
{
	return err_set(e, ERR_relay_not_there, "%s has no whole head yet", span->path);
}

/*
 * The newest file that fits. 1 found, 0 not, -1 with e. One whose head is still to come says nothing: what it
 * seems to begin with is no set, and all that stands before it would be left out.
 */
static int search(struct relay *r, struct str text, struct position *at, struct gtid_set **set, struct err *e)
{
	struct gtid_set *wanted = NULL;
	struct store_span span, begun = {0};
	size_t i, n = count(r);
	bool incomplete = false;
	int found = 0;

	for (i = n; i > 0 && found == 0; i--) {
		struct head h = {0};

		if (!store_walk(&r->store, i - 1, &span) || span.size == 0)
			continue;
		found = head_of_file(r->store.dir, span.path, &h, e);
		if (found == 0 && !h.complete) {
			/* A closed one was cut off so, with its upstream: nothing is behind that. */
			begun = span.closed ? begun : span;
			incomplete = incomplete || !span.closed;
			head_fini(&h);
			continue;
		}
		gtid_set_free(&wanted);
		if (found == 0 && !(wanted = gtid_set_parse(gtid_set_flavor(h.set), text, e)))
			found = -1;
		if (found == 0 && fits(wanted, h.set) && (!gtid_set_empty(wanted) || i == 1)) {
			*at = span.at;
			*set = h.set;
			h.set = NULL;
			found = 1;
		}
		head_fini(&h);
	}
	gtid_set_free(&wanted);
	return found == 0 && incomplete ? not_yet(&begun, e) : found;
}

void serve_on_locate(void *self, struct unit_env *env, struct link_req **req)
{
	struct relay *r = self;
	struct buf unlogged = {0};
	struct gtid_set *set = NULL;
	struct position at;
	struct msg_locate m;
	struct err e = {0};
	int found;

	(void)env;
	if (msg_get_locate((*req)->body, &m, &e) < 0)
		found = -1;
	else if (!ready(r) || store_bytes(&r->store) == 0)
		found = err_set(&e, ERR_relay_not_there, "the relay log is still empty");
	else
		found = search(r, m.gtid, &at, &set, &e);
	if (found == 0)
		err_set(&e, ERR_relay_gone, "no file of the relay log begins within the GTID set '%.*s'",
			STR_ARG(m.gtid));
	if (found > 0 && unlogged_text(r, &unlogged, &e) < 0)
		found = -1;
	if (found > 0)
		reply_located(r, req, at, set, &unlogged);
	else
		link_fail(req, &e);
	gtid_set_free(&set);
	buf_free(&unlogged);
}

/* Purged, or from before the relay log began: the operator can mend only the second. */
static int not_here(
	struct relay *r, const struct msg_resolve *m, const char *base, bool switched, struct err *e)
{
	struct store_generation g;
	struct store_file last;
	char server[STORE_NAME], first[300];

	if (!store_last(&r->store, &g, &last, server, sizeof(server)))
		return err_set(e, ERR_relay_gone, "%.*s: the relay log is empty", STR_ARG(m->file));
	binlog_name_make(first, sizeof(first), base, last.number + (g.nfiles ? 1 - g.nfiles : 0));
	if (switched)
		return err_set(e, ERR_relay_gone,
			"%.*s is not of the server that is followed now: the source has been switched to "
			"another one, of which the relay log has %s and later; a file of the server before "
			"says nothing about this one's",
			STR_ARG(m->file), first);
	return err_set(e, ERR_relay_gone, "%.*s is not in the relay log, which begins with %s",
		STR_ARG(m->file), first);
}

/* A relay that is not connected may be on its way to that server. */
static int of_another(struct relay *r, const struct msg_resolve *m, const char *server, struct err *e)
{
	return err_set(e, is_set(r, &r->shared.connected) ? ERR_relay_other : ERR_relay_not_there,
		"%.*s is of the server %.*s, and the relay reads from %s", STR_ARG(m->file),
		STR_ARG(m->server), server);
}

/*
 * A place that is still asked for keeps its room, however many others there are, or no time would ever be
 * over for any of them. NULL: there is none; a task that was told to stop asks no more, and leaves some.
 */
static struct serve_beyond *find_beyond(struct serve *s, struct position at)
{
	struct serve_beyond *b = NULL;
	uint64_t now = clock_ms();

	for (unsigned i = 0; i < SERVE_BEYOND; i++) {
		struct serve_beyond *p = &s->beyond[i];

		if (p->since_ms && position_cmp(p->at, at) == 0) {
			p->asked_ms = now;
			return p;
		}
		if (!b && (!p->since_ms || p->asked_ms + FORGET_MS < now))
			b = p;
	}
	if (b)
		*b = (struct serve_beyond){at, now, now};
	return b;
}

/*
 * Behind the log's end: it comes yet, as a place of the upstream that is newer than what we have. Where the
 * upstream itself, asked long after that place was wanted first, ends before it, nothing would ever come: a
 * mistake in the task's `meta`, or an upstream that has lost its end.
 */
static int beyond(
	struct relay *r, const struct msg_resolve *m, struct position at, const char *server, struct err *e)
{
	const struct serve_beyond *b = find_beyond(&r->serve, at);
	struct position end;
	uint64_t asked_ms;
	char file[256];

	pthread_mutex_lock(&r->shared.lock);
	end = serve_upstream_end(&r->shared, server, at.generation);
	asked_ms = r->shared.master_asked_us / 1000;
	snprintf(file, sizeof(file), "%s", r->shared.master.file);
	pthread_mutex_unlock(&r->shared.lock);
	if (!b || position_is_zero(end) || asked_ms < b->since_ms + BEYOND_MS || position_cmp(at, end) <= 0)
		return err_set(e, ERR_relay_not_there, "%.*s:%" PRIu64, STR_ARG(m->file), m->offset);
	return err_set(e, ERR_relay_ahead,
		"%.*s:%" PRIu64 ", where the task is to go on, is not there: the upstream's binlog ends at "
		"%s:%" PRIu64,
		STR_ARG(m->file), m->offset, file, end.offset);
}

/* The file of the newest generation, if the relay has it up to the offset. */
static int resolve(struct relay *r, const struct msg_resolve *m, struct store_span *span, struct err *e)
{
	char base[256], own[256], server[STORE_NAME];
	struct position end, at;
	uint64_t number;

	if (binlog_name_split(m->file, base, sizeof(base), &number, e) < 0)
		return -1;
	end = store_end(&r->store, own, sizeof(own));
	if (!ready(r) || position_is_zero(end))
		return err_set(e, ERR_relay_not_there, "the relay log is still empty");
	if (strcmp(base, own) != 0)
		return err_set(e, ERR_relay_gone, "the upstream's files are named %s, not %s", own, base);
	store_server(&r->store, end.generation, server, sizeof(server));
	if (m->server.n > 0 && !str_eq(m->server, str_of(server)))
		return of_another(r, m, server, e);
	at = (struct position){end.generation, number, m->offset};
	enum store_place place = store_find(&r->store, at, span);

	/* Behind a switch it may be a file of the server before: nothing that will come. */
	if (end.generation > 1 && (place == STORE_BEYOND || place == STORE_WRONG))
		place = STORE_GONE;
	/* The next file's head: nothing says yet that there is one. */
	if (place == STORE_LIVE && at.file > end.file)
		place = STORE_BEYOND;
	switch (place) {
	case STORE_DATA:
	case STORE_LIVE:
		break;
	case STORE_BEYOND:
		return beyond(r, m, at, server, e);
	case STORE_GONE:
		return not_here(r, m, own, end.generation > 1, e);
	case STORE_WRONG:
		return err_set(
			e, ERR_relay_ahead, "%.*s has no offset %" PRIu64, STR_ARG(m->file), m->offset);
	}
	/* The end of a closed file was moved to the next one's head: the place asked for is meant. */
	at.offset = BINLOG_MAGIC_SIZE;
	return store_find(&r->store, at, span) == STORE_DATA
		       ? 0
		       : err_set(e, ERR_relay_not_there, "%.*s has no whole event yet", STR_ARG(m->file));
}

void serve_on_resolve(void *self, struct unit_env *env, struct link_req **req)
{
	struct relay *r = self;
	struct store_span span;
	struct msg_resolve m;
	struct head h = {0};
	struct err e = {0};

	(void)env;
	if (msg_get_resolve((*req)->body, &m, &e) < 0 || resolve(r, &m, &span, &e) < 0 ||
		head_of_file(r->store.dir, span.path, &h, &e) < 0 || (!h.complete && not_yet(&span, &e) < 0))
		link_fail(req, &e);
	else
		reply_located(r, req, span.at, h.set, NULL);
	head_fini(&h);
}
