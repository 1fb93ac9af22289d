/*
 * The unit skeleton from outside: this test plays supervisor (descriptors, user, exec) and agent (a link that
 * listens) to tidegate-probe, a whole process in its real box. What is proved: the order of coming up, what
 * /proc says of it, orders, every way of leaving, and that a badly started process ends with one clear line.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/base/log.h"
#include "common/config/json.h"
#include "common/config/secret.h"
#include "common/proc/fake_supervisor.h"
#include "common/proc/unit.h"
#include "fds.h"

enum { SLOT = 1, SUB = 2 };

static char folder[] = "/tmp/tidegate-probe-XXXXXX";
static int run_fd, state_fd;

/* The agent's side: what it heard, what it orders. */
struct agent {
	struct loop *loop;
	struct link *link;
	unsigned hellos, nexts, byes;
	uint64_t revision;
	uint32_t order;
	const char *args;
	pid_t pid;
	uid_t uid;
	uint32_t hello_pid, stage, bye_stage;
	uint64_t progress;
	struct err error;
	json_t *status; /* the last one */
};

static const char *const arguments[] = {
	"tidegate-probe", "--slot=1", "--sub=2", "--title=orders@mysql-01", NULL};

/* ---- agent ---- */

static void take_status(struct agent *a, struct str text)
{
	struct err e;

	if (!text.n)
		return;
	json_decref(a->status);
	a->status = json_parse(text, "status", &e);
	assert_non_null(a->status);
}

static void on_hello(struct agent *a, struct link_req **req)
{
	struct msg_unit_hello m;
	struct msg_unit_welcome w = {.revision = a->revision, .order = a->order, .args = str_of(a->args)};
	struct buf b = {0};
	struct err e;

	assert_int_equal(msg_get_unit_hello((*req)->body, &m, &e), 0);
	assert_int_equal(m.kind, UNIT_probe);
	assert_int_equal(m.slot, SLOT);
	assert_int_equal(m.sub, SUB);
	a->hello_pid = m.pid;
	a->hellos++;
	msg_put_unit_welcome(&b, (*req)->head.request, &w);
	link_reply(req, &b);
	buf_free(&b);
}

static void on_next(struct agent *a, struct link_req **req)
{
	struct msg_unit_next m;
	struct msg_unit_order o = {.revision = a->revision, .order = a->order, .args = str_of(a->args)};
	struct buf b = {0};
	struct err e;

	assert_int_equal(msg_get_unit_next((*req)->body, &m, &e), 0);
	a->nexts++;
	a->stage = m.stage;
	a->progress = m.progress;
	take_status(a, m.status);
	msg_put_unit_order(&b, (*req)->head.request, &o); /* at once, always: the unit must not spin */
	link_reply(req, &b);
	buf_free(&b);
}

static void on_bye(struct agent *a, struct link_req **req)
{
	struct msg_unit_bye m;
	struct msg_ok ok = {0};
	struct buf b = {0};
	struct err e;

	assert_int_equal(msg_get_unit_bye((*req)->body, &m, &e), 0);
	a->byes++;
	a->bye_stage = m.stage;
	a->error = m.error;
	take_status(a, m.status);
	msg_put_ok(&b, (*req)->head.request, &ok);
	link_reply(req, &b);
	buf_free(&b);
}

static void on_request(void *arg, struct link_req *req)
{
	struct agent *a = arg;

	a->pid = req->peer_pid;
	a->uid = req->peer_uid;
	if (req->head.type == MSG_unit_hello)
		on_hello(a, &req);
	else if (req->head.type == MSG_unit_next)
		on_next(a, &req);
	else if (req->head.type == MSG_unit_bye)
		on_bye(a, &req);
	else
		fail();
}

static void agent_start(struct agent *a)
{
	struct err e;

	*a = (struct agent){.loop = loop_new(), .revision = 1, .order = ORDER_RUN, .args = ""};
	a->link = link_new(a->loop);
	if (link_listen(a->link, "agent.sock", 8, 0777, on_request, a, &e) < 0)
		fail_msg("%s", e.text);
}

static void agent_stop(struct agent *a)
{
	link_free(&a->link);
	loop_free(&a->loop);
	json_decref(a->status);
}

static void agent_order(struct agent *a, uint32_t order, const char *args)
{
	a->revision++;
	a->order = order;
	a->args = args;
}

static void agent_run(struct agent *a, const unsigned *n, unsigned want, uint64_t ms)
{
	uint64_t end = clock_ms() + ms;

	while (*n < want && clock_ms() < end)
		loop_once(a->loop, 20);
}

