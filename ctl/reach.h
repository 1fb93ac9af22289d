#pragma once
#include <signal.h>
#include <stdint.h>

#include "common/base/address.h"
#include "common/base/err.h"

/*
 * Waits until somebody listens at a unix socket: for one that is not there, or that nobody listens at, until
 * then (clock_ms); what else is wrong, as with rights, is said at once (ERR_ctl_connect). shown: its name for
 * people.
 */
int ask_reach(const char *path, const char *shown, uint64_t until, const volatile sig_atomic_t *interrupts,
	struct err *e);
/*
 * One look at another host's port: does anybody take a connection there? 0: yes. -1: ERR_ctl_connect with
 * text and the reason; *lasts: waiting a moment won't help (no host of that name).
 */
int ask_knock(const struct address *a, const char *text, unsigned timeout_ms, bool *lasts, struct err *e);
