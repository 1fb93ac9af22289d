/*
 * The box, row by row: a child enters it and tries one thing; the table says whether it may. So this test
 * fails when a rule is missing as well as when one is too much. The parent stays outside, single-threaded,
 * without nng.
 */
#include "common/proc/sandbox.h"

#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/proc/try.h"

enum { RUN = 1, STATE = 2, FILES = 4, UPSTREAM = 1, DOWNSTREAM = 2, STORE = 4, MASTERS = 8, CONTROL = 1 };
enum { READER = 0, WRITER = 1 };
enum {
	NOBODY = 65534,
	UP_PORT = 13100,
	DOWN_PORT = 13101,
	OTHER_PORT = 13102,
	STORE_PORT = 13103,
	MASTER_PORT = 13104,
	CONTROL_PORT = 13105
};

static const struct {
	const char *process;
	unsigned reads, writes, dials, listens, calls, memory_mb;
} rows[] = {
#define SANDBOX(process, reads, writes, dials, listens, syscalls, memory) \
	{#process, reads, writes, dials, listens, syscalls, memory},
#include "sandbox.def"
#undef SANDBOX
};

static char folder[] = "/tmp/tidegate-box-XXXXXX";
static char outside[64], certificate[64], neighbour[64];
static int run_fd, state_fd;

static void make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0644), 0);
	close(fd);
}

static void become_nobody(void)
{
	if (getuid() != 0)
		return;
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
		setresuid(NOBODY, NOBODY, NOBODY) < 0)
		_exit(99);
}

/* In the child: what happened goes to the parent by fd. */
static void child(int row, const char *word, int fd)
{
	struct sandbox_needs needs = {.upstream = UP_PORT,
		.downstream = DOWN_PORT,
		.store = {STORE_PORT},
		.masters = {MASTER_PORT},
		.listens = {CONTROL_PORT},
		.files = {certificate, "", NULL}};
	char out[256];
	struct err e = {0};

	signal(SIGABRT, SIG_DFL);
	signal(SIGSYS, SIG_DFL);
	become_nobody();
	if (fchdir(run_fd) < 0)
		_exit(98);
	if (sandbox_enter((enum sandbox_row)row, run_fd, state_fd, &needs, &e) < 0)
		snprintf(out, sizeof out, "no box: %.200s", e.text);
	else
		try_word(word, state_fd, out, sizeof out);
	if (write(fd, out, strlen(out)) < 0)
		_exit(97);
	_exit(0);
}

