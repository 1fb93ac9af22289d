/*
 * For tests only: the things that a box may forbid, one function each. Called by sandbox_test and by the
 * probe unit, inside the box. Each does the plain system call and nothing to hide its outcome.
 */
#include "common/proc/try.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
	int dir;
	const char *name;
};

static struct place place_of(const char *arg, int state_fd)
{
	if (strncmp(arg, "state/", 6) == 0)
		return (struct place){state_fd, arg + 6};
	return (struct place){AT_FDCWD, arg};
}

/* 0, or -1 with errno, as all of them. */
static int closed(int fd)
{
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int try_read(const char *arg, int state_fd)
{
	struct place p = place_of(arg, state_fd);
	char c;
	int fd = openat(p.dir, p.name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	int rc = read(fd, &c, 1) < 0 && errno != EISDIR ? -1 : 0;
	close(fd);
	return rc;
}

static int try_write(const char *arg, int state_fd)
{
	struct place p = place_of(arg, state_fd);

	return closed(openat(p.dir, p.name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int try_cut(const char *arg, int state_fd)
{
	struct place p = place_of(arg, state_fd);
	int fd = openat(p.dir, p.name, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	int rc = ftruncate(fd, 0);
	close(fd);
	return rc;
}

static int try_unlink(const char *arg, int state_fd)
{
	struct place p = place_of(arg, state_fd);

	return unlinkat(p.dir, p.name, 0);
}

static int try_rename(const char *arg, int state_fd)
{
	struct place p = place_of(arg, state_fd);
	char to[300];

	snprintf(to, sizeof to, "%s.new", p.name);
	return renameat(p.dir, p.name, p.dir, to);
}

static int try_mkdir(const char *arg, int state_fd)
{
	struct place p = place_of(arg, state_fd);

	return mkdirat(p.dir, p.name, 0700);
}

static int try_symlink(const char *arg, int state_fd)
{
	struct place p = place_of(arg, state_fd);

	return symlinkat("/etc/passwd", p.dir, p.name);
}

static struct sockaddr_in loopback(const char *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET};

	a.sin_port = htons((uint16_t)atoi(port));
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

/* Nobody may listen there: that the question went out is enough. */
static int try_connect(const char *arg, int state_fd)
{
	struct sockaddr_in a = loopback(arg);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state_fd;
	if (fd < 0)
		return -1;
	int rc = connect(fd, (struct sockaddr *)&a, sizeof a);
	if (rc < 0 && errno == ECONNREFUSED)
		rc = 0;
	close(fd);
	return rc;
}

static int try_bind(const char *arg, int state_fd)
{
	struct sockaddr_in a = loopback(arg);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state_fd;
	if (fd < 0)
		return -1;
	int rc = bind(fd, (struct sockaddr *)&a, sizeof a);
	close(fd);
	return rc;
}

static int try_listen_unix(const char *arg, int state_fd)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state_fd;
	if (fd < 0)
		return -1;
	snprintf(a.sun_path, sizeof a.sun_path, "%s", arg);
	int rc = bind(fd, (struct sockaddr *)&a, sizeof a);
	if (rc == 0)
		rc = listen(fd, 1);
	close(fd);
	return rc;
}

static int try_resolve(const char *arg, int state_fd)
{
	struct addrinfo *a = NULL;
	int rc = getaddrinfo(arg, "3306", NULL, &a);

	(void)state_fd;
	if (rc == 0)
		freeaddrinfo(a);
	if (rc != 0 && rc != EAI_SYSTEM)
		errno = ENOENT;
	return rc == 0 ? 0 : -1;
}

static int try_exec(const char *arg, int state_fd)
{
	char *argv[] = {(char *)(uintptr_t) "true", NULL};

	(void)arg, (void)state_fd;
	return execv("/bin/true", argv);
}

static int try_fork(const char *arg, int state_fd)
{
	pid_t pid = fork();

	(void)arg, (void)state_fd;
	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return -1;
	waitpid(pid, NULL, 0);
	return 0;
}

static void *thread_main(void *arg)
{
	return arg;
}

static int try_thread(const char *arg, int state_fd)
{
	pthread_t t;
	int rc = pthread_create(&t, NULL, thread_main, NULL);

	(void)arg, (void)state_fd;
	if (rc == 0)
		pthread_join(t, NULL);
	errno = rc;
	return rc == 0 ? 0 : -1;
}

static int try_ptrace(const char *arg, int state_fd)
{
	(void)arg, (void)state_fd;
	return (int)ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static int try_kill(const char *arg, int state_fd)
{
	(void)state_fd;
	return kill(atoi(arg), 0);
}

static int try_abort(const char *arg, int state_fd)
{
	(void)arg, (void)state_fd;
	abort();
}

static int try_mount(const char *arg, int state_fd)
{
	(void)arg, (void)state_fd;
	return mount("none", "/mnt", "tmpfs", 0, NULL);
}

static int try_socket_raw(const char *arg, int state_fd)
{
	(void)arg, (void)state_fd;
	return closed(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

static int try_socket_packet(const char *arg, int state_fd)
{
	(void)arg, (void)state_fd;
	return closed(socket(AF_PACKET, SOCK_DGRAM, 0));
}

static int try_setuid(const char *arg, int state_fd)
{
	(void)arg, (void)state_fd;
	return setuid(0);
}

static int try_bpf(const char *arg, int state_fd)
{
	(void)arg, (void)state_fd;
	return (int)syscall(SYS_bpf, 0, NULL, 0);
}

static int try_io_uring(const char *arg, int state_fd)
{
	char params[256] = {0};

	(void)arg, (void)state_fd;
	return closed((int)syscall(SYS_io_uring_setup, 1, params));
}

static int try_unshare(const char *arg, int state_fd)
{
	(void)arg, (void)state_fd;
	return (int)syscall(SYS_unshare, 0x10000000 /* CLONE_NEWUSER */);
}

static int try_code(const char *arg, int state_fd)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)arg, (void)state_fd;
	if (p == MAP_FAILED)
		return -1;
	munmap(p, 4096);
	return 0;
}

/* MiB, touched, in one piece. */
static int try_memory(const char *arg, int state_fd)
{
	size_t n = (size_t)atoi(arg) << 20;
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state_fd;
	if (p == MAP_FAILED)
		return -1;
	p[0] = p[n - 1] = 1;
	munmap(p, n);
	return 0;
}

static int try_limit(const char *arg, int state_fd)
{
	struct rlimit r = {1 << 20, 1 << 20};

	(void)arg, (void)state_fd;
	return setrlimit(RLIMIT_CORE, &r);
}

static int try_dumpable(const char *arg, int state_fd)
{
	(void)arg, (void)state_fd;
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

/* A connection to an abstract socket, which has no file and so no file mode. */
static int try_abstract(const char *arg, int state_fd)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	size_t n = strlen(arg);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state_fd;
	if (fd < 0 || n + 1 > sizeof a.sun_path)
		return -1;
	memcpy(a.sun_path + 1, arg, n);
	int rc = connect(
		fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n));
	close(fd);
	return rc;
}

static const struct {
	const char *verb;
	int (*fn)(const char *arg, int state_fd);
} verbs[] = {
	{"read", try_read},
	{"write", try_write},
	{"cut", try_cut},
	{"unlink", try_unlink},
	{"rename", try_rename},
	{"mkdir", try_mkdir},
	{"symlink", try_symlink},
	{"connect", try_connect},
	{"bind", try_bind},
	{"listen-unix", try_listen_unix},
	{"resolve", try_resolve},
	{"exec", try_exec},
	{"fork", try_fork},
	{"thread", try_thread},
	{"ptrace", try_ptrace},
	{"kill", try_kill},
	{"abort", try_abort},
	{"mount", try_mount},
	{"socket-raw", try_socket_raw},
	{"socket-packet", try_socket_packet},
	{"setuid", try_setuid},
	{"bpf", try_bpf},
	{"io-uring", try_io_uring},
	{"unshare", try_unshare},
	{"code", try_code},
	{"memory", try_memory},
	{"limit", try_limit},
	{"dumpable", try_dumpable},
	{"abstract", try_abstract},
};

void try_word(const char *word, int state_fd, char *out, size_t size)
{
	const char *colon = strchr(word, ':');
	size_t n = colon ? (size_t)(colon - word) : strlen(word);

	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
		if (strlen(verbs[i].verb) != n || strncmp(verbs[i].verb, word, n) != 0)
			continue;
		if (verbs[i].fn(colon ? colon + 1 : "", state_fd) == 0)
			snprintf(out, size, "allowed");
		else
			snprintf(out, size, "refused(%s)", strerrorname_np(errno));
		return;
	}
	snprintf(out, size, "unknown word");
}
