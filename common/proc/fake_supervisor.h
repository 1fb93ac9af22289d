#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/proc/loop.h"
#include "fds.h"

/*
 * For tests only: starts a process as the supervisor would, with the descriptors of include/fds.h and as
 * another user than root. Linked into nothing that is installed.
 */
struct fake_proc {
	pid_t pid;
	int alive;            /* the supervisor's end of FD_SUPERVISOR; closing it orphans the process */
	int log;              /* where its log lines can be read */
	struct buf lines;     /* all of them, after fake_proc_wait */
	int fds[FD_LAST + 1]; /* what it gets; -1: closed. May be changed before the start */
};

/* The user that processes run as: ours, or nobody's where we are root. */
uid_t fake_uid(void);
/* All descriptors but FD_KEY and FD_FAILPOINTS; the lock is "proc.lock" in the run folder. */
struct fake_proc fake_proc_make(int run_fd, int state_fd, const char *slice, bool sealed);
void fake_proc_start(struct fake_proc *p, const char *program, const char *const *argv);
/* Runs l (or sleeps, where NULL) until it ends: its exit status, 1000 + signal, or -1 when it had to be
 * killed after ms. */
int fake_proc_wait(struct fake_proc *p, struct loop *l, uint64_t ms);
