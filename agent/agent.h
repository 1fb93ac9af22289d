#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/master.h"
#include "agent/spawner.h"
#include "common/proc/daemon.h"

struct proc;
struct source;
struct check;
struct purge;

enum { DESK_EARLY = 8 };

/* One listening socket, of one slot. */
struct desk {
	struct agent *agent;
	unsigned slot;
	bool open;
	struct link_req *early[DESK_EARLY]; /* of processes that the supervisor has not reported yet */
	uint64_t early_until;               /* then they are strangers */
};

/* All state of the process. */
struct agent {
	struct daemon_env *env;
	char name[65];
	const char *log_level; /* the units' */
	unsigned slots;        /* the greatest number that a source can have here */
	unsigned capacity;     /* how many sources it takes */
	bool standby;
	uint64_t started_ms, ticked_ms; /* ticked_ms: the last tick; 0: none yet */
	struct spawner spawner;
	struct master master;
	json_t *orders; /* the newest wanted state, NULL: none yet */
	struct proc *procs;
	struct source *sources;
	struct check *checks;
	struct purge *purges;
	struct desk desks[SPAWN_MAX_SLOT + 1];
	bool supervisor_leaving; /* no more starts */
	bool changed;            /* something worth a report at once */
	bool young;              /* a unit that was just started has told its status: worth one soon */
	bool busy;               /* one that does not rest has */
	uint64_t turn;           /* grows when what relays are to be told may be another thing */
	uint64_t timer;          /* the loop's timer for what is due next */
	bool farewell;           /* the last report is on its way */
	uint64_t farewell_by;
};
