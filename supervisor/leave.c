/*
 * How processes end: asked to leave, killed after a deadline, reaped with an obituary; and what follows from
 * it. Agent gone: its units leave, then all start the normal way (T37). Stop: first the units, while their
 * agent still hears their farewell, then agent and master. Called from the supervisor's loop.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/base/log.h"
#include "supervisor/child.h"
#include "supervisor/notify.h"
#include "supervisor/supervisor.h"

static void signal_all(struct super *s, bool hosts, int signo)
{
	for (size_t i = 0; i < s->table.n; i++)
		if (kind_is_host(s->table.rows[i].kind) == hosts)
			(void)child_signal(s->table.rows[i].pidfd, signo);
}

/* The closed pipe is seen even by a unit that is deep in a long call: its watcher thread polls it (T36). */
void leave_units(struct super *s, uint64_t ms, const char *why)
{
	size_t n = table_units(&s->table);

	if (s->units_deadline)
		return;
	s->units_deadline = clock_ms() + ms;
	if (n > 0)
		log_info("%s: %zu units are asked to leave", why, n);
	signal_all(s, false, SIGTERM);
	io_close(&s->units_alive[1]);
}

void leave_host(struct super *s, struct host *h)
{
	const struct child *c = table_find(&s->table, (unsigned)h->kind, 0, 0);

	if (!c || h->leave_by)
		return;
	h->leave_by = clock_ms() + HOST_LEAVE_MS;
	(void)child_signal(c->pidfd, SIGTERM);
	if (h->kind == UNIT_master)
		io_close(&s->master_alive[1]);
}

/* The units first, while their agent still hears their farewell; then it, while the master hears its last
 * report. */
static void leave_next(struct super *s)
{
	if (table_units(&s->table) > 0)
		return;
	leave_host(s, &s->hosts[s->hosts[0].running ? 0 : 1]);
}

void leave_stop(struct super *s, const char *why)
{
	if (s->stopping)
		return;
	log_info("stopping: %s", why);
	notify_send(s->notify, "STOPPING=1");
	s->stopping = true;
	leave_units(s, LEAVE_MS, "stop");
}

void leave_kill_all(struct super *s, const char *why)
{
	log_warn("%s: all are killed at once", why);
	s->stopping = true;
	signal_all(s, false, SIGKILL);
	signal_all(s, true, SIGKILL);
	s->units_deadline = clock_ms() + LEAVE_MS;
}

static struct host *host_of(struct super *s, unsigned kind)
{
	for (unsigned i = 0; i < 2; i++)
		if (s->hosts[i].kind == (int)kind)
			return &s->hosts[i];
	return NULL;
}

/*
 * A mistake in its file, at its first start: it is of no use to try again, and the service is to fail where
 * somebody looks. Later what runs is worth more, and an agent that other masters serve does without its own
 * host's: then it is tried again and again, as after any other death.
 */
static bool is_refused(const struct super *s, const struct host *h, int status)
{
	return h->restarts == 0 && WIFEXITED(status) && WEXITSTATUS(status) == UNIT_EXIT_SETTINGS &&
	       !(h->kind == UNIT_master && s->args->masters);
}

static void refuse(struct super *s, const struct host *h)
{
	char why[64];

	s->refused = h->kind;
	snprintf(why, sizeof(why), "tidegate-%s.conf is not right", unit_info(h->kind)->name);
	leave_stop(s, why);
}

static void host_ended(struct super *s, unsigned kind, int status, uint64_t now)
{
	struct host *h = host_of(s, kind);

	if (!s->stopping && is_refused(s, h, status))
		refuse(s, h);
	host_died(h, now);
	if (kind == UNIT_agent) {
		port_close(&s->port);
		leave_units(s, s->stopping ? LEAVE_MS : UNITS_LEAVE_MS, "the agent is gone");
	}
	if (!s->stopping)
		log_warn("%s will be started again in %u s", unit_info((int)kind)->name,
			(unsigned)((h->start_at - now) / 1000));
}

static uint64_t micros(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec;
}

