#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "common/base/failpoint.h"
#include "common/config/endpoint.h"
#include "common/config/secret.h"
#include "common/proc/link.h"
#include "fds.h"

/* For the live test: plays supervisor and agent to a whole tidegate-relay in its real box, and asks it as a
 * sync would. */
struct host {
	char folder[64];
	struct loop *loop;
	struct link *link;
	struct link_peer *relay;
	struct link_req *held; /* the unit's next, answered by a timer */
	pid_t pid;
	int alive, fds[FD_LAST + 1];
	unsigned hellos, byes;
	uint32_t bye_stage;
	struct err bye_error;
	json_t *status;
	uint8_t *failpoints;
	struct secret_key key;
};

/* Units answer their own user only: as root, the test works as nobody, but for moments. */
void host_as_nobody(bool nobody);
void host_init(struct host *h);
void host_fini(struct host *h);
void host_start(struct host *h, const struct endpoint *ep, const char *options);
/* The exit status, or 1000 + signal. */
int host_end(struct host *h, int signo);
/* -1 while it lives. */
int host_poll(struct host *h);
void host_turn(struct host *h, int ms); /* the agent's work for a while */
void host_arm(struct host *h, enum failpoint fp, enum failpoint_act act, uint32_t countdown);
unsigned host_fired(struct host *h, enum failpoint fp);
/* Asks the relay; 0 and the reply's body, or -1 with e. */
int host_ask(struct host *h, const struct buf *msg, uint16_t reply_type, struct buf *reply, struct str *body,
	struct err *e);
