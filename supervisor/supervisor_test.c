/*
 * tidegated itself, with stub.c in the place of all other programs: the test speaks as the agent. Works as
 * root and as an ordinary user.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/io.h"
#include "fds.h"
#include "include/spawn.h"
#include "unit.h"

struct fixture {
	char dir[64], log[96];
	int listen, notify, alive;
	int agent; /* the agent's end of the socketpair */
	pid_t pid;
};

/* --- files and processes --- */

static void path(const struct fixture *f, char *out, size_t size, const char *name)
{
	snprintf(out, size, "%s/%s", f->dir, name);
}

static void copy_stub(const struct fixture *f)
{
	struct buf program = {0};
	struct err e;
	char name[200];

	assert_int_equal(io_read_file(AT_FDCWD, STUB, 64 << 20, &program, &e), 0);
	for (int k = 1; k < UNIT_KIND_END; k++) {
		int fd;

		snprintf(name, sizeof(name), "%s/libexec/%s", f->dir, unit_info(k)->executable);
		fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
		assert_true(fd >= 0);
		assert_int_equal(io_write_all(fd, program.p, program.n, &e), 0);
		close(fd);
	}
	buf_free(&program);
}

static int bound_socket(const struct fixture *f, const char *name, int type)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	path(f, to.sun_path, sizeof(to.sun_path), name);
	assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(chmod(to.sun_path, 0777), 0);
	return fd;
}

static int setup(void **state)
{
	static struct fixture f;
	char name[200];

	memset(&f, 0, sizeof(f));
	f.agent = f.alive = -1;
	snprintf(f.dir, sizeof(f.dir), "/tmp/tg-super-XXXXXX");
	assert_non_null(mkdtemp(f.dir)); /* 0700: as a state folder below /root (T35) */
	path(&f, f.log, sizeof(f.log), "log");
	path(&f, name, sizeof(name), "libexec");
	assert_int_equal(mkdir(name, 0755), 0);
	path(&f, name, sizeof(name), "run");
	assert_int_equal(mkdir(name, 0755), 0);
	copy_stub(&f);
	f.listen = bound_socket(&f, "run/test.sock", SOCK_SEQPACKET);
	assert_int_equal(listen(f.listen, 8), 0);
	f.notify = bound_socket(&f, "notify.sock", SOCK_DGRAM);
	*state = &f;
	return 0;
}

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(name);
}

static void show_log(const struct fixture *f)
{
	struct buf text = {0};

	if (io_read_file(AT_FDCWD, f->log, 1 << 20, &text, NULL) == 0)
		fprintf(stderr, "--- log of tidegated\n%s---\n", buf_cstr(&text));
	buf_free(&text);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->pid > 0) { /* the test failed half way */
		show_log(f);
		kill(f->pid, SIGQUIT);
		waitpid(f->pid, NULL, 0);
	}
	io_close(&f->agent);
	io_close(&f->alive);
	io_close(&f->listen);
	io_close(&f->notify);
	return nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static _Noreturn void exec_supervisor(const struct fixture *f, int alive)
{
	char st[100], run[100], lib[100], fd[16], notify[100];
	int log = open(f->log, O_WRONLY | O_CREAT | O_APPEND, 0600);

	path(f, st, sizeof(st), "state");
	path(f, run, sizeof(run), "run");
	path(f, lib, sizeof(lib), "libexec");
	path(f, notify, sizeof(notify), "notify.sock");
	snprintf(fd, sizeof(fd), "%d", alive);
	fcntl(alive, F_SETFD, 0);
	dup2(log, 2);
	setenv("NOTIFY_SOCKET", notify, 1);
	setenv("SECRET_THING", "x", 1);
	signal(SIGUSR1, SIG_IGN); /* must not reach the children */
	execl(TIDEGATED, "tidegated", "--state", st, "--run", run, "--libexec", lib, "--name", "host-1",
		"--with-master", "--alive-fd", fd, (char *)NULL);
	_exit(99);
}

static pid_t launch(struct fixture *f, int *alive)
{
	int pipes[2];
	pid_t pid;

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0)
		exec_supervisor(f, pipes[0]);
	close(pipes[0]);
	*alive = pipes[1];
	return pid;
}

