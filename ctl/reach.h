#pragma once
#include <signal.h>
#include <stdint.h>

#include "common/base/err.h"

/*
 * Waits until somebody listens at a unix socket: for one that is not there, or that nobody listens at, until
 * then (clock_ms); what else is wrong, as with rights, is said at once (ERR_ctl_connect). shown: its name for
 * people.
 */
int ask_reach(const char *path, const char *shown, uint64_t until, const volatile sig_atomic_t *interrupts,
	struct err *e);
