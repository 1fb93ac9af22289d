#pragma once
#include "common/config/identity.h"
#include "common/proc/link.h"

/*
 * The asking side of a proof (common/config/identity.h): a challenge is fetched, its answer sent. The
 * connection counts as proved until it is lost; then the asked side says so (ERR_unproved), and it is done
 * again.
 */
struct prove {
	struct link_peer *peer;
	const struct identity *id;
	const char *name;
	unsigned timeout_ms;
	void (*done)(void *arg, const struct err *e); /* in the main thread, once; e NULL: proved */
	void *arg;
};

/* p must live until done is called, or the peer is freed. */
void prove_start(struct prove *p);
/* The same, blocking. */
int prove_wait(struct link_peer *peer, const struct identity *id, const char *name, unsigned timeout_ms,
	struct err *e);
/* Only asks whether a master is there and answers. */
int prove_there(struct link_peer *peer, unsigned timeout_ms, struct err *e);
