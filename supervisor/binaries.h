#pragma once
#include "common/base/err.h"
#include "unit.h"

/* The programs, opened once at start: what is installed later is for the next start (T42). -1: not there. */
struct binaries {
	int fd[UNIT_KIND_END];
};

/* libexec NULL: beside the own program if the agent is there, else the installed place. Only the agent must
 * be there. */
int binaries_open(struct binaries *b, const char *libexec, struct err *e);
void binaries_close(struct binaries *b);
