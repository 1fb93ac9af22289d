/*
 * One unit and its restarts: wanted or not, asked for, alive, leaving, gone. The agent's only way to a
 * process. Called by the owners (source.c, subtask.c, check.c) who say what is wanted, by desk.c with what
 * the unit says, by main.c with the supervisor's reports. Whether to start again is decided by the error's
 * act column, never by its text.
 */
#include "agent/proc.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/desk.h"
#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/io.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"

/* A supervisor without room for a request: when it is asked again, and for how long in all. */
enum { BUSY_MS = 50, BUSY_FOR_MS = 10000 };

struct proc *proc_new(struct agent *a, enum unit_kind kind, unsigned slot, unsigned sub, const char *source)
{
	struct proc *p = xcalloc(1, sizeof(*p));

	*p = (struct proc){
		.agent = a, .kind = kind, .slot = slot, .sub = sub, .next = a->procs, .logs = {.fd = -1}};
	p->source = xstrdup(source);
	p->task = xstrdup("");
	p->order = ORDER_RUN;
	p->revision = 1;
	p->args = xstrdup("");
	a->procs = p;
	return p;
}

/* Titles are printable ASCII (include/spawn.h); a task's name may be anything. */
static void make_title(struct proc *p)
{
	snprintf(p->title, sizeof(p->title), "%s%s%s", p->task, p->task[0] ? "@" : "", p->source);
	for (char *c = p->title; *c; c++)
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
	snprintf(p->label, sizeof(p->label), "%s%s%s", unit_info((int)p->kind)->name, p->task[0] ? " " : "",
		p->task);
}

void proc_own(struct proc *p, const char *task, const struct proc_owner *ops, void *owner)
{
	free(p->task);
	p->task = xstrdup(task);
	p->ops = ops;
	p->owner = owner;
	make_title(p);
}

void proc_free(struct proc **pp)
{
	struct proc *p = *pp;

	if (!p)
		return;
	assert(p->state == PROC_OFF && !p->poll);
	for (struct proc **at = &p->agent->procs; *at; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			break;
		}
	logs_close(&p->logs);
	json_decref(p->status);
	free(p->args);
	free(p->source);
	free(p->task);
	free(p);
	*pp = NULL;
}

struct proc *proc_find(const struct agent *a, uint32_t kind, uint32_t slot, uint32_t sub)
{
	for (struct proc *p = a->procs; p; p = p->next)
		if ((uint32_t)p->kind == kind && p->slot == slot && p->sub == sub)
			return p;
	return NULL;
}

struct proc *proc_by_pid(const struct agent *a, pid_t pid)
{
	for (struct proc *p = a->procs; p; p = p->next)
		if (p->pid == pid && pid > 0)
			return p;
	return NULL;
}

bool proc_is_off(const struct proc *p)
{
	return p->state == PROC_OFF;
}

const char *proc_status_text(const struct proc *p, const char *key)
{
	return json_text(p->status, key, "");
}

void proc_want(struct proc *p, bool wanted)
{
	p->wanted = wanted;
}

void proc_next(struct proc *p, enum proc_next next)
{
	p->next_start = next;
}

void proc_answer_poll(struct proc *p)
{
	struct msg_unit_order m = {
		.revision = p->revision, .order = (uint32_t)p->order, .args = str_of(p->args)};
	struct buf b = {0};

	if (!p->poll)
		return;
	msg_put_unit_order(&b, p->poll->head.request, &m);
	link_reply(&p->poll, &b);
	buf_free(&b);
}

static void set_order(struct proc *p, enum unit_order_kind order, char *args)
{
	free(p->args);
	p->args = args;
	p->order = order;
	p->revision++;
	proc_answer_poll(p);
}

void proc_args(struct proc *p, json_t *args)
{
	struct buf text = {0};

	json_write(args, &text);
	json_decref(args);
	if (p->order != ORDER_STOP && strcmp(p->args, buf_cstr(&text)) != 0)
		set_order(p, ORDER_ARGS, xstrdup(buf_cstr(&text)));
	buf_free(&text);
}

void proc_log_level(struct proc *p, const char *level)
{
	json_t *args = p->args[0] ? json_parse(str_of(p->args), "the order", NULL) : json_object();

	json_object_set_new(args, "log_level", json_string(level));
	proc_args(p, args);
}

/* --- starting --- */

static void fail_start(struct proc *p, const struct err *e, uint64_t now)
{
	p->error = *e;
	p->state = PROC_OFF;
	logs_close(&p->logs);
	backoff_failed(&p->backoff, now, false);
	p->agent->changed = true;
	log_err(e);
}

