/*
 * Starts and ends the supervisor of a `tidegate run`. The fork happens before this program's first nng call;
 * exec follows at once.
 */
#include "ctl/start.h"

#include <bsd/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"

enum { ALIVE_FD = 3, STOP_MS = 30000 };

/* The folder with the programs: --libexec, beside this one (a build tree), or where packages put them. */
static int find_programs(const struct args *a, char *dir, size_t size, struct err *e)
{
	char self[3900], path[4200];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n < 0 ? 0 : n] = '\0';
	if (strrchr(self, '/'))
		*strrchr(self, '/') = '\0';
	snprintf(path, sizeof(path), "%s/tidegated", self);
	if (a->libexec)
		snprintf(dir, size, "%s", a->libexec);
	else if (access(path, X_OK) == 0)
		snprintf(dir, size, "%s", self);
	else
		snprintf(dir, size, "/usr/libexec/tidegate");
	snprintf(path, sizeof(path), "%s/tidegated", dir);
	if (access(path, X_OK) < 0)
		snprintf(path, sizeof(path), "%s/tidegated", self);
	if (access(path, X_OK) < 0)
		return err_sys(e, ERR_spawn, "%s/tidegated", dir);
	return 0;
}

static void exec_supervisor(const struct args *a, const struct job *j, const char *dir, int log_fd, int alive)
{
	char program[4200], *argv[20];
	int n = 0;

	snprintf(program, sizeof(program), "%s/tidegated", dir);
	argv[n++] = program;
	argv[n++] = (char *)"--state";
	argv[n++] = (char *)j->state;
	argv[n++] = (char *)"--run";
	argv[n++] = (char *)j->run;
	argv[n++] = (char *)"--libexec";
	argv[n++] = (char *)dir;
	argv[n++] = (char *)"--with-master";
	argv[n++] = (char *)"--alive-fd";
	argv[n++] = (char *)"3";
	argv[n++] = (char *)"--log-level";
	argv[n++] = (char *)(a->log_level ? a->log_level : "info");
	if (j->files[0]) {
		argv[n++] = (char *)"--files";
		argv[n++] = (char *)j->files;
	}
	if (a->failpoints) {
		argv[n++] = (char *)"--failpoints";
		argv[n++] = (char *)a->failpoints;
	}
	argv[n] = NULL;
	setsid();
	dup2(log_fd, STDOUT_FILENO);
	dup2(log_fd, STDERR_FILENO);
	if (alive == ALIVE_FD)
		fcntl(ALIVE_FD, F_SETFD, 0);
	else
		dup2(alive, ALIVE_FD);
	closefrom(ALIVE_FD + 1);
	signal(SIGPIPE, SIG_DFL);
	execv(program, argv);
	_exit(127);
}

int start_supervisor(const struct args *a, const struct job *j, struct started *s, struct err *e)
{
	int log_fd, null_fd, alive[2];
	char dir[4096];

	*s = (struct started){.alive_fd = -1};
	if (find_programs(a, dir, sizeof(dir), e) < 0)
		return -1;
	log_fd = openat(j->state_fd, "log/tidegate.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log_fd < 0)
		return err_sys(e, ERR_io, "%s/log/tidegate.log", j->state);
	if (pipe2(alive, O_CLOEXEC) < 0) {
		close(log_fd);
		return err_sys(e, ERR_spawn, "pipe");
	}
	s->pid = fork();
	if (s->pid == 0) {
		null_fd = open("/dev/null", O_RDONLY);
		dup2(null_fd, STDIN_FILENO);
		exec_supervisor(a, j, dir, log_fd, alive[0]);
	}
	close(log_fd);
	close(alive[0]);
	s->alive_fd = alive[1];
	if (s->pid < 0) {
		s->pid = 0;
		return err_sys(e, ERR_spawn, "fork");
	}
	return 0;
}

bool start_alive(struct started *s)
{
	if (s->pid > 0 && waitpid(s->pid, &s->status, WNOHANG) == s->pid)
		s->pid = 0;
	return s->pid > 0;
}

static bool gone_within(struct started *s, uint64_t ms, const volatile sig_atomic_t *interrupts)
{
	uint64_t deadline = clock_ms() + ms;

	while (start_alive(s) && clock_ms() < deadline && !(interrupts && *interrupts > 1))
		clock_sleep_ms(20);
	return s->pid == 0;
}

void start_abort(struct started *s)
{
	if (!start_alive(s))
		return;
	kill(s->pid, SIGQUIT);
	if (!gone_within(s, 3000, NULL)) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, &s->status, 0);
		s->pid = 0;
	}
}

void start_stop(struct started *s, const volatile sig_atomic_t *interrupts)
{
	if (start_alive(s))
		kill(s->pid, SIGTERM);
	if (!gone_within(s, STOP_MS, interrupts))
		start_abort(s);
	if (s->alive_fd >= 0)
		close(s->alive_fd);
	s->alive_fd = -1;
}

void start_last_words(const struct job *j, char *out, size_t size)
{
	char line[4200];
	int fd = openat(j->state_fd, "log/tidegate.log", O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

	out[0] = '\0';
	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, " error ")) {
			line[strcspn(line, "\n")] = '\0';
			snprintf(out, size, "%s", line);
		}
	if (f)
		fclose(f);
}
