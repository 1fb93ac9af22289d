/*
 * A stand-in for supervisor and agent, for tests of two units alone: starts both, answers hello, next and
 * bye, starts again what dies. Prints one line for each start, status and end. Not installed.
 *
 *   unit_drive copy BIN STATE RUN DUMP.json LOAD.json [FAILPOINTS [SECONDS]]
 *   unit_drive follow BIN STATE RUN RELAY.json SYNC.json [FAILPOINTS [SECONDS]]
 *
 * The second slice "-": the first unit alone. A copy ends when the load has finished; a dump alone has its
 * plan asked for here, which is how it hears that everything is wanted, and ends when the whole dump is on
 * disk. Following ends by SIGTERM. Both end when a unit pauses with an error.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/config/json.h"
#include "common/proc/link.h"
#include "common/proc/loop.h"
#include "common/proc/msg.h"
#include "fds.h"
#include "order.h"
#include "stage.h"
#include "unit.h"

/* The two of a pair, and under which --sub each runs. */
struct pair {
	const char *name, *exe[2], *sub[2];
	int kind[2];
};

static const struct pair pairs[] = {
	{"copy", {"tidegate-dump", "tidegate-load"}, {"--sub=1", "--sub=1"}, {UNIT_dump, UNIT_load}},
	{"follow", {"tidegate-relay", "tidegate-sync"}, {"--sub=0", "--sub=1"}, {UNIT_relay, UNIT_sync}},
};

struct child {
	const char *exe, *sub, *slice;
	int kind;
	pid_t pid;
	uint64_t again; /* when to start it */
	unsigned starts;
	bool stop;
};

struct drive {
	struct loop *loop;
	const char *bin, *state, *run;
	int alive[2]; /* the read end is the units' FD_SUPERVISOR */
	int failpoints;
	struct child child[2];
	struct link_peer *dump; /* asked for its plan; NULL: not alone, or none */
	bool asking;
	bool finished, failed;
	bool leaving;
};

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static int slice_fd(const char *file)
{
	struct buf b = {0};
	struct err e = {0};
	int fd = -1;

	if (io_read_file(AT_FDCWD, file, 1 << 20, &b, &e) == 0)
		fd = io_sealed_memfd("slice", b.p, b.n, &e);
	if (fd < 0) {
		fprintf(stderr, "%s\n", e.text);
		exit(2);
	}
	buf_free(&b);
	return fd;
}

/* In the child: descriptors as include/fds.h wants them. Moved out of the way first, so that none is
 * overwritten. */
static void arrange(const struct drive *d, int slice, int state, int run, int lock)
{
	const int to[] = {FD_CONFIG, FD_SUPERVISOR, FD_FAILPOINTS, FD_STATE, FD_RUN, FD_LOCK};
	int from[] = {slice, d->alive[0], d->failpoints, state, run, lock};

	for (size_t i = 0; i < 6; i++)
		if (from[i] >= 0)
			from[i] = fcntl(from[i], F_DUPFD, 40);
	close(FD_KEY);
	close(FD_FAILPOINTS);
	for (size_t i = 0; i < 6; i++)
		if (from[i] >= 0)
			dup2(from[i], to[i]);
}

