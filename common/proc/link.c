/*
 * Request and reply over nng, ipc:// only. The one file that includes <nng/…>. nng runs its callbacks in
 * threads of its own: they only put a finished piece into a locked queue and write to an eventfd; everything
 * the caller sees happens in the main thread, from the loop. A request is never sent twice: resending is off,
 * so the loss of the connection ends a call with an error and the asker decides (T39). Must never be used
 * before the box is closed (T41, docs/design/processes.md).
 */
#include "common/proc/link.h"

#include <assert.h>
#include <inttypes.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/transport/ipc/ipc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"

enum {
	LINK_SLACK = 64, /* nng's own header comes on top of a message */
	LINK_RECONNECT_MIN_MS = 10,
	LINK_RECONNECT_MAX_MS = 250,
};

/* Something that nng has finished and that the main thread must see. First member of what it stands for. */
struct task {
	struct task *next;
	void (*run)(struct task *t);
};

struct link {
	struct loop *loop;
	int event_fd;
	pthread_mutex_t mtx; /* guards first and last */
	struct task *first, *last;
	struct server *servers;
	struct link_peer *peers;
};

/* One context of a listening socket: receives, waits for its answer, sends it, receives again. */
struct answerer {
	struct task task;
	struct server *server;
	nng_ctx ctx;
	nng_aio *aio;
	bool sending;
	nng_msg *msg;        /* of req, until it is answered */
	struct link_req req; /* what the caller holds a pointer to */
};

struct server {
	struct server *next;
	struct link *link;
	nng_socket sock;
	void (*on)(void *arg, struct link_req *req);
	void *arg;
	unsigned n;
	struct answerer *answerers;
};

struct link_peer {
	struct link_peer *next;
	struct link *link;
	nng_socket sock;
	char *path;
	struct call *calls;
	/*
	 * Held by a thread of link_call_wait while it is inside libnng, and by whoever closes the
	 * socket: 1.5.2 frees what a call that is just returning still locks ("panic: pthread_mutex_lock",
	 * once in 150 cuts).
	 */
	pthread_mutex_t inside;
	bool cut;
};

struct call {
	struct task task;
	struct call *next;
	struct link_peer *peer;
	nng_ctx ctx;
	bool has_ctx, sent;
	nng_aio *aio;
	uint64_t request, timeout_ms, deadline;
	void (*done)(void *arg, const struct err *e, struct str reply);
	void *arg;
	int rv;
	nng_msg *reply;
};

/* ---- the queue from nng's threads to the main thread ---- */

static void link_push(struct link *k, struct task *t)
{
	uint64_t one = 1;

	t->next = NULL;
	pthread_mutex_lock(&k->mtx);
	if (k->last)
		k->last->next = t;
	else
		k->first = t;
	k->last = t;
	pthread_mutex_unlock(&k->mtx);
	ssize_t put = write(k->event_fd, &one, sizeof one);
	(void)put; /* EAGAIN: the counter is full, the main thread is on its way */
}

static struct task *link_pop(struct link *k)
{
	pthread_mutex_lock(&k->mtx);
	struct task *t = k->first;
	if (t)
		k->first = t->next;
	if (!k->first)
		k->last = NULL;
	pthread_mutex_unlock(&k->mtx);
	return t;
}

/* Takes t out of the queue, if it is in there: its owner goes away. */
static void link_unqueue(struct link *k, struct task *t)
{
	struct task *before = NULL;

	pthread_mutex_lock(&k->mtx);
	for (struct task *at = k->first; at; before = at, at = at->next) {
		if (at != t)
			continue;
		if (before)
			before->next = t->next;
		else
			k->first = t->next;
		if (k->last == t)
			k->last = before;
		break;
	}
	pthread_mutex_unlock(&k->mtx);
}

static void link_dispatch(void *arg, uint32_t events)
{
	struct link *k = arg;
	struct task *t;
	uint64_t n;

	(void)events;
	ssize_t got = read(k->event_fd, &n, sizeof n);
	(void)got;
	while ((t = link_pop(k)))
		t->run(t);
}

struct link *link_new(struct loop *l)
{
	struct link *k = xcalloc(1, sizeof *k);

