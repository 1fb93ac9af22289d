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
};

/* Sends the command to the leader, and its answer back to who asked. Takes req. */
void follow_command(struct follow *f, const struct store_leader *leader, struct link_req **req);
/* Tells the leader of those who wait no more for what was passed on. */
void follow_tick(struct follow *f);
/* Whoever waits for the leader gets an error. */
void follow_end(struct follow *f);
