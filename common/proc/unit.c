/*
 * The skeleton of every unit: owns main, and the one order in which a unit comes up and leaves
 * (docs/design/processes.md). A unit is the form of unit.h and nothing else; what it may do is its row of
 * include/sandbox.def. Errors end here: they are logged once, told to the agent, and end the process, whose
 * restart is the normal start.
 */
#include "common/proc/unit.h"

#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/proc/unit_run.h"
#include "fds.h"

enum {
	UNIT_BEAT_MS = 1000,
	UNIT_SOCKET_MODE = 0660,
};

void unit_wake(struct unit_env *env)
{
	loop_wake(env->loop);
}

bool unit_leaving(const struct unit_env *env)
{
	const struct unit_run *r = unit_run_of(env);

	return r->watch && watch_leaving(r->watch);
}

/* ---- coming up ---- */

static void unit_env_fill(struct unit_run *r)
{
	r->env = (struct unit_env){.kind = r->in.kind,
		.slot = r->in.slot,
		.sub = r->in.sub,
		.config = r->in.config,
		.state_fd = r->in.state_fd,
		.files_fd = r->in.files_fd,
		.title = r->in.title};
	r->env.scratch = arena_new(0);
	r->stage = STAGE_New;
}

static int unit_open(struct unit_run *r, struct err *e)
{
	if (inherit_secrets(&r->in, e) < 0)
		return -1;
	r->self = xcalloc(1, r->u->state ? r->u->state : 1);
	if (r->u->open && r->u->open(r->self, &r->env, e) < 0)
		return -1;
	inherit_wipe_secrets(&r->in);
	r->opened = true;
	return 0;
}

static int unit_box(struct unit_run *r, struct err *e)
{
	struct sandbox_needs needs = inherit_needs(&r->in);
	const char *name = r->u->row && r->opened ? r->u->row(r->self, &r->env) : r->in.info->name;
	int row = sandbox_row(name);

	if (row < 0)
		return err_set(e, ERR_sandbox, "include/sandbox.def has no row \"%s\"", name);
	return sandbox_enter((enum sandbox_row)row, FD_RUN, r->in.state_fd, &needs, e);
}

/* Only now threads: the loop, the watcher, nng. */
static void unit_threads(struct unit_run *r)
{
	r->env.loop = loop_new();
	r->watch = watch_start(FD_SUPERVISOR, r->env.loop);
	r->env.link = link_new(r->env.loop);
}

static int unit_connect(struct unit_run *r, struct err *e)
{
	if (FAILPOINT_HIT(unit_before_hello))
		return err_set(e, ERR_internal, "failpoint unit_before_hello");
	if (unit_agent_hello(r, e) < 0)
		return -1;
	unit_agent_ask(r);
	while (!r->run && !r->error.code && !watch_leaving(r->watch))
		loop_once(r->env.loop, UNIT_BEAT_MS);
	return 0;
}

/* ---- the unit's own socket ---- */

static void unit_refuse(struct link_req *req, const char *why)
{
	struct err e;

	err_set(&e, ERR_proto, "%s of process %d: %s", msg_name(req->head.type), (int)req->peer_pid, why);
	log_err(&e);
	link_fail(&req, &e);
}

/* Only processes of the same source may ask: they have its uid (T34, T35). */
static void unit_dispatch(void *arg, struct link_req *req)
{
	struct unit_run *r = arg;

	if (req->peer_uid != getuid()) {
		unit_refuse(req, "it belongs to another user");
		return;
	}
	for (const struct unit_on *on = r->u->on; on && on->type; on++) {
		if (on->type != req->head.type)
			continue;
		if (on->stages & 1u << r->stage)
			on->fn(r->self, &r->env, &req);
		else
			unit_refuse(req, "not at this stage");
		return;
	}
	unit_refuse(req, "not answered here");
}

static int unit_listen(struct unit_run *r, struct err *e)
{
	if (!r->u->listen)
		return 0;
	char *path = xasprintf(r->u->listen, r->in.sub);
	int rc = link_listen(r->env.link, path, r->u->contexts, UNIT_SOCKET_MODE, unit_dispatch, r, e);
	free(path);
	return rc;
}

/* ---- work ---- */

static int unit_ready(struct unit_run *r, struct err *e)
{
	if (r->u->ready && r->u->ready(r->self, &r->env, e) < 0)
		return -1;
	arena_clear(r->env.scratch);
	if (unit_listen(r, e) < 0)
		return -1;
	r->stage = STAGE_Running;
	return 0;
}

static int unit_args(struct unit_run *r, struct err *e)
{
	json_t *args = r->args;

	if (!args)
		return 0;
	r->args = NULL;
	r->env.tell = true; /* what comes of it */
	int rc = 0;
	if (r->u->order)
		rc = r->u->order(r->self, &r->env, args, e);
	else if (json_object_size(args))
		rc = err_set(e, ERR_proto, "the agent's order has arguments, which this unit has no use for");
	json_decref(args);
	return rc;
}

static int unit_step(struct unit_run *r, struct err *e)
{
	if (FAILPOINT_HIT(unit_step))
		return err_set(e, ERR_internal, "failpoint unit_step");
	if (unit_args(r, e) < 0)
		return -1;
	r->env.again_ms = r->env.rest_ms = 0;
	int rc = r->u->step(r->self, &r->env, e);
	arena_clear(r->env.scratch);
	if (rc == UNIT_GO_ON)
		unit_agent_stir(r);
	return rc;
}

