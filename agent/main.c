/*
 * tidegate-agent(8): the host's control process. It keeps what the master wants and what the units say side
 * by side and drives the one towards the other. It faces the network, so it holds no plain password, opens no
 * database and no data file (T32). The form of common/proc/daemon.h, nothing more.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "agent/agent.h"
#include "agent/check.h"
#include "agent/desk.h"
#include "agent/orders.h"
#include "agent/proc.h"
#include "agent/purge.h"
#include "agent/report.h"
#include "agent/source.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/config/json.h"

enum { FAREWELL_MS = 2000, PULSE_MS = 1000, STILL_MS = 10000 };

/* What its own file says. */
static int take_settings(struct agent *a, struct err *e)
{
	const unsigned range[2] = {0, SPAWN_MAX_SLOT};
	const char *standby = daemon_setting(a->env, "standby");
	unsigned capacity = a->slots;

	a->standby = standby && strcmp(standby, "yes") == 0;
	if (daemon_setting_int(a->env, "capacity", range, &capacity, e) < 0)
		return -1;
	a->capacity = capacity < a->slots ? capacity : a->slots;
	return 0;
}

/* Units of many sources, and the connections that one of them may hold for nothing: a shell's 1024 are few.
 */
static void want_descriptors(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur >= r.rlim_max)
		return;
	r.rlim_cur = r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) < 0)
		log_warn("the limit of descriptors stays as it was: %s", strerror(errno));
}

static int agent_open(void *self, struct daemon_env *env, struct err *e)
{
	struct agent *a = self;
	int64_t slots = json_num(env->config, "slots", 0);

	want_descriptors();
	a->env = env;
	a->started_ms = clock_ms();
	a->spawner.fd = env->supervisor_fd;
	a->log_level = env->log_level;
	snprintf(a->name, sizeof(a->name), "%s", json_text(env->config, "name", ""));
	if (!a->name[0])
		return err_set(e, ERR_config_bad, "the agent's slice has no name");
	if (slots < 1 || slots > SPAWN_MAX_SLOT)
		return err_set(e, ERR_config_bad, "the agent's slice has slots %d, 1 to %d are possible",
			(int)slots, SPAWN_MAX_SLOT);
	a->slots = a->capacity = (unsigned)slots;
	return take_settings(a, e) < 0 ? -1 : master_read(a, e);
}

static void on_supervisor(void *arg, uint32_t events)
{
	struct agent *a = arg;

	(void)events;
	if (desk_supervisor(a))
		return;
	loop_del(a->env->loop, a->spawner.fd);
	daemon_leave(a->env);
}

static int agent_ready(void *self, struct daemon_env *env, struct err *e)
{
	struct agent *a = self;

	loop_add(env->loop, a->spawner.fd, on_supervisor, a);
	return master_open(a, e);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* The loop calls tick after it. */
static void on_timer(void *arg)
{
	struct agent *a = arg;

	a->timer = 0;
}

/* One timer for whatever is due first. */
static void arm(struct agent *a, uint64_t now)
{
	uint64_t due = master_due(a);

	for (const struct proc *p = a->procs; p; p = p->next) {
		due = earlier(due, proc_due(p));
		if (!proc_is_off(p))
			due = earlier(due, now + PULSE_MS); /* for stood_still */
	}
	if (a->timer)
		loop_timer_stop(a->env->loop, a->timer);
	a->timer = 0;
	if (due)
		a->timer = loop_timer(a->env->loop, due > now ? due - now : 0, on_timer, a);
}

/*
 * Stopped, frozen or asleep with its machine, and the units with it as a rule: their silence was not theirs.
 * Whether the sources are still this host's is for the master to say, and for the epochs (T3, T31). A pulse
 * is taken off: under an agent that is slow for ever a unit that hangs has its 60 s together, too, if late.
 */
static void stood_still(struct agent *a, uint64_t now)
{
	uint64_t ms = a->ticked_ms ? now - a->ticked_ms : 0;
	bool any = false;

	a->ticked_ms = now;
	if (ms <= STILL_MS)
		return;
	for (struct proc *p = a->procs; p; p = p->next) {
		any |= !proc_is_off(p);
		proc_stood_still(p, ms - PULSE_MS, now);
	}
	if (any)
		log_warn("this process stood still for %llu ms: units are not held to their heartbeats for "
			 "that time",
			(unsigned long long)ms);
}

static int agent_tick(void *self, struct daemon_env *env, struct err *e)
{
	struct agent *a = self;
	uint64_t now = clock_ms();

	(void)env;
	(void)e;
	stood_still(a, now);
	desk_tick(a, now);
	orders_tick(a, now);
	master_tick(a, now);
	arm(a, now);
	return 0;
}

static void agent_reload(void *self, struct daemon_env *env)
{
	struct agent *a = self;

	a->log_level = env->log_level;
	for (struct proc *p = a->procs; p; p = p->next)
		proc_log_level(p, a->log_level);
}

/* The units have left before: their agent goes after them. What they said last, the master should hear. */
static bool agent_leave(void *self, struct daemon_env *env)
{
	struct agent *a = self;
	uint64_t now = clock_ms();

	(void)env;
	if (a->master.session == 0)
		return true;
	if (a->farewell_by == 0)
		a->farewell_by = now + FAREWELL_MS;
	if (!a->farewell && !a->master.reporting) {
		master_report(a, now);
		a->farewell = true;
	}
	return now >= a->farewell_by || (a->farewell && !a->master.reporting);
}

static void drop_poll(struct proc *p)
{
	struct err e = {0};

	err_set(&e, ERR_link, "the agent is leaving");
	if (p->poll)
		link_fail(&p->poll, &e);
	p->state = PROC_OFF;
}

static void agent_close(void *self, struct daemon_env *env)
{
	struct agent *a = self;

	desk_close(a);
	for (struct proc *p = a->procs; p; p = p->next)
		drop_poll(p);
	while (a->sources) {
		struct source *s = a->sources;
		source_free(&s);
	}
	while (a->checks) {
		struct check *c = a->checks;
		check_free(&c);
	}
	purge_free_all(a);
	if (a->timer)
		loop_timer_stop(env->loop, a->timer);
	json_decref(a->orders);
	master_close(a);
}

static void agent_metrics(void *self, struct metrics *m)
{
	report_metrics(self, m);
}

/* Without a master everything goes on as it was ordered last (T31), so that is no illness. */
static bool agent_health(void *self, json_t *o)
{
	const struct agent *a = self;

	json_object_set_new(o, "master", json_string(a->master.session ? "connected" : "away"));
	return !a->supervisor_leaving;
}

static const struct daemon agent_daemon = {
	.kind = UNIT_agent,
	.state = sizeof(struct agent),
	.open = agent_open,
	.ready = agent_ready,
	.tick = agent_tick,
	.reload = agent_reload,
	.metrics = agent_metrics,
	.health = agent_health,
	.leave = agent_leave,
	.close = agent_close,
};

int main(int argc, char **argv)
{
	return daemon_run(&agent_daemon, argc, argv);
}
