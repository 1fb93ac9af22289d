/*
 * The skeleton of agent and master from outside: this program again, by exec, as a small master that echoes;
 * the test plays the supervisor. What is proved: it comes up in its box, serves, and leaves by every way
 * there is.
 */
#include "common/proc/daemon.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/base/log.h"
#include "common/config/json.h"
#include "common/proc/fake_supervisor.h"
#include "spawn.h"

/* ---- the daemon ---- */

struct echo {
	uint64_t leave_at;
	int before; /* opened before the box closed */
};

/* Three quarters of what it may have, and a few. */
static void use_up(void)
{
	struct rlimit few = {.rlim_cur = 256, .rlim_max = 256};

	if (setrlimit(RLIMIT_NOFILE, &few) < 0)
		abort();
	while (fcntl(0, F_DUPFD_CLOEXEC, 0) < 200)
		;
}

static int echo_open(void *self, struct daemon_env *env, struct err *e)
{
	struct echo *d = self;

	d->before = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->before < 0 || env->link)
		return err_set(e, ERR_internal, "open() comes too late");
	if (json_flag(env->config, "fail_open", false))
		return err_set(e, ERR_internal, "open as told");
	if (json_flag(env->config, "few", false))
		use_up();
	return 0;
}

static void echo_on(void *arg, struct link_req *req)
{
	struct msg_ok ok = {0};
	struct buf b = {0};

	(void)arg;
	msg_put_ok(&b, req->head.request, &ok);
	link_reply(&req, &b);
	buf_free(&b);
}

static int echo_ready(void *self, struct daemon_env *env, struct err *e)
{
	struct echo *d = self;

	if (open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0)
		return err_set(e, ERR_internal, "the box is not closed");
	int fd = openat(env->state_fd, "state", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, ERR_io, "state");
	close(fd);
	if (json_flag(env->config, "fail_ready", false))
		return err_set(e, ERR_internal, "ready as told");
	d->leave_at = 0;
	return link_listen(env->link, "master.sock", 2, 0666, echo_on, d, e);
}

static int echo_tick(void *self, struct daemon_env *env, struct err *e)
{
	(void)self;
	if (json_flag(env->config, "fail_tick", false))
		return err_set(e, ERR_internal, "tick as told");
	if (json_flag(env->config, "leave", false))
		daemon_leave(env);
	if (json_flag(env->config, "stuck", false))
		clock_sleep_ms(3600 * 1000);
	return 0;
}

static void echo_reload(void *self, struct daemon_env *env)
{
	(void)self;
	log_error("reloaded at %s", env->log_level);
}

static bool echo_leave(void *self, struct daemon_env *env)
{
	struct echo *d = self;

	if (!daemon_leaving(env))
		abort();
	if (!d->leave_at)
		d->leave_at = clock_ms() + 500;
	return clock_ms() >= d->leave_at;
}

static void echo_close(void *self, struct daemon_env *env)
{
	struct echo *d = self;

	(void)env;
	if (d->before >= 0)
		close(d->before);
}

/* As the agent: not renewable. */
static const struct daemon echo = {
	.kind = UNIT_master,
	.state = sizeof(struct echo),
	.open = echo_open,
	.ready = echo_ready,
	.tick = echo_tick,
	.reload = echo_reload,
	.leave = echo_leave,
	.close = echo_close,
};

/* ---- the test ---- */

static char folder[] = "/tmp/tidegate-daemon-XXXXXX";
static int run_fd, state_fd;
static const char *const arguments[] = {"tidegate-master", "--title=host", NULL};

static struct fake_proc start(const char *options)
{
	char slice[256];

	snprintf(slice, sizeof slice, "{\"unit\":\"master\"%s%s}", *options ? "," : "", options);
	struct fake_proc p = fake_proc_make(run_fd, state_fd, slice, true);
	fake_proc_start(&p, "/proc/self/exe", arguments);
	return p;
}

/* Waits until it answers: then it is up. */
static void greet(void)
{
	struct loop *l = loop_new();
	struct link *k = link_new(l);
	struct link_peer *peer = link_dial(k, "master.sock");
	struct msg_command m = {.word = STR_LIT("list-member")};
	struct buf b = {0}, reply = {0};
	struct str body;
	struct err e;

	msg_put_command(&b, link_request_id(), &m);
	assert_int_equal(link_call_wait(peer, &b, 10000, &reply, &e), 0);
	assert_int_equal(msg_expect(buf_str(&reply), MSG_ok, &body, &e), 0);
	link_free(&k);
	loop_free(&l);
	buf_free(&b);
	buf_free(&reply);
}

static void ends(struct fake_proc *p, int wanted, const char *log, uint64_t ms)
{
	int status = fake_proc_wait(p, NULL, ms);

	if (status != wanted || !strstr(buf_cstr(&p->lines), log))
		fail_msg(
			"ended with %d, wanted %d and \"%s\":\n%s", status, wanted, log, buf_cstr(&p->lines));
	buf_free(&p->lines);
}

static void leaves_by_signal(void **state)
{
	(void)state;
	struct fake_proc p = start("");
	greet();
	uint64_t t = clock_ms();
	kill(p.pid, SIGTERM);
	ends(&p, 0, "leaving: SIGTERM", 5000);
	assert_in_range(clock_ms() - t, 450, 4000); /* leave() was waited for */
}