static int unit_pause_ms(const struct unit_run *r)
{
	uint64_t now = clock_ms(), again = r->env.again_ms;
	uint64_t beat = r->env.rest_ms > UNIT_BEAT_MS ? r->env.rest_ms : UNIT_BEAT_MS;

	if (again == 0 || again >= now + beat)
		return (int)beat;
	return again > now ? (int)(again - now) : 0;
}

/* UNIT_GO_ON: asked to leave. */
static int unit_work(struct unit_run *r, struct err *e)
{
	while (!watch_leaving(r->watch)) {
		int rc = unit_step(r, e);
		if (rc != UNIT_GO_ON)
			return rc;
		if (!watch_leaving(r->watch))
			loop_once(r->env.loop, unit_pause_ms(r));
		if (r->error.code) {
			*e = r->error;
			return -1;
		}
	}
	return UNIT_GO_ON;
}

static int unit_live(struct unit_run *r, struct err *e)
{
	if (unit_connect(r, e) < 0)
		return watch_leaving(r->watch) ? UNIT_GO_ON : -1;
	if (r->error.code) {
		*e = r->error;
		return -1;
	}
	if (watch_leaving(r->watch))
		return UNIT_GO_ON;
	if (unit_ready(r, e) < 0)
		return -1;
	return unit_work(r, e);
}

/* ---- leaving ---- */

static void unit_free(struct unit_run *r, int status)
{
	if (r->self && r->u->close)
		r->u->close(r->self, &r->env);
	/* Nothing may be freed that such a thread holds, and exit() would run handlers under it. */
	if (r->env.abandoned)
		_exit(status);
	/* libnng 1.5.2's nng_close waits for ever, once in some hundred times on a busy machine: its reaper
	 * waits for a pipe's aio that nobody ends. */
	if (r->watch)
		watch_last(r->watch, WATCH_LAST_MS, status);
	link_peer_free(&r->agent);
	link_free(&r->env.link);
	watch_stop(&r->watch);
	loop_free(&r->env.loop);
	arena_free(&r->env.scratch);
	json_decref(r->args);
	inherit_free(&r->in);
	free(r->self);
}

/* rc: what unit_live came back with. bye comes before close(), which may have to wait for threads in long
 * calls. */
static int unit_leave(struct unit_run *r, int rc, struct err *e)
{
	bool asked = rc == UNIT_GO_ON, worked = r->stage == STAGE_Running;
	const char *reason = watch_reason(r->watch);

	watch_leave(r->watch,
		WATCH_LEAVE_MS); /* from here on there is a deadline, and threads see unit_leaving() */
	if (rc >= 0 && worked && r->u->save && r->u->save(r->self, &r->env, e) < 0)
		rc = -1;
	if (rc < 0) {
		r->stage = STAGE_Paused;
		log_err(e);
	} else {
		r->stage = asked ? STAGE_Stopped : STAGE_Finished;
		log_info("%s%s", asked ? "leaving: " : "done", asked ? reason : "");
	}
	unit_agent_bye(r, r->stage, rc < 0 ? e : NULL);
	return rc < 0 ? UNIT_EXIT_ERROR : UNIT_EXIT_DONE;
}

/* open() has failed, by a wrong password or a missing file: the agent must hear it, or it would start us for
 * ever. */
static int unit_leave_unopened(struct unit_run *r, struct err *e)
{
	struct err hello;

	if (unit_agent_hello(r, &hello) < 0)
		log_err(&hello);
	return unit_leave(r, -1, e);
}

static int unit_boxed(struct unit_run *r)
{
	struct err e = {0}, box;
	int opened = unit_open(r, &e);

	if (unit_box(r, &box) < 0) {
		log_err(opened < 0 ? &e : &box);
		return UNIT_EXIT_BOX;
	}
	unit_threads(r);
	return opened < 0 ? unit_leave_unopened(r, &e) : unit_leave(r, unit_live(r, &e), &e);
}

/*
 * Messages of a megabyte come and go at each fetch. Given back to the kernel each time, their pages would be
 * faulted in anew, which costs as much as all the rest of a fetch. What is larger is a transaction that
 * grows: by itself, it can grow without a copy, and leaves no hole in the heap.
 */
static void keep_memory(void)
{
	enum { MESSAGES = 4 << 20, KEPT = 16 << 20 };

	mallopt(M_MMAP_THRESHOLD, MESSAGES);
	mallopt(M_TRIM_THRESHOLD, KEPT);
}

int unit_run(const struct unit *u, int argc, char **argv)
{
	struct unit_run r = {.u = u};
	struct err e = {0};

	if (inherit_asked(u->kind, argc, argv))
		return UNIT_EXIT_DONE;
	keep_memory();
	if (inherit(&r.in, u->kind, argc, argv, &e) < 0) {
		log_err(&e);
		inherit_free(&r.in);
		return UNIT_EXIT_USAGE;
	}
	unit_env_fill(&r);
	int status = UNIT_EXIT_ERROR;
	if (inherit_lock(&e) < 0)
		log_err(&e);
	else
		status = unit_boxed(&r);
	unit_free(&r, status);
	return status;
}