/* ---- supervisor ---- */

static struct fake_proc proc_run(const char *options)
{
	char slice[2048];

	snprintf(slice, sizeof slice,
		"{\"unit\":\"probe\",\"slot\":1,\"sub\":2,\"log_level\":\"info\",\"upstream\":{\"port\":"
		"13105},\"options\":{%s}}",
		options);
	struct fake_proc p = fake_proc_make(run_fd, state_fd, slice, true);
	fake_proc_start(&p, PROBE, arguments);
	return p;
}

/* Waits for its end with the agent at work (a may be NULL); exit status, or 1000 + signal. */
static int proc_end(struct fake_proc *p, struct agent *a, uint64_t ms)
{
	int status = fake_proc_wait(p, a ? a->loop : NULL, ms);

	if (status < 0)
		fail_msg("still there after %d ms:\n%s", (int)ms, buf_cstr(&p->lines));
	return status;
}

static void proc_log_has(struct fake_proc *p, const char *text)
{
	if (!strstr(buf_cstr(&p->lines), text))
		fail_msg("\"%s\" is not in the log:\n%s", text, buf_cstr(&p->lines));
	buf_free(&p->lines);
}

static void proc_file(pid_t pid, const char *name, char *out, size_t size)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);
	assert_true(n >= 0);
	out[n] = 0;
	close(fd);
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

static const char *result(const struct agent *a, const char *word)
{
	return json_text(json_object_get(a->status, "results"), word, "not tried");
}

/* ---- a healthy life ---- */

/* What ps and /proc show of a unit: the issue's own list. */
static void look_at(pid_t pid)
{
	char text[4096], uid[32];

	proc_file(pid, "status", text, sizeof text);
	has(text, "NoNewPrivs:\t1");
	has(text, "Seccomp:\t2");
	has(text, "CapEff:\t0000000000000000");
	has(text, "CapPrm:\t0000000000000000");
	snprintf(uid, sizeof uid, "Uid:\t%u\t", fake_uid());
	has(text, uid);
	unsigned threads = (unsigned)strtoul(strstr(text, "Threads:\t") + 9, NULL, 10);
	print_message("threads of a unit: %u\n", threads);
#ifndef TIDEGATE_SANITIZED
	assert_in_range(threads, 2, 12); /* main, watcher, 10 of nng's (T41) */
#endif
	proc_file(pid, "comm", text, sizeof text);
	assert_string_equal(text, "tidegate-probe\n");
	proc_file(pid, "cmdline", text, sizeof text);
	assert_string_equal(text, "tidegate-probe: orders@mysql-01");
	proc_file(pid, "limits", text, sizeof text);
	has(text, "Max core file size        0                    0 ");
}

static void comes_up_and_leaves(void **state)
{
	struct agent a;

	(void)state;
	agent_start(&a);
	struct fake_proc p = proc_run("\"tick_ms\":50");
	agent_run(&a, &a.nexts, 3, 10000);
	assert_int_equal(a.hellos, 1);
	assert_int_equal(a.hello_pid, p.pid);
	assert_int_equal(a.pid, p.pid);
	assert_int_equal(a.uid, fake_uid());
	assert_int_equal(a.stage, STAGE_Running);
	assert_true(a.progress > 5);
	assert_string_equal(json_text(a.status, "phase", ""), "run");
	look_at(p.pid);
	agent_order(&a, ORDER_ARGS, "{\"pins\":[1]}");
	unsigned seen = a.nexts;
	agent_run(&a, &a.nexts, seen + 3, 5000);
	assert_non_null(json_object_get(json_object_get(a.status, "results"), "order"));
	agent_order(&a, ORDER_STOP, "{\"deadline_ms\":5000}");
	assert_int_equal(proc_end(&p, &a, 5000), 0);
	assert_int_equal(a.byes, 1);
	assert_int_equal(a.bye_stage, STAGE_Stopped);
	assert_int_equal(a.error.code, 0);
	proc_log_has(&p, "leaving: asked to");
	agent_stop(&a);
}

/* An agent that answers at once is asked about once a second, not in a circle. */
static void does_not_spin(void **state)
{
	struct agent a;

	(void)state;
	agent_start(&a);
	struct fake_proc p = proc_run("\"row\":\"sync\"");
	agent_run(&a, &a.nexts, 1, 10000);
	unsigned before = a.nexts;
	agent_run(&a, &a.nexts, 1000, 2500);
	assert_in_range(a.nexts - before, 1, 15); /* a young one beats five times a second */
	kill(p.pid, SIGTERM);
	assert_int_equal(proc_end(&p, &a, 5000), 0);
	assert_int_equal(a.bye_stage, STAGE_Stopped);
	buf_free(&p.lines);
	agent_stop(&a);
}

