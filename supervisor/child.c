/*
 * Between fork and exec: the one place where a process changes its user. Called by the supervisor for each
 * start. No unit's code runs here or before it, and nothing but the fixed descriptors gets past the exec;
 * every step is checked, and one that fails ends the child before it was anything (docs/design/processes.md).
 */
#include "supervisor/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/io.h"
#include "include/spawn.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

extern char **environ;

enum { OOM_MAX = 1000 };

enum step { STEP_SIGNALS, STEP_SESSION, STEP_FDS, STEP_USER, STEP_CAPS, STEP_ORPHAN, STEP_PRIVS, STEP_EXEC };

static const char *const step_text[] = {
	[STEP_SIGNALS] = "resetting the signals",
	[STEP_SESSION] = "leaving the session",
	[STEP_FDS] = "placing the descriptors",
	[STEP_USER] = "changing the user",
	[STEP_CAPS] = "giving up the capabilities",
	[STEP_ORPHAN] = "the supervisor is gone",
	[STEP_PRIVS] = "setting no_new_privs",
	[STEP_EXEC] = "executing the program",
};

/* What a child that failed says before it ends. */
struct failure {
	int32_t step, error;
};

int child_signal(int pidfd, int signo)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0);
}

int child_hup(int pidfd, int value)
{
	siginfo_t info = {.si_signo = SIGHUP, .si_code = SI_QUEUE};

	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value.sival_int = value;
	return (int)syscall(SYS_pidfd_send_signal, pidfd, SIGHUP, &info, 0);
}

/* Ignored signals and the mask survive the exec: nothing is left of either but SIGHUP, which waits until the
 * program has made up its mind (common/proc/watch.c), and would end it before. */
