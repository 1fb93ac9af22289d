/*
 * Commands that come to a master that does not lead: passed on to the leader as `forwarded`, which is never
 * passed on again, so that two masters that take each other for the leader end it at once. Called by serve.c.
 * Agents are not served so: they dial the next master themselves.
 */
#include "master/follow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/address.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"

/* As long as the command line waits (ctl/words.c). */
enum { FORWARD_MS = 70000, PROVE_MS = 5000, LAST_ANSWERS_MS = 2000 };

struct follow_call {
	struct follow *follow;
	struct follow_call *next;
	struct link_req *req; /* NULL: a cancel, whose answer nobody waits for */
	uint64_t request;     /* that one's number; a cancel's: of the call that it ends */
	struct buf msg;       /* to the leader, */
	bool sent;            /* behind the proof */
	bool gone;            /* nobody waits for the answer, and the leader is being told */
};

static void forget(struct follow_call *c)
{
	struct follow_call **at = &c->follow->calls;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	buf_free(&c->msg);
	free(c);
}

/* The leader was not told after all: with the next tick once more. */
static void cancel_again(struct follow *f, uint64_t request)
{
	for (struct follow_call *c = f->calls; c; c = c->next)
		if (c->req && c->request == request)
			c->gone = false;
}

/* A call that was cancelled ends by itself, or by its time. */
static void on_cancelled(struct follow_call *c, const struct err *failed, struct str reply)
{
	struct follow *f = c->follow;
	uint64_t request = c->request;
	struct str body;

	forget(c);
	if (failed || msg_expect(reply, MSG_answer, &body, NULL) < 0)
		cancel_again(f, request);
}

static void on_answer(void *arg, const struct err *failed, struct str reply)
{
	struct follow_call *c = arg;
	struct link_req *req = c->req;
	struct buf b = {0};

	if (!req) {
		on_cancelled(c, failed, reply);
		return;
	}
	forget(c);
	if (failed) {
		struct err e = *failed;

		err_add(&e, "the master that leads");
		link_fail(&req, &e);
		return;
	}
	buf_put(&b, reply.p, reply.n); /* it carries the number of the request that we passed on */
	link_reply(&req, &b);
	buf_free(&b);
}

static void pass_on(struct follow_call *c)
{
	c->sent = true;
	link_call(c->follow->peer, &c->msg, FORWARD_MS, on_answer, c);
}

/* All that came meanwhile go by this proof. */
static void on_proved(void *arg, const struct err *failed)
{
	struct follow *f = arg;
	struct follow_call *c = f->calls;

	f->proving = false;
	while (c) {
		struct follow_call *at = c;

		c = c->next;
		if (at->sent)
			continue;
		if (failed)
			on_answer(at, failed, (struct str){NULL, 0});
		else
			pass_on(at);
	}
}

/*
 * Each time anew: commands are rare, and so nobody has to notice that a connection is another one. But one at
 * a time: the leader knows the connection by the last challenge that it gave, not each command on it.
 */
static void prove_first(struct follow *f)
{
	if (f->proving)
		return;
	f->proving = true;
	f->prove = (struct prove){.peer = f->peer,
		.id = f->id,
		.name = identity_name(f->id),
		.timeout_ms = PROVE_MS,
		.done = on_proved,
		.arg = f};
	prove_start(&f->prove);
}

static void dial(struct follow *f, const char *address)
{
	f->end_ms = 0;
	if (f->peer && strcmp(f->address, address) == 0)
		return;
	follow_end(f);
	snprintf(f->address, sizeof(f->address), "%s", address);
	f->peer = link_dial(f->link, address);
}

static struct follow_call *add(struct follow *f, uint64_t request)
{
	struct follow_call *c = xcalloc(1, sizeof(*c));

	*c = (struct follow_call){.follow = f, .next = f->calls, .request = request};
	f->calls = c;
	return c;
}

static void start(struct follow_call *c)
{
	if (c->follow->id && address_is_remote(c->follow->address))
		prove_first(c->follow);
	else
		pass_on(c);
}

void follow_command(struct follow *f, const struct store_leader *leader, struct link_req **req)
{
	struct msg_command command;
	struct follow_call *c;
	struct err e = {0};

	if (msg_get_command((*req)->body, &command, &e) < 0) {
		link_fail(req, &e);
		return;
	}
	if (!leader->address[0]) {
		link_fail_with(
			req, ERR_not_leader, "no master leads at the moment, ask again in a few seconds");
		return;
	}
	if (control_check_dial(f->control, leader->address, &e) < 0) { /* as that master wrote it into etcd */
		err_add(&e, "the address of the master that leads");
		link_fail(req, &e);
		return;
	}
	dial(f, leader->address);
	c = add(f, (*req)->head.request);
	c->req = *req;
	msg_put_forwarded(
		&c->msg, c->request, &(struct msg_forwarded){.word = command.word, .args = command.args});
	*req = NULL;
	start(c);
}

static void cancel(struct follow_call *of)
{
	struct follow_call *c = add(of->follow, of->request);
	json_t *args = json_pack("{s:I}", "request", (json_int_t)of->request);
	struct buf text = {0};

	of->gone = true;
	json_write(args, &text);
	msg_put_forwarded(&c->msg, link_request_id(),
		&(struct msg_forwarded){.word = STR_LIT("cancel"), .args = buf_str(&text)});
	buf_free(&text);
	json_decref(args);
	start(c);
}

void follow_tick(struct follow *f, uint64_t now)
{
	if (f->end_ms && (now >= f->end_ms || !f->calls)) {
		follow_end(f);
		return;
	}
	for (struct follow_call *c = f->end_ms ? NULL : f->calls; c; c = c->next)
		if (c->req && c->sent && !c->gone && !link_req_there(c->req))
			cancel(c);
}

/* operate-leader evict: this master may lead before the other one's answer is here. */
void follow_leave(struct follow *f, uint64_t now)
{
	if (f->peer && !f->end_ms)
		f->end_ms = now + LAST_ANSWERS_MS;
}

void follow_end(struct follow *f)
{
	while (f->calls) {
		struct follow_call *c = f->calls;
		struct link_req *req = c->req;

		forget(c);
		if (req)
			link_fail_with(
				&req, ERR_not_leader, "the master that was asked leads no more, ask again");
	}
	link_peer_free(&f->peer); /* only now: its calls are over, and done is not called any more */
	f->proving = false;
	f->end_ms = 0;
}
