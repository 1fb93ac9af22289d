/*
 * What units say to their agent: hello, next, bye, by one table with the states in which each is allowed. A
 * process is believed to be the unit it says only if the kernel's word on its pid is what the supervisor
 * reported (T35); a unit that says what it may not is ended and the log says why. Runs in the loop; decides
 * nothing about stages.
 */
#include "agent/desk.h"

#include <stdio.h>

#include "agent/agent.h"
#include "agent/proc.h"
#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/base/log.h"
#include "common/config/json.h"

/* The folder lets in only the source's user and the agent's group; within it the socket is open (T35). */
enum { CONTEXTS = 32, SPARE = 8, SOCKET_MODE = 0666, POLL_MAX_MS = 10000, EARLY_MS = 3000, BEAT_MS = 1000 };

/* Who is asked about: the same first fields in all three messages. */
struct who {
	uint32_t kind, slot, sub;
};

static int take_status(struct proc *p, struct str text, struct err *e)
{
	json_t *o;

	if (text.n == 0)
		return 0;
	o = json_parse(text, "the unit's status", e);
	if (!o)
		return -1;
	if (!json_is_object(o)) {
		json_decref(o);
		return err_set(e, ERR_proto, "the unit's status is no JSON object");
	}
	json_decref(p->status);
	p->status = o;
	if (p->ops->status)
		p->ops->status(p->owner, p);
	return 0;
}

static void reply_ok(struct link_req **req)
{
	struct msg_ok m = {0};
	struct buf b = {0};

	msg_put_ok(&b, (*req)->head.request, &m);
	link_reply(req, &b);
	buf_free(&b);
}

static int on_hello(struct proc *p, struct link_req **req, struct err *e)
{
	struct msg_unit_hello m;
	struct msg_unit_welcome w = {
		.revision = p->revision, .order = (uint32_t)p->order, .args = str_of(p->args)};
	struct buf b = {0};

	if (msg_get_unit_hello((*req)->body, &m, e) < 0)
		return -1;
	if (!str_is(m.version, TIDEGATE_VERSION))
		return err_set(
			e, ERR_proto, "version %.*s, the agent is " TIDEGATE_VERSION, STR_ARG(m.version));
	p->hello = true;
	log_debug("hello of %s pid=%d", p->label, (int)p->pid);
	msg_put_unit_welcome(&b, (*req)->head.request, &w);
	link_reply(req, &b);
	buf_free(&b);
	return 0;
}

/* Sent before the bye, read behind it, as each comes by a context of its own: what it says is older. */
static int on_late_next(struct proc *p, struct link_req **req)
{
	proc_answer_poll(p);
	p->poll = *req;
	*req = NULL;
	proc_answer_poll(p);
	return 0;
}

static int on_next(struct proc *p, struct link_req **req, struct err *e)
{
	struct msg_unit_next m;
	enum stage before = p->stage;

	if (msg_get_unit_next((*req)->body, &m, e) < 0 || take_status(p, m.status, e) < 0)
		return -1;
	if (m.stage >= STAGE_END)
		return err_set(e, ERR_proto, "stage %u is unknown", m.stage);
	p->stage = (enum stage)m.stage;
	p->progress = m.progress;
	p->agent->changed = p->agent->changed || p->stage != before;
	p->agent->young = p->agent->young || m.wait_ms < BEAT_MS;
	p->agent->busy = p->agent->busy || m.wait_ms <= BEAT_MS;
	p->error = m.error; /* code 0 with the first beat that goes well: the last run's error is over */
	/* Of a beat that this one takes the place of, or whose answer nobody waits for. */
	proc_answer_poll(p);
	p->poll = *req;
	p->poll_until = clock_ms() + (m.wait_ms > POLL_MAX_MS ? POLL_MAX_MS : m.wait_ms);
	*req = NULL;
	if (m.revision < p->revision)
		proc_answer_poll(p);
	return 0;
}

static int on_bye(struct proc *p, struct link_req **req, struct err *e)
{
	struct msg_unit_bye m;

	if (msg_get_unit_bye((*req)->body, &m, e) < 0 || take_status(p, m.status, e) < 0)
		return -1;
	if (m.stage != STAGE_Finished && m.stage != STAGE_Stopped && m.stage != STAGE_Paused)
		return err_set(e, ERR_proto, "stage %u is no way to leave", m.stage);
	p->bye = true;
	p->bye_stage = (enum stage)m.stage;
	p->error = m.error;
	reply_ok(req);
	return 0;
}

enum { BEFORE_HELLO = 1, AFTER_HELLO = 2 };

static const struct row {
	uint16_t type;
	int when;
	int (*fn)(struct proc *p, struct link_req **req, struct err *e);
} rows[] = {
	{MSG_unit_hello, BEFORE_HELLO, on_hello},
	{MSG_unit_next, AFTER_HELLO, on_next},
	{MSG_unit_bye, AFTER_HELLO, on_bye},
};

static const struct row *find_row(uint16_t type)
{
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].type == type)
			return &rows[i];
	return NULL;
}

static int read_who(struct str body, struct who *w)
{
	struct cur c = cur_of(body.p, body.n);

	w->kind = cur_u32(&c);
	w->slot = cur_u32(&c);
	w->sub = cur_u32(&c);
	return c.bad ? -1 : 0;
}

