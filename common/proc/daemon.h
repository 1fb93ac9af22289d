#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/base/err.h"
#include "common/base/settings.h"
#include "common/proc/link.h"
#include "common/proc/loop.h"
#include "common/proc/metrics.h"
#include "common/proc/sandbox.h"
#include "include/unit.h"

/*
 * The skeleton of the two processes of a host that are no units: agent and master. The same order as unit.h,
 * without orders and heartbeats: read the slice from FD_CONFIG, title, lock (FD_LOCK), current directory =
 * FD_RUN, open(), box (the sandbox row of the kind), only then nng and threads: ready(), then the loop with
 * tick(); asked to leave (SIGTERM, SIGINT, EOF of FD_SUPERVISOR, daemon_leave): leave(), close(), exit 0.
 * Stuck for 10 s after that: a hard exit (T36). FD_KEY is closed unread: neither of them may hold a password
 * (T32).
 */
struct daemon_env {
	enum unit_kind kind;
	json_t *config; /* the slice, borrowed */
	int state_fd;   /* FD_STATE */
	int run_fd; /* FD_RUN; also the current directory, so "master.sock" or "3/agent.sock" are link paths
		     */
	int supervisor_fd; /* FD_SUPERVISOR. The agent's is the socketpair of include/spawn.h: it may loop_add
			      it in ready() and read and write packets (non-blocking); the skeleton only
			      watches it for EOF, without reading */
	struct sandbox_needs
		needs; /* what the slice names; open() may add to it what the box is to let through */
	struct loop *loop;
	struct link *link;               /* NULL in open() */
	const struct settings *settings; /* its own file, from open() on; NULL: none was named */
	const char *log_level;           /* its own file's, else the host's; changes before reload() */
};

struct daemon {
	enum unit_kind kind; /* UNIT_agent, UNIT_master */
	size_t state;        /* bytes of the own struct, zeroed before open() */
	bool renewable; /* nothing ends with it: begins anew where its descriptors have run out for long */
	/* Before the box: no thread, no nng. Open what the box will forbid. May be NULL. */
	int (*open)(void *self, struct daemon_env *env, struct err *e);
	/* Boxed in: open the store, link_listen, link_dial, loop_add, loop_timer. May be NULL. */
	int (*ready)(void *self, struct daemon_env *env, struct err *e);
	/* After each wake-up of the loop and at least each second. An error ends the process with exit 1. May
	 * be NULL. */
	int (*tick)(void *self, struct daemon_env *env, struct err *e);
	/* SIGHUP: the own file (include/daemon.def) has been read again, env->log_level is set. May be NULL.
	 */
	void (*reload)(void *self, struct daemon_env *env);
	/* For /metrics, where its own file says `http`: adds what there is to tell. May be NULL. */
	void (*metrics)(void *self, struct metrics *m);
	/* For /healthz: adds to o what a person wants to know. False: it can't do its work (503). May be
	 * NULL: it is well as long as it answers. */
	bool (*health)(void *self, json_t *o);
	/* Asked to leave; called after each wake-up (at least each 100 ms) until it returns true. NULL: leave
	 * at once. */
	bool (*leave)(void *self, struct daemon_env *env);
	/* Always called once after open(), also after an error: must cope with a half-made state. The link is
	 * still there. May be NULL. */
	void (*close)(void *self, struct daemon_env *env);
};

/* What the own file says of a key (include/daemon.def); NULL: nothing. Borrowed until the next reload. */
const char *daemon_setting(const struct daemon_env *env, const char *key);
/* The same as a whole number of that range (both ends belong to it); *out stays where the file says nothing.
 * -1 with e: it is none. */
int daemon_setting_int(
	const struct daemon_env *env, const char *key, const unsigned range[2], unsigned *out, struct err *e);
/* In open(): what the own file says of that key is wrong, as e tells; puts the place before it. -1. Not for a
 * file that it names: that may be there at the next try. */
int daemon_blame(const struct daemon_env *env, const char *key, struct err *e);
/* Owns main. Exit status: enum unit_exit of unit.h. */
int daemon_run(const struct daemon *d, int argc, char **argv);
/* As if SIGTERM had come; from any thread. */
void daemon_leave(struct daemon_env *env);
/* Has been asked to leave. */
bool daemon_leaving(const struct daemon_env *env);
