#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/proc/loop.h"

/*
 * The watcher thread (T36): sees the supervisor go and SIGTERM come also while the main thread sits in a long
 * call, and ends the process hard when that has not left by its deadline.
 */
struct watch;

enum { WATCH_LEAVE_MS = 10000, WATCH_LAST_MS = 2000, WATCH_HARD_EXIT = 75 };

/* Blocks SIGTERM, SIGINT and SIGHUP for all threads: the box must be closed and nng not yet started. Only
 * looks at supervisor_fd. */
struct watch *watch_start(int supervisor_fd, struct loop *l);
/* Asks to leave within ms; the earliest deadline counts. From any thread. */
void watch_leave(struct watch *w, uint64_t ms);
/*
 * All is done and said, only the libraries are being closed: what is not closed within ms is left to the
 * kernel, and the process ends with this status.
 */
void watch_last(struct watch *w, uint64_t ms, int status);
bool watch_leaving(const struct watch *w);
/* Has SIGHUP come since the last call? *level: the host's log level that tidegated sent with it
 * (include/spawn.h), -1: none. Nobody asks in a unit: there it has no effect. */
bool watch_hup(struct watch *w, int *level);
/* Why, for the log: "asked to", "SIGTERM", "the supervisor is gone". */
const char *watch_reason(const struct watch *w);
/* Ends the thread: from here on nothing ends the process but itself. */
void watch_stop(struct watch **w);
