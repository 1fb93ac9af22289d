#pragma once
#include <stdint.h>
#include <sys/types.h>

#include "common/base/address.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/proc/loop.h"
#include "common/proc/msg.h"

/*
 * The transport: request and reply over nng. Inside a host by unix sockets (paths relative to the current
 * directory, which is the run folder: sun_path holds 108 bytes), between hosts by TLS, or TCP where that is
 * allowed (common/proc/control.h). Only link.c and link_nng.h, which is for it alone, include <nng/…>.
 * Nothing is ever sent again by itself (T39). Callbacks come in the main thread, from the loop.
 */
struct link;      /* all sockets of a process */
struct link_peer; /* somebody that we ask */

/* A request that came in; to be answered exactly once with link_reply or link_fail, now or later. */
struct link_req {
	struct msg_head head;
	struct str body; /* borrowed from the request, until it is answered */
	/* Who is at the other end, by the kernel; of a unix socket only, and only while it is there: 0, -1,
	 * -1. */
	pid_t peer_pid;
	uid_t peer_uid;
	gid_t peer_gid;
	enum address_kind via;
	uint32_t pipe;    /* names the connection; never used again for another one */
	char from[72];    /* for a log: "process 4711 of uid 0", "192.0.2.1:4711" */
	struct str bytes; /* header and body */
};

/* PEM texts, borrowed. */
struct link_tls {
	const char *ca, *cert, *key;
};

/* First nng call of the process: only after the box is closed. l may be NULL where only link_call_wait is
 * used (ctl). */
struct link *link_new(struct loop *l);
/* Ends everything: unanswered requests are forgotten, done is not called any more for calls under way. */
void link_free(struct link **k);

/*
 * For a process that ends at once and has asked only: frees what is ours and closes nothing of nng, whose
 * nng_close of 1.5.2 now and then never returns. The process's end closes the sockets.
 */
void link_leave(struct link **k);

/* What tls+tcp:// addresses are used with from now on: both sides show a certificate of that CA. */
int link_use_tls(struct link *k, const struct link_tls *tls, struct err *e);
/*
 * Listens at an address (common/base/address.h). contexts: how many requests may be unanswered at once
 * (readers that poll + spare). mode: of the socket file. Malformed messages are answered with `failed` and
 * logged; on gets the others.
 */
int link_listen(struct link *k, const char *address, unsigned contexts, mode_t mode,
	void (*on)(void *arg, struct link_req *req), void *arg, struct err *e);
/* Is who sent it still connected? Answers to others go nowhere. */
bool link_req_there(const struct link_req *req);
/* Takes req (sets it NULL). b holds a whole message made by msg_put_…(b, req->head.request, …). */
void link_reply(struct link_req **req, struct buf *b);
void link_fail(struct link_req **req, const struct err *e);
void link_fail_with(struct link_req **req, enum err_code code, const char *text);

/*
 * Prepares to ask whoever listens at an address, one that control_check has let pass where it is not a path;
 * connects in the background, again and again. With TLS the other side's certificate must be of that host's
 * name. Where it is no address that can be dialled, all calls end with ERR_link.
 */
struct link_peer *link_dial(struct link *k, const char *address);
/*
 * Drops the connection and makes another one, in the background; calls under way end with an error. Where a
 * host is cut off, TCP alone would notice only after many minutes.
 */
void link_peer_again(struct link_peer *p);
/* done is not called any more for calls under way. Threads inside link_call_wait must be gone: link_peer_cut,
 * then join. */
void link_peer_free(struct link_peer **p);
/* From any thread: ends all calls under way, and all later ones, with ERR_link. */
void link_peer_cut(struct link_peer *p);
/*
 * Asks; done is called once in the main thread: with e NULL and the reply's bytes, or with an error (ERR_link
 * after timeout_ms, or when the peer went away). Several calls may be under way.
 */
void link_call(struct link_peer *p, const struct buf *msg, uint64_t timeout_ms,
	void (*done)(void *arg, const struct err *e, struct str reply), void *arg);
/* The same, blocking, from any thread (ctl, worker threads): the reply's bytes into reply (cleared first). */
int link_call_wait(
	struct link_peer *p, const struct buf *msg, uint64_t timeout_ms, struct buf *reply, struct err *e);
/* A number for msg_put_…: unique in this process, and hardly another process's. */
uint64_t link_request_id(void);
