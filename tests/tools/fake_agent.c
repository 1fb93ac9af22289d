/*
 * A stand-in for tidegate-agent, for tests/s01-sandbox only: installed nowhere. It sits in the agent's place
 * (its box, its socketpair to the supervisor, its sockets), does what the lines of STATE/commands say, and
 * writes what it sees as JSON lines to STATE/events. It decides nothing by itself. Commands:
 *   {"do":"start","request":n,"kind":8,"slot":1,"sub":1,"title":"t@s","slice":{…},"fds":2,"sealed":true}
 *   {"do":"signal","kind":8,"slot":1,"sub":1,"signo":15}     {"do":"raw","hex":"…"} any bytes to the
 * supervisor
 *   {"do":"order","slot":1,"sub":1,"order":2,"args":{…}}     at the unit's next question
 *   {"do":"sleep","s":n} deaf for so long                    {"do":"leave"}
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/log.h"
#include "common/config/json.h"
#include "common/proc/daemon.h"
#include "common/proc/msg.h"
#include "order.h"
#include "spawn.h"

enum { SLOTS = 8, SUBS = 8, POLL_MS = 50, LINE = 65536 };

/* What one unit is to be told next; revision 1 is the welcome. */
struct order {
	uint64_t revision;
	uint32_t kind;
	char args[1024];
};

struct fake {
	struct daemon_env *env;
	int commands, events;
	bool listening[SLOTS];
	struct order orders[SLOTS][SUBS];
	char line[LINE]; /* of commands, as far as it is there */
	size_t filled;
};

/* Takes o. */
static void event(struct fake *f, json_t *o)
{
	struct buf b = {0};

	json_write(o, &b);
	buf_putc(&b, '\n');
	if (io_write_all(f->events, b.p, b.n, NULL) < 0)
		log_error("can't write events");
	buf_free(&b);
	json_decref(o);
}

static struct order *order_of(struct fake *f, uint32_t slot, uint32_t sub)
{
	return slot < SLOTS && sub < SUBS ? &f->orders[slot][sub] : NULL;
}

/* ---- what units say ---- */

static json_t *of_unit(
	const char *what, uint32_t kind, uint32_t slot, uint32_t sub, const struct link_req *req)
{
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "event", what, "kind", (json_int_t)kind, "slot",
		(json_int_t)slot, "sub", (json_int_t)sub, "peer_pid", (json_int_t)req->peer_pid, "peer_uid",
		(json_int_t)req->peer_uid);
}

static void on_hello(struct fake *f, struct link_req *req)
{
	struct msg_unit_hello m;
	struct msg_unit_welcome w = {.revision = 1, .order = ORDER_RUN, .args = STR_LIT("{}")};
	struct buf b = {0};
	struct err e;

	if (msg_get_unit_hello(req->body, &m, &e) < 0) {
		link_fail(&req, &e);
		return;
	}
	json_t *o = of_unit("hello", m.kind, m.slot, m.sub, req);
	json_object_set_new(o, "pid", json_integer((json_int_t)m.pid));
	event(f, o);
	msg_put_unit_welcome(&b, req->head.request, &w);
	link_reply(&req, &b);
	buf_free(&b);
}

static void on_next(struct fake *f, struct link_req *req)
{
	struct msg_unit_next m;
	struct msg_unit_order reply = {.revision = 1};
	struct buf b = {0};
	struct err e;

	if (msg_get_unit_next(req->body, &m, &e) < 0) {
		link_fail(&req, &e);
		return;
	}
	json_t *o = of_unit("status", m.kind, m.slot, m.sub, req);
	json_object_set_new(o, "progress", json_integer((json_int_t)m.progress));
	json_object_set_new(o, "status", json_loadb(m.status.p ? m.status.p : "", m.status.n, 0, NULL));
	event(f, o);
	struct order *want = order_of(f, m.slot, m.sub);
	if (want && want->revision > m.revision)
		reply = (struct msg_unit_order){
			.revision = want->revision, .order = want->kind, .args = str_of(want->args)};
	msg_put_unit_order(&b, req->head.request, &reply);
	link_reply(&req, &b);
	buf_free(&b);
}

static void on_bye(struct fake *f, struct link_req *req)
{
	struct msg_unit_bye m;
	struct buf b = {0};
	struct err e;

	if (msg_get_unit_bye(req->body, &m, &e) < 0) {
		link_fail(&req, &e);
		return;
	}
	json_t *o = of_unit("bye", m.kind, m.slot, m.sub, req);
	json_object_set_new(o, "stage", json_integer((json_int_t)m.stage));
	json_object_set_new(o, "code", json_integer((json_int_t)m.error.code));
	json_object_set_new(o, "text", json_string(m.error.text));
	event(f, o);
	msg_put_ok(&b, req->head.request, &(struct msg_ok){0});
	link_reply(&req, &b);
	buf_free(&b);
}

