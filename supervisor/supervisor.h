#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "supervisor/args.h"
#include "supervisor/binaries.h"
#include "supervisor/folders.h"
#include "supervisor/host.h"
#include "supervisor/port.h"
#include "supervisor/table.h"

enum { LEAVE_MS = 12000, UNITS_LEAVE_MS = 10000, HOST_LEAVE_MS = 5000, CHILDREN_MAX = 4096 };

struct child_plan;

/* All state of the process. Body shown to the supervisor's own files only. */
struct super {
	struct super_args *args;
	struct ids ids;
	struct folders folders;
	struct binaries binaries;
	struct table table;
	struct port port;
	struct host hosts[2];                      /* agent, master */
	struct rlimit nofile;                      /* as found at start: the children's */
	const char *notify;                        /* $NOTIFY_SOCKET or NULL */
	int null, log, failpoints, signals, alive; /* log: our own fd 2, for agent and master */
	int units_alive[2], master_alive[2];       /* pipes; only we hold the write ends (T36) */
	uint64_t units_deadline;                   /* units asked to leave are killed then; 0: not asked */
	bool stopping, stopped;
	int refused; /* agent or master that ended over its own file when it was first started; UNIT_NONE */
};

/* Runs until told to stop; 0, or -1 with e where the start failed (ERR_usage: a start will fail again). */
int super_run(struct super_args *a, struct err *e);

/* --- supervisor/units.c: what the agent asks for --- */
void units_request(struct super *s, struct request *r);
/* Fills what every child has: binary, descriptors 0-2, failpoints, limits. */
void units_plan(const struct super *s, int kind, struct child_plan *p);

/* --- supervisor/leave.c: asking to leave, killing, reaping --- */
void leave_units(struct super *s, uint64_t ms, const char *why);
void leave_stop(struct super *s, const char *why);
void leave_host(struct super *s, struct host *h);
void leave_kill_all(struct super *s, const char *why);
void leave_reap(struct super *s, size_t i);
/* Deadlines and starts that are due now; returns the milliseconds until the next one, -1 where there is none.
 */
int leave_tick(struct super *s, uint64_t now);

/* --- supervisor/start.c: agent and master --- */
int start_host(struct super *s, struct host *h, uint64_t now, struct err *e);
