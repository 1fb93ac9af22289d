/*
 * A stand-in for every other program, for supervisor_test.c only: installed nowhere. As an agent it hands its
 * end of the socketpair to the test, which then speaks for it; as a unit it writes what it finds about itself
 * to its log and does what its title says: "wait" (for EOF or SIGTERM), "hang" (neither), "exit7", "crash".
 * With a file "refuse" in the run folder an agent ends as over a mistake in its settings, with "lost" as one
 * that was not started rightly.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fds.h"
#include "unit.h"

extern char **environ;

static volatile sig_atomic_t told;

static void on_term(int signo)
{
	(void)signo;
	told = 1;
}

/* The test listens in the run folder. */
static void hand_over(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "test.sock"};
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	char byte = 'a';
	struct iovec io = {&byte, 1};
	struct msghdr m = {.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0), give = FD_SUPERVISOR;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &give, sizeof(int));
	if (fchdir(FD_RUN) < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
		sendmsg(fd, &m, 0) < 0)
		dprintf(2, "no test listens: %s\n", strerror(errno));
	close(fd);
}

static unsigned open_fds(void)
{
	unsigned bits = 0;

	for (int fd = 0; fd < 256; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			bits |= 1u << (fd > 30 ? 31 : fd);
	return bits;
}

static unsigned count_environ(void)
{
	unsigned n = 0;

	for (char **v = environ; *v; v++)
		n += strncmp(*v, "TIDEGATE_", 9) != 0 && !strstr(*v, "SAN_");
	return n;
}

/* "0": no capability in any set that could still be used or won. */
static const char *capabilities(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	const char *found = "0";

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "Cap", 3) && strtoull(line + 8, NULL, 16) != 0 &&
			(geteuid() == 59002 || strncmp(line, "CapBnd", 6)))
			found = "some";
	if (f)
		fclose(f);
	return found;
}

/* One line, key=value, read by the test. */
static void tell(char **argv, const char *title)
{
	char slice[256] = "";
	sigset_t mask;
	struct stat st = {0}, run = {0};
	mode_t um = umask(0);
	ssize_t n = pread(FD_CONFIG, slice, sizeof(slice) - 1, 0);
	int sig = 0, blocked = 0; /* a set of bits */

	sigprocmask(SIG_SETMASK, NULL, &mask);
	prctl(PR_GET_PDEATHSIG, &sig);
	for (int s = 1; s < 32; s++)
		blocked |= (sigismember(&mask, s) > 0) << s;
	fstat(FD_STATE, &st);
	fstat(FD_RUN, &run);
	dprintf(2,
		"name=%s title=%s args=%s,%s caps=%s uid=%u gid=%u groups=%d nnp=%d umask=%o masked=%x "
		"pdeath=%d environ=%u fds=%x sid=%d "
		"state_uid=%u state_mode=%o run_mode=%o key=%d slice=%zd:%s\n",
		argv[0], title, argv[2], argv[3], capabilities(), getuid(), getgid(), getgroups(0, NULL),
		prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), um, blocked, sig, count_environ(), open_fds(),
		getsid(0) == getpid(), st.st_uid, st.st_mode & 07777, run.st_mode & 07777,
		(int)lseek(FD_KEY, 0, SEEK_END), n, slice);
}

static void wait_for_end(void)
{
	struct pollfd p = {.fd = FD_SUPERVISOR, .events = POLLIN};
	char c;

	for (;;) {
		if (told)
			return;
		if (poll(&p, 1, 50) > 0 && (p.revents & (POLLHUP | POLLIN)) &&
			read(FD_SUPERVISOR, &c, 1) <= 0)
			return;
	}
}

static void wait_for_term(void)
{
	while (!told)
		poll(NULL, 0, 50);
}

int main(int argc, char **argv)
{
	const char *title = argc > 3 && !strncmp(argv[1], "--title=", 8) ? argv[1] + 8 : "";

	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, strcmp(title, "hang") ? on_term : SIG_IGN);
	if (strstr(argv[0], "agent")) {
		if (faccessat(FD_RUN, "refuse", F_OK, 0) == 0)
			return UNIT_EXIT_SETTINGS;
		if (faccessat(FD_RUN, "lost", F_OK, 0) == 0)
			return UNIT_EXIT_USAGE;
		hand_over();
		wait_for_term();
		return 0;
	}
	tell(argv, title);
	if (!strcmp(title, "exit7"))
		return 7;
	if (!strcmp(title, "crash")) {
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
	}
	while (!strcmp(title, "hang"))
		poll(NULL, 0, 1000);
	wait_for_end();
	return 0;
}
