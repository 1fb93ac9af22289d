#pragma once
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "common/base/err.h"
#include "fds.h"
#include "supervisor/ids.h"

/* What one process is to become. Borrowed for the call. */
struct child_plan {
	int exe;              /* the binary, opened at start (T42) */
	const char *name;     /* argv[0]: "tidegate-relay" */
	const char *title;    /* --title=: "orders@mysql-01" */
	unsigned slot, sub;   /* --slot=, --sub=; of units */
	int fds[FD_LAST + 1]; /* what it finds at each place, all above FD_LAST here; -1: closed */
	bool drop;            /* become owner before exec; else stay who we are */
	struct owner owner;
	struct rlimit nofile;
	int yields; /* to the OOM killer before this process, by so much of oom_score_adj */
};

/* fork and execveat. 0 once the new program runs; -1 with ERR_spawn and errno where any step failed (nothing
 * is left). */
int child_start(const struct child_plan *p, pid_t *pid, int *pidfd, struct err *e);
/* By pidfd, so that no other process can be hit. */
int child_signal(int pidfd, int signo);
/* SIGHUP with a value (include/spawn.h). */
int child_hup(int pidfd, int value);