/* Waits for the (next) agent's stub and takes its descriptor. */
static void meet_agent(struct fixture *f)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec io = {&byte, 1};
	struct msghdr m = {.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	struct pollfd p = {.fd = f->listen, .events = POLLIN};
	int conn;

	assert_int_equal(poll(&p, 1, 20000), 1);
	conn = accept4(f->listen, NULL, NULL, SOCK_CLOEXEC);
	assert_int_equal(recvmsg(conn, &m, MSG_CMSG_CLOEXEC), 1);
	io_close(&f->agent);
	memcpy(&f->agent, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
	close(conn);
}

static void start(struct fixture *f)
{
	f->pid = launch(f, &f->alive);
	meet_agent(f);
}

static int wait_exit(struct fixture *f)
{
	int status;

	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	f->pid = 0;
	return status;
}

static unsigned count_in_log(const struct fixture *f, const char *what)
{
	struct buf text = {0};
	unsigned n = 0;

	io_read_file(AT_FDCWD, f->log, 1 << 20, &text, NULL);
	for (const char *at = buf_cstr(&text); (at = strstr(at, what)); at++)
		n++;
	buf_free(&text);
	return n;
}

static void await_in_log(const struct fixture *f, const char *what, unsigned times)
{
	for (unsigned i = 0; i < 400 && count_in_log(f, what) < times; i++)
		clock_sleep_ms(50);
	assert_true(count_in_log(f, what) >= times);
}

/* --- speaking as the agent --- */

static void send_request(const struct fixture *f, const struct spawn_req *q, const int *fds)
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec io = {(void *)(uintptr_t)q, sizeof(*q)};
	struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};

	if (fds) {
		struct cmsghdr *c;

		m.msg_control = control.bytes;
		m.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(2 * sizeof(int));
		memcpy(CMSG_DATA(c), fds, 2 * sizeof(int));
	}
	assert_int_equal(sendmsg(f->agent, &m, 0), (ssize_t)sizeof(*q));
}

static struct spawn_rep next_report(const struct fixture *f)
{
	struct pollfd p = {.fd = f->agent, .events = POLLIN};
	struct spawn_rep rep;

	assert_int_equal(poll(&p, 1, 20000), 1);
	assert_int_equal(recv(f->agent, &rep, sizeof(rep), 0), (ssize_t)sizeof(rep));
	return rep;
}

static struct spawn_req request(unsigned kind, unsigned slot, unsigned sub, const char *title)
{
	struct spawn_req q = {.proto = SPAWN_PROTO, .type = SPAWN_REQ_START, .request = 42};

	q.kind = kind;
	q.slot = slot;
	q.sub = sub;
	strncpy(q.title, title, sizeof(q.title) - 1);
	return q;
}

/* Asks for a unit; its log comes out of the pipe at *log. */
static struct spawn_rep spawn(const struct fixture *f, struct spawn_req q, int *log)
{
	struct err e;
	int pipes[2], fds[2];

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	fds[0] = io_sealed_memfd("slice", "{\"unit\":1}", 10, &e);
	fds[1] = pipes[1];
	send_request(f, &q, fds);
	close(fds[0]);
	close(fds[1]);
	if (log)
		*log = pipes[0];
	else
		close(pipes[0]);
	return next_report(f);
}

/* Up to the newline. */
static void read_line(int fd, char *out, size_t size)
{
	size_t n = 0;

	while (n + 1 < size) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		assert_int_equal(poll(&p, 1, 20000), 1);
		if (read(fd, out + n, 1) != 1 || out[n] == '\n')
			break;
		n++;
	}
	out[n] = '\0';
}

/* All writers of the pipe are gone: the unit has ended. */
static bool ends_within(int fd, int ms)
{
	uint64_t until = clock_ms() + (uint64_t)ms;
	char waste[512];

	while (clock_ms() < until) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		if (poll(&p, 1, 50) > 0 && read(fd, waste, sizeof(waste)) == 0)
			return true;
	}
	return false;
}

static void contains(const char *line, const char *what)
{
	if (!strstr(line, what))
		fail_msg("no \"%s\" in: %s", what, line);
}

/* --- the tests --- */

