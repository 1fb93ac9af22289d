/*
 * The live test's supervisor and agent in one: starts tidegate-relay with the descriptors of include/fds.h,
 * answers its hello and its heartbeats, keeps its status, ends it. Test code only.
 */
#include "units/relay/live_host.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/config/json.h"
#include "order.h"
#include "unit.h"

enum { HIGH = 40, RECORD = 64, BEAT_MS = 100, NOBODY = 65534 };

#ifdef TIDEGATE_SANITIZED
/* The leak checker attaches to the process, which the kernel refuses once its user has changed. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

void host_as_nobody(bool nobody)
{
	if (getuid() == 0 && seteuid(nobody ? NOBODY : 0) < 0)
		abort();
}

static void reply_ok(struct link_req **req)
{
	struct msg_ok ok = {0};
	struct buf b = {0};

	msg_put_ok(&b, (*req)->head.request, &ok);
	link_reply(req, &b);
	buf_free(&b);
}

static void on_hello(struct host *h, struct link_req **req)
{
	struct msg_unit_welcome w = {.revision = 1, .order = ORDER_RUN, .args = STR_LIT("")};
	struct buf b = {0};

	h->hellos++;
	msg_put_unit_welcome(&b, (*req)->head.request, &w);
	link_reply(req, &b);
	buf_free(&b);
}

static void take_status(struct host *h, struct str text)
{
	struct err e;

	if (!text.n)
		return;
	json_decref(h->status);
	h->status = json_parse(text, "status", &e);
	assert_non_null(h->status);
}

static void beat(void *arg)
{
	struct msg_unit_order o = {.revision = 1, .order = 0, .args = STR_LIT("")};
	struct host *h = arg;
	struct buf b = {0};

	if (!h->held)
		return;
	msg_put_unit_order(&b, h->held->head.request, &o);
	link_reply(&h->held, &b);
	buf_free(&b);
}

static void on_next(struct host *h, struct link_req **req)
{
	struct msg_unit_next m;
	struct err e;

	assert_int_equal(msg_get_unit_next((*req)->body, &m, &e), 0);
	take_status(h, m.status);
	beat(h);
	h->held = *req;
	*req = NULL;
	loop_timer(h->loop, BEAT_MS, beat, h);
}

static void on_bye(struct host *h, struct link_req **req)
{
	struct msg_unit_bye m;
	struct err e;

	assert_int_equal(msg_get_unit_bye((*req)->body, &m, &e), 0);
	h->byes++;
	h->bye_stage = m.stage;
	h->bye_error = m.error;
	take_status(h, m.status);
	reply_ok(req);
}

static void on_request(void *arg, struct link_req *req)
{
	if (req->head.type == MSG_unit_hello)
		on_hello(arg, &req);
	else if (req->head.type == MSG_unit_next)
		on_next(arg, &req);
	else if (req->head.type == MSG_unit_bye)
		on_bye(arg, &req);
	else
		fail_msg("message %u", req->head.type);
}

static int sub(struct host *h, const char *name)
{
	char path[100];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", h->folder, name);
	mkdir(path, 0700);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void make_failpoints(struct host *h)
{
	static const char *const names[] = {
#define FAILPOINT(name, help) #name,
#include "failpoint.def"
#undef FAILPOINT
	};
	int fd = memfd_create("failpoints", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, FP_COUNT * RECORD), 0);
	h->failpoints = mmap(NULL, FP_COUNT * RECORD, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(h->failpoints != MAP_FAILED);
	for (size_t i = 0; i < FP_COUNT; i++)
		snprintf((char *)h->failpoints + i * RECORD, 40, "%s", names[i]);
	h->fds[FD_FAILPOINTS] = fd;
}

static uint32_t *word(struct host *h, enum failpoint fp, unsigned n)
{
	return (uint32_t *)(void *)(h->failpoints + (size_t)fp * RECORD + 40) + n;
}

void host_arm(struct host *h, enum failpoint fp, enum failpoint_act act, uint32_t countdown)
{
	*word(h, fp, 0) = act;
	__atomic_store_n(word(h, fp, 1), countdown, __ATOMIC_SEQ_CST);
}

unsigned host_fired(struct host *h, enum failpoint fp)
{
	return *word(h, fp, 4);
}

void host_init(struct host *h)
{
	struct err e;
	int i;

	memset(h, 0, sizeof(*h));
	h->alive = -1;
	for (i = 0; i <= FD_LAST; i++)
		h->fds[i] = -1;
	snprintf(h->folder, sizeof(h->folder), "/tmp/relay-live-XXXXXX");
	assert_non_null(mkdtemp(h->folder));
	h->fds[FD_RUN] = sub(h, "run");
	h->fds[FD_STATE] = sub(h, "state");
	h->fds[FD_LOCK] = openat(h->fds[FD_RUN], "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(secret_key_make(h->fds[FD_RUN], "key", &h->key, &e), 0);
	make_failpoints(h);
	assert_int_equal(fchdir(h->fds[FD_RUN]), 0);
	h->loop = loop_new();
	h->link = link_new(h->loop);
	if (link_listen(h->link, "agent.sock", 8, 0600, on_request, h, &e) < 0)
		fail_msg("%s", e.text);
	h->relay = link_dial(h->link, "relay.sock");
}

void host_fini(struct host *h)
{
	char command[100];
	int i;

	link_peer_free(&h->relay);
	link_free(&h->link);
	loop_free(&h->loop);
	json_decref(h->status);
	munmap(h->failpoints, FP_COUNT * RECORD);
	for (i = 0; i <= FD_LAST; i++)
		io_close(&h->fds[i]);
	assert_int_equal(chdir("/"), 0);
	snprintf(command, sizeof(command), "rm -rf '%s'", h->folder);
	assert_int_equal(system(command), 0);
}

static char *make_slice(const struct secret_key *key, const struct endpoint *ep, const char *options)
{
	json_t *up = endpoint_to_json(ep), *o;
	struct buf cipher = {0}, out = {0};
	struct err e;

	assert_int_equal(secret_encrypt(key, ep->password, &cipher, &e), 0);
	json_object_set_new(up, "password", json_string(buf_cstr(&cipher)));
	o = json_pack("{s:s,s:s,s:i,s:i,s:s,s:o,s:o}", "unit", "relay", "source", "test", "slot", 1, "sub", 0,
		"log_level", "info", "upstream", up, "options", json_loads(options, 0, NULL));
	assert_non_null(o);
	json_write(o, &out);
	json_decref(o);
	buf_free(&cipher);
	buf_cstr(&out);
	return out.p;
}

/* Between fork and exec: system calls only. */
static void child(const struct host *h, int exe)
{
	char *argv[] = {(char *)(uintptr_t) "tidegate-relay", (char *)(uintptr_t) "--slot=1",
		(char *)(uintptr_t) "--sub=0", (char *)(uintptr_t) "--title=test", NULL};
	char *env[] = {NULL};
	int i;

	/* The box refuses root. The saved uid that host_as_nobody left goes too. */
	if (getuid() == 0 && (seteuid(0) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
				     setresuid(NOBODY, NOBODY, NOBODY) < 0))
		_exit(123);
	for (i = FD_LOG; i <= FD_LAST; i++)
		if (h->fds[i] >= 0 && dup2(h->fds[i], i + HIGH) < 0)
			_exit(120);
	for (i = FD_LOG; i <= FD_LAST; i++)
		if (h->fds[i] >= 0 && dup2(i + HIGH, i) < 0)
			_exit(121);
	close_range(FD_LAST + 1, (unsigned)exe - 1, 0);
	fexecve(exe, argv, env);
	_exit(124);
}