static int make_slice(struct proc *p, struct err *e)
{
	json_t *slice = p->ops->slice(p->owner, p);
	struct buf text = {0};
	int fd;

	json_write(slice, &text);
	json_decref(slice);
	fd = io_sealed_memfd("slice", text.p, text.n, e);
	buf_free(&text);
	return fd;
}

static int ask(struct proc *p, struct err *e)
{
	struct spawn_req q = {.kind = (uint32_t)p->kind, .slot = p->slot, .sub = p->sub};
	int fds[2] = {make_slice(p, e), -1}, r;

	if (fds[0] < 0)
		return -1;
	memcpy(q.title, p->title, sizeof(q.title));
	fds[1] = logs_open(&p->logs, p->agent->env->loop, p->source, p->label);
	r = fds[1] < 0 ? err_sys(e, ERR_spawn, "making a log pipe")
		       : spawner_start(&p->agent->spawner, &q, fds, e);
	p->request = q.request;
	io_close(&fds[0]);
	io_close(&fds[1]);
	return r;
}

/* A fresh run: nothing of the last one counts but its status and its error, which are shown until there are
 * newer ones. */
static void reset_run(struct proc *p)
{
	p->pid = 0;
	p->hello = p->bye = p->silent = false;
	p->stage = STAGE_New;
	p->bye_stage = STAGE_NONE;
	p->progress = 0;
	p->leave_by = 0;
	p->leave_signo = p->unsent = 0;
	p->unsent_told = false;
	if (p->order == ORDER_STOP) {
		free(p->args);
		p->args = xstrdup("");
	}
	p->order = ORDER_RUN;
	p->revision++;
}

/* Many are started at once: that is no failure of this one, unless it lasts. -1 with e. */
static int wait_for_room(struct proc *p, uint64_t now, struct err *e)
{
	if (p->busy_since == 0) {
		p->busy_since = now;
		log_info("%s source=%s: the supervisor is busy, it is asked again", p->label, p->source);
	}
	if (now - p->busy_since >= BUSY_FOR_MS)
		return err_set(e, ERR_spawn, "the supervisor has had no room for a request for %d s",
			BUSY_FOR_MS / 1000);
	logs_close(&p->logs);
	p->backoff.start_at = now + BUSY_MS;
	return 0;
}

static void start(struct proc *p, uint64_t now)
{
	struct err e = {0};
	int r;

	reset_run(p);
	r = ask(p, &e);
	if (r > 0 && wait_for_room(p, now, &e) == 0)
		return;
	p->busy_since = 0;
	if (r != 0) {
		err_add(&e, "%s", p->label);
		fail_start(p, &e, now);
		return;
	}
	p->state = PROC_ASKED;
	if (FAILPOINT_HIT(agent_after_spawn))
		log_warn("failpoint agent_after_spawn");
}

static void on_started(struct proc *p, const struct spawn_rep *rep, uint64_t now)
{
	p->pid = rep->pid;
	p->state = PROC_ALIVE;
	p->heard_ms = now;
	backoff_started(&p->backoff, now);
	desk_open(p->agent, p->slot);
	desk_started(p->agent, p->slot);
	p->agent->changed = true;
	log_info("started %s pid=%d slot=%u sub=%u source=%s", p->label, (int)p->pid, p->slot, p->sub,
		p->source);
}

static void on_refused(struct proc *p, const struct spawn_rep *rep, uint64_t now)
{
	struct err e = {0};

	if (rep->refused == SPAWN_LEAVING) {
		p->agent->supervisor_leaving = true;
		p->state = PROC_OFF;
		logs_close(&p->logs);
		return;
	}
	errno = rep->error;
	if (rep->error)
		err_sys(&e, ERR_spawn, "%s of source %s: %s", p->label, p->source,
			spawn_refused_text(rep->refused));
	else
		err_set(&e, ERR_spawn, "%s of source %s: %s", p->label, p->source,
			spawn_refused_text(rep->refused));
	fail_start(p, &e, now);
}

/* --- leaving --- */

static void send_signal(struct proc *p, int signo)
{
	struct spawn_req q = {
		.kind = (uint32_t)p->kind, .slot = p->slot, .sub = p->sub, .signo = (uint32_t)signo};
	struct err e = {0};

	int r = spawner_signal(&p->agent->spawner, &q, &e);

	if (r < 0)
		log_err(&e);
	if (r > 0 && p->unsent != SIGKILL) {
		p->unsent = signo;
		p->unsent_at = clock_ms() + BUSY_MS;
	}
	if (r > 0 && !p->unsent_told)
		log_warn("%s pid=%d source=%s: the supervisor is busy, the signal is sent again", p->label,
			(int)p->pid, p->source);
	p->unsent_told = r > 0;
}