/* The unit may be faster than the report of its start: so the supervisor's reports are read first. */
static struct proc *find_sender(struct desk *d, const struct link_req *req)
{
	struct proc *p = proc_by_pid(d->agent, req->peer_pid);

	if (p)
		return p;
	desk_supervisor(d->agent);
	return proc_by_pid(d->agent, req->peer_pid);
}

/* Refused messages are answered too, or the context that holds one would be lost. */
static int handle(struct desk *d, struct proc *p, struct link_req **req, struct err *e)
{
	const struct row *row = find_row((*req)->head.type);
	struct who w;

	if (!row)
		return err_set(e, ERR_proto, "%s is not for the agent", msg_name((*req)->head.type));
	if (read_who((*req)->body, &w) < 0)
		return err_set(e, ERR_proto, "a short %s", msg_name(row->type));
	if (p->slot != d->slot || w.kind != (uint32_t)p->kind || w.slot != p->slot || w.sub != p->sub)
		return err_set(e, ERR_proto, "it says to be unit %u of slot %u/%u", w.kind, w.slot, w.sub);
	if (p->bye && row->type == MSG_unit_next)
		return on_late_next(p, req);
	if (p->bye || (p->hello ? AFTER_HELLO : BEFORE_HELLO) != row->when)
		return err_set(e, ERR_proto, "%s at the wrong time", msg_name(row->type));
	p->heard_ms = clock_ms();
	return row->fn(p, req, e);
}

static void refuse_stranger(const struct desk *d, struct link_req **req)
{
	struct err e = {0};

	err_set(&e, ERR_proto, "process %d is none of slot %u", (int)(*req)->peer_pid, d->slot);
	log_err(&e);
	link_fail(req, &e);
}

/* Some start of this slot is not reported yet: it may be the one that speaks. */
static bool may_be_early(const struct desk *d, const struct link_req *req)
{
	if (req->head.type != MSG_unit_hello)
		return false;
	for (const struct proc *p = d->agent->procs; p; p = p->next)
		if (p->slot == d->slot && p->state == PROC_ASKED)
			return true;
	return false;
}

static bool keep_early(struct desk *d, struct link_req *req)
{
	if (!may_be_early(d, req))
		return false;
	for (unsigned i = 0; i < DESK_EARLY; i++)
		if (!d->early[i]) {
			d->early[i] = req;
			d->early_until = clock_ms() + EARLY_MS;
			return true;
		}
	return false;
}

/*
 * A poll keeps one of the listener's contexts until it is answered, for ten seconds where its unit rests. The
 * polls of many that rest would keep all of them, and a hello or a bye wait until its unit gives up. So the
 * oldest one is answered before its time: its unit asks again a second later (unit_agent.c).
 */
static void keep_spare(struct desk *d)
{
	struct proc *oldest = NULL;
	unsigned held = 0;

	for (struct proc *p = d->agent->procs; p; p = p->next) {
		if (p->slot != d->slot || !p->poll)
			continue;
		held++;
		if (!oldest || p->poll_until < oldest->poll_until)
			oldest = p;
	}
	if (oldest && held > CONTEXTS - SPARE)
		proc_answer_poll(oldest);
}

static void on_request(void *arg, struct link_req *req)
{
	struct desk *d = arg;
	struct proc *p = find_sender(d, req);
	struct err e = {0};

	if (!p && keep_early(d, req))
		return;
	if (!p) {
		refuse_stranger(d, &req);
		return;
	}
	if (handle(d, p, &req, &e) == 0) {
		keep_spare(d);
		return;
	}
	proc_kill(p, e.text);
	if (req)
		link_fail(&req, &e);
}

void desk_open(struct agent *a, unsigned slot)
{
	struct desk *d = &a->desks[slot];
	struct err e = {0};
	char path[32];

	if (d->open)
		return;
	d->agent = a;
	d->slot = slot;
	snprintf(path, sizeof(path), "%u/agent.sock", slot);
	if (link_listen(a->env->link, path, CONTEXTS, SOCKET_MODE, on_request, d, &e) < 0)
		log_err(&e); /* the unit ends without a hello, is started again, and this is tried again */
	else
		d->open = true;
}

void desk_started(struct agent *a, unsigned slot)
{
	struct desk *d = &a->desks[slot];

	for (unsigned i = 0; i < DESK_EARLY; i++) {
		struct link_req *req = d->early[i];

		if (!req || !proc_by_pid(a, req->peer_pid))
			continue;
		d->early[i] = NULL;
		on_request(d, req);
	}
}

static void drop_early(struct desk *d)
{
	for (unsigned i = 0; i < DESK_EARLY; i++)
		if (d->early[i])
			refuse_stranger(d, &d->early[i]);
	d->early_until = 0;
}

void desk_tick(struct agent *a, uint64_t now)
{
	for (unsigned i = 0; i <= SPAWN_MAX_SLOT; i++)
		if (a->desks[i].early_until && now >= a->desks[i].early_until)
			drop_early(&a->desks[i]);
}

void desk_close(struct agent *a)
{
	for (unsigned i = 0; i <= SPAWN_MAX_SLOT; i++)
		drop_early(&a->desks[i]);
}

bool desk_supervisor(struct agent *a)
{
	struct spawn_rep rep;
	struct err e = {0};
	int r;

	while ((r = spawner_next(&a->spawner, &rep, &e)) > 0)
		proc_report(a, &rep);
	if (r < 0 && !daemon_leaving(a->env))
		log_err(&e);
	return r == 0;
}
