/*
 * Request and reply over nng: ipc, TCP, TLS. With link_nng.c the one place that includes <nng/…>. nng runs
 * its callbacks in threads of its own: they only put a finished piece into a locked queue and write to an
 * eventfd; everything the caller sees happens in the main thread, from the loop. A request is never sent
 * twice: resending is off, so the loss of the connection ends a call with an error and the asker decides
 * (T39). Must never be used before the box is closed (T41, docs/design/processes.md).
 */
#include "common/proc/link.h"

#include <assert.h>
#include <inttypes.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/tls/tls.h>
#include <nng/transport/ipc/ipc.h>
#include <nng/transport/tls/tls.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/proc/door.h"
#include "common/proc/inbox.h"
#include "common/proc/link_nng.h"

enum {
	LINK_SLACK = 64, /* nng's own header comes on top of a message */
	LINK_RECONNECT_MIN_MS = 10,
	LINK_RECONNECT_MAX_MS = 250,
	LINK_TAKE_MS = 30000, /* in which an asker must take its answer: it holds one of few contexts */
	LINK_TAKE_REMOTE_MS = 5000,
	LINK_CONNECTIONS = 200, /* at one TCP listener: descriptors are left for the rest of the process */
	LINK_TOLD_MS = 1000,    /* between two lines about malformed messages, */
	LINK_BURST = 20,        /* after so many */
};

struct link {
	struct inbox inbox; /* of what nng has finished, and the main thread must see */
	struct server *servers;
	struct link_peer *peers;
	struct link_tls tls;
	/* What libnng has not let go of, and which may come to the inbox yet. */
	struct server *stuck_servers;
	struct link_peer *stuck_peers;
	struct link *kept;
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
	enum address_kind kind;
	void (*on)(void *arg, struct link_req *req);
	void *arg;
	atomic_uint connections; /* not of unix sockets */
	uint64_t told_ms;
	unsigned untold; /* malformed messages since */
	unsigned n;
	struct answerer *answerers;
};

struct link_peer {
	struct link_peer *next;
	struct link *link;
	nng_socket sock;
	char *path;
	/* The connection that the last reply came by, 0: none yet. Not by nng_pipe_notify: with it nng_close
	 * of 1.5.2 hangs once in five times. */
	atomic_uint pipe;
	struct call *calls;
	/*
	 * Held by a thread of link_call_wait while it is inside libnng, and by whoever closes the
	 * socket: 1.5.2 frees what a call that is just returning still locks ("panic: pthread_mutex_lock",
	 * once in 150 cuts).
	 */
	pthread_mutex_t inside;
	bool cut, stuck; /* stuck: libnng does not let go of it */
	int bad;         /* nng's error: nobody can be dialled so, all calls end with it */
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

struct link *link_new(struct loop *l)
{
	struct link *k = xcalloc(1, sizeof *k);