	assert(sysconf(_SC_NPROCESSORS_ONLN) == 1); /* for_nng.c is linked in */
	pthread_mutex_init(&k->mtx, NULL);
	k->loop = l;
	k->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert(k->event_fd >= 0);
	if (l)
		loop_add(l, k->event_fd, link_dispatch, k);
	return k;
}

static void server_free(struct server *s)
{
	nng_close(s->sock); /* ends all aios; their callbacks see NNG_ECLOSED */
	for (unsigned i = 0; i < s->n; i++) {
		struct answerer *a = &s->answerers[i];
		nng_aio_free(a->aio); /* waits for the callback */
		link_unqueue(s->link, &a->task);
		if (a->msg)
			nng_msg_free(a->msg);
	}
	free(s->answerers);
	free(s);
}

void link_free(struct link **kp)
{
	struct link *k = *kp;

	if (!k)
		return;
	while (k->peers) {
		struct link_peer *p = k->peers;
		link_peer_free(&p);
	}
	while (k->servers) {
		struct server *s = k->servers;
		k->servers = s->next;
		server_free(s);
	}
	if (k->loop)
		loop_del(k->loop, k->event_fd);
	close(k->event_fd);
	pthread_mutex_destroy(&k->mtx);
	free(k);
	*kp = NULL;
}

void link_leave(struct link **kp)
{
	struct link *k = *kp;

	*kp = NULL;
	if (!k)
		return;
	/* A call under way may still be heard of in a thread of nng's: then nothing goes. */
	while (k->peers && !k->peers->calls) {
		struct link_peer *p = k->peers;
		k->peers = p->next;
		free(p->path);
		free(p);
	}
	if (k->peers || k->servers)
		return;
	if (k->loop)
		loop_del(k->loop, k->event_fd);
	close(k->event_fd);
	pthread_mutex_destroy(&k->mtx);
	free(k);
}

uint64_t link_request_id(void)
{
	static _Atomic uint64_t last;

	return atomic_fetch_add(&last, 1) + 1;
}

static nng_msg *link_msg(struct str bytes)
{
	nng_msg *m = NULL;

	if (nng_msg_alloc(&m, 0) != 0 || nng_msg_append(m, bytes.p, bytes.n) != 0) {
		log_error("out of memory");
		exit(70); /* as xalloc: the process is started again */
	}
	return m;
}

static struct str link_bytes(nng_msg *m)
{
	return (struct str){nng_msg_body(m), nng_msg_len(m)};
}

/* ---- listening ---- */

static void answerer_run(struct task *t)
{
	struct answerer *a = (struct answerer *)t;
	struct link_req *req = &a->req;
	struct err e;

	req->head = (struct msg_head){0};
	if (msg_open(req->bytes, &req->head, &req->body, &e) == 0) {
		a->server->on(a->server->arg, req);
		return;
	}
	err_add(&e, "a request of process %d", (int)req->peer_pid);
	log_err(&e);
	link_fail(&req, &e);
}

/* The kernel's word on who is at the other end; what can't be had is nobody. */
static void answerer_peer(struct answerer *a)
{
	nng_pipe pipe = nng_msg_get_pipe(a->msg);
	uint64_t v;

	a->req.peer_pid = nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_PID, &v) == 0 ? (pid_t)v : 0;
	a->req.peer_uid = nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_UID, &v) == 0 ? (uid_t)v : (uid_t)-1;
}

/* In a thread of nng's. */
static void answerer_done(void *arg)
{
	struct answerer *a = arg;
	int rv = nng_aio_result(a->aio);

	if (a->sending && rv != 0)
		nng_msg_free(nng_aio_get_msg(a->aio));
	if (rv == NNG_ECLOSED || rv == NNG_ECANCELED)
		return;
	if (a->sending || rv != 0) {
		a->sending = false;
		nng_ctx_recv(a->ctx, a->aio);
		return;
	}
	a->msg = nng_aio_get_msg(a->aio);
	a->req.bytes = link_bytes(a->msg);
	answerer_peer(a);
	link_push(a->server->link, &a->task);
}

static int server_start(struct server *s, const char *path, mode_t mode)
{
	nng_listener l;
	char *url = xasprintf("ipc://%s", path);
	int rv = nng_listener_create(&l, s->sock, url);

	free(url);
	if (rv == 0)
		rv = nng_listener_set_int(l, NNG_OPT_IPC_PERMISSIONS, (int)(mode & 0777));
	if (rv == 0)
		rv = nng_listener_start(l, 0);
	return rv;
}

