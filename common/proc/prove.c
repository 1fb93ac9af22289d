/*
 * challenge, challenged, prove, ok. Called by the agent, by a master that passes commands on, and by the
 * command line.
 */
#include "common/proc/prove.h"

#include <stdio.h>

static void put_challenge(struct buf *b)
{
	msg_put_challenge(b, link_request_id(), &(struct msg_challenge){0});
}

/* The answer to a challenge. */
static int put_proof(
	const struct identity *id, const char *name, struct str reply, struct buf *b, struct err *e)
{
	struct msg_challenged c;
	struct str body;
	struct buf signature = {0};
	char nonce[IDENTITY_NONCE];
	int rc = 0;

	if (msg_expect(reply, MSG_challenged, &body, e) < 0 || msg_get_challenged(body, &c, e) < 0)
		return -1;
	if (c.nonce.n != sizeof(nonce) - 1)
		return err_set(e, ERR_proto, "a challenge of %zu bytes", c.nonce.n);
	snprintf(nonce, sizeof(nonce), "%.*s", STR_ARG(c.nonce));
	rc = identity_sign(id, nonce, name, &signature, e);
	if (rc == 0)
		msg_put_prove(b, link_request_id(),
			&(struct msg_prove){.name = str_of(name),
				.certificate = str_of(identity_cert(id)),
				.key = str_of(identity_key(id)),
				.signature = buf_str(&signature)});
	buf_free(&signature);
	return rc;
}

static void on_proved(void *arg, const struct err *failed, struct str reply)
{
	struct prove *p = arg;
	struct str body;
	struct err e = {0};

	if (failed)
		e = *failed;
	else
		msg_expect(reply, MSG_ok, &body, &e);
	p->done(p->arg, e.code ? &e : NULL);
}

static void on_challenged(void *arg, const struct err *failed, struct str reply)
{
	struct prove *p = arg;
	struct buf b = {0};
	struct err e = {0};

	if (failed)
		e = *failed;
	else
		put_proof(p->id, p->name, reply, &b, &e);
	if (e.code)
		p->done(p->arg, &e);
	else
		link_call(p->peer, &b, p->timeout_ms, on_proved, p);
	buf_free(&b);
}

void prove_start(struct prove *p)
{
	struct buf b = {0};

	put_challenge(&b);
	link_call(p->peer, &b, p->timeout_ms, on_challenged, p);
	buf_free(&b);
}

int prove_wait(struct link_peer *peer, const struct identity *id, const char *name, unsigned timeout_ms,
	struct err *e)
{
	struct buf out = {0}, in = {0};
	struct str body;
	int rc;

	put_challenge(&out);
	rc = link_call_wait(peer, &out, timeout_ms, &in, e);
	buf_clear(&out);
	if (rc == 0)
		rc = put_proof(id, name, buf_str(&in), &out, e);
	if (rc == 0)
		rc = link_call_wait(peer, &out, timeout_ms, &in, e);
	if (rc == 0)
		rc = msg_expect(buf_str(&in), MSG_ok, &body, e);
	buf_free(&out);
	buf_free(&in);
	return rc;
}

int prove_there(struct link_peer *peer, unsigned timeout_ms, struct err *e)
{
	struct buf out = {0}, in = {0};
	struct str body;
	int rc;

	put_challenge(&out);
	rc = link_call_wait(peer, &out, timeout_ms, &in, e);
	if (rc == 0)
		rc = msg_expect(buf_str(&in), MSG_challenged, &body, e);
	buf_free(&out);
	buf_free(&in);
	return rc;
}