static void leaves_as_orphan(void **state)
{
	(void)state;
	struct fake_proc p = start("");
	greet();
	close(p.alive);
	p.alive = -1;
	ends(&p, 0, "leaving: the supervisor is gone", 5000);
}

static void leaves_by_itself(void **state)
{
	(void)state;
	struct fake_proc p = start("\"leave\":true");
	ends(&p, 0, "leaving: asked to", 5000);
}

static void a_stuck_one_is_ended(void **state)
{
	(void)state;
	struct fake_proc p = start("\"stuck\":true");
	clock_sleep_ms(500);
	kill(p.pid, SIGTERM);
	uint64_t t = clock_ms();
	ends(&p, 75, "leaving hard", 20000);
	assert_in_range(clock_ms() - t, 9000, 13000);
}

static void put_file(const char *text)
{
	struct err e = {0};
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(io_replace_file(fd, "tidegate-master.conf", text, strlen(text), 0644, &e), 0);
	close(fd);
}

/* The own file goes before the level that tidegated sends; a wrong file leaves everything as it was. */
static void hup_reads_its_file_again(void **state)
{
	char options[100];
	union sigval level = {.sival_int = SPAWN_HUP_LEVEL + LOG_ERROR_};

	(void)state;
	snprintf(options, sizeof options, "\"config\":\"%s/tidegate-master.conf\"", folder);
	struct fake_proc p = start(options);
	greet();
	put_file("log-level = debug\n");
	kill(p.pid, SIGHUP);
	clock_sleep_ms(300);
	put_file("log-level = loud\n");
	sigqueue(p.pid, SIGHUP, level);
	clock_sleep_ms(300);
	put_file("# nothing\n");
	kill(p.pid, SIGHUP);
	clock_sleep_ms(300);
	greet();
	kill(p.pid, SIGTERM);
	assert_int_equal(fake_proc_wait(&p, NULL, 5000), 0);
	const char *debug = strstr(buf_cstr(&p.lines), "reloaded at debug"), *wrong, *error;
	wrong = debug ? strstr(debug, "left aside: tidegate-master.conf:1:1: `log-level` can't be `loud`")
		      : NULL;
	wrong = wrong ? strstr(wrong, "reloaded at debug") : NULL;
	error = wrong ? strstr(wrong, "reloaded at error") : NULL;
	if (!error || strstr(error, "leaving"))
		fail_msg("%s", buf_cstr(&p.lines));
	buf_free(&p.lines);

	p = start("\"log_level\":\"warn\""); /* a process without a file takes what it is sent */
	greet();
	level.sival_int = SPAWN_HUP_LEVEL + LOG_INFO_;
	sigqueue(p.pid, SIGHUP, level);
	clock_sleep_ms(300);
	kill(p.pid, SIGTERM);
	ends(&p, 0, "reloaded at info", 5000);
}

static void a_wrong_file_ends_it(void **state)
{
	char options[100];

	(void)state;
	put_file("log_level = debug\n");
	snprintf(options, sizeof options, "\"config\":\"%s/tidegate-master.conf\"", folder);
	struct fake_proc p = start(options);
	ends(&p, 78, "tidegate-master.conf:1:1: unknown key `log_level`", 5000);
}

static void errors_end_it(void **state)
{
	struct fake_proc p;

	(void)state;
	p = start("\"fail_open\":true");
	ends(&p, 1, "open as told", 5000);
	p = start("\"fail_ready\":true");
	ends(&p, 1, "ready as told", 5000);
	p = start("\"fail_tick\":true");
	ends(&p, 1, "tick as told", 5000);
	p = start("\"unit\":\"agent\"");
	ends(&p, 2, "slice", 5000);
}

/* Units end with their agent: it is not to end because somebody holds many connections. */
static void goes_on_with_few_descriptors(void **state)
{
	(void)state;
	struct fake_proc p = start("\"few\":true");
	greet();
	clock_sleep_ms(22000); /* one that is renewable begins anew after 20 s (s04-control) */
	greet();
	kill(p.pid, SIGTERM);
	ends(&p, 0, "three quarters of 256 descriptors are in use: more units", 5000);
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
	unlinkat(run_fd, "../tidegate-master.conf", 0);
	unlinkat(run_fd, "proc.lock", 0);
	unlinkat(run_fd, "master.sock", 0);
	unlinkat(state_fd, "state", 0);
	if (chdir(folder) < 0 || rmdir("run") < 0 || rmdir("state") < 0)
		return -1;
	return rmdir(folder);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_by_signal),
		cmocka_unit_test(leaves_as_orphan),
		cmocka_unit_test(leaves_by_itself),
		cmocka_unit_test(a_stuck_one_is_ended),
		cmocka_unit_test(hup_reads_its_file_again),
		cmocka_unit_test(a_wrong_file_ends_it),
		cmocka_unit_test(errors_end_it),
		cmocka_unit_test(goes_on_with_few_descriptors),
	};

	if (strcmp(argv[0], "tidegate-master") == 0)
		return daemon_run(&echo, argc, argv);
	return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
