#pragma once
#include <stdint.h>
#include <sys/types.h>

#include "common/config/identity.h"
#include "common/proc/control.h"
#include "common/proc/link.h"

enum { GATE_CONNECTIONS = 256, GATE_MEMBERS = 64 };

/* A connection from another host that asked for a challenge, or has met it. */
struct gate_entry {
	uint32_t pipe; /* 0: free */
	uint64_t used_ms;
	char nonce[IDENTITY_NONCE];
	enum role role; /* 0: not proved */
	char name[IDENTITY_NAME], key[IDENTITY_KEY];
};

/*
 * Who may say what to the master (docs/protocol.md). On one host by the peer's user and group, between hosts
 * by what the connection has proved. Zeroed but for the first two.
 */
struct gate {
	const struct control *control; /* borrowed */
	uid_t run_owner;               /* of the run folder */
	gid_t group;                   /* of operators; 0: there is none */
	uid_t members[GATE_MEMBERS];   /* whose second group it is */
	unsigned nmembers;
	struct gate_entry entries[GATE_CONNECTIONS];
	uint64_t told_ms; /* lines of the log are used up until then */
	unsigned untold;
};

/* Before the box, where the C library may ask whom it likes: who is of the group `tidegate`. */
void gate_read_group(struct gate *g);

/* May this request be answered? -1 with e: ERR_not_allowed, or ERR_unproved where a proof would help. */
int gate_check(struct gate *g, const struct link_req *req, uint64_t now, struct err *e);
/* Answers challenge and prove. */
void gate_challenge(struct gate *g, struct link_req **req, uint64_t now);
void gate_prove(struct gate *g, struct link_req **req, uint64_t now);
/* May this connection speak for the agent of that name? *key: the bare key that it has proved, else "". */
int gate_agent(struct gate *g, const struct link_req *req, const char *name, const char **key, struct err *e);
/* Logs a refusal; of a flood one line a second, after the first twenty. */
void gate_tell(struct gate *g, const struct link_req *req, struct err *e, uint64_t now);