/* "allowed", "refused(EACCES)", "killed(31)", "no box: …": in a static buffer. */
static const char *outcome(int row, const char *word)
{
	static char out[256];
	int fd[2], status;

	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child(row, word, fd[1]);
	close(fd[1]);
	ssize_t n = read(fd[0], out, sizeof out - 1);
	close(fd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	out[n > 0 ? n : 0] = 0;
	if (WIFSIGNALED(status))
		snprintf(out, sizeof out, "killed(%d)", WTERMSIG(status));
	else if (n <= 0)
		snprintf(out, sizeof out, "exit %d", WEXITSTATUS(status));
	return out;
}

static void want(size_t row, const char *word, const char *wanted)
{
	const char *was = outcome((int)row, word);

	if (strcmp(was, wanted) != 0)
		fail_msg("%s: %s: %s, wanted %s", rows[row].process, word, was, wanted);
}

static const char *if_may(unsigned may)
{
	return may ? "allowed" : "refused(EACCES)";
}

static void files(void **state)
{
	char word[128];

	(void)state;
	for (size_t r = 0; r < SANDBOX_ROWS; r++) {
		unsigned sees = rows[r].reads | rows[r].writes, writes = rows[r].writes;
		want(r, "read:/etc/passwd", "allowed");
		want(r, "read:/usr/lib/os-release", "allowed");
		want(r, "read:/proc/self/status", "allowed");
		want(r, "read:/proc/1/status", "refused(EACCES)");
		want(r, "read:/dev/urandom", "allowed");
		want(r, "write:/dev/null", "allowed");
		want(r, "write:/etc/x", "refused(EACCES)");
		want(r, "read:/bin/true", "refused(EACCES)");
		want(r, "write:/tmp/tidegate-box-x", "refused(EACCES)");
		snprintf(word, sizeof word, "read:%s", outside);
		want(r, word, "refused(EACCES)");
		snprintf(word, sizeof word, "read:%s", certificate);
		want(r, word, "allowed");
		snprintf(word, sizeof word, "read:%s", neighbour);
		want(r, word, "refused(EACCES)");
		want(r, "read:state/there", if_may(sees & STATE));
		want(r, "write:state/new", if_may(writes & STATE));
		want(r, "read:there", if_may(sees & RUN));
		want(r, "write:new", if_may(writes & RUN));
		want(r, "listen-unix:x.sock", if_may(writes & RUN));
		unlinkat(run_fd, "x.sock", 0);
		want(r, "cut:state/there", if_may(writes & STATE));
	}
}

/* A reader may not even ask; a writer where it has no folder is refused by Landlock. */
static void changing_files(void **state)
{
	(void)state;
	for (size_t r = 0; r < SANDBOX_ROWS; r++) {
		bool writer = rows[r].calls == WRITER;
		const char *no = writer ? "refused(EACCES)" : "killed(31)";
		unlinkat(state_fd, "a.new", 0);
		unlinkat(state_fd, "dir", AT_REMOVEDIR);
		int fd = openat(state_fd, "a", O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
		assert_true(fd >= 0);
		close(fd);
		want(r, "rename:state/a", rows[r].writes & STATE ? "allowed" : no);
		want(r, "mkdir:state/dir", rows[r].writes & STATE ? "allowed" : no);
		want(r, "unlink:state/a.new", rows[r].writes & STATE ? "allowed" : no);
		want(r, "mkdir:/tmp/tidegate-box-dir", no);
		want(r, "symlink:state/link", "killed(31)");
		unlinkat(state_fd, "a", 0);
	}
}

static void network(void **state)
{
	char word[32];

	(void)state;
	if (sandbox_landlock_abi() < 4)
		skip(); /* said so in the log of each process */
	for (size_t r = 0; r < SANDBOX_ROWS; r++) {
		snprintf(word, sizeof word, "connect:%d", UP_PORT);
		want(r, word, if_may(rows[r].dials & UPSTREAM));
		snprintf(word, sizeof word, "connect:%d", DOWN_PORT);
		want(r, word, if_may(rows[r].dials & DOWNSTREAM));
		snprintf(word, sizeof word, "connect:%d", STORE_PORT);
		want(r, word, if_may(rows[r].dials & STORE));
		snprintf(word, sizeof word, "connect:%d", MASTER_PORT);
		want(r, word, if_may(rows[r].dials & MASTERS));
		snprintf(word, sizeof word, "bind:%d", CONTROL_PORT);
		want(r, word, if_may(rows[r].listens & CONTROL));
		want(r, "connect:53", if_may(rows[r].dials));
		snprintf(word, sizeof word, "connect:%d", OTHER_PORT);
		want(r, word, "refused(EACCES)");
		snprintf(word, sizeof word, "bind:%d", OTHER_PORT);
		want(r, word, "refused(EACCES)");
		want(r, "resolve:localhost", "allowed");
	}
}

static void calls(void **state)
{
	static const char *const never[] = {"fork", "exec", "mount", "socket-raw", "socket-packet", "setuid",
		"bpf", "io-uring", "unshare", "kill:1", "limit",
#ifndef TIDEGATE_SANITIZED
		"ptrace", "dumpable",
#endif
		NULL};

	(void)state;
	for (size_t r = 0; r < SANDBOX_ROWS; r++) {
		for (size_t i = 0; never[i]; i++)
			want(r, never[i], "killed(31)");
		want(r, "thread", "allowed");
		want(r, "abort", "killed(6)");
		want(r, "code", "refused(EPERM)");
		want(r, "memory:64", "allowed");
#ifndef TIDEGATE_SANITIZED
		char word[32];
		snprintf(word, sizeof word, "memory:%u", rows[r].memory_mb);
		want(r, word, "refused(ENOMEM)");
#endif
	}
}

/* A server outside on an abstract socket: no file, so only Landlock's scope keeps a unit away. */
static void abstract_sockets(void **state)
{
	static const char name[] = "tidegate-box-test";
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	memcpy(a.sun_path + 1, name, sizeof name - 1);
	socklen_t n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof name);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
	assert_int_equal(listen(fd, 5), 0);
	bool scoped = sandbox_landlock_abi() >= 6;
	for (size_t r = 0; r < SANDBOX_ROWS; r++)
		want(r, "abstract:tidegate-box-test", scoped ? "refused(EPERM)" : "allowed");
	close(fd);
}

static void older_kernels(void **state)
{
	char word[32];

	(void)state;
	setenv("TIDEGATE_LANDLOCK_ABI", "0", 1);
	assert_int_equal(sandbox_landlock_abi(), 0);
	want(SANDBOX_sync, "thread", "no box: this kernel has no Landlock");
	snprintf(word, sizeof word, "connect:%d", OTHER_PORT);
	for (const char *abi = "1234567"; *abi; abi++) {
		char one[2] = {*abi, 0};
		setenv("TIDEGATE_LANDLOCK_ABI", one, 1);
		if (sandbox_landlock_abi() < atoi(one))
			break;
		want(SANDBOX_sync, "read:state/there", "refused(EACCES)");
		want(SANDBOX_relay, "write:state/new", "allowed");
		want(SANDBOX_relay, "cut:state/there", "allowed");
		want(SANDBOX_sync, word, *abi < '4' ? "allowed" : "refused(EACCES)");
	}
	setenv("TIDEGATE_LANDLOCK_ABI", "99", 1);
	assert_in_range(sandbox_landlock_abi(), 1, 7);
	unsetenv("TIDEGATE_LANDLOCK_ABI");
}

/* ---- what /proc says of a process in the box ---- */

static void status_line(const char *text, const char *key, const char *wanted)
{
	const char *at = strstr(text, key);

	assert_non_null(at);
	if (strncmp(at + strlen(key), wanted, strlen(wanted)) != 0)
		fail_msg("%.40s, wanted %s", at, wanted);
}

static void status_in_the_box(void **state)
{
	char text[4096];
	int fd[2], status;

	(void)state;
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct err e;
		become_nobody();
		if (sandbox_enter(SANDBOX_relay, run_fd, state_fd, NULL, &e) < 0)
			_exit(1);
		int in = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
		ssize_t n = read(in, text, sizeof text);
		_exit(n > 0 && write(fd[1], text, (size_t)n) == n ? 0 : 1);
	}
	close(fd[1]);
	ssize_t n = read(fd[0], text, sizeof text - 1);
	close(fd[0]);
	waitpid(pid, &status, 0);
	assert_true(n > 0);
	text[n] = 0;
	status_line(text, "NoNewPrivs:\t", "1");
	status_line(text, "Seccomp:\t", "2");
	status_line(text, "CapPrm:\t", "0000000000000000");
	status_line(text, "CapEff:\t", "0000000000000000");
	status_line(text, "CapAmb:\t", "0000000000000000");
#ifndef __SANITIZE_THREAD__ /* which has a thread of its own */
	status_line(text, "Threads:\t", "1");
#endif
}