static void waits_for_its_order(void **state)
{
	struct agent a;

	(void)state;
	agent_start(&a);
	a.order = 0;
	struct fake_proc p = proc_run("\"tick_ms\":10");
	agent_run(&a, &a.nexts, 2, 10000);
	assert_int_equal(a.stage, STAGE_New);
	assert_int_equal(a.progress, 0);
	agent_order(&a, ORDER_RUN, "");
	agent_run(&a, &a.nexts, 5, 10000);
	assert_int_equal(a.stage, STAGE_Running);
	agent_order(&a, ORDER_STOP, "");
	assert_int_equal(proc_end(&p, &a, 5000), 0);
	buf_free(&p.lines);
	agent_stop(&a);
}

static void finishes(void **state)
{
	struct agent a;

	(void)state;
	agent_start(&a);
	unlinkat(state_fd, "ticks", 0);
	for (int i = 1; i <= 2; i++) { /* the second goes on from the first one's count */
		struct fake_proc p = proc_run(
			"\"row\":\"relay\",\"tick_ms\":10,\"count_file\":\"ticks\",\"finish_ticks\":5");
		assert_int_equal(proc_end(&p, &a, 10000), 0);
		assert_int_equal(a.bye_stage, STAGE_Finished);
		assert_int_equal(json_num(a.status, "ticks", 0), 5 * i);
		buf_free(&p.lines);
	}
	agent_stop(&a);
}

static void fails(void **state)
{
	struct agent a;

	(void)state;
	agent_start(&a);
	struct fake_proc p = proc_run("\"tick_ms\":10,\"fail_ticks\":3,\"fail_code\":60502");
	assert_int_equal(proc_end(&p, &a, 10000), 1);
	assert_int_equal(a.bye_stage, STAGE_Paused);
	assert_int_equal(a.error.code, ERR_sync_row_missing);
	assert_string_equal(a.error.text, "as told");
	proc_log_has(&p, "as told");
	agent_stop(&a);
}

/* ---- the box from inside a whole unit ---- */

static void tries(void **state)
{
	struct agent a;

	(void)state;
	agent_start(&a);
	struct fake_proc p = proc_run(
		"\"row\":\"load\",\"try\":[\"read:/etc/passwd\",\"read:agent.sock\",\"write:state/x\","
		"\"write:/tmp/"
		"x\",\"connect:13105\",\"resolve:localhost\",\"thread\",\"code\"],\"expect_kill\":\"fork\"");
	assert_int_equal(proc_end(&p, &a, 15000), 1000 + SIGSYS);
	assert_string_equal(result(&a, "read:/etc/passwd"), "allowed");
	assert_string_equal(result(&a, "write:state/x"), "refused(EACCES)");
	assert_string_equal(result(&a, "write:/tmp/x"), "refused(EACCES)");
	assert_string_equal(
		result(&a, "connect:13105"), "refused(EACCES)"); /* the upstream's: not for load */
	assert_string_equal(result(&a, "resolve:localhost"), "allowed");
	assert_string_equal(result(&a, "thread"), "allowed");
	assert_string_equal(result(&a, "code"), "refused(EPERM)");
	assert_int_equal(a.byes, 0);
	proc_log_has(&p, "trying fork");
	agent_stop(&a);
}

/* ---- leaving, hard ---- */

/* The supervisor is killed: its end of the pipe closes. */
static void orphans_leave(void **state)
{
	struct agent a;

	(void)state;
	agent_start(&a);
	struct fake_proc p = proc_run("\"tick_ms\":50");
	agent_run(&a, &a.nexts, 1, 10000);
	io_close(&p.alive);
	uint64_t t = clock_ms();
	assert_int_equal(proc_end(&p, &a, 9000), 0);
	assert_true(clock_ms() - t < 4000);
	assert_int_equal(a.bye_stage, STAGE_Stopped);
	buf_free(&p.lines);
	agent_stop(&a);
}

