#pragma once
#include "common/proc/control.h"
#include "common/proc/daemon.h"
#include "master/follow.h"
#include "master/gate.h"
#include "master/master.h"
#include "master/once.h"

/* An agent's hello was refused, and that was logged. */
struct refusal {
	char agent[MODEL_NAME + 2]; /* also of a name that is too long */
	enum err_code code;
};

enum { SERVE_LISTENS = 4 };

/* The control socket: who may speak, and what is answered when. */
struct serve {
	struct master *m; /* NULL: this master does not lead, and answers by the one that does */
	struct store *store;
	uint64_t term; /* of m */
	struct follow follow;
	struct gate gate;
	struct once once;
	const struct control *control; /* set before the start, with listen and id */
	const struct identity *id;     /* our certificate's; NULL: none */
	char listen[SERVE_LISTENS][STORE_NAME];
	unsigned nlisten;
	const char *address;                /* our own, as the others see it; set before the start */
	struct refusal told[MASTER_AGENTS]; /* a ring: of agents that ask again and again */
	unsigned ntold;
	bool patient; /* a refused write of the tick is tried again: an etcd's, which may be full */
	bool refused; /* the last one was, and that was said */
	uint64_t again_ms;
};

/* Listens at master.sock and the addresses of listen. Nobody leads yet. */
int serve_start(struct serve *s, struct daemon_env *env, struct store *store, struct err *e);
/* From now on m is served, which was loaded in this term of the store; NULL: this master leads no more,
 * whoever waits is told so. */
void serve_lead(struct serve *s, struct master *m, uint64_t term);
/* Time has passed: leases, long polls, checks; while another one leads: has that changed? */
int serve_tick(struct serve *s, struct err *e);
/* Leaving: whoever waits gets an error, so that it can ask again. */
void serve_end(struct serve *s);
