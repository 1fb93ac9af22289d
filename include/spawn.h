#pragma once
#include <stdint.h>

/*
 * Agent <-> supervisor, over an inherited SOCK_SEQPACKET pair: fixed-size, typed, one struct a packet, host
 * byte order (both ends are the same machine and the same build). The supervisor reads nothing else from
 * anybody.
 *
 * SPAWN comes with exactly two descriptors (SCM_RIGHTS): the sealed memfd with the configuration slice, and
 * the write end of the log pipe. The supervisor never reads the slice. It maps slot to uid itself and refuses
 * slots out of range, kinds that may not be asked for, and a second process for the same (kind, slot, sub).
 */
enum { SPAWN_PROTO = 1, SPAWN_TITLE = 96, SPAWN_MAX_SLOT = 999, SPAWN_MAX_SUB = 999 };

/*
 * supervisor -> agent, master: SIGHUP says "read your own file again". Its value (si_value of SI_QUEUE) is
 * SPAWN_HUP_LEVEL + the enum log_level of this host.
 */
enum { SPAWN_HUP_LEVEL = 1 };

enum spawn_type {
	SPAWN_REQ_START = 1,  /* agent -> supervisor, 2 descriptors */
	SPAWN_REQ_SIGNAL = 2, /* agent -> supervisor: SIGTERM (leave) or SIGKILL, nothing else */
	SPAWN_REP_STARTED = 3,
	SPAWN_REP_REFUSED = 4, /* why: an errno, or 0 with refused set */
	SPAWN_REP_EXITED = 5,
};

enum spawn_refused {
	SPAWN_OK = 0,
	SPAWN_BAD_KIND,
	SPAWN_BAD_SLOT,
	SPAWN_BUSY,    /* one with this (kind, slot, sub) is alive */
	SPAWN_BAD_FDS, /* not exactly two descriptors, or the slice is not sealed */
	SPAWN_FAILED,  /* error tells the errno */
	SPAWN_LEAVING, /* the supervisor is on its way out */
};

struct spawn_req {
	uint32_t proto, type;
	uint32_t request;        /* chosen by the agent, comes back in the reply */
	uint32_t kind;           /* enum unit_kind */
	uint32_t slot;           /* 1 … SPAWN_MAX_SLOT: one per source on this host */
	uint32_t sub;            /* 0 for relay; 1 … SPAWN_MAX_SUB: one per task on that source */
	uint32_t signo;          /* of SPAWN_REQ_SIGNAL */
	uint32_t memory_mb;      /* not used yet, 0 */
	char title[SPAWN_TITLE]; /* "orders@mysql-01", NUL-terminated, printable ASCII */
};

struct spawn_rep {
	uint32_t proto, type;
	uint32_t request; /* of the request; 0 for EXITED */
	uint32_t kind, slot, sub;
	uint32_t refused; /* enum spawn_refused */
	int32_t error;    /* errno of a failed start */
	int32_t pid;
	int32_t exit_code; /* of EXITED: exit status, or -1 where a signal ended it */
	int32_t exit_signal;
	uint32_t uptime_ms;
	uint64_t user_us, system_us; /* rusage */
	uint64_t max_rss_kb;
};
