#pragma once
#include <jansson.h>
#include <stdbool.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/proc/link.h"
#include "common/proc/loop.h"
#include "include/unit.h"
#include "order.h"
#include "stage.h"

/*
 * A unit is a filled-in form; unit_run owns main. Its order, written once in unit.c: read the slice from
 * FD_CONFIG, title, lock, secrets, open(), box (sandbox.h), only then nng and threads; hello to the agent;
 * ready(); its own socket; loop {step(), wait, dispatch}; save(); bye; close(). After an error no save(): the
 * restart is as after a crash. The uid is already the source's: the supervisor's child drops before exec
 * (docs/design/processes.md). An error of open() is told to the agent too, from inside the box.
 */
struct unit_env {
	enum unit_kind kind;
	unsigned slot, sub;
	json_t *config; /* the slice; passwords already in plain, wiped by the skeleton after open() (T32) */
	int state_fd;   /* FD_STATE, -1 where the kind has none */
	int files_fd;   /* FD_FILES, -1 where the host has none */
	struct loop *loop;
	struct link *link;     /* NULL in open() */
	struct arena *scratch; /* emptied after each step */
	const char *title;     /* "orders@mysql-01" */
	uint64_t progress;     /* the unit adds to it with each durable bit of work */
	uint64_t again_ms;     /* set by step(): call it again at this clock_ms(), if nothing does so before;
				  0: the next second will do */
	uint64_t rest_ms;      /* set by step(): nothing goes on, and whatever begins calls unit_wake: so long
				  the next step and the next word to the agent may take. 0: it is at work */
	bool tell;             /* set by step(), at rest too: the status is worth a word now */
	bool abandoned;        /* set by close(): a thread hangs in a call that can't be cut; the process ends
				  without it */
};

/* A message that the unit answers on its own listening socket, and in which stages (bits 1u << STAGE_…). */
struct unit_on {
	uint16_t type;
	uint32_t stages;
	void (*fn)(void *self, struct unit_env *env, struct link_req **req);
};

struct unit {
	enum unit_kind kind;
	size_t state;             /* bytes of the unit's own struct, zeroed before open() */
	const char *listen;       /* "relay.sock", "dump-%u.sock" (%u: sub), or NULL */
	unsigned contexts;        /* of that socket */
	const struct unit_on *on; /* ends with type 0 */
	/* Sees its own slice, may open files; no thread, no network yet. Copies what it needs out of config,
	 * passwords too. */
	int (*open)(void *self, struct unit_env *env, struct err *e);
	/* Boxed in: connect, load the saved position, start threads. Orders are known (ORDER_RUN has come).
	 */
	int (*ready)(void *self, struct unit_env *env, struct err *e);
	/*
	 * One bounded piece of work in the main thread; called after each wake-up (messages, unit_wake) and
	 * at least each second (each rest_ms). UNIT_GO_ON, UNIT_FINISHED, or -1 with e: act RETRY or PAUSE,
	 * both end the process (the agent decides).
	 */
	int (*step)(void *self, struct unit_env *env, struct err *e);
	/* The args of ORDER_RUN (after ready()) and ORDER_ARGS, where there are any. NULL: args other than {}
	 * are an error. */
	int (*order)(void *self, struct unit_env *env, json_t *args, struct err *e);
	/* Fills the status object that goes to the agent with each heartbeat, from open() on; may be NULL. */
	void (*status)(void *self, struct unit_env *env, json_t *out);
	/* Asked to leave: make the position durable; worker threads are told to end. May be NULL. */
	int (*save)(void *self, struct unit_env *env, struct err *e);
	/* Joins threads, closes; must also cope with a half-opened state. Always called once open() was. */
	void (*close)(void *self, struct unit_env *env);
	/* The sandbox row; NULL: the kind's own. Only the tests' probe has one. */
	const char *(*row)(void *self, struct unit_env *env);
};

enum { UNIT_GO_ON = 0, UNIT_FINISHED = 1 };

int unit_run(const struct unit *u, int argc, char **argv);
/* From any thread: step() soon. */
void unit_wake(struct unit_env *env);
/* From any thread: the unit was asked to leave (or lost its supervisor); long calls should end. */
bool unit_leaving(const struct unit_env *env);
