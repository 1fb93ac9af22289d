/*
 * Answers snapshot, want, plan, claim and chunk_done. A request that can't be answered yet waits in a list;
 * each step looks at it again. Keeps no state about who asks (pull by number).
 */
#include "units/dump/serve.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/proc/msg.h"
#include "units/dump/plan.h"

enum { PLAN_WAIT_MS = 1000, CLAIM_WAIT_MAX_MS = 30000, INLINE_PLAN = 3 << 20 };

struct waiting {
	struct waiting *next;
	struct link_req *req;
	enum { WAIT_CLAIM, WAIT_SNAPSHOT, WAIT_PLAN } what;
	uint64_t after, deadline;
};

static void reply(struct link_req **req, struct buf *b)
{
	link_reply(req, b);
	buf_free(b);
}

static void wait_for(struct dump *d, struct link_req **req, struct waiting w)
{
	struct waiting *copy = xmemdup(&w, sizeof(w));

	copy->req = *req;
	*req = NULL;
	copy->next = d->waiting;
	d->waiting = copy;
}

/* --- plan --- */

static bool is_set(struct dump *d, const bool *flag)
{
	bool set;

	pthread_mutex_lock(&d->lock);
	set = *flag;
	pthread_mutex_unlock(&d->lock);
	return set;
}

/* The load says it before it says what it wants. A number that is no flavor is none that keeps less than we.
 */
static void tell_target(struct dump *d, uint32_t flavor)
{
	pthread_mutex_lock(&d->lock);
	d->target = flavor == FLAVOR_TIDB || flavor == FLAVOR_MARIADB ? (enum flavor)flavor : FLAVOR_MYSQL;
	pthread_mutex_unlock(&d->lock);
}

static bool plan_is_ready(struct dump *d)
{
	return is_set(d, &d->plan_ready);
}

static void answer_plan(struct dump *d, struct link_req **req)
{
	struct msg_planned m = {.copy_id = str_of(d->copy_id), .plan = STR_LIT("{\"file\":\"plan.json\"}")};
	struct buf b = {0};

	if (d->plan.n <= INLINE_PLAN)
		m.plan = buf_str(&d->plan);
	msg_put_planned(&b, (*req)->head.request, &m);
	reply(req, &b);
}

static void start_anew(struct dump *d, const char *why)
{
	struct err e = {0};

	plan_spoil(d);
	err_set(&e, ERR_dump_changed, "%s: a new snapshot is taken", why);
	dump_fail(d, &e);
}

/*
 * A downstream that does not know this copy (its records were removed, or are older) needs all chunks of it.
 * Where some are gone already, or were never to be read, only a new copy helps.
 */
static bool check_use(struct dump *d, struct str recorded)
{
	if (str_is(recorded, d->copy_id))
		return true;
	if (d->wanted_from[0] && !str_is(recorded, d->wanted_from))
		start_anew(d, "the downstream has not recorded what this copy goes on from");
	else if (spool_any_gone(&d->spool))
		start_anew(d, "the downstream has not recorded this copy, and parts of it are gone");
	else
		return true;
	return false;
}

/* Before anything is planned. text "": everything. */
static void tell(struct dump *d, struct str text, struct str from)
{
	pthread_mutex_lock(&d->lock);
	buf_put(&d->wanted_text, text.p, text.n);
	if (text.n)
		snprintf(d->wanted_from, sizeof(d->wanted_from), "%.*s", STR_ARG(from));
	d->wants_known = true;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
}

/* One that asks for the plan and has not said what it wants, wants everything. */
static void want_all(struct dump *d)
{
	if (is_set(d, &d->snapshot_ready) && !is_set(d, &d->wants_known))
		tell(d, (struct str){0}, (struct str){0});
}

static void on_plan(void *self, struct unit_env *env, struct link_req **req)
{
	struct dump *d = self;
	struct msg_plan m;
	struct err e = {0};

	(void)env;
	if (msg_get_plan((*req)->body, &m, &e) < 0)
		link_fail(req, &e);
	else if (plan_is_ready(d) && check_use(d, m.copy_id))
		answer_plan(d, req);
	else {
		tell_target(d, m.target);
		want_all(d);
		wait_for(d, req, (struct waiting){.what = WAIT_PLAN, .deadline = clock_ms() + PLAN_WAIT_MS});
	}
}