/* The contexts start to receive before the listener does: a request never meets a socket without one. */
static int server_contexts(struct server *s, unsigned contexts)
{
	while (s->n < contexts) {
		struct answerer *a = &s->answerers[s->n];
		a->server = s;
		a->task.run = answerer_run;
		int rv = nng_ctx_open(&a->ctx, s->sock);
		if (rv == 0)
			rv = nng_aio_alloc(&a->aio, answerer_done, a);
		if (rv != 0)
			return rv;
		s->n++;
		nng_ctx_recv(a->ctx, a->aio);
	}
	return 0;
}

int link_listen(struct link *k, const char *path, unsigned contexts, mode_t mode,
	void (*on)(void *arg, struct link_req *req), void *arg, struct err *e)
{
	struct server *s = xcalloc(1, sizeof *s);

	assert(contexts > 0);
	*s = (struct server){.link = k, .on = on, .arg = arg};
	s->answerers = xcalloc(contexts, sizeof *s->answerers);
	int rv = nng_rep0_open(&s->sock);
	if (rv != 0) {
		free(s->answerers);
		free(s);
		return err_set(e, ERR_link, "listening on %s: %s", path, nng_strerror(rv));
	}
	rv = nng_socket_set_size(s->sock, NNG_OPT_RECVMAXSZ, MSG_MAX_SIZE + LINK_SLACK);
	if (rv == 0)
		rv = server_contexts(s, contexts);
	if (rv == 0)
		rv = server_start(s, path, mode);
	if (rv != 0) {
		server_free(s);
		return err_set(e, ERR_link, "listening on %s: %s", path, nng_strerror(rv));
	}
	s->next = k->servers;
	k->servers = s;
	return 0;
}

static void link_answer(struct link_req *req, struct str bytes)
{
	struct answerer *a = (struct answerer *)((char *)req - offsetof(struct answerer, req));

	assert(a->msg);
	nng_msg_free(a->msg);
	a->msg = NULL;
	req->bytes = req->body = (struct str){NULL, 0};
	nng_aio_set_msg(a->aio, link_msg(bytes));
	a->sending = true;
	nng_ctx_send(a->ctx, a->aio);
}

void link_reply(struct link_req **req, struct buf *b)
{
	struct err e;

	if (b->n > MSG_MAX_SIZE) {
		err_set(&e, ERR_proto, "the reply to %s is too long: %zu bytes", msg_name((*req)->head.type),
			b->n);
		log_err(&e);
		link_fail(req, &e);
		return;
	}
	link_answer(*req, buf_str(b));
	*req = NULL;
}

void link_fail(struct link_req **req, const struct err *e)
{
	struct buf b = {0};
	struct msg_failed m = {.error = *e};

	msg_put_failed(&b, (*req)->head.request, &m);
	link_answer(*req, buf_str(&b));
	buf_free(&b);
	*req = NULL;
}

void link_fail_with(struct link_req **req, enum err_code code, const char *text)
{
	struct err e = {0};

	err_set(&e, code, "%s", text);
	link_fail(req, &e);
}

/* ---- asking ---- */

struct link_peer *link_dial(struct link *k, const char *path)
{
	struct link_peer *p = xcalloc(1, sizeof *p);
	char *url = xasprintf("ipc://%s", path);