	assert(sysconf(_SC_NPROCESSORS_ONLN) == 1); /* for_nng.c is linked in */
	inbox_init(&k->inbox, l);
	return k;
}

static void ignore(struct task *t)
{
	(void)t;
}

/*
 * It stays, and what hangs on it, until the process ends, and stays in somebody's sight: of a socket that
 * libnng does not close, or closes too late, nothing else may lead here, and who looks for lost memory at the
 * end (LeakSanitizer) would find it.
 */
static void link_keep(struct link *k)
{
	static _Atomic(struct link *) kept;

	k->kept = atomic_exchange(&kept, k);
}

static void server_leave(struct server *s)
{
	s->next = s->link->stuck_servers;
	s->link->stuck_servers = s;
	for (unsigned i = 0; i < s->n; i++) {
		s->answerers[i].task.run = ignore;
		inbox_take(&s->link->inbox, &s->answerers[i].task);
	}
}

static void server_free(struct server *s)
{
	if (!link_close_in_time(s->sock)) {
		server_leave(s);
		return;
	}
	for (unsigned i = 0; i < s->n; i++) {
		struct answerer *a = &s->answerers[i];
		nng_aio_free(a->aio); /* waits for the callback */
		inbox_take(&s->link->inbox, &a->task);
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
	*kp = NULL;
	if (k->stuck_servers || k->stuck_peers) {
		link_keep(k);
		return;
	}
	inbox_fini(&k->inbox);
	free(k);
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
	if (k->peers || k->servers || k->stuck_peers) {
		link_keep(k);
		return;
	}
	inbox_fini(&k->inbox);
	free(k);
}

/* Begins anywhere: the asked side may know requests of several processes by their numbers (T39). */
uint64_t link_request_id(void)
{
	static _Atomic uint64_t last;
	uint64_t none = 0, first;

	if (atomic_load(&last) == 0 && getrandom(&first, sizeof first, 0) == (ssize_t)sizeof first)
		atomic_compare_exchange_strong(&last, &none, first);
	return atomic_fetch_add(&last, 1) + 1;
}

/* ---- TLS ---- */

int link_use_tls(struct link *k, const struct link_tls *tls, struct err *e)
{
	nng_tls_config *c;

	k->tls = *tls;
	int rv = link_tls_for(&k->tls, "localhost", &c);
	if (rv != 0)
		return err_set(e, ERR_config_bad,
			"ssl-ca, ssl-cert, ssl-key: no certificates and a key of theirs in PEM (RSA or EC): "
			"%s",
			nng_strerror(rv));
	nng_tls_config_free(c);
	return 0;
}

/* "tcp://HOST:PORT" as nng wants it. */
static char *link_url(const struct address *a)
{
	const char *colon = strchr(a->host, ':');

	if (a->kind == ADDRESS_IPC)
		return xasprintf("ipc://%s", a->path);
	return xasprintf("%s://%s%s%s:%u", a->kind == ADDRESS_TLS ? "tls+tcp" : "tcp", colon ? "[" : "",
		a->host, colon ? "]" : "", a->port);
}

/* ---- listening ---- */

/* Whoever may connect can send a flood of them. */
static void server_tell(struct server *s, struct err *e, const char *from)
{
	uint64_t now = clock_ms();

	if (s->told_ms > now + LINK_BURST * LINK_TOLD_MS) {
		s->untold++;
		return;
	}
	err_add(e, "a request of %s", from);
	if (s->untold)
		err_add(e, "%u malformed messages more, and now", s->untold);
	s->told_ms = (s->told_ms > now ? s->told_ms : now) + LINK_TOLD_MS;
	s->untold = 0;
	log_err(e);
}

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
	server_tell(a->server, &e, req->from);
	link_fail(&req, &e);
}

/* The kernel's word on who is at the other end; what can't be had is nobody. */
static void answerer_peer(struct answerer *a)
{
	nng_pipe pipe = nng_msg_get_pipe(a->msg);
	struct link_req *r = &a->req;
	uint64_t v;

	r->via = a->server->kind;
	r->pipe = (uint32_t)nng_pipe_id(pipe);
	r->peer_pid = 0;
	r->peer_uid = (uid_t)-1;
	r->peer_gid = (gid_t)-1;
	if (r->via != ADDRESS_IPC) {
		link_remote_address(pipe, r->from, sizeof r->from);
		return;
	}
	if (nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_PID, &v) == 0)
		r->peer_pid = (pid_t)v;
	if (nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_UID, &v) == 0)
		r->peer_uid = (uid_t)v;
	if (nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_GID, &v) == 0)
		r->peer_gid = (gid_t)v;
	snprintf(r->from, sizeof r->from, "process %d of uid %d", (int)r->peer_pid, (int)r->peer_uid);
}

/* In a thread of nng's. */
static void answerer_done(void *arg)
{
	struct answerer *a = arg;
	int rv = nng_aio_result(a->aio);

	if (a->sending && rv != 0)
		nng_msg_free(nng_aio_get_msg(a->aio));
	if (a->sending && rv == NNG_ETIMEDOUT) /* it does not read: nobody waits for such a one */
		nng_pipe_close((nng_pipe){.id = a->req.pipe});
	if (rv == NNG_ECLOSED || rv == NNG_ECANCELED)
		return;
	if (a->sending || rv != 0) {
		a->sending = false;
		nng_aio_set_timeout(a->aio, NNG_DURATION_INFINITE);
		nng_ctx_recv(a->ctx, a->aio);
		return;
	}
	a->msg = nng_aio_get_msg(a->aio);
	a->req.bytes = link_bytes(a->msg);
	answerer_peer(a);
	inbox_push(&a->server->link->inbox, &a->task);
}