static void on_message(void *arg, struct link_req *req)
{
	struct err e;

	switch (req->head.type) {
	case MSG_unit_hello:
		on_hello(arg, req);
		return;
	case MSG_unit_next:
		on_next(arg, req);
		return;
	case MSG_unit_bye:
		on_bye(arg, req);
		return;
	default:
		err_set(&e, ERR_proto, "message %u", req->head.type);
		link_fail(&req, &e);
	}
}

static void listen_for(struct fake *f, uint32_t slot)
{
	char path[64];
	struct err e;

	if (slot >= SLOTS || f->listening[slot])
		return;
	snprintf(path, sizeof(path), "%u/agent.sock", slot);
	if (link_listen(f->env->link, path, 16, 0666, on_message, f, &e) < 0)
		log_err(&e);
	else
		f->listening[slot] = true;
}

/* ---- what the supervisor says ---- */

static void on_packet(struct fake *f, const struct spawn_rep *r)
{
	static const char *const names[] = {[SPAWN_REP_STARTED] = "started",
		[SPAWN_REP_REFUSED] = "refused",
		[SPAWN_REP_EXITED] = "exited"};
	const char *name =
		r->type < sizeof(names) / sizeof(names[0]) && names[r->type] ? names[r->type] : "?";

	if (r->type == SPAWN_REP_STARTED)
		listen_for(f, r->slot);
	event(f, json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:i, s:i, s:i, s:i, s:I}", "event", name,
			 "request", (json_int_t)r->request, "kind", (json_int_t)r->kind, "slot",
			 (json_int_t)r->slot, "sub", (json_int_t)r->sub, "refused", (json_int_t)r->refused,
			 "error", r->error, "pid", r->pid, "exit_code", r->exit_code, "exit_signal",
			 r->exit_signal, "uptime_ms", (json_int_t)r->uptime_ms));
}

static void on_supervisor(void *arg, uint32_t events)
{
	struct fake *f = arg;
	struct spawn_rep r;

	(void)events;
	for (;;) {
		ssize_t n = recv(f->env->supervisor_fd, &r, sizeof(r), MSG_DONTWAIT);

		if (n <= 0)
			break;
		if (n == (ssize_t)sizeof(r))
			on_packet(f, &r);
		else
			event(f, json_pack("{s:s, s:I}", "event", "odd packet", "size", (json_int_t)n));
	}
}

/* ---- what units log ---- */

struct log_pipe {
	struct fake *f;
	int fd;
};

static void on_log(void *arg, uint32_t events)
{
	struct log_pipe *p = arg;
	char text[4096];
	ssize_t n = read(p->fd, text, sizeof(text) - 1);

	(void)events;
	if (n > 0) {
		json_t *line = json_stringn(text, (size_t)n);

		event(p->f, json_pack("{s:s, s:o}", "event", "log", "text",
				    line ? line : json_string("(not UTF-8)")));
	} else if (n == 0 || errno != EAGAIN) {
		loop_del(p->f->env->loop, p->fd);
		close(p->fd);
	}
}

static int make_log_pipe(struct fake *f)
{
	struct log_pipe *p = calloc(1, sizeof(*p));
	int fds[2];

	if (!p || pipe2(fds, O_CLOEXEC) < 0) {
		free(p);
		return -1;
	}
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	*p = (struct log_pipe){f, fds[0]};
	loop_add(f->env->loop, fds[0], on_log, p); /* lives as long as this process: a few, in a test */
	return fds[1];
}

/* ---- commands ---- */