void host_start(struct host *h, const struct endpoint *ep, const char *options)
{
	char *slice = make_slice(&h->key, ep, options);
	int pipe_fd[2], exe, low;
	struct err e;

	io_close(&h->fds[FD_CONFIG]);
	h->fds[FD_CONFIG] = io_sealed_memfd("slice", slice, strlen(slice), &e);
	free(slice);
	io_close(&h->fds[FD_KEY]);
	h->fds[FD_KEY] = openat(h->fds[FD_RUN], "key", O_RDONLY | O_CLOEXEC);
	io_close(&h->fds[FD_LOG]);
	h->fds[FD_LOG] = openat(h->fds[FD_RUN], "log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_int_equal(pipe2(pipe_fd, O_CLOEXEC), 0);
	io_close(&h->fds[FD_SUPERVISOR]);
	h->fds[FD_SUPERVISOR] = pipe_fd[0];
	io_close(&h->alive);
	h->alive = pipe_fd[1];
	low = open(RELAY, O_RDONLY | O_CLOEXEC);
	exe = fcntl(low, F_DUPFD_CLOEXEC, 2 * HIGH);
	close(low);
	assert_true(exe >= 0);
	h->pid = fork();
	if (h->pid == 0)
		child(h, exe);
	close(exe);
	assert_true(h->pid > 0);
}

int host_poll(struct host *h)
{
	int status;

	if (!h->pid || waitpid(h->pid, &status, WNOHANG) != h->pid)
		return -1;
	h->pid = 0;
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

void host_turn(struct host *h, int ms)
{
	uint64_t end = clock_ms() + (uint64_t)ms;

	do
		loop_once(h->loop, 10);
	while (clock_ms() < end);
}

int host_end(struct host *h, int signo)
{
	uint64_t end = clock_ms() + 30000;
	int status;

	if (!h->pid)
		return -1;
	if (signo == SIGKILL)
		kill(h->pid, signo);
	else
		io_close(&h->alive);
	while ((status = host_poll(h)) < 0 && clock_ms() < end)
		host_turn(h, 5);
	return status;
}

struct answer {
	bool done;
	struct err e;
	struct buf *reply;
};

static void on_answer(void *arg, const struct err *e, struct str reply)
{
	struct answer *a = arg;

	a->done = true;
	if (e)
		a->e = *e;
	else
		buf_put(a->reply, reply.p, reply.n);
}

int host_ask(struct host *h, const struct buf *msg, uint16_t reply_type, struct buf *reply, struct str *body,
	struct err *e)
{
	struct answer a = {.reply = reply};

	buf_clear(reply);
	link_call(h->relay, msg, 5000, on_answer, &a);
	while (!a.done)
		loop_once(h->loop, 100);
	if (a.e.code) {
		*e = a.e;
		return -1;
	}
	return msg_expect(buf_str(reply), reply_type, body, e);
}
