/*
 * What the agent asks for, done or refused: starting a unit, signalling one. The slot's uid, folders, lock
 * and key come from the supervisor's own tables; from the request only kind, slot, sub and the title are
 * taken (T32-T34).
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/base/log.h"
#include "supervisor/child.h"
#include "supervisor/supervisor.h"

/*
 * A tenth of the host's memory, as the OOM killer counts: it weighs against all programs of the host, a
 * database beside us among them, so it is but enough to be before the small ones that start units again.
 */
enum { UNITS_YIELD = 100 };

static const char *const refused_text[] = {
	[SPAWN_OK] = "ok",
	[SPAWN_BAD_KIND] = "this kind may not be asked for",
	[SPAWN_BAD_SLOT] = "slot or sub is out of range",
	[SPAWN_BUSY] = "one is alive already",
	[SPAWN_BAD_FDS] = "not exactly a sealed slice and a log pipe",
	[SPAWN_FAILED] = "failed",
	[SPAWN_LEAVING] = "the supervisor is leaving",
};

void units_plan(const struct super *s, int kind, struct child_plan *p)
{
	*p = (struct child_plan){.exe = s->binaries.fd[kind],
		.name = unit_info(kind)->executable,
		.drop = s->ids.root,
		.nofile = s->nofile};
	for (int i = 0; i <= FD_LAST; i++)
		p->fds[i] = -1;
	p->fds[0] = p->fds[1] = s->null;
	p->fds[FD_FAILPOINTS] = s->failpoints;
}

static void reply(struct super *s, const struct spawn_req *q, enum spawn_refused why, int error, pid_t pid)
{
	struct spawn_rep rep = {.proto = SPAWN_PROTO,
		.type = why == SPAWN_OK ? SPAWN_REP_STARTED : SPAWN_REP_REFUSED,
		.request = q->request,
		.kind = q->kind,
		.slot = q->slot,
		.sub = q->sub,
		.refused = why,
		.error = error,
		.pid = (int32_t)pid,
		.exit_code = -1};

	if (why != SPAWN_OK)
		log_warn("refused: %s kind=%u slot=%u sub=%u error=%s", refused_text[why], q->kind, q->slot,
			q->sub, error ? strerror(error) : "none");
	port_send(&s->port, &rep);
}

static int start(struct super *s, const struct request *r, struct child *c, struct err *e)
{
	const struct spawn_req *q = &r->req;
	struct child_plan p;
	int result, error;

	units_plan(s, (int)q->kind, &p);
	p.title = q->title;
	p.slot = q->slot;
	p.sub = q->sub;
	p.owner = ids_slot(&s->ids, q->slot);
	p.yields = UNITS_YIELD;
	p.fds[FD_LOG] = r->log;
	p.fds[FD_CONFIG] = r->config;
	p.fds[FD_SUPERVISOR] = s->units_alive[0];
	result = folders_for(&s->folders, (struct place){(int)q->kind, q->slot, q->sub}, p.fds, e);
	if (result == 0)
		result = child_start(&p, &c->pid, &c->pidfd, e);
	error = errno;
	io_close(&p.fds[FD_STATE]);
	io_close(&p.fds[FD_RUN]);
	io_close(&p.fds[FD_LOCK]);
	io_close(&p.fds[FD_KEY]);
	io_close(&p.fds[FD_FILES]);
	errno = error;
	return result;
}

static void on_start(struct super *s, const struct request *r)
{
	const struct spawn_req *q = &r->req;
	struct child c = {.kind = q->kind, .slot = q->slot, .sub = q->sub, .pidfd = -1};
	struct err e = {0};

	if (s->table.n >= CHILDREN_MAX || s->binaries.fd[q->kind] < 0) {
		reply(s, q, SPAWN_FAILED, s->table.n >= CHILDREN_MAX ? EAGAIN : ENOENT, 0);
		return;
	}
	errno = 0;
	if (start(s, r, &c, &e) < 0) {
		int error = errno ? errno : EIO;

		log_err(&e);
		reply(s, q, SPAWN_FAILED, error, 0);
		return;
	}
	memcpy(c.title, q->title, sizeof(c.title));
	c.started_ms = clock_ms();
	table_add(&s->table, &c);
	reply(s, q, SPAWN_OK, 0, c.pid);
	log_info("started %s name=%s slot=%u sub=%u pid=%d uid=%u", unit_info((int)q->kind)->name, c.title,
		c.slot, c.sub, (int)c.pid, (unsigned)ids_slot(&s->ids, q->slot).uid);
}

/* No answer where it worked: the exit report is the answer. */
static void on_signal(struct super *s, const struct spawn_req *q)
{
	const struct child *c = table_find(&s->table, q->kind, q->slot, q->sub);

	if (child_signal(c->pidfd, (int)q->signo) < 0)
		reply(s, q, SPAWN_FAILED, errno, 0);
}

void units_request(struct super *s, struct request *r)
{
	int error = 0;
	enum spawn_refused why = request_check(r, &s->table, s->ids.slots, &error);

	if (why == SPAWN_OK && r->req.type == SPAWN_REQ_START && (s->stopping || s->units_deadline))
		why = SPAWN_LEAVING;
	if (why != SPAWN_OK)
		reply(s, &r->req, why, error, 0);
	else if (r->req.type == SPAWN_REQ_START)
		on_start(s, r);
	else
		on_signal(s, &r->req);
	request_close(r);
}