static void start(struct drive *d, struct child *c)
{
	char path[512], exe[512], lock_name[64];
	int slice = slice_fd(c->slice), state, run, lock;

	snprintf(path, sizeof(path), "%s", d->state);
	state = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	run = open(d->run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(lock_name, sizeof(lock_name), "%s.lock", unit_info(c->kind)->name);
	lock = openat(run, lock_name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	snprintf(exe, sizeof(exe), "%s/%s", d->bin, c->exe);
	if (state < 0 || run < 0 || lock < 0)
		die(path);
	c->pid = fork();
	if (c->pid < 0)
		die("fork");
	if (c->pid == 0) {
		arrange(d, slice, state, run, lock);
		execl(exe, c->exe, "--slot=1", c->sub, "--title=test@source", (char *)NULL);
		_exit(127);
	}
	close(slice);
	close(state);
	close(run);
	close(lock);
	c->starts++;
	c->again = 0;
	printf("start %s %d\n", c->exe, (int)c->pid);
}

static struct child *child_of(struct drive *d, uint32_t kind)
{
	return (uint32_t)d->child[0].kind == kind ? &d->child[0] : &d->child[1];
}

static void on_hello(struct link_req *req)
{
	struct msg_unit_welcome w = {.revision = 1, .order = ORDER_RUN, .args = STR_LIT("{}")};
	struct buf b = {0};

	msg_put_unit_welcome(&b, req->head.request, &w);
	link_reply(&req, &b);
	buf_free(&b);
}

static void on_planned(void *arg, const struct err *e, struct str reply)
{
	struct drive *d = arg;

	(void)e; /* not yet: asked again with the next status */
	(void)reply;
	d->asking = false;
}

static void ask_plan(struct drive *d)
{
	struct buf b = {0};

	if (d->asking)
		return;
	d->asking = true;
	msg_put_plan(&b, link_request_id(), &(struct msg_plan){0});
	link_call(d->dump, &b, 3000, on_planned, d);
	buf_free(&b);
}

static void watch_dump(struct drive *d, struct str status)
{
	ask_plan(d);
	if (memmem(status.p, status.n, "\"serve\"", 7))
		d->finished = true;
}

static void on_next(struct drive *d, struct link_req *req, const struct msg_unit_next *m)
{
	struct child *c = child_of(d, m->kind);
	struct msg_unit_order o = {.revision = m->revision};
	struct buf b = {0};

	printf("status %s %.*s progress=%llu\n", c->exe, STR_ARG(m->status), (unsigned long long)m->progress);
	if (d->dump)
		watch_dump(d, m->status);
	if (d->leaving || d->finished || c->stop)
		o = (struct msg_unit_order){
			.revision = 2, .order = ORDER_STOP, .args = STR_LIT("{\"deadline_ms\":5000}")};
	msg_put_unit_order(&b, req->head.request, &o);
	link_reply(&req, &b);
	buf_free(&b);
}

static void on_bye(struct drive *d, struct link_req *req, const struct msg_unit_bye *m)
{
	struct child *c = child_of(d, m->kind);
	struct buf b = {0};

	printf("bye %s %s status=%.*s error=%u %s\n", c->exe, stage_name((int)m->stage), STR_ARG(m->status),
		m->error.code, m->error.text);
	if (m->stage == STAGE_Finished && c->kind == UNIT_load)
		d->finished = true;
	if (m->stage == STAGE_Finished)
		c->stop = true;
	if (m->error.code && err_act(m->error.code) != ERR_ACT_RETRY)
		d->failed = true;
	msg_put_ok(&b, req->head.request, &(struct msg_ok){0});
	link_reply(&req, &b);
	buf_free(&b);
}

static void on_message(void *arg, struct link_req *req)
{
	struct drive *d = arg;
	struct msg_unit_next next;
	struct msg_unit_bye bye;
	struct err e = {0};

	if (req->head.type == MSG_unit_hello)
		on_hello(req);
	else if (req->head.type == MSG_unit_next && msg_get_unit_next(req->body, &next, &e) == 0)
		on_next(d, req, &next);
	else if (req->head.type == MSG_unit_bye && msg_get_unit_bye(req->body, &bye, &e) == 0)
		on_bye(d, req, &bye);
	else
		link_fail(&req, &e);
}

static void reap(struct drive *d)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < 2; i++)
			if (d->child[i].pid == pid) {
				printf("end %s %d %s %d\n", d->child[i].exe, (int)pid,
					WIFSIGNALED(status) ? "signal" : "status",
					WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
				d->child[i].pid = 0;
				d->child[i].again = clock_ms() + 200;
			}
}

static bool all_gone(const struct drive *d)
{
	return d->child[0].pid == 0 && d->child[1].pid == 0;
}

static void on_signal(void *arg, int signo)
{
	struct drive *d = arg;

	(void)signo;
	d->finished = true;
}

static void turn(struct drive *d)
{
	loop_once(d->loop, 100);
	reap(d);
	d->leaving = d->finished || d->failed;
	for (int i = 0; i < 2; i++) {
		struct child *c = &d->child[i];

		if (c->pid == 0 && !c->stop && !d->leaving && clock_ms() >= c->again)
			start(d, c);
	}
	fflush(stdout);
}

static const struct pair *pair_called(const char *name)
{
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
		if (strcmp(pairs[i].name, name) == 0)
			return &pairs[i];
	return NULL;
}

static void listen_for_units(struct drive *d)
{
	struct link *link = link_new(d->loop);
	struct err e = {0};

	if (chdir(d->run) < 0)
		die(d->run);
	if (link_listen(link, "agent.sock", 8, 0600, on_message, d, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		exit(2);
	}
	if (d->child[0].kind == UNIT_dump && d->child[1].stop)
		d->dump = link_dial(link, "dump-1.sock");
}

static void set_up(struct drive *d, const struct pair *p, int argc, char **argv)
{
	d->bin = argv[2];
	d->state = argv[3];
	d->run = argv[4];
	for (int i = 0; i < 2; i++)
		d->child[i] = (struct child){
			.exe = p->exe[i], .sub = p->sub[i], .kind = p->kind[i], .slice = argv[5 + i]};
	d->child[1].stop = strcmp(argv[6], "-") == 0;
	d->failpoints = argc > 7 && argv[7][0] ? open(argv[7], O_RDWR) : -1;
	if (pipe2(d->alive, O_CLOEXEC) < 0)
		die("pipe");
	d->loop = loop_new();
	if (p->kind[1] == UNIT_sync)
		loop_signal(d->loop, SIGTERM, on_signal, d);
	listen_for_units(d);
}

static int finish(struct drive *d)
{
	printf("result %s starts=%u,%u\n",
		d->finished ? "finished"
		: d->failed ? "failed"
			    : "timeout",
		d->child[0].starts, d->child[1].starts);
	for (int i = 0; i < 2; i++)
		if (d->child[i].pid > 0)
			kill(d->child[i].pid, SIGKILL);
	return d->finished ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct drive d = {0};
	const struct pair *p = argc > 6 ? pair_called(argv[1]) : NULL;
	uint64_t end;

	if (!p) {
		fprintf(stderr, "usage: unit_drive copy|follow BIN STATE RUN SLICE.json SLICE.json|- "
				"[FAILPOINTS [SECONDS]]\n");
		return 2;
	}
	end = clock_ms() + 1000 * (argc > 8 ? strtoull(argv[8], NULL, 10) : 120);
	set_up(&d, p, argc, argv);
	while (clock_ms() < end && !((d.finished || d.failed) && all_gone(&d)))
		turn(&d);
	return finish(&d);
}