static int reset_signals(void)
{
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		if (s != SIGKILL && s != SIGSTOP)
			signal(s, SIG_DFL);
	sigemptyset(&none);
	sigaddset(&none, SIGHUP);
	return sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * Where memory runs out, a unit goes, which begins where it was, before those that start it again. Raising
 * needs no right, but the file is ours only until the user changes. Where there is none, the kernel chooses.
 */
static void yield_memory(int by)
{
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	char text[24] = "";
	long now;

	if (fd < 0)
		return;
	if (read(fd, text, sizeof(text) - 1) > 0) {
		now = strtol(text, NULL, 10) + by;
		snprintf(text, sizeof(text), "%ld", now < OOM_MAX ? now : OOM_MAX);
		if (pwrite(fd, text, strlen(text), 0) < 0)
			errno = 0;
	}
	close(fd);
}

/* All else gets close-on-exec instead of being closed: the binary and the failure pipe are needed until then.
 */
static int place_fds(const struct child_plan *p)
{
	for (int i = 0; i <= FD_LAST; i++) {
		assert(p->fds[i] < 0 || p->fds[i] > FD_LAST);
		if (p->fds[i] < 0)
			close(i);
		else if (dup2(p->fds[i], i) < 0)
			return -1;
	}
	return (int)syscall(SYS_close_range, FD_LAST + 1, ~0U, CLOSE_RANGE_CLOEXEC);
}

/* Groups first, then gid, then uid; then proof that there is no way back. */
static int change_user(struct owner o)
{
	uid_t ru, eu, su;
	gid_t rg, eg, sg;

	if (o.uid == 0 || o.gid == 0) {
		errno = EINVAL;
		return -1;
	}
	if (setgroups(0, NULL) < 0 || setresgid(o.gid, o.gid, o.gid) < 0 ||
		setresuid(o.uid, o.uid, o.uid) < 0)
		return -1;
	if (getresuid(&ru, &eu, &su) < 0 || getresgid(&rg, &eg, &sg) < 0)
		return -1;
	if (ru != o.uid || eu != o.uid || su != o.uid || rg != o.gid || eg != o.gid || sg != o.gid ||
		setuid(0) == 0 || setgid(0) == 0 || getgroups(0, NULL) != 0) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

/* The bounding set needs a capability itself, so before the user changes; without it no_new_privs must do. */
static void drop_bounding(void)
{
	for (int cap = 0; cap < 64; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static int drop_caps(void)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

	memset(none, 0, sizeof(none));
	return (int)syscall(SYS_capset, &head, none);
}

/* Only now: a change of user clears the parent-death signal. The parent may have died before it was set. */
static int follow_parent(pid_t parent)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0)
		return -1;
	if (getppid() == parent)
		return 0;
	errno = ESRCH;
	return -1;
}

/* Empty, but for what tests and sanitizers need in their builds. */
static char **child_environ(void)
{
	size_t n = 0;

#if defined(TIDEGATE_FAILPOINTS) || defined(TIDEGATE_SANITIZED)
	for (char **v = environ; *v; v++) {
		bool keep = !strncmp(*v, "TIDEGATE_", 9);
#ifdef TIDEGATE_SANITIZED
		keep = keep || !strncmp(*v, "ASAN_", 5) || !strncmp(*v, "UBSAN_", 6) ||
		       !strncmp(*v, "TSAN_", 5) || !strncmp(*v, "LSAN_", 5);
#endif
		if (keep)
			environ[n++] = *v;
	}
#endif
	environ[n] = NULL;
	return environ;
}

static int become(const struct child_plan *p, pid_t parent, enum step *step)
{
	*step = STEP_SIGNALS;
	if (reset_signals() < 0)
		return -1;
	/* The terminal's Ctrl-C is for the supervisor alone (T47). */
	*step = STEP_SESSION;
	if (setsid() < 0)
		return -1;
	umask(027);
	if (p->yields)
		yield_memory(p->yields);
	*step = STEP_FDS;
	if (setrlimit(RLIMIT_NOFILE, &p->nofile) < 0 || place_fds(p) < 0)
		return -1;
	*step = STEP_USER;
	drop_bounding();
	if (p->drop && change_user(p->owner) < 0)
		return -1;
	*step = STEP_CAPS;
	if (drop_caps() < 0)
		return -1;
	*step = STEP_ORPHAN;
	if (follow_parent(parent) < 0)
		return -1;
	*step = STEP_PRIVS;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* Only numbers and the title: a secret never stands in argv. */
static void execute(const struct child_plan *p)
{
	char slot[24], sub[24], title[SPAWN_TITLE + 16];
	char *const argv[] = {(char *)(uintptr_t)p->name, title, slot, sub, NULL};

	snprintf(title, sizeof(title), "--title=%s", p->title);
	snprintf(slot, sizeof(slot), "--slot=%u", p->slot);
	snprintf(sub, sizeof(sub), "--sub=%u", p->sub);
	syscall(SYS_execveat, p->exe, "", argv, child_environ(), AT_EMPTY_PATH);
}

static _Noreturn void child_main(const struct child_plan *p, pid_t parent, int failed)
{
	struct failure f;
	enum step step = STEP_SIGNALS;

	if (become(p, parent, &step) == 0) {
		step = STEP_EXEC;
		execute(p);
	}
	f = (struct failure){(int32_t)step, errno};
	if (write(failed, &f, sizeof(f)) != (ssize_t)sizeof(f))
		_exit(126);
	_exit(127);
}

/* End of file: the exec happened and closed the pipe. */
static int await_exec(int fd, const struct child_plan *p, struct err *e)
{
	struct failure f;
	ssize_t n;

	do
		n = read(fd, &f, sizeof(f));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	errno = n == (ssize_t)sizeof(f) ? f.error : EIO;
	if (n != (ssize_t)sizeof(f) || f.step < 0 || f.step > STEP_EXEC)
		return err_sys(e, ERR_spawn, "starting %s", p->name);
	return err_sys(
		e, ERR_spawn, "starting %s (uid %u): %s", p->name, (unsigned)p->owner.uid, step_text[f.step]);
}

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int child_start(const struct child_plan *p, pid_t *pid, int *pidfd, struct err *e)
{
	pid_t parent = getpid();
	int failed[2], error, r;

	if (pipe2(failed, O_CLOEXEC) < 0)
		return err_sys(e, ERR_spawn, "starting %s", p->name);
	*pid = fork();
	if (*pid == 0)
		child_main(p, parent, failed[1]);
	error = errno;
	close(failed[1]);
	errno = error;
	if (*pid < 0) {
		r = err_sys(e, ERR_spawn, "starting %s", p->name);
		close(failed[0]);
		return r;
	}
	*pidfd = (int)syscall(SYS_pidfd_open, *pid, 0);
	r = await_exec(failed[0], p, e);
	if (r == 0 && *pidfd < 0) {
		r = err_sys(e, ERR_spawn, "watching %s", p->name);
		kill(*pid, SIGKILL);
	}
	error = errno;
	close(failed[0]);
	if (r < 0) {
		reap(*pid);
		io_close(pidfd);
	}
	errno = error;
	return r;
}
