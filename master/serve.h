#pragma once
#include "common/proc/daemon.h"
#include "master/master.h"

/* The control socket: who may speak, and what is answered when. */
struct serve {
	struct master *m;
	uid_t run_owner; /* of the run folder */
};

/* Listens at master.sock. */
int serve_start(struct serve *s, struct daemon_env *env, struct err *e);
/* Time has passed: leases, long polls, checks. */
int serve_tick(struct serve *s, struct err *e);
/* Leaving: whoever waits gets an error, so that it can ask again. */
void serve_end(struct serve *s);