static void send_unsent(struct proc *p, uint64_t now)
{
	int signo = p->unsent;

	if (!signo || now < p->unsent_at || (p->state != PROC_ALIVE && p->state != PROC_LEAVING))
		return;
	p->unsent = 0;
	send_signal(p, signo);
}

void proc_kill(struct proc *p, const char *why)
{
	if (p->state != PROC_ALIVE && p->state != PROC_LEAVING)
		return;
	log_error("%s pid=%d is killed: %s source=%s", p->label, (int)p->pid, why, p->source);
	send_signal(p, SIGKILL);
}

/* The order first, then SIGTERM, then SIGKILL: each when the one before had its time. */
static void leave(struct proc *p, uint64_t now)
{
	int ms = p->kind == UNIT_check ? PROC_CHECK_STOP_MS : PROC_STOP_MS;

	p->state = PROC_LEAVING;
	p->leave_by = now + (uint64_t)ms;
	p->leave_signo = SIGTERM;
	set_order(p, ORDER_STOP, xasprintf("{\"deadline_ms\":%d}", ms));
}

static void leave_harder(struct proc *p, uint64_t now)
{
	log_warn("%s pid=%d has not left, %s source=%s", p->label, (int)p->pid,
		p->leave_signo == SIGTERM ? "SIGTERM" : "SIGKILL", p->source);
	send_signal(p, p->leave_signo);
	p->leave_by = now + (p->leave_signo == SIGTERM ? PROC_TERM_MS : PROC_KILL_MS);
	p->leave_signo = SIGKILL;
}

/* A unit beats each second; before its hello it may wait for a predecessor's lock. */
static void check_heartbeat(struct proc *p, uint64_t now)
{
	if (now - p->heard_ms < PROC_SILENT_MS)
		return;
	p->silent = true;
	p->heard_ms = now; /* and again, should it not have helped */
	proc_kill(p, "no heartbeat for 60 s");
}

void proc_tick(struct proc *p, uint64_t now)
{
	if (p->poll && now >= p->poll_until)
		proc_answer_poll(p);
	send_unsent(p, now);
	switch (p->state) {
	case PROC_OFF:
		if (p->wanted && now >= p->backoff.start_at && !p->agent->supervisor_leaving)
			start(p, now);
		if (!p->wanted)
			p->busy_since = 0;
		break;
	case PROC_ASKED:
		break;
	case PROC_ALIVE:
		if (!p->wanted)
			leave(p, now);
		else
			check_heartbeat(p, now);
		break;
	case PROC_LEAVING:
		if (now >= p->leave_by)
			leave_harder(p, now);
		break;
	}
}

static uint64_t later(uint64_t at, uint64_t ms, uint64_t most)
{
	return at + ms < most ? at + ms : most;
}

/* What was noted since it goes on is in time already, and must not be put into the future. */
void proc_stood_still(struct proc *p, uint64_t ms, uint64_t now)
{
	p->heard_ms = later(p->heard_ms, ms, now);
	if (p->state == PROC_LEAVING)
		p->leave_by = later(p->leave_by, ms, now + PROC_STOP_MS);
}

uint64_t proc_due(const struct proc *p)
{
	uint64_t due = p->poll ? p->poll_until : 0, own = 0;

	if (p->state == PROC_OFF && p->wanted && !p->agent->supervisor_leaving)
		own = p->backoff.start_at ? p->backoff.start_at : 1;
	else if (p->state == PROC_ALIVE)
		own = p->heard_ms + PROC_SILENT_MS;
	else if (p->state == PROC_LEAVING)
		own = p->leave_by;
	if (p->unsent && (p->state == PROC_ALIVE || p->state == PROC_LEAVING) && p->unsent_at < own)
		own = p->unsent_at;
	return due == 0 || (own != 0 && own < due) ? own : due;
}

/* --- ending --- */

static void describe_end(const struct spawn_rep *rep, char *out, size_t size)
{
	if (rep->exit_signal)
		snprintf(out, size, "signal %d", rep->exit_signal);
	else
		snprintf(out, size, "exit %d", rep->exit_code);
}