static void a_unit_finds_what_it_should(void **state)
{
	struct fixture *f = *state;
	struct spawn_req q = request(UNIT_dump, 2, 7, "wait");
	struct spawn_rep rep;
	char line[1000], want[64];
	int log;

	start(f);
	rep = spawn(f, q, &log);
	assert_int_equal(rep.type, SPAWN_REP_STARTED);
	assert_int_equal(rep.request, 42);
	assert_true(rep.pid > 0);
	read_line(log, line, sizeof(line));
	contains(line, "name=tidegate-dump title=wait args=--slot=2,--sub=7 caps=0 ");
	snprintf(want, sizeof(want), "uid=%u gid=%u ", geteuid() ? geteuid() : 59002,
		geteuid() ? getegid() : 59002);
	contains(line, want);
	if (geteuid() == 0) {
		contains(line, " groups=0 ");
		contains(line, " state_uid=59002 state_mode=700 run_mode=2770 ");
	}
	contains(line, " nnp=1 umask=27 masked=2 pdeath=15 environ=0 "); /* SIGHUP waits */
	contains(line, " fds=3bf sid=1 "); /* 0-5, 7-9: no failpoints, nothing else */
	contains(line, " key=32 slice=10:{\"unit\":1}");
	q.type = SPAWN_REQ_SIGNAL;
	q.signo = SIGTERM;
	send_request(f, &q, NULL);
	rep = next_report(f);
	assert_int_equal(rep.type, SPAWN_REP_EXITED);
	assert_int_equal(rep.kind, UNIT_dump);
	assert_int_equal(rep.slot, 2);
	assert_int_equal(rep.sub, 7);
	assert_int_equal(rep.exit_code, 0);
	assert_true(rep.max_rss_kb > 0);
	close(log);
	kill(f->pid, SIGTERM);
	assert_int_equal(wait_exit(f), 0);
}

static void ends_are_reported(void **state)
{
	struct fixture *f = *state;
	struct spawn_rep rep;

	start(f);
	assert_int_equal(spawn(f, request(UNIT_relay, 1, 0, "exit7"), NULL).type, SPAWN_REP_STARTED);
	rep = next_report(f);
	assert_int_equal(rep.type, SPAWN_REP_EXITED);
	assert_int_equal(rep.exit_code, 7);
	assert_int_equal(rep.exit_signal, 0);
	assert_int_equal(spawn(f, request(UNIT_relay, 1, 0, "crash"), NULL).type, SPAWN_REP_STARTED);
	rep = next_report(f);
	assert_int_equal(rep.exit_code, -1);
	assert_int_equal(rep.exit_signal, SIGSEGV);
	kill(f->pid, SIGINT);
	assert_int_equal(wait_exit(f), 0);
	assert_int_equal(count_in_log(f, "obituary relay name=crash slot=1"), 1);
	assert_int_equal(count_in_log(f, "ended=\"signal 11\""), 1);
	assert_int_equal(count_in_log(f, "ended=\"exit 7\""), 1);
}

static void refusals_and_broken_agents(void **state)
{
	struct fixture *f = *state;
	struct spawn_req q = request(UNIT_sync, 1, 1, "wait");
	int log;

	start(f);
	assert_int_equal(spawn(f, q, &log).type, SPAWN_REP_STARTED);
	assert_int_equal(spawn(f, q, NULL).refused, SPAWN_BUSY);
	q.kind = UNIT_agent;
	assert_int_equal(spawn(f, q, NULL).refused, SPAWN_BAD_KIND);
	q = request(UNIT_sync, 1000, 1, "wait");
	assert_int_equal(spawn(f, q, NULL).refused, SPAWN_BAD_SLOT);
	q = request(UNIT_sync, 1, 2, "wait");
	send_request(f, &q, NULL);
	assert_int_equal(next_report(f).refused, SPAWN_BAD_FDS);
	/* Not a packet of ours: the agent is killed, its unit leaves, and everything starts the normal way
	 * (T37). */
	assert_int_equal(send(f->agent, "what", 4, 0), 4);
	assert_true(ends_within(log, 5000));
	close(log);
	meet_agent(f);
	assert_int_equal(spawn(f, request(UNIT_sync, 1, 1, "wait"), NULL).type, SPAWN_REP_STARTED);
	kill(f->pid, SIGTERM);
	assert_int_equal(wait_exit(f), 0);
	assert_int_equal(count_in_log(f, "obituary agent"), 2);
}