/* In a thread of nng's. One too many is closed before it is heard. */
static void server_connection(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
	struct server *s = arg;
	char from[DOOR_FROM];

	if (ev == NNG_PIPE_EV_REM_POST) {
		atomic_fetch_sub(&s->connections, 1);
		return;
	}
	link_remote_address(pipe, from, sizeof from);
	door_let_in(from);
	if (atomic_fetch_add(&s->connections, 1) >= LINK_CONNECTIONS)
		nng_pipe_close(pipe);
}

static int server_listener(const struct server *s, nng_listener l, mode_t mode)
{
	nng_tls_config *tls = NULL;
	int rv = 0;

	if (s->kind == ADDRESS_IPC)
		return nng_listener_set_int(l, NNG_OPT_IPC_PERMISSIONS, (int)(mode & 0777));
	if (s->kind == ADDRESS_TLS)
		rv = link_tls_for(&s->link->tls, NULL, &tls);
	if (tls) {
		rv = nng_listener_set_ptr(l, NNG_OPT_TLS_CONFIG, tls);
		nng_tls_config_free(tls); /* the listener has its own hold on it */
	}
	if (rv == 0)
		rv = nng_listener_set_bool(l, NNG_OPT_TCP_KEEPALIVE, true);
	if (rv == 0)
		rv = nng_pipe_notify(s->sock, NNG_PIPE_EV_ADD_PRE, server_connection, (void *)(uintptr_t)s);
	if (rv == 0)
		rv = nng_pipe_notify(s->sock, NNG_PIPE_EV_REM_POST, server_connection, (void *)(uintptr_t)s);
	return rv;
}