static void report(
	struct super *s, const struct child *c, int status, const struct rusage *use, uint64_t uptime)
{
	struct spawn_rep rep = {.proto = SPAWN_PROTO,
		.type = SPAWN_REP_EXITED,
		.kind = c->kind,
		.slot = c->slot,
		.sub = c->sub,
		.pid = (int32_t)c->pid,
		.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
		.exit_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
		.uptime_ms = uptime > UINT32_MAX ? UINT32_MAX : (uint32_t)uptime,
		.user_us = micros(use->ru_utime),
		.system_us = micros(use->ru_stime),
		.max_rss_kb = (uint64_t)use->ru_maxrss};

	port_send(&s->port, &rep);
}

static void obituary(const struct child *c, int status, const struct rusage *use, uint64_t uptime)
{
	char how[32];
	bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;

	snprintf(how, sizeof(how), WIFSIGNALED(status) ? "signal %d" : "exit %d",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	log_write(good ? LOG_INFO_ : LOG_WARN_, __FILE__, __LINE__,
		"obituary %s name=%s slot=%u sub=%u pid=%d ended=\"%s\" uptime_ms=%llu cpu_ms=%llu "
		"rss_kb=%ld",
		unit_info((int)c->kind)->name, c->title, c->slot, c->sub, (int)c->pid, how,
		(unsigned long long)uptime,
		(unsigned long long)((micros(use->ru_utime) + micros(use->ru_stime)) / 1000), use->ru_maxrss);
}

void leave_reap(struct super *s, size_t i)
{
	const struct child c = s->table.rows[i];
	uint64_t now = clock_ms();
	struct rusage use;
	int status;
	pid_t r;

	do
		r = wait4(c.pid, &status, WNOHANG, &use);
	while (r < 0 && errno == EINTR);
	if (r != c.pid)
		return;
	table_remove(&s->table, i);
	obituary(&c, status, &use, now - c.started_ms);
	if (kind_is_host(c.kind))
		host_ended(s, c.kind, status, now);
	else
		report(s, &c, status, &use, now - c.started_ms);
}

/* Once, then a minute later again: what SIGKILL does not end sits in the kernel. */
static bool is_late(uint64_t *deadline, uint64_t now)
{
	if (*deadline == 0 || now < *deadline)
		return false;
	*deadline = now + 60000;
	return true;
}

static void kill_child(const struct child *c)
{
	log_warn("%s name=%s pid=%d did not leave in time: killed", unit_info((int)c->kind)->name, c->title,
		(int)c->pid);
	(void)child_signal(c->pidfd, SIGKILL);
}

static void kill_late(struct super *s, uint64_t now)
{
	bool units = is_late(&s->units_deadline, now);

	for (size_t i = 0; i < s->table.n; i++) {
		const struct child *c = &s->table.rows[i];
		struct host *h = host_of(s, c->kind);

		if (h ? is_late(&h->leave_by, now) : units)
			kill_child(c);
	}
}

/* The agent is started again only when the last of its units is gone: one start path (T37). */
static bool may_start(const struct super *s, const struct host *h)
{
	return !s->stopping && h->kind != UNIT_NONE && !h->running &&
	       (h->kind != UNIT_agent || table_units(&s->table) == 0);
}

static void start_due(struct super *s, struct host *h, uint64_t now)
{
	struct err e = {0};

	if (!may_start(s, h) || now < h->start_at)
		return;
	if (h->kind == UNIT_agent)
		s->units_deadline = 0;
	if (start_host(s, h, now, &e) < 0)
		log_err(&e);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* What needs no waiting for an event: deadlines of those that are there, pauses of those that are not. */
static uint64_t next_due(const struct super *s)
{
	uint64_t at = 0;

	if (table_units(&s->table) > 0)
		at = earlier(at, s->units_deadline);
	for (unsigned i = 0; i < 2; i++) {
		if (s->hosts[i].running)
			at = earlier(at, s->hosts[i].leave_by);
		else if (may_start(s, &s->hosts[i]))
			at = earlier(at, s->hosts[i].start_at);
	}
	return at;
}

int leave_tick(struct super *s, uint64_t now)
{
	uint64_t at;

	kill_late(s, now);
	if (s->stopping)
		leave_next(s);
	for (unsigned i = 0; i < 2; i++)
		start_due(s, &s->hosts[i], now);
	s->stopped = s->stopping && s->table.n == 0;
	at = next_due(s);
	if (at == 0)
		return -1;
	return at <= now ? 0 : (int)(at - now);
}