/* It said no farewell: what is known is its end and the last error in its log. */
static void crash_error(struct proc *p, const struct spawn_rep *rep)
{
	uint32_t code = logs_last_code(&p->logs);
	char how[32];

	describe_end(rep, how, sizeof(how));
	if (p->silent)
		err_set(&p->error, ERR_crashed, "%s of source %s was silent for 60 s and was killed",
			p->label, p->source);
	else if (rep->exit_signal == 0 && code != 0 && err_info(code)->code == code)
		/* Before its hello a unit can tell its error only by its log: the code in it is the table's.
		 */
		err_set(&p->error, (enum err_code)code, "%s", p->logs.last);
	else
		err_set(&p->error, ERR_crashed, "%s of source %s ended with %s%s%s", p->label, p->source, how,
			p->logs.last[0] ? ", last: " : "", p->logs.last);
}

static enum proc_end judge(struct proc *p, const struct spawn_rep *rep)
{
	if (p->bye && p->bye_stage == STAGE_Finished)
		return PROC_FINISHED;
	if ((p->bye && p->bye_stage == STAGE_Stopped) || p->state == PROC_LEAVING)
		return PROC_STOPPED;
	if (!p->bye || p->error.code == 0)
		crash_error(p, rep);
	if (err_act(p->error.code) != ERR_ACT_RETRY)
		return PROC_FAILED;
	return p->backoff.rules && p->backoff.rules->never && p->error.code != ERR_crashed ? PROC_FAILED
											   : PROC_RETRY;
}

static void obituary(const struct proc *p, const struct spawn_rep *rep, enum proc_end how)
{
	static const char *const words[] = {[PROC_FINISHED] = "finished",
		[PROC_STOPPED] = "stopped",
		[PROC_RETRY] = "failed",
		[PROC_FAILED] = "failed"};
	bool good = how == PROC_FINISHED || how == PROC_STOPPED;
	const char *position = proc_status_text(p, "position");
	char end[32];

	describe_end(rep, end, sizeof(end));
	log_write(good ? LOG_INFO_ : LOG_WARN_, __FILE__, __LINE__,
		"obituary %s source=%s pid=%d %s ended=\"%s\" error=%u \"%s\" position=%s uptime_ms=%u "
		"restarts=%u cpu_ms=%" PRIu64 " rss_kb=%" PRIu64,
		p->label, p->source, rep->pid, words[how], end, good ? 0 : p->error.code,
		good ? "" : p->error.text, position[0] ? position : "none", rep->uptime_ms,
		p->backoff.restarts, (rep->user_us + rep->system_us) / 1000, rep->max_rss_kb);
}

static void drop_poll(struct proc *p)
{
	struct err e = {0};

	if (!p->poll)
		return;
	err_set(&e, ERR_link, "the process is gone");
	link_fail(&p->poll, &e);
}

/* Gone and still wanted: not at once again, whatever it said, but where its owner knows better. */
static void set_pause(struct proc *p, uint64_t now)
{
	if (p->next_start == PROC_NEXT_SOON)
		backoff_again(&p->backoff, now, p->progress > 0);
	else if (p->next_start == PROC_NEXT_PAUSED)
		backoff_failed(&p->backoff, now, p->progress > 0);
}

static void on_exited(struct proc *p, const struct spawn_rep *rep, uint64_t now)
{
	enum proc_end how;

	drop_poll(p);
	logs_close(&p->logs);
	how = judge(p, rep);
	obituary(p, rep, how);
	p->state = PROC_OFF;
	p->pid = 0;
	p->backoff.start_at = 0;
	if (how == PROC_FINISHED || how == PROC_STOPPED)
		err_clear(&p->error);
	p->agent->changed = true;
	p->next_start = PROC_NEXT_PAUSED;
	p->ops->ended(p->owner, p, how);
	if (p->wanted)
		set_pause(p, now);
}

void proc_report(struct agent *a, const struct spawn_rep *rep)
{
	struct proc *p = proc_find(a, rep->kind, rep->slot, rep->sub);
	uint64_t now = clock_ms();

	if (!p) {
		log_error("the supervisor reports a process that was never asked for: kind %u slot %u sub %u",
			rep->kind, rep->slot, rep->sub);
		return;
	}
	if (rep->type == SPAWN_REP_EXITED && p->pid == rep->pid)
		on_exited(p, rep, now);
	else if (rep->type == SPAWN_REP_STARTED && p->state == PROC_ASKED && p->request == rep->request)
		on_started(p, rep, now);
	else if (rep->type == SPAWN_REP_REFUSED && p->state == PROC_ASKED && p->request == rep->request)
		on_refused(p, rep, now);
	else if (rep->type == SPAWN_REP_REFUSED)
		log_warn("%s: a signal was refused: %s", p->label, spawn_refused_text(rep->refused));
}
