/*
 * Answers plan, claim and chunk_done. A request that can't be answered yet waits in a list; each step looks
 * at it again. Keeps no state about who asks (pull by number).
 */
#include "units/dump/serve.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/proc/msg.h"
#include "units/dump/plan.h"

enum { PLAN_WAIT_MS = 1000, CLAIM_WAIT_MAX_MS = 30000, INLINE_PLAN = 3 << 20 };

struct waiting {
	struct waiting *next;
	struct link_req *req;
	bool plan; /* else claim */
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

static bool plan_is_ready(struct dump *d)
{
	bool ready;

	pthread_mutex_lock(&d->lock);
	ready = d->plan_ready;
	pthread_mutex_unlock(&d->lock);
	return ready;
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

/*
 * A downstream that does not know this copy (its records were removed, or are older) needs all chunks of it.
 * Where some are gone already, only a new copy helps.
 */
static bool check_use(struct dump *d, struct str recorded)
{
	struct err e = {0};

	if (str_is(recorded, d->copy_id) || !spool_any_gone(&d->spool))
		return true;
	plan_spoil(d);
	err_set(&e, ERR_dump_changed,
		"the downstream has not recorded this copy, and parts of it are gone: a new one starts");
	dump_fail(d, &e);
	return false;
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
	else
		wait_for(d, req, (struct waiting){.plan = true, .deadline = clock_ms() + PLAN_WAIT_MS});
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

	if (!w->plan)
		return try_claim(d, &w->req, w->after, late);
	if (plan_is_ready(d)) {
		answer_plan(d, &w->req);
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
	{MSG_claim, 1u << STAGE_Running, on_claim},
	{MSG_chunk_done, 1u << STAGE_Running, on_chunk_done},
	{0},
};
