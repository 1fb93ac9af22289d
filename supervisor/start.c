/*
 * Starts agent and master: their slice as a sealed memfd, the agent's socketpair, the master's pipe. Called
 * at the start and by supervisor/leave.c when a pause is over.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/base/log.h"
#include "supervisor/child.h"
#include "supervisor/supervisor.h"

static int new_pipe(int ends[2], struct err *e)
{
	io_close(&ends[0]);
	io_close(&ends[1]);
	return pipe2(ends, O_CLOEXEC) < 0 ? err_sys(e, ERR_spawn, "making a pipe") : 0;
}

/* A new agent has new units: its socketpair, and the pipe whose end tells its units to leave. */
static int agent_ends(struct super *s, int *theirs, struct err *e)
{
	int pair[2];

	if (new_pipe(s->units_alive, e) < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, ERR_spawn, "making a socketpair");
	port_close(&s->port);
	s->port.fd = pair[0];
	*theirs = pair[1];
	return 0;
}

static int make_slice(struct super *s, int kind, int *out, struct err *e)
{
	struct buf text = {0};

	host_slice(kind, s->args, s->ids.slots, &text);
	*out = io_sealed_memfd("slice", text.p, text.n, e);
	buf_free(&text);
	return *out < 0 ? -1 : 0;
}

static int fill_fds(struct super *s, struct host *h, struct child_plan *p, struct err *e)
{
	if (folders_for(&s->folders, (struct place){h->kind, 0, 0}, p->fds, e) < 0 ||
		make_slice(s, h->kind, &p->fds[FD_CONFIG], e) < 0)
		return -1;
	if (h->kind == UNIT_agent)
		return agent_ends(s, &p->fds[FD_SUPERVISOR], e);
	if (new_pipe(s->master_alive, e) < 0)
		return -1;
	p->fds[FD_SUPERVISOR] = s->master_alive[0];
	s->master_alive[0] = -1;
	return 0;
}

static void close_fds(struct child_plan *p)
{
	static const int own[] = {FD_CONFIG, FD_SUPERVISOR, FD_STATE, FD_RUN, FD_LOCK};

	for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		io_close(&p->fds[own[i]]);
}

static void remember(struct super *s, const struct child_plan *p, struct host *h, struct child *c)
{
	strncpy(c->title, p->title, sizeof(c->title) - 1);
	c->kind = (unsigned)h->kind;
	c->started_ms = clock_ms();
	table_add(&s->table, c);
	host_started(h, c->started_ms);
	log_info("started %s name=%s pid=%d uid=%u", unit_info(h->kind)->name, c->title, (int)c->pid,
		(unsigned)(s->ids.root ? s->ids.host.uid : s->ids.self.uid));
}

int start_host(struct super *s, struct host *h, uint64_t now, struct err *e)
{
	struct child_plan p;
	struct child c = {.pidfd = -1};
	int r;

	units_plan(s, h->kind, &p);
	p.title = s->args->name;
	p.owner = s->ids.host;
	p.fds[FD_LOG] = s->log;
	r = fill_fds(s, h, &p, e);
	if (r == 0)
		r = child_start(&p, &c.pid, &c.pidfd, e);
	close_fds(&p);
	if (r == 0)
		remember(s, &p, h, &c);
	else
		host_died(h, now);
	return r;
}