static pid_t pid_of_host(const struct fixture *f, const char *kind)
{
	struct buf text = {0};
	const char *at, *last = NULL;
	char what[40];
	int pid;

	io_read_file(AT_FDCWD, f->log, 1 << 20, &text, NULL);
	snprintf(what, sizeof(what), "started %s name=host-1 pid=", kind);
	for (at = buf_cstr(&text); (at = strstr(at, what)); at += strlen(what))
		last = at + strlen(what);
	assert_non_null(last);
	pid = atoi(last);
	buf_free(&text);
	return pid;
}

static void agent_killed_then_all_start_again(void **state)
{
	struct fixture *f = *state;
	int polite, deaf;
	char line[1000];
	uint64_t begun;
	pid_t first;

	start(f);
	assert_int_equal(spawn(f, request(UNIT_sync, 1, 1, "wait"), &polite).type, SPAWN_REP_STARTED);
	assert_int_equal(spawn(f, request(UNIT_sync, 1, 2, "hang"), &deaf).type, SPAWN_REP_STARTED);
	read_line(deaf, line, sizeof(line)); /* by now it is deaf */
	first = pid_of_host(f, "agent");
	begun = clock_ms();
	kill(first, SIGKILL);
	assert_true(ends_within(polite, 3000));
	assert_false(ends_within(deaf, 3000));
	assert_true(ends_within(deaf, 12000));
	assert_in_range(clock_ms() - begun, 9500, 13000);
	meet_agent(f);
	/* The agent may be here before the supervisor has written its line about it. */
	for (int i = 0; i < 100 && pid_of_host(f, "agent") == first; i++)
		clock_sleep_ms(20);
	assert_int_not_equal(pid_of_host(f, "agent"), first);
	assert_int_equal(spawn(f, request(UNIT_sync, 1, 2, "hang"), &deaf).type, SPAWN_REP_STARTED);
	/* SIGQUIT does not wait for the deaf one. */
	begun = clock_ms();
	kill(f->pid, SIGQUIT);
	assert_int_equal(wait_exit(f), 0);
	assert_true(clock_ms() - begun < 3000);
	assert_true(ends_within(deaf, 1000));
	close(polite);
	close(deaf);
}

static void master_killed_alone_comes_back(void **state)
{
	struct fixture *f = *state;
	int log;

	start(f);
	assert_int_equal(spawn(f, request(UNIT_relay, 1, 0, "wait"), &log).type, SPAWN_REP_STARTED);
	kill(pid_of_host(f, "master"), SIGKILL);
	await_in_log(f, "started master", 2);
	assert_false(ends_within(log, 200));
	assert_int_equal(count_in_log(f, "started agent"), 1);
	kill(f->pid, SIGTERM);
	assert_int_equal(wait_exit(f), 0);
	close(log);
}

static void supervisor_killed_then_all_leave(void **state)
{
	struct fixture *f = *state;
	pid_t agent, master;
	int one, two;

	start(f);
	assert_int_equal(spawn(f, request(UNIT_relay, 1, 0, "wait"), &one).type, SPAWN_REP_STARTED);
	assert_int_equal(spawn(f, request(UNIT_sync, 2, 3, "wait"), &two).type, SPAWN_REP_STARTED);
	agent = pid_of_host(f, "agent");
	master = pid_of_host(f, "master");
	kill(f->pid, SIGKILL);
	wait_exit(f);
	assert_true(ends_within(one, 3000));
	assert_true(ends_within(two, 3000));
	for (unsigned i = 0; i < 60 && (kill(agent, 0) == 0 || kill(master, 0) == 0); i++)
		clock_sleep_ms(50);
	assert_int_equal(kill(master, 0), -1);
	assert_int_equal(kill(agent, 0), -1);
	/* The same command brings everything back. */
	io_close(&f->alive);
	start(f);
	assert_int_equal(spawn(f, request(UNIT_relay, 1, 0, "exit7"), NULL).type, SPAWN_REP_STARTED);
	kill(f->pid, SIGTERM);
	assert_int_equal(wait_exit(f), 0);
	close(one);
	close(two);
}

static void the_starter_gone_is_a_stop(void **state)
{
	struct fixture *f = *state;
	int log;

	start(f);
	assert_int_equal(spawn(f, request(UNIT_load, 1, 1, "wait"), &log).type, SPAWN_REP_STARTED);
	io_close(&f->alive);
	assert_int_equal(wait_exit(f), 0);
	assert_true(ends_within(log, 100));
	close(log);
}

