#pragma once
#include "common/config/identity.h"
#include "common/proc/control.h"
#include "common/proc/link.h"
#include "common/proc/prove.h"
#include "master/store.h"

/* A master that does not lead: its commands go to the one that does. Zeroed is nobody. */
struct follow {
	struct link *link;             /* borrowed */
	const struct control *control; /* borrowed */
	const struct identity *id;     /* borrowed; NULL: none, and nothing to prove with */
	struct link_peer *peer;
	char address[STORE_NAME]; /* of peer */
	struct follow_call *calls;
	struct prove prove; /* to peer, one at a time */
	bool proving;
	uint64_t end_ms; /* clock_ms() when answers are waited for no more; 0: no end is in sight */
};

/* Sends the command to the leader, and its answer back to who asked. Takes req. */
void follow_command(struct follow *f, const struct store_leader *leader, struct link_req **req);
/* Tells the leader of those who wait no more for what was passed on; ends what follow_leave left. */
void follow_tick(struct follow *f, uint64_t now);
/* That master leads no more: what it has answered by now is still heard, for two seconds. */
void follow_leave(struct follow *f, uint64_t now);
/* Whoever waits for the leader gets an error. */
void follow_end(struct follow *f);