static int server_start(const struct server *s, const struct address *a, mode_t mode)
{
	nng_listener l;
	char *url = link_url(a);
	int rv = nng_listener_create(&l, s->sock, url);

	free(url);
	if (rv == 0)
		rv = server_listener(s, l, mode);
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

int link_listen(struct link *k, const char *address, unsigned contexts, mode_t mode,
	void (*on)(void *arg, struct link_req *req), void *arg, struct err *e)
{
	struct address a;

	if (address_parse(address, &a, e) < 0)
		return -1;
	struct server *s = xcalloc(1, sizeof *s);
	assert(contexts > 0);
	*s = (struct server){.link = k, .kind = a.kind, .on = on, .arg = arg};
	s->answerers = xcalloc(contexts, sizeof *s->answerers);
	int rv = nng_rep0_open(&s->sock);
	if (rv != 0) {
		free(s->answerers);
		free(s);
		return err_set(e, ERR_link, "listening on %s: %s", address, nng_strerror(rv));
	}
	rv = nng_socket_set_size(s->sock, NNG_OPT_RECVMAXSZ, MSG_MAX_SIZE + LINK_SLACK);
	if (rv == 0)
		rv = server_contexts(s, contexts);
	if (rv == 0)
		rv = server_start(s, &a, mode);
	if (rv != 0) {
		server_free(s);
		return err_set(e, ERR_link, "listening on %s: %s", address, nng_strerror(rv));
	}
	s->next = k->servers;
	k->servers = s;
	return 0;
}

bool link_req_there(const struct link_req *req)
{
	nng_sockaddr any;
	int rv = nng_pipe_get_addr((nng_pipe){.id = req->pipe}, NNG_OPT_REMADDR, &any);

	return rv != NNG_ENOENT && rv != NNG_ECLOSED; /* what else it says is of the address */
}

static void link_answer(struct link_req *req, struct str bytes)
{
	struct answerer *a = (struct answerer *)((char *)req - offsetof(struct answerer, req));

	assert(a->msg);
	nng_msg_free(a->msg);
	a->msg = NULL;
	req->bytes = req->body = (struct str){NULL, 0};
	nng_aio_set_msg(a->aio, link_msg_of(bytes));
	a->sending = true;
	nng_aio_set_timeout(a->aio, a->server->kind == ADDRESS_IPC ? LINK_TAKE_MS : LINK_TAKE_REMOTE_MS);
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

static int peer_dial(struct link_peer *p, const struct address *a)
{
	nng_tls_config *tls = NULL;
	nng_dialer d;
	char *url = link_url(a);
	int rv = nng_dialer_create(&d, p->sock, url);

	free(url);
	if (rv == 0 && a->kind == ADDRESS_TLS)
		rv = link_tls_for(&p->link->tls, a->host, &tls);
	if (tls) {
		rv = nng_dialer_set_ptr(d, NNG_OPT_TLS_CONFIG, tls);
		nng_tls_config_free(tls);
	}
	if (rv == 0 && a->kind != ADDRESS_IPC)
		rv = nng_dialer_set_bool(d, NNG_OPT_TCP_KEEPALIVE, true);
	return rv == 0 ? nng_dialer_start(d, NNG_FLAG_NONBLOCK) : rv;
}

struct link_peer *link_dial(struct link *k, const char *address)
{
	struct link_peer *p = xcalloc(1, sizeof *p);
	struct address a;
	struct err e;

	p->link = k;
	p->path = xstrdup(address);
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
	assert(rv == 0);
	/* It connects in the background; but what is no address for nng may have come from another host. */
	p->bad = address_parse(address, &a, &e) < 0 ? NNG_EADDRINVAL : peer_dial(p, &a);
	assert(p->bad != NNG_ENOMEM);
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
	inbox_take(&c->peer->link->inbox, &c->task);
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
	while (p->calls && !p->stuck)
		call_free(p->calls);
	for (struct call *c = p->calls; c; c = c->next) {
		c->task.run = ignore;
		inbox_take(&p->link->inbox, &c->task);
	}
	for (struct link_peer **at = &p->link->peers; *at; at = &(*at)->next) {
		if (*at != p)
			continue;
		*at = p->next;
		break;
	}
	*pp = NULL;
	if (p->stuck) {
		p->next = p->link->stuck_peers;
		p->link->stuck_peers = p;
		return;
	}
	pthread_mutex_destroy(&p->inside);
	free(p->path);
	free(p);
}

void link_peer_cut(struct link_peer *p)
{
	pthread_mutex_lock(&p->inside);
	if (!p->cut)
		p->stuck = !link_close_in_time(p->sock);
	p->cut = true;
	pthread_mutex_unlock(&p->inside);
}

void link_peer_again(struct link_peer *p)
{
	nng_pipe pipe = {.id = atomic_exchange(&p->pipe, 0)};

	if (pipe.id)
		nng_pipe_close(pipe); /* one that is gone already: nothing */
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
	if (c->rv == 0) {
		c->reply = nng_aio_get_msg(c->aio);
		atomic_store(&c->peer->pipe, (unsigned)nng_pipe_id(nng_msg_get_pipe(c->reply)));
	} else if (!c->sent)
		nng_msg_free(nng_aio_get_msg(c->aio));
	inbox_push(&c->peer->link->inbox, &c->task);
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
	int rv = c->peer->bad ? c->peer->bad : nng_ctx_open(&c->ctx, c->peer->sock);
	if (rv != 0)
		return rv;
	c->has_ctx = true;
	rv = nng_aio_alloc(&c->aio, call_done, c);
	if (rv != 0)
		return rv;
	nng_aio_set_timeout(c->aio, call_left(c->deadline));
	nng_aio_set_msg(c->aio, link_msg_of(buf_str(msg)));
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
	inbox_push(&p->link->inbox, &c->task);
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
	rv = p->cut ? NNG_ECLOSED : p->bad ? p->bad : nng_ctx_open(ctx, p->sock);
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
		rv = call_half(p, ctx, aio, link_msg_of(buf_str(msg)), deadline);
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
