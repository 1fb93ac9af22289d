/*
 * Answers and orders on their way out of the control socket; what no message holds goes in pieces, which are
 * asked for. Called by serve.c; decides nothing.
 */
#include "master/reply.h"

#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/config/json.h"
#include "common/proc/link.h"
#include "master/orders.h"

/* --- answers --- */

static void send_part(struct link_req **req, uint64_t id, const struct paged *p)
{
	struct buf b = {0};

	msg_put_answer_part(&b, (*req)->head.request,
		&(struct msg_answer_part){.id = id, .from = p->from, .total = p->total, .text = p->text});
	link_reply(req, &b);
	buf_free(&b);
}

static void send_whole(struct link_req **req, struct str text)
{
	struct buf b = {0};

	msg_put_answer(&b, (*req)->head.request, &(struct msg_answer){.json = text});
	link_reply(req, &b);
	buf_free(&b);
}

void reply_answer(struct master *m, struct link_req **req, json_t *answer)
{
	struct buf text = {0};
	char said[100];

	json_write(answer, &text);
	json_decref(answer);
	if (text.n <= MSG_TEXT_MAX) {
		send_whole(req, buf_str(&text));
	} else if (!m || text.n > PAGED_MAX) {
		snprintf(said, sizeof(said),
			"an answer of %zu MiB, %d at most: ask for one task or one source", text.n >> 20,
			PAGED_MAX >> 20);
		link_fail_with(req, ERR_bad_stage, said);
	} else {
		struct paged p = paged_piece(buf_str(&text), 0);
		uint64_t id = pages_keep(&m->pages, &text, m->now_ms);

		send_part(req, id, &p);
	}
	paged_free(&text);
}

void reply_page(struct master *m, struct link_req **req, struct str args)
{
	json_t *o = json_parse(args, "answer-page", NULL);
	uint64_t id = (uint64_t)json_num(o, "id", 0), from = (uint64_t)json_num(o, "from", 0);
	struct paged p;

	json_decref(o);
	if (pages_get(&m->pages, id, from, m->now_ms, &p) < 0)
		link_fail_with(
			req, ERR_request_stale, "the rest of that answer is not here any more: ask again");
	else
		send_part(req, id, &p);
}

/* --- orders --- */

static void send_orders(struct link_req **req, uint64_t revision, struct str text)
{
	struct buf b = {0};

	msg_put_agent_orders(
		&b, (*req)->head.request, &(struct msg_agent_orders){.revision = revision, .orders = text});
	link_reply(req, &b);
	buf_free(&b);
}

static void send_orders_part(struct link_req **req, const struct agent *a, uint64_t from)
{
	struct paged p = paged_piece(buf_str(&a->orders), from);
	struct msg_agent_orders_part m = {
		.revision = a->orders_revision, .from = p.from, .total = p.total, .text = p.text};
	struct buf b = {0};

	msg_put_agent_orders_part(&b, (*req)->head.request, &m);
	link_reply(req, &b);
	buf_free(&b);
}

void reply_poll(struct master *m, struct agent *a)
{
	json_t *orders;

	if (m->model.revision <= a->poll_revision) {
		send_orders(&a->poll, a->poll_revision, STR_LIT(""));
		return;
	}
	orders = orders_make(m, a->name);
	buf_clear(&a->orders);
	json_write(orders, &a->orders);
	json_decref(orders);
	a->orders_revision = m->model.revision;
	if (a->orders.n > MSG_TEXT_MAX && a->orders.n <= PAGED_MAX) {
		send_orders_part(&a->poll, a, 0);
		return;
	}
	if (a->orders.n > PAGED_MAX)
		link_fail_with(&a->poll, ERR_internal,
			"the orders are too large for one agent: have some of its sources elsewhere");
	else
		send_orders(&a->poll, m->model.revision, buf_str(&a->orders));
	paged_free(&a->orders);
}

void reply_more(struct agent *a, struct link_req **req, const struct msg_agent_more *more)
{
	if (more->revision != a->orders_revision || more->from >= a->orders.n) {
		link_fail_with(
			req, ERR_request_stale, "these orders are not here any more: ask for them anew");
		return;
	}
	send_orders_part(req, a, more->from);
	if (a->orders.n - more->from <= PAGED_PIECE)
		paged_free(&a->orders);
}