static void stop_is_told_to_the_service_manager(void **state)
{
	struct fixture *f = *state;
	char text[64] = "";

	start(f);
	assert_true(recv(f->notify, text, sizeof(text) - 1, 0) > 0);
	assert_string_equal(text, "READY=1");
	kill(f->pid, SIGTERM);
	assert_int_equal(wait_exit(f), 0);
	memset(text, 0, sizeof(text));
	assert_true(recv(f->notify, text, sizeof(text) - 1, 0) > 0);
	assert_string_equal(text, "STOPPING=1");
}

static void a_second_supervisor_is_refused(void **state)
{
	struct fixture *f = *state;
	int alive, status;
	pid_t second;

	start(f);
	second = launch(f, &alive);
	assert_int_equal(waitpid(second, &status, 0), second);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_int_equal(count_in_log(f, "another tidegated runs with the folder"), 1);
	close(alive);
	assert_int_equal(spawn(f, request(UNIT_sync, 1, 1, "exit7"), NULL).type, SPAWN_REP_STARTED);
	kill(f->pid, SIGTERM);
	assert_int_equal(wait_exit(f), 0);
}

/* Long ago started, half gone: requests during a stop are refused, signals still work. */
static void no_start_while_leaving(void **state)
{
	struct fixture *f = *state;
	struct spawn_req q = request(UNIT_sync, 1, 1, "hang");
	char line[1000];
	int log;

	start(f);
	assert_int_equal(spawn(f, q, &log).type, SPAWN_REP_STARTED);
	read_line(log, line, sizeof(line));
	kill(f->pid, SIGTERM);
	await_in_log(f, "stopping:", 1);
	assert_int_equal(spawn(f, request(UNIT_sync, 1, 2, "wait"), NULL).refused, SPAWN_LEAVING);
	q.type = SPAWN_REQ_SIGNAL;
	q.signo = SIGKILL;
	send_request(f, &q, NULL);
	assert_int_equal(next_report(f).exit_signal, SIGKILL);
	assert_int_equal(wait_exit(f), 0);
	close(log);
}

static void put_flag(const struct fixture *f, const char *flag)
{
	char name[200];

	path(f, name, sizeof(name), flag);
	close(open(name, O_WRONLY | O_CREAT, 0644));
}

/* Who starts it is to see that it failed, and the service manager not to try again. */
static void wrong_settings_end_a_start(void **state)
{
	struct fixture *f = *state;

	put_flag(f, "run/refuse");
	f->pid = launch(f, &f->alive);
	assert_int_equal(WEXITSTATUS(wait_exit(f)), 2);
	assert_int_equal(count_in_log(f, "obituary agent"), 1);
	assert_int_equal(count_in_log(f, "obituary master"), 1);
	assert_int_equal(
		count_in_log(f,
			"tidegate-agent.conf is not right: mend the line that the last error of the agent above names"),
		1);
}

/* A descriptor, a folder: what may be well at the next try. */
static void other_ends_of_a_first_start_are_tried_again(void **state)
{
	struct fixture *f = *state;

	put_flag(f, "run/lost");
	f->pid = launch(f, &f->alive);
	await_in_log(f, "obituary agent", 2);
	kill(f->pid, SIGTERM);
	assert_int_equal(wait_exit(f), 0);
}

/* What has run for weeks is not ended by a file that somebody is writing just now. */
static void wrong_settings_later_are_tried_again(void **state)
{
	struct fixture *f = *state;

	start(f);
	put_flag(f, "run/refuse");
	kill(pid_of_host(f, "agent"), SIGKILL);
	await_in_log(f, "obituary agent", 3);
	kill(f->pid, SIGTERM);
	assert_int_equal(wait_exit(f), 0);
	assert_int_equal(count_in_log(f, "is not right"), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_unit_finds_what_it_should),
		TEST(ends_are_reported),
		TEST(refusals_and_broken_agents),
		TEST(agent_killed_then_all_start_again),
		TEST(master_killed_alone_comes_back),
		TEST(supervisor_killed_then_all_leave),
		TEST(the_starter_gone_is_a_stop),
		TEST(stop_is_told_to_the_service_manager),
		TEST(a_second_supervisor_is_refused),
		TEST(no_start_while_leaving),
		TEST(wrong_settings_end_a_start),
		TEST(wrong_settings_later_are_tried_again),
		TEST(other_ends_of_a_first_start_are_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