/* --- going on with a copy that was interrupted --- */

static bool snapshot_is_ready(struct dump *d)
{
	return is_set(d, &d->snapshot_ready) || plan_is_ready(d);
}

static void answer_snapshot(struct dump *d, struct link_req **req)
{
	struct msg_snapshot_at m = {.copy_id = str_of(d->copy_id), .info = STR_LIT("{}")};
	struct buf b = {0};

	if (d->info.n) /* else a complete copy of before: it is served as it is, or not at all */
		m.info = buf_str(&d->info);
	msg_put_snapshot_at(&b, (*req)->head.request, &m);
	reply(req, &b);
}

static void on_snapshot(void *self, struct unit_env *env, struct link_req **req)
{
	struct dump *d = self;
	struct msg_snapshot m;
	struct err e = {0};

	(void)env;
	if (msg_get_snapshot((*req)->body, &m, &e) < 0) {
		link_fail(req, &e);
		return;
	}
	tell_target(d, m.target);
	if (snapshot_is_ready(d))
		answer_snapshot(d, req);
	else
		wait_for(d, req,
			(struct waiting){.what = WAIT_SNAPSHOT, .deadline = clock_ms() + PLAN_WAIT_MS});
}

/* All of it has come. A load that was started again says the same again, or it is of no use. */
static int take_want(struct dump *d, struct str from, struct err *e)
{
	struct str text = buf_str(&d->incoming);

	if (!is_set(d, &d->wants_known) && is_set(d, &d->snapshot_ready)) {
		tell(d, text, from);
		return 0;
	}
	if (is_set(d, &d->wants_known) && str_eq(text, buf_str(&d->wanted_text)) &&
		(text.n == 0 || str_is(from, d->wanted_from)))
		return 0;
	start_anew(d, "the load wants something else of this copy than what is planned");
	return err_set(e, ERR_dump_changed, "another snapshot is being made");
}

static int on_piece(struct dump *d, const struct msg_want *m, struct err *e)
{
	if (!snapshot_is_ready(d) || !str_is(m->copy_id, d->copy_id))
		return err_set(e, ERR_dump_changed, "another snapshot is being copied now");
	if (m->piece == 0) {
		buf_clear(&d->incoming);
		d->npieces = 0;
	}
	if (m->piece != d->npieces || m->piece >= m->pieces)
		return err_set(e, ERR_proto, "piece %u of %u of what the load wants, %u came before",
			m->piece, m->pieces, d->npieces);
	buf_put(&d->incoming, m->text.p, m->text.n);
	return ++d->npieces < m->pieces ? 0 : take_want(d, m->from, e);
}

static void on_want(void *self, struct unit_env *env, struct link_req **req)
{
	struct dump *d = self;
	struct msg_want m;
	struct buf b = {0};
	struct err e = {0};

	(void)env;
	if (msg_get_want((*req)->body, &m, &e) < 0 || on_piece(d, &m, &e) < 0) {
		link_fail(req, &e);
		return;
	}
	msg_put_ok(&b, (*req)->head.request, &(struct msg_ok){0});
	reply(req, &b);
}

/* --- claim --- */

static int check_copy(struct dump *d, struct str copy_id, struct err *e)
{
	if (plan_is_ready(d) && str_is(copy_id, d->copy_id))
		return 0;
	return err_set(e, ERR_dump_changed, "another snapshot is being copied now");
}

static void answer_claim(struct link_req **req, const struct spool_chunk *c, const struct spool *s)
{
	struct msg_chunk m = {0};
	struct buf b = {0};

	if (c) {
		m.number = c->number;
		m.last = c->last ? 2 : 0;
		m.table = c->table;
		m.stretch = c->stretch;
		m.seq = c->seq;
		m.ends_stretch = c->ends_stretch;
		m.hi = str_of(c->hi);
		m.rows = c->rows;
		m.bytes = c->bytes;
		m.file = str_of(c->file);
	} else if (s) { /* the end: sums for the load to check itself by */
		m.last = 1;
		m.rows = s->total_rows;
		m.bytes = s->total_bytes;
	}
	msg_put_chunk(&b, (*req)->head.request, &m);
	reply(req, &b);
}