static void send_packet(struct fake *f, const void *bytes, size_t n, const int *fds, size_t nfds)
{
	union {
		char bytes[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec io = {(void *)(uintptr_t)bytes, n};
	struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};

	memset(&control, 0, sizeof(control));
	if (nfds > 0) {
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	if (sendmsg(f->env->supervisor_fd, &m, MSG_NOSIGNAL) < 0)
		event(f, json_pack("{s:s, s:s}", "event", "send failed", "why", strerror(errno)));
}

static int make_slice(const json_t *command)
{
	struct buf b = {0};
	struct err e;
	int fd;

	json_write(json_object_get(command, "slice"), &b);
	if (json_flag(command, "sealed", true)) {
		fd = io_sealed_memfd("slice", b.p, b.n, &e);
	} else {
		fd = memfd_create("slice", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		io_write_all(fd, b.p, b.n, NULL);
	}
	buf_free(&b);
	return fd;
}

static struct spawn_req request_of(const json_t *command, uint32_t type)
{
	struct spawn_req q = {.proto = SPAWN_PROTO, .type = type};

	q.request = (uint32_t)json_num(command, "request", 0);
	q.kind = (uint32_t)json_num(command, "kind", 0);
	q.slot = (uint32_t)json_num(command, "slot", 0);
	q.sub = (uint32_t)json_num(command, "sub", 0);
	q.signo = (uint32_t)json_num(command, "signo", 0);
	snprintf(q.title, sizeof(q.title), "%s", json_text(command, "title", "probe@test"));
	return q;
}

static void do_start(struct fake *f, const json_t *command)
{
	struct spawn_req q = request_of(command, SPAWN_REQ_START);
	int fds[4] = {make_slice(command), make_log_pipe(f), dup(2), dup(2)};
	int64_t n = json_num(command, "fds", 2);

	send_packet(f, &q, sizeof(q), fds, n >= 0 && n <= 4 ? (size_t)n : 2);
	for (int i = 0; i < 4; i++)
		io_close(&fds[i]);
}

static void do_raw(struct fake *f, const json_t *command)
{
	const char *hex = json_text(command, "hex", "");
	unsigned char bytes[4096];
	size_t n = 0;

	for (; n < sizeof(bytes) && sscanf(hex + 2 * n, "%2hhx", &bytes[n]) == 1; n++)
		;
	send_packet(f, bytes, n, NULL, 0);
}

static void do_order(struct fake *f, const json_t *command)
{
	struct order *o =
		order_of(f, (uint32_t)json_num(command, "slot", 0), (uint32_t)json_num(command, "sub", 0));
	struct buf b = {0};

	if (!o)
		return;
	json_write(json_object_get(command, "args"), &b);
	o->revision = o->revision < 2 ? 2 : o->revision + 1;
	o->kind = (uint32_t)json_num(command, "order", ORDER_STOP);
	snprintf(o->args, sizeof(o->args), "%s", buf_cstr(&b));
	buf_free(&b);
}

/* Deaf, as a process inside a long call. */
static void do_sleep(const json_t *command)
{
	struct timespec left = {.tv_sec = json_num(command, "s", 1)};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

static void do_line(struct fake *f, const char *line, size_t n)
{
	json_t *command = json_loadb(line, n, 0, NULL);
	const char *what = json_text(command, "do", "");

	if (strcmp(what, "start") == 0) {
		do_start(f, command);
	} else if (strcmp(what, "signal") == 0) {
		struct spawn_req q = request_of(command, SPAWN_REQ_SIGNAL);

		send_packet(f, &q, sizeof(q), NULL, 0);
	} else if (strcmp(what, "raw") == 0) {
		do_raw(f, command);
	} else if (strcmp(what, "order") == 0) {
		do_order(f, command);
	} else if (strcmp(what, "sleep") == 0) {
		do_sleep(command);
	} else if (strcmp(what, "leave") == 0) {
		daemon_leave(f->env);
	} else {
		event(f, json_pack("{s:s, s:s}", "event", "what?", "do", what));
	}
	json_decref(command);
}

/* ---- the skeleton's form ---- */

static int fake_open(void *self, struct daemon_env *env, struct err *e)
{
	struct fake *f = self;

	f->env = env;
	f->commands = openat(env->state_fd, "commands", O_RDONLY | O_CREAT | O_CLOEXEC, 0666);
	f->events = openat(env->state_fd, "events", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (f->commands < 0 || f->events < 0)
		return err_sys(e, ERR_io, "opening commands and events");
	/* a predecessor's commands are done */
	return lseek(f->commands, 0, SEEK_END) < 0 ? err_sys(e, ERR_io, "commands") : 0;
}

static void poll_commands(void *arg)
{
	struct fake *f = arg;
	ssize_t n = read(f->commands, f->line + f->filled, sizeof(f->line) - f->filled);
	char *end;

	f->filled += n > 0 ? (size_t)n : 0;
	while ((end = memchr(f->line, '\n', f->filled))) {
		size_t used = (size_t)(end - f->line) + 1;

		do_line(f, f->line, used - 1);
		memmove(f->line, f->line + used, f->filled - used);
		f->filled -= used;
	}
	loop_timer(f->env->loop, POLL_MS, poll_commands, f);
}

static int fake_ready(void *self, struct daemon_env *env, struct err *e)
{
	struct fake *f = self;

	(void)e;
	loop_add(env->loop, env->supervisor_fd, on_supervisor, f);
	loop_timer(env->loop, POLL_MS, poll_commands, f);
	event(f, json_pack("{s:s, s:i, s:i}", "event", "agent", "pid", (int)getpid(), "uid", (int)getuid()));
	return 0;
}

int main(int argc, char **argv)
{
	static const struct daemon fake = {
		.kind = UNIT_agent, .state = sizeof(struct fake), .open = fake_open, .ready = fake_ready};

	return daemon_run(&fake, argc, argv);
}
