/*
 * For tests only: the supervisor's part, as far as a process under test can see it. Used by daemon_test and
 * probe_test. It may run beside nng's threads, so between fork and exec there are nothing but system calls.
 */
#include "common/proc/fake_supervisor.h"

#include <assert.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/io.h"

enum { FAKE_NOBODY = 65534, FAKE_HIGH = 40 };

uid_t fake_uid(void)
{
	return getuid() == 0 ? FAKE_NOBODY : getuid();
}

static void fake_pipe(int *reads, int *writes)
{
	int fd[2];
	int rc = pipe2(fd, O_CLOEXEC);

	assert(rc == 0);
	*reads = fd[0];
	*writes = fd[1];
}

static int fake_slice(const char *slice, bool sealed)
{
	struct err e;

	if (sealed)
		return io_sealed_memfd("slice", slice, strlen(slice), &e);
	int fd = memfd_create("slice", MFD_CLOEXEC);
	int rc = io_write_all(fd, slice, strlen(slice), &e);
	assert(rc == 0);
	return fd;
}

struct fake_proc fake_proc_make(int run_fd, int state_fd, const char *slice, bool sealed)
{
	struct fake_proc p = {.pid = -1};

	for (int i = 0; i <= FD_LAST; i++)
		p.fds[i] = -1;
	p.fds[FD_CONFIG] = fake_slice(slice, sealed);
	fake_pipe(&p.fds[FD_SUPERVISOR], &p.alive);
	fake_pipe(&p.log, &p.fds[FD_LOG]);
	p.fds[FD_STATE] = fcntl(state_fd, F_DUPFD_CLOEXEC, 0);
	p.fds[FD_RUN] = fcntl(run_fd, F_DUPFD_CLOEXEC, 0);
	p.fds[FD_LOCK] = openat(run_fd, "proc.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	return p;
}

static void fake_child_fds(const struct fake_proc *p)
{
	for (int i = FD_LOG; i <= FD_LAST; i++)
		if (p->fds[i] >= 0 && dup2(p->fds[i], i + FAKE_HIGH) < 0)
			_exit(120);
	for (int i = FD_LOG; i <= FD_LAST; i++) {
		close(i);
		if (p->fds[i] >= 0 && dup2(i + FAKE_HIGH, i) < 0)
			_exit(121);
	}
}

static void fake_child(const struct fake_proc *p, int exe, char **argv)
{
	char *env[] = {NULL};

	fake_child_fds(p);
	close_range(FD_LAST + 1, (unsigned)exe - 1, 0);
	close_range((unsigned)exe + 1, ~0u, 0);
	if (getuid() == 0 &&
		(setgroups(0, NULL) < 0 || setresgid(FAKE_NOBODY, FAKE_NOBODY, FAKE_NOBODY) < 0 ||
			setresuid(FAKE_NOBODY, FAKE_NOBODY, FAKE_NOBODY) < 0))
		_exit(123);
	fexecve(exe, argv, env);
	_exit(124);
}

void fake_proc_start(struct fake_proc *p, const char *program, const char *const *argv)
{
	int low = open(program, O_RDONLY | O_CLOEXEC), exe = fcntl(low, F_DUPFD_CLOEXEC, 2 * FAKE_HIGH);

	assert(exe >= 0);
	close(low);
	p->pid = fork();
	assert(p->pid >= 0);
	if (p->pid == 0)
		fake_child(p, exe, (char **)(uintptr_t)argv);
	close(exe);
	for (int i = 0; i <= FD_LAST; i++)
		io_close(&p->fds[i]);
}

static void fake_proc_read_log(struct fake_proc *p)
{
	char c[4096];
	ssize_t n;

	while ((n = read(p->log, c, sizeof c)) > 0)
		buf_put(&p->lines, c, (size_t)n);
	io_close(&p->log);
	io_close(&p->alive);
	if (getenv("TEST_SHOW_LOG"))
		printf("%s", buf_cstr(&p->lines));
}

int fake_proc_wait(struct fake_proc *p, struct loop *l, uint64_t ms)
{
	uint64_t end = clock_ms() + ms;
	bool killed = false;
	int status;

	while (waitpid(p->pid, &status, WNOHANG) == 0) {
		if (clock_ms() > end && !killed) {
			kill(p->pid, SIGKILL);
			killed = true;
		}
		if (l)
			loop_once(l, 20);
		else
			clock_sleep_ms(20);
	}
	fake_proc_read_log(p);
	if (killed)
		return -1;
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}