/* True: answered. */
static bool try_claim(struct dump *d, struct link_req **req, uint64_t after, bool late)
{
	struct spool_chunk c;

	switch (spool_next(&d->spool, after, &c)) {
	case SPOOL_CHUNK:
		answer_claim(req, &c, NULL);
		return true;
	case SPOOL_END:
		answer_claim(req, NULL, &d->spool);
		return true;
	default:
		if (late)
			answer_claim(req, NULL, NULL);
		return late;
	}
}

static void on_claim(void *self, struct unit_env *env, struct link_req **req)
{
	struct dump *d = self;
	struct msg_claim m;
	struct err e = {0};
	uint64_t wait_ms;

	(void)env;
	if (msg_get_claim((*req)->body, &m, &e) < 0 || check_copy(d, m.copy_id, &e) < 0) {
		link_fail(req, &e);
		return;
	}
	wait_ms = m.wait_ms < CLAIM_WAIT_MAX_MS ? m.wait_ms : CLAIM_WAIT_MAX_MS;
	if (!try_claim(d, req, m.after, wait_ms == 0))
		wait_for(d, req, (struct waiting){.after = m.after, .deadline = clock_ms() + wait_ms});
}

/* --- done --- */

static void on_chunk_done(void *self, struct unit_env *env, struct link_req **req)
{
	struct dump *d = self;
	struct msg_chunk_done m;
	struct spool_chunk c = {.done = true};
	struct buf b = {0};
	struct err e = {0};

	(void)env;
	if (msg_get_chunk_done((*req)->body, &m, &e) < 0 || check_copy(d, m.copy_id, &e) < 0) {
		link_fail(req, &e);
		return;
	}
	spool_entry(&d->spool, m.number - 1, &c);
	if (spool_done(&d->spool, m.number, &e) < 0) {
		link_fail(req, &e);
		return;
	}
	if (!c.done)
		tally_take(d->tally, c.table, (struct amount){c.rows, c.bytes});
	msg_put_ok(&b, (*req)->head.request, &(struct msg_ok){0});
	reply(req, &b);
}

/* --- the list --- */

static bool answer(struct dump *d, struct waiting *w)
{
	bool late = clock_ms() >= w->deadline;
	struct err e = {0};

	if (w->what == WAIT_CLAIM)
		return try_claim(d, &w->req, w->after, late);
	if (w->what == WAIT_PLAN)
		want_all(d);
	if (w->what == WAIT_PLAN && plan_is_ready(d)) {
		answer_plan(d, &w->req);
	} else if (w->what == WAIT_SNAPSHOT && snapshot_is_ready(d)) {
		answer_snapshot(d, &w->req);
	} else if (late) {
		err_set(&e, ERR_link, "the snapshot is not open yet");
		link_fail(&w->req, &e);
	}
	return !w->req;
}

void serve_waiting(struct dump *d)
{
	struct waiting **at = &d->waiting;

	while (*at) {
		struct waiting *w = *at;

		if (!answer(d, w)) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		free(w);
	}
}

void serve_refuse_all(struct dump *d, const struct err *e)
{
	while (d->waiting) {
		struct waiting *w = d->waiting;

		d->waiting = w->next;
		link_fail(&w->req, e);
		free(w);
	}
}

const struct unit_on serve_messages[] = {
	{MSG_plan, 1u << STAGE_Running, on_plan},
	{MSG_snapshot, 1u << STAGE_Running, on_snapshot},
	{MSG_want, 1u << STAGE_Running, on_want},
	{MSG_claim, 1u << STAGE_Running, on_claim},
	{MSG_chunk_done, 1u << STAGE_Running, on_chunk_done},
	{0},
};