static void deaf_ones_are_ended(void **state)
{
	static const char *const how[] = {"\"sleep_main_s\":3600", "\"sleep_worker_s\":3600"};
	struct agent a;

	(void)state;
	for (int i = 0; i < 2; i++) {
		agent_start(&a);
		struct fake_proc p = proc_run(how[i]);
		agent_run(&a, &a.nexts, 1, 10000);
		clock_sleep_ms(100);
		if (i == 0)
			kill(p.pid, SIGTERM); /* the main thread hears no order */
		else
			agent_order(&a, ORDER_STOP, "{\"deadline_ms\":1000}");
		uint64_t t = clock_ms();
		assert_int_equal(proc_end(&p, &a, 20000), 75);
		uint64_t took = clock_ms() - t;
		if (i == 0)
			assert_in_range(took, 9000, 13000);
		else
			assert_in_range(took, 500, 4000);
		proc_log_has(&p, "leaving hard");
		agent_stop(&a);
	}
}

/* A successor of a process that is still leaving waits for the lock (T36). */
static void successors_wait(void **state)
{
	struct agent a;

	(void)state;
	agent_start(&a);
	int fd = openat(run_fd, "proc.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	struct fake_proc p = proc_run("\"tick_ms\":50");
	agent_run(&a, &a.hellos, 1, 700);
	assert_int_equal(a.hellos, 0);
	close(fd);
	agent_run(&a, &a.nexts, 1, 10000);
	assert_int_equal(a.hellos, 1);
	struct fake_proc second = proc_run("");
	agent_run(&a, &a.hellos, 2, 700);
	assert_int_equal(a.hellos, 1);
	io_close(&second.alive); /* its supervisor goes while it waits */
	assert_int_equal(proc_end(&second, &a, 5000), 1);
	proc_log_has(&second, "the supervisor went away");
	kill(p.pid, SIGKILL);
	assert_int_equal(proc_end(&p, &a, 5000), 1000 + SIGKILL);
	buf_free(&p.lines);
	agent_stop(&a);
}

static void nobody_to_greet(void **state)
{
	(void)state;
	struct fake_proc p = proc_run("");
	uint64_t t = clock_ms();
	assert_int_equal(proc_end(&p, NULL, 20000), 1);
	assert_in_range(clock_ms() - t, 8000, 15000);
	proc_log_has(&p, "agent.sock: no answer");
}

/* The agent dies: a new one that soon listens again is asked on; without one the unit leaves after 30 s. */
static void agents_go(void **state)
{
	struct agent a;

	(void)state;
	agent_start(&a);
	struct fake_proc p = proc_run("\"tick_ms\":50");
	agent_run(&a, &a.nexts, 2, 10000);
	agent_stop(&a);
	clock_sleep_ms(1500);
	agent_start(&a);
	agent_run(&a, &a.nexts, 2, 10000);
	assert_int_equal(a.hellos, 0);
	assert_true(a.nexts >= 2);
	agent_stop(&a);
	uint64_t t = clock_ms();
	assert_int_equal(proc_end(&p, NULL, 60000), 1);
	assert_in_range(clock_ms() - t, 25000, 50000);
	proc_log_has(&p, "the agent has been silent for 30 s");
}

/* ---- secrets ---- */

static int key_fd(const struct secret_key *key)
{
	struct err e;
	int fd = io_sealed_memfd("key", key->bytes, sizeof key->bytes, &e);

	assert_true(fd >= 0);
	return fd;
}

static struct fake_proc with_password(const char *password, int key)
{
	char slice[1024];

	snprintf(slice, sizeof slice,
		"{\"unit\":\"probe\",\"upstream\":{\"port\":13105,\"password\":\"%s\"},\"options\":{\"tick_"
		"ms\":10,\"finish_ticks\":3}}",
		password);
	struct fake_proc p = fake_proc_make(run_fd, state_fd, slice, true);
	p.fds[FD_KEY] = key;
	fake_proc_start(&p, PROBE, arguments);
	return p;
}

