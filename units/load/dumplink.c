/*
 * The conversation with the dump: plan, claim, chunk_done (docs/protocol.md). Called by the leader and the
 * workers, from their threads. A dump that does not answer is waited for: its agent starts it again.
 */
#include "units/load/dumplink.h"
#include "units/load/routed.h"

#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/proc/msg.h"
#include "common/sql/value_format.h"

enum { PLAN_MS = 3000, CLAIM_WAIT_MS = 1000, ANSWER_MS = 3000, AGAIN_MS = 500, WANT_PIECE = 1 << 20 };

/*
 * Asks once. 1: body is the reply of that type (kept alive by bytes); 0: no answer, or not now, ask again;
 * -1: the copy that we work on is no more, or nonsense came.
 */
struct ask {
	const struct buf *msg;
	uint16_t want;
	uint64_t timeout_ms;
	bool any_copy; /* a dump that starts anew is as good */
};

static int ask_once(struct load *l, const struct ask *a, struct buf *bytes, struct str *body, struct err *e)
{
	if (link_call_wait(l->dump, a->msg, a->timeout_ms, bytes, e) < 0)
		return load_pause(l, AGAIN_MS) ? 0 : -1;
	if (msg_expect(buf_str(bytes), a->want, body, e) == 0)
		return 1;
	if ((e->code == ERR_dump_changed && !a->any_copy) || e->code == ERR_proto)
		return -1;
	/* The dump's own trouble is told by the dump. */
	log_debug("the dump: %s", e->text);
	return load_pause(l, AGAIN_MS) ? 0 : -1;
}

static int ask(struct load *l, const struct ask *a, struct buf *bytes, struct str *body, struct err *e)
{
	int r = 0;

	while (r == 0 && !load_stopping(l))
		r = ask_once(l, a, bytes, body, e);
	if (r == 1)
		return 0;
	return load_stopping(l) ? err_set(e, ERR_link, "asked to leave") : -1;
}

int dumplink_plan(struct load *l, const char *recorded, struct err *e)
{
	struct msg_plan m = {.copy_id = str_of(recorded), .target = l->to.flavor};
	struct buf b = {0}, bytes = {0};
	struct ask a = {&b, MSG_planned, PLAN_MS, true};
	struct msg_planned p;
	struct str body;
	int r;

	msg_put_plan(&b, link_request_id(), &m);
	r = ask(l, &a, &bytes, &body, e);
	if (r == 0)
		r = msg_get_planned(body, &p, e);
	if (r == 0)
		r = plan_read(&l->plan, p.copy_id, p.plan, l->env->state_fd, e);
	if (r == 0)
		r = routed_plan(l, e);
	for (unsigned i = 0; r == 0 && i < l->plan.tables.n; i++)
		value_format_for(l->plan.tables.p[i].structure, l->to.flavor);
	buf_free(&b);
	buf_free(&bytes);
	return r;
}

static int take_snapshot(struct str body, char **copy_id, json_t **info, struct err *e)
{
	struct msg_snapshot_at m;

	if (msg_get_snapshot_at(body, &m, e) < 0)
		return -1;
	*info = json_parse(m.info, "the dump's snapshot", e);
	if (!*info)
		return -1;
	*copy_id = xstrndup(m.copy_id.p, m.copy_id.n);
	return 0;
}

int dumplink_snapshot(struct load *l, char **copy_id, json_t **info, struct err *e)
{
	struct msg_snapshot m = {.target = l->to.flavor};
	struct buf b = {0}, bytes = {0};
	struct ask a = {&b, MSG_snapshot_at, PLAN_MS, true};
	struct str body;
	int r;

	msg_put_snapshot(&b, link_request_id(), &m);
	r = ask(l, &a, &bytes, &body, e);
	if (r == 0)
		r = take_snapshot(body, copy_id, info, e);
	buf_free(&b);
	buf_free(&bytes);
	return r;
}

int dumplink_want(struct load *l, const char *copy_id, const char *recorded, struct str text, struct err *e)
{
	struct msg_want m = {.copy_id = str_of(copy_id), .from = str_of(recorded)};
	struct buf b = {0}, bytes = {0};
	struct ask a = {&b, MSG_ok, ANSWER_MS, false};
	struct str body;
	int r = 0;

	m.pieces = (uint32_t)(text.n / WANT_PIECE + 1);
	for (; r == 0 && m.piece < m.pieces; m.piece++) {
		m.text.n = text.n < WANT_PIECE ? text.n : WANT_PIECE;
		m.text.p = text.p;
		buf_clear(&b);
		msg_put_want(&b, link_request_id(), &m);
		r = ask(l, &a, &bytes, &body, e);
		text.p += m.text.n;
		text.n -= m.text.n;
	}
	buf_free(&b);
	buf_free(&bytes);
	return r;
}

void chunk_fini(struct chunk *k)
{
	free(k->file);
	free(k->lo);
	free(k->hi);
	*k = (struct chunk){0};
}

static int take_chunk(struct load *l, const struct msg_chunk *m, struct chunk *out, struct err *e)
{
	*out = (struct chunk){.number = m->number,
		.rows = m->rows,
		.bytes = m->bytes,
		.table = m->table,
		.stretch = m->stretch,
		.seq = m->seq,
		.ends_stretch = m->ends_stretch != 0,
		.last = m->last == 2};
	if (m->number == 0)
		return 0;
	if (m->table >= l->plan.tables.n || memchr(m->file.p, '/', m->file.n) ||
		memchr(m->file.p, '\0', m->file.n))
		return err_set(e, ERR_proto, "the dump gave out a chunk of no table, or of another folder");
	out->file = xstrndup(m->file.p, m->file.n);
	out->hi = xstrndup(m->hi.p, m->hi.n);
	return 1;
}

int dumplink_claim(struct load *l, uint64_t after, struct chunk *out, struct err *e)
{
	struct msg_claim m = {.copy_id = str_of(l->plan.copy_id), .after = after, .wait_ms = CLAIM_WAIT_MS};
	struct buf b = {0}, bytes = {0};
	struct ask a = {&b, MSG_chunk, CLAIM_WAIT_MS + ANSWER_MS, false};
	struct msg_chunk got = {0};
	struct str body;
	int r;

	do {
		buf_clear(&b);
		msg_put_claim(&b, link_request_id(), &m);
		r = ask(l, &a, &bytes, &body, e);
		if (r == 0)
			r = msg_get_chunk(body, &got, e);
	} while (r == 0 && got.number == 0 && got.last != 1);
	if (r == 0)
		r = take_chunk(l, &got, out, e);
	buf_free(&b);
	buf_free(&bytes);
	return r;
}

int dumplink_done(struct load *l, uint64_t number, struct err *e)
{
	struct msg_chunk_done m = {.copy_id = str_of(l->plan.copy_id), .number = number};
	struct buf b = {0}, bytes = {0};
	struct ask a = {&b, MSG_ok, ANSWER_MS, false};
	struct str body;
	int r;

	msg_put_chunk_done(&b, link_request_id(), &m);
	r = ask(l, &a, &bytes, &body, e);
	buf_free(&b);
	buf_free(&bytes);
	return r;
}
