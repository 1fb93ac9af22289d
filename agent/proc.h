#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "agent/backoff.h"
#include "agent/logs.h"
#include "common/base/err.h"
#include "common/proc/link.h"
#include "include/spawn.h"
#include "include/stage.h"
#include "order.h"
#include "unit.h"

struct agent;
struct proc;

/* How a run ended. */
enum proc_end {
	PROC_FINISHED, /* its work is done */
	PROC_STOPPED,  /* asked to leave, or left on its own wish without an error */
	PROC_RETRY,    /* an error that a retry may mend; it is started again by itself */
	PROC_FAILED,   /* an error that a person must look at */
};

/* What the owner (relay, subtask, check) gives and hears. */
struct proc_owner {
	json_t *(*slice)(void *owner, const struct proc *p); /* new reference; built anew for each start */
	void (*status)(void *owner, struct proc *p);         /* p->status is new; may be NULL */
	void (*ended)(void *owner, struct proc *p, enum proc_end how);
};

enum proc_state {
	PROC_OFF,     /* nothing there */
	PROC_ASKED,   /* the supervisor was asked, has not answered */
	PROC_ALIVE,   /* started */
	PROC_LEAVING, /* started, and asked to leave */
};

enum proc_next {
	PROC_NEXT_PAUSED, /* after a pause that grows: it has failed */
	PROC_NEXT_SOON,   /* after the smallest pause: it ended by no fault of its own */
	PROC_NEXT_NOW,    /* for something else: it has done what it was started for */
};

/* One unit, dead or alive, over all its restarts. */
struct proc {
	struct proc *next;
	struct agent *agent;
	enum unit_kind kind;
	unsigned slot, sub;
	char *source, *task;                 /* task "" for a relay */
	char title[SPAWN_TITLE], label[128]; /* "orders@mysql-01"; "sync orders", for log lines */
	const struct proc_owner *ops;
	void *owner;

	enum proc_state state;
	bool wanted, one_shot;
	enum proc_next next_start; /* what ended() has said of it */
	struct backoff backoff;
	uint64_t busy_since; /* no room for its start at the supervisor's; 0: there was */

	/* of the present run */
	uint32_t request;
	pid_t pid;
	bool hello, bye, silent;
	enum stage stage, bye_stage; /* as the unit says */
	uint64_t heard_ms, leave_by; /* leave_by: next harder step of leaving */
	int leave_signo;
	int unsent; /* a signal that the supervisor had no room for; 0: none */
	uint64_t unsent_at;
	bool unsent_told; /* in the log */
	uint64_t progress;
	struct logs logs;
	struct link_req *poll; /* a unit_next that we hold */
	uint64_t poll_until;

	/* the last order, and what is known */
	uint64_t revision;
	enum unit_order_kind order;
	char *args;
	json_t *status;   /* last status object, kept after its end; NULL: none */
	struct err error; /* of the last run or the present one; code 0: none */
};

enum {
	PROC_SILENT_MS = 60000,
	PROC_STOP_MS = 10000,
	PROC_CHECK_STOP_MS = 2000, /* it has nothing to save, and may sit in a server's silence */
	PROC_TERM_MS = 2000,
	PROC_KILL_MS = 5000,
	PROC_HELLO_MS = 30000
};

/* Adds it to the agent's list; nothing is started yet. */
struct proc *proc_new(struct agent *a, enum unit_kind kind, unsigned slot, unsigned sub, const char *source);
void proc_own(struct proc *p, const char *task, const struct proc_owner *ops, void *owner);
/* Must be off. */
void proc_free(struct proc **p);
void proc_want(struct proc *p, bool wanted);
/* From ended(): how soon it is started again, where it is still wanted. */
void proc_next(struct proc *p, enum proc_next next);
/* ORDER_ARGS for a unit that runs; takes args. Said again to each new run. */
/* The unit logs from this level on, from now or from its next start. */
void proc_log_level(struct proc *p, const char *level);
void proc_args(struct proc *p, json_t *args);
/* Starts, stops, kills what is due. */
void proc_tick(struct proc *p, uint64_t now);
/* This process stood still for ms, until now: whom it waits for has as much longer. */
void proc_stood_still(struct proc *p, uint64_t ms, uint64_t now);
/* When proc_tick is due next; 0: not by the clock. */
uint64_t proc_due(const struct proc *p);
bool proc_is_off(const struct proc *p);
struct proc *proc_find(const struct agent *a, uint32_t kind, uint32_t slot, uint32_t sub);
struct proc *proc_by_pid(const struct agent *a, pid_t pid);
/* What the supervisor says. */
void proc_report(struct agent *a, const struct spawn_rep *rep);
/* Ends it at once; why goes to the log. */
void proc_kill(struct proc *p, const char *why);
/* A text of p->status: "" where there is none. */
const char *proc_status_text(const struct proc *p, const char *key);
/* Answers a poll that is held, with the order as it is. */
void proc_answer_poll(struct proc *p);
