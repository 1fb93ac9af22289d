#pragma once
/*
 * What a child finds at which descriptor; everything else is closed. Set up by supervisor/spawn.c, used by
 * common/proc/unit.c (docs/design/processes.md).
 */
enum {
	FD_LOG = 2,    /* log lines: a pipe that the agent reads, or the supervisor's own log */
	FD_CONFIG = 3, /* sealed memfd: this process's slice of the configuration, JSON */
	FD_SUPERVISOR =
		4,  /* agent: the socketpair (include/spawn.h); others: a pipe. EOF: the supervisor is gone */
	FD_KEY = 5, /* the key file, 32 bytes, read-only: decrypts passwords. Closed before the box closes */
	FD_FAILPOINTS = 6, /* test builds only: the failpoint table */
	FD_STATE = 7,  /* directory: this process's own part of the state folder (relay logs, spool, store) */
	FD_RUN = 8,    /* directory: the slot's run folder, where its sockets are */
	FD_LOCK = 9,   /* a file in the run folder: held with flock for the process's life (T36) */
	FD_FILES = 10, /* directory: files of tasks that only dump or only load; where the host has one */
	FD_LAST = 10,
};