/* ---- what is refused before the box closes ---- */

static void *idle(void *arg)
{
	pause();
	return arg;
}

/* Runs in a child, so that the parent never enters. 0: refused, with this text. */
static int refused(bool as_root, bool with_thread, int folder_fd, const char *file, const char *text)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct sandbox_needs needs = {.files = {file}};
		struct err e = {0};
		pthread_t t;
		if (!as_root)
			become_nobody();
		if (with_thread)
			pthread_create(&t, NULL, idle, NULL);
		if (sandbox_enter(SANDBOX_relay, run_fd, folder_fd, &needs, &e) == 0)
			_exit(1);
		_exit(strstr(e.text, text) && e.code == (file ? ERR_config_bad : ERR_sandbox) ? 0 : 2);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void refusals(void **state)
{
	(void)state;
	if (getuid() == 0)
		assert_int_equal(refused(true, false, state_fd, NULL, "must not run as root"), 0);
#ifndef TIDEGATE_SANITIZED
	assert_int_equal(refused(false, true, state_fd, NULL, "thread"), 0);
#endif
	assert_int_equal(refused(false, false, -1, NULL, "the state folder"), 0);
	assert_int_equal(refused(false, false, state_fd, "relative.pem", "absolute"), 0);
	assert_int_equal(refused(false, false, state_fd, "/", "not a file"), 0);
	assert_int_equal(sandbox_row("sync"), SANDBOX_sync);
	assert_int_equal(sandbox_row("nobody"), -1);
}

static int make_folders(void **state)
{
	char path[64];

	(void)state;
	if (!mkdtemp(folder) || chmod(folder, 0755) < 0)
		return -1;
	snprintf(path, sizeof path, "%s/run", folder);
	mkdir(path, 0755);
	run_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof path, "%s/state", folder);
	mkdir(path, 0755);
	state_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(outside, sizeof outside, "%s/outside", folder);
	snprintf(certificate, sizeof certificate, "%s/ca.pem", folder);
	snprintf(neighbour, sizeof neighbour, "%s/key.pem", folder);
	make_file(outside);
	make_file(certificate);
	make_file(neighbour);
	for (int i = 0; i < 2; i++) {
		int dir = i ? state_fd : run_fd;
		int fd = openat(dir, "there", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		if (fd < 0 || (getuid() == 0 &&
				      (fchown(fd, NOBODY, NOBODY) < 0 || fchown(dir, NOBODY, NOBODY) < 0)))
			return -1;
		close(fd);
	}
	return 0;
}

static int remove_folders(void **state)
{
	static const char *const names[] = {"there", "new", "x.sock", "a", "a.new"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		unlinkat(run_fd, names[i], 0);
		unlinkat(state_fd, names[i], 0);
	}
	unlinkat(state_fd, "dir", AT_REMOVEDIR);
	unlink(outside);
	unlink(certificate);
	unlink(neighbour);
	if (chdir(folder) < 0 || rmdir("run") < 0 || rmdir("state") < 0)
		return -1;
	return rmdir(folder);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(files),
		cmocka_unit_test(changing_files),
		cmocka_unit_test(network),
		cmocka_unit_test(calls),
		cmocka_unit_test(abstract_sockets),
		cmocka_unit_test(older_kernels),
		cmocka_unit_test(status_in_the_box),
		cmocka_unit_test(refusals),
	};

	return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
