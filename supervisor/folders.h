#pragma once
#include "fds.h"
#include "supervisor/args.h"
#include "supervisor/ids.h"

/*
 * The state and run folders, by descriptors opened once at start (T35):
 *   FILES/ (--files), where the host has one
 *   STATE/key  STATE/agent  STATE/master  STATE/sources/SLOT/relay  STATE/sources/SLOT/dump/SUB
 *   RUN/  RUN/SLOT/  RUN/SLOT/KIND-SUB.lock
 */
struct folders {
	int state, run, sources, files;
	int state_lock, run_lock; /* held for the supervisor's life, inherited by nobody */
	struct ids ids;
};

/* Makes what is missing; ERR_locked where another supervisor has one of the two folders. */
int folders_open(struct folders *f, const struct super_args *a, const struct ids *ids, struct err *e);
void folders_close(struct folders *f);
/* Whose folders; slot 0 and sub 0 for agent and master. */
struct place {
	int kind; /* enum unit_kind */
	unsigned slot, sub;
};

/*
 * Fills FD_STATE, FD_RUN, FD_LOCK (and FD_KEY and FD_FILES of units) of fds for one process; the caller
 * closes them, also after an error.
 */
int folders_for(const struct folders *f, struct place at, int fds[FD_LAST + 1], struct err *e);