static void passwords(void **state)
{
	struct secret_key key = {{1, 2, 3}}, other = {{9}};
	struct buf text = {0};
	struct agent a;
	struct err e;

	(void)state;
	assert_int_equal(secret_encrypt(&key, "sesame, open", &text, &e), 0);
	agent_start(&a);
	struct fake_proc p = with_password(buf_cstr(&text), key_fd(&key));
	assert_int_equal(proc_end(&p, &a, 10000), 0);
	assert_int_equal(json_num(a.status, "password_n", 0), strlen("sesame, open"));
	assert_null(strstr(json_text(a.status, "password_left", "?"), "sesame"));
	buf_free(&p.lines);
	p = with_password(buf_cstr(&text), key_fd(&other));
	assert_int_equal(proc_end(&p, &a, 10000), 1);
	assert_int_equal(a.bye_stage, STAGE_Paused); /* told, although nothing was opened */
	assert_int_equal(a.error.code, ERR_secret_bad);
	proc_log_has(&p, "upstream.password");
	p = with_password(buf_cstr(&text), -1);
	assert_int_equal(proc_end(&p, &a, 10000), 1);
	proc_log_has(&p, "no key");
	p = with_password("in plain", key_fd(&key)); /* would have passed the agent in plain: refused */
	assert_int_equal(proc_end(&p, &a, 10000), 1);
	assert_null(strstr(buf_cstr(&p.lines), "in plain"));
	proc_log_has(&p, "upstream.password");
	agent_stop(&a);
	buf_free(&text);
}

/* ---- started wrongly ---- */

static void bad_start(const char *slice, bool sealed, int without, const char *slot, const char *text)
{
	const char *argv[] = {"tidegate-probe", slot, "--sub=2", NULL};
	struct fake_proc p = fake_proc_make(run_fd, state_fd, slice, sealed);

	if (without >= 0)
		io_close(&p.fds[without]);
	fake_proc_start(&p, PROBE, argv);
	int status = proc_end(&p, NULL, 5000);
	if (status != 2)
		fail_msg("%s: exit %d:\n%s", text, status, buf_cstr(&p.lines));
	size_t lines = 0;
	for (size_t i = 0; i < p.lines.n; i++)
		lines += p.lines.p[i] == '\n';
	assert_int_equal(lines, 1);
	proc_log_has(&p, text);
}

static void bad_starts(void **state)
{
	static const char good[] = "{\"unit\":\"probe\"}";

	(void)state;
	bad_start("", true, -1, "--slot=1", "slice");
	bad_start("{\"unit\":", true, -1, "--slot=1", "slice");
	bad_start("[1]", true, -1, "--slot=1", "no JSON object");
	bad_start("{\"unit\":\"sync\"}", true, -1, "--slot=1", "is for \"sync\"");
	bad_start("{\"unit\":\"probe\",\"slot\":7}", true, -1, "--slot=1", "another slot");
	bad_start("{\"unit\":\"probe\",\"log_level\":\"loud\"}", true, -1, "--slot=1", "log_level");
	bad_start(good, false, -1, "--slot=1", "seal");
	bad_start(good, true, FD_CONFIG, "--slot=1", "not by hand");
	bad_start(good, true, FD_SUPERVISOR, "--slot=1", "not by hand");
	bad_start(good, true, FD_RUN, "--slot=1", "not by hand");
	bad_start(good, true, FD_LOCK, "--slot=1", "not by hand");
	bad_start(good, true, FD_STATE, "--slot=1", "state folder");
	bad_start(good, true, -1, "--slot=1000", "--slot");
	bad_start(good, true, -1, "--slot=-1", "--slot");
	bad_start(good, true, -1, "--slot=", "--slot");
	bad_start(good, true, -1, "--verbose", "unknown argument");
}

static int make_folders(void **state)
{
	(void)state;
	if (!mkdtemp(folder) || chmod(folder, 0755) < 0 || chdir(folder) < 0)
		return -1;
	mkdir("run", 0755);
	mkdir("state", 0755);
	run_fd = open("run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	state_fd = open("state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fchown(run_fd, fake_uid(), (gid_t)-1) < 0 || fchown(state_fd, fake_uid(), (gid_t)-1) < 0)
		return -1;
	return fchdir(run_fd);
}

static int remove_folders(void **state)
{
	(void)state;
	unlinkat(run_fd, "proc.lock", 0);
	unlinkat(state_fd, "ticks", 0);
	if (chdir(folder) < 0 || rmdir("run") < 0 || rmdir("state") < 0)
		return -1;
	return rmdir(folder);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_up_and_leaves),
		cmocka_unit_test(does_not_spin),
		cmocka_unit_test(waits_for_its_order),
		cmocka_unit_test(finishes),
		cmocka_unit_test(fails),
		cmocka_unit_test(tries),
		cmocka_unit_test(orphans_leave),
		cmocka_unit_test(deaf_ones_are_ended),
		cmocka_unit_test(successors_wait),
		cmocka_unit_test(nobody_to_greet),
		cmocka_unit_test(agents_go),
		cmocka_unit_test(passwords),
		cmocka_unit_test(bad_starts),
	};

	return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
