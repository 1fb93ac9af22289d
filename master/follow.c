/*
 * Commands that come to a master that does not lead: passed on to the leader as `forwarded`, which is never
 * passed on again, so that two masters that take each other for the leader end it at once. Called by serve.c.
 * Agents are not served so: they dial the next master themselves.
 */
#include "master/follow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"

/* As long as the command line waits (ctl/words.c). */
enum { FORWARD_MS = 70000 };

struct follow_call {
	struct follow *follow;
	struct follow_call *next;
	struct link_req *req;
};

static void forget(struct follow_call *c)
{
	struct follow_call **at = &c->follow->calls;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	free(c);
}

static void on_answer(void *arg, const struct err *failed, struct str reply)
{
	struct follow_call *c = arg;
	struct link_req *req = c->req;
	struct buf b = {0};

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

static void dial(struct follow *f, const char *address)
{
	if (f->peer && strcmp(f->address, address) == 0)
		return;
	follow_end(f);
	snprintf(f->address, sizeof(f->address), "%s", address);
	f->peer = link_dial(f->link, address);
}

void follow_command(struct follow *f, const struct store_leader *leader, struct link_req **req)
{
	struct msg_command command;
	struct follow_call *c;
	struct buf b = {0};
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
	if (control_check(f->control, leader->address, &e) < 0) { /* as that master wrote it into etcd */
		err_add(&e, "the address of the master that leads");
		link_fail(req, &e);
		return;
	}
	dial(f, leader->address);
	c = xcalloc(1, sizeof(*c));
	*c = (struct follow_call){f, f->calls, *req};
	f->calls = c;
	msg_put_forwarded(&b, (*req)->head.request,
		&(struct msg_forwarded){.word = command.word, .args = command.args});
	*req = NULL;
	link_call(f->peer, &b, FORWARD_MS, on_answer, c);
	buf_free(&b);
}

void follow_end(struct follow *f)
{
	while (f->calls) {
		struct follow_call *c = f->calls;
		struct link_req *req = c->req;

		forget(c);
		link_fail_with(&req, ERR_not_leader, "the master that was asked leads no more, ask again");
	}
	link_peer_free(&f->peer); /* only now: its calls are over, and done is not called any more */
}