	p->link = k;
	p->path = xstrdup(path);
	pthread_mutex_init(&p->inside, NULL);
	int rv = nng_req0_open(&p->sock);
	if (rv == 0)
		rv = nng_socket_set_ms(p->sock, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
	if (rv == 0)
		rv = nng_socket_set_ms(p->sock, NNG_OPT_RECONNMINT, LINK_RECONNECT_MIN_MS);
	if (rv == 0)
		rv = nng_socket_set_ms(p->sock, NNG_OPT_RECONNMAXT, LINK_RECONNECT_MAX_MS);
	if (rv == 0)
		rv = nng_socket_set_size(p->sock, NNG_OPT_RECVMAXSZ, MSG_MAX_SIZE + LINK_SLACK);
	if (rv == 0)
		rv = nng_dial(p->sock, url, NULL, NNG_FLAG_NONBLOCK);
	assert(rv == 0); /* nothing of the world is asked here: the dialer connects in the background */
	free(url);
	p->next = k->peers;
	k->peers = p;
	return p;
}

static void call_free(struct call *c)
{
	for (struct call **at = &c->peer->calls; *at; at = &(*at)->next) {
		if (*at != c)
			continue;
		*at = c->next;
		break;
	}
	if (c->aio)
		nng_aio_free(c->aio); /* stops it, waits for the callback */
	link_unqueue(c->peer->link, &c->task);
	if (c->has_ctx)
		nng_ctx_close(c->ctx);
	if (c->reply)
		nng_msg_free(c->reply);
	free(c);
}

void link_peer_free(struct link_peer **pp)
{
	struct link_peer *p = *pp;

	if (!p)
		return;
	link_peer_cut(p);
	while (p->calls)
		call_free(p->calls);
	for (struct link_peer **at = &p->link->peers; *at; at = &(*at)->next) {
		if (*at != p)
			continue;
		*at = p->next;
		break;
	}
	pthread_mutex_destroy(&p->inside);
	free(p->path);
	free(p);
	*pp = NULL;
}

void link_peer_cut(struct link_peer *p)
{
	pthread_mutex_lock(&p->inside);
	p->cut = true;
	nng_close(p->sock); /* again: does nothing */
	pthread_mutex_unlock(&p->inside);
}

static int call_error(const struct link_peer *p, int rv, uint64_t timeout_ms, struct err *e)
{
	if (rv == NNG_ETIMEDOUT)
		return err_set(e, ERR_link, "%s: no answer within %" PRIu64 " ms", p->path, timeout_ms);
	if (rv == NNG_ECONNRESET)
		return err_set(e, ERR_link, "%s: the other end went away", p->path);
	return err_set(e, ERR_link, "%s: %s", p->path, nng_strerror(rv));
}

/* The reply must carry the request's own number. */
static int call_check(const struct link_peer *p, uint64_t request, struct str bytes, struct err *e)
{
	struct msg_head h;
	struct str body;

	if (msg_open(bytes, &h, &body, e) < 0)
		return err_add(e, "a reply of %s", p->path);
	if (h.request != request)
		return err_set(e, ERR_proto, "%s: a reply to request %" PRIu64 " came for %" PRIu64, p->path,
			h.request, request);
	return 0;
}

/* What nng may still wait; 1 ms where the deadline has passed, since 0 is not "none" to it. */
static nng_duration call_left(uint64_t deadline)
{
	uint64_t now = clock_ms();
	uint64_t left = deadline > now ? deadline - now : 1;

	return left > INT32_MAX ? INT32_MAX : (nng_duration)left;
}

/* In a thread of nng's: first when the request is sent, then when the reply is there. */
static void call_done(void *arg)
{
	struct call *c = arg;

	c->rv = nng_aio_result(c->aio);
	if (c->rv == 0 && !c->sent) {
		c->sent = true;
		nng_aio_set_timeout(c->aio, call_left(c->deadline));
		nng_ctx_recv(c->ctx, c->aio);
		return;
	}
	if (c->rv == 0)
		c->reply = nng_aio_get_msg(c->aio);
	else if (!c->sent)
		nng_msg_free(nng_aio_get_msg(c->aio));
	link_push(c->peer->link, &c->task);
}

static void call_run(struct task *t)
{
	struct call *c = (struct call *)t;
	struct err e;
	int rc = -1;

	if (c->rv == NNG_EMSGSIZE)
		err_set(&e, ERR_proto, "%s: a request of more than %d bytes", c->peer->path, MSG_MAX_SIZE);
	else if (c->rv != 0)
		call_error(c->peer, c->rv, c->timeout_ms, &e);
	else
		rc = call_check(c->peer, c->request, link_bytes(c->reply), &e);

	/* Out of the peer's list first: done may free the peer. */
	void (*done)(void *, const struct err *, struct str) = c->done;
	void *arg = c->arg;
	nng_msg *reply = c->reply;
	c->reply = NULL;
	call_free(c);
	done(arg, rc < 0 ? &e : NULL, rc < 0 ? (struct str){NULL, 0} : link_bytes(reply));
	if (reply)
		nng_msg_free(reply);
}

static uint64_t call_request(const struct buf *msg)
{
	struct cur c = cur_of(msg->p, msg->n);

	cur_skip(&c, MSG_HEAD_SIZE - sizeof(uint64_t));
	return cur_u64(&c);
}

static int call_start(struct call *c, const struct buf *msg)
{
	if (msg->n > MSG_MAX_SIZE)
		return NNG_EMSGSIZE;
	int rv = nng_ctx_open(&c->ctx, c->peer->sock);
	if (rv != 0)
		return rv;
	c->has_ctx = true;
	rv = nng_aio_alloc(&c->aio, call_done, c);
	if (rv != 0)
		return rv;
	nng_aio_set_timeout(c->aio, call_left(c->deadline));
	nng_aio_set_msg(c->aio, link_msg(buf_str(msg)));
	nng_ctx_send(c->ctx, c->aio);
	return 0;
}

void link_call(struct link_peer *p, const struct buf *msg, uint64_t timeout_ms,
	void (*done)(void *arg, const struct err *e, struct str reply), void *arg)
{
	struct call *c = xcalloc(1, sizeof *c);

	*c = (struct call){.task.run = call_run,
		.next = p->calls,
		.peer = p,
		.request = call_request(msg),
		.timeout_ms = timeout_ms,
		.deadline = clock_ms() + timeout_ms,
		.done = done,
		.arg = arg};
	p->calls = c;
	int rv = call_start(c, msg);
	if (rv == 0)
		return;
	c->rv = rv;
	link_push(p->link, &c->task);
}

/* One half of a blocking call: sends msg (owned by it then), or receives where msg is NULL. */
static int call_half(struct link_peer *p, nng_ctx ctx, nng_aio *aio, nng_msg *msg, uint64_t deadline)
{
	int rv = 0;

	pthread_mutex_lock(&p->inside);
	nng_aio_set_timeout(aio, call_left(deadline));
	if (p->cut) {
		rv = NNG_ECLOSED;
	} else if (msg) {
		nng_aio_set_msg(aio, msg);
		nng_ctx_send(ctx, aio);
	} else {
		nng_ctx_recv(ctx, aio);
	}
	pthread_mutex_unlock(&p->inside);
	if (rv == 0) {
		nng_aio_wait(aio);
		rv = nng_aio_result(aio);
	}
	if (rv != 0 && msg)
		nng_msg_free(msg);
	return rv;
}

static int call_open(struct link_peer *p, nng_ctx *ctx)
{
	int rv;

	pthread_mutex_lock(&p->inside);
	rv = p->cut ? NNG_ECLOSED : nng_ctx_open(ctx, p->sock);
	pthread_mutex_unlock(&p->inside);
	return rv;
}

static void call_close(struct link_peer *p, nng_ctx ctx)
{
	pthread_mutex_lock(&p->inside);
	if (!p->cut) /* else it went with the socket */
		nng_ctx_close(ctx);
	pthread_mutex_unlock(&p->inside);
}

int link_call_wait(
	struct link_peer *p, const struct buf *msg, uint64_t timeout_ms, struct buf *reply, struct err *e)
{
	uint64_t deadline = clock_ms() + timeout_ms;
	nng_aio *aio = NULL;
	nng_ctx ctx;

	buf_clear(reply);
	if (msg->n > MSG_MAX_SIZE)
		return err_set(e, ERR_proto, "%s: a request of %zu bytes is too long", p->path, msg->n);
	int rv = call_open(p, &ctx);
	if (rv != 0)
		return call_error(p, rv, timeout_ms, e);
	rv = nng_aio_alloc(&aio, NULL, NULL);
	if (rv == 0)
		rv = call_half(p, ctx, aio, link_msg(buf_str(msg)), deadline);
	if (rv == 0)
		rv = call_half(p, ctx, aio, NULL, deadline);
	nng_msg *m = rv == 0 ? nng_aio_get_msg(aio) : NULL;
	if (m)
		buf_put(reply, nng_msg_body(m), nng_msg_len(m));
	if (m)
		nng_msg_free(m);
	if (aio)
		nng_aio_free(aio);
	call_close(p, ctx);
	if (rv != 0)
		return call_error(p, rv, timeout_ms, e);
	return call_check(p, call_request(msg), buf_str(reply), e);
}
