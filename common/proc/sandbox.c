/*
 * The one box: unfolds include/sandbox.def into Landlock rules, a seccomp filter and limits. Called once by
 * each skeleton (unit.c, daemon.c), single-threaded, before nng and before any thread. The only file that
 * knows the kernel's words for it; Landlock's newer ones are spelled out here because Debian 12's headers are
 * older than its users' kernels. Every return code is checked: half a box is none. Why each call is in the
 * lists: docs/design/processes.md.
 */
#include "common/proc/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <net/if.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/log.h"

/* The words of include/sandbox.def. */
enum { RUN = 1, STATE = 2, FILES = 4 };
enum { UPSTREAM = 1, DOWNSTREAM = 2, STORE = 4, MASTERS = 8, CONTROL = 1 };
enum { READER, WRITER };

struct row {
	const char *process;
	unsigned reads, writes, dials, listens, calls, memory_mb;
};

static const struct row rows[SANDBOX_ROWS] = {
#define SANDBOX(process, reads, writes, dials, listens, syscalls, memory) \
	[SANDBOX_##process] = {#process, reads, writes, dials, listens, syscalls, memory},
#include "sandbox.def"
#undef SANDBOX
};

int sandbox_row(const char *process)
{
	for (int i = 0; i < SANDBOX_ROWS; i++)
		if (strcmp(rows[i].process, process) == 0)
			return i;
	return -1;
}

/* ---- Landlock ---- */

enum {
	LL_ABI_NEWEST = 7, /* newer ones add nothing that is masked here */
	LL_RULE_PATH = 1,
	LL_RULE_PORT = 2,
	LL_PORT_BIND = 1 << 0, /* ABI 4 */
	LL_PORT_CONNECT = 1 << 1,
	LL_SCOPE_ABSTRACT = 1 << 0, /* ABI 6 */
	LL_SCOPE_SIGNAL = 1 << 1,
	LL_FS_REFER = 1 << 13,     /* ABI 2 */
	LL_FS_TRUNCATE = 1 << 14,  /* ABI 3 */
	LL_FS_IOCTL_DEV = 1 << 15, /* ABI 5 */
	LL_FS_ABI1 = (1 << 13) - 1,
	LL_READ = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
	LL_WRITE = LL_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
		   LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
		   LANDLOCK_ACCESS_FS_MAKE_REG | LL_FS_REFER | LL_FS_TRUNCATE,
	LL_OF_FILES = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LL_FS_TRUNCATE,
	DNS_PORT = 53,
};

struct ll_ruleset_attr {
	uint64_t fs, net, scoped;
};

struct ll_port_attr {
	uint64_t access, port;
};

struct ll {
	int fd, run_fd, state_fd, files_fd; /* files_fd: -1 where the host has none */
	struct ll_ruleset_attr handled;
};

/*
 * BASE of the table. Folders, because files in them are replaced by rename (T43). /run/…: where a local
 * resolver keeps what /etc/resolv.conf links to.
 */
static const char *const base_folders[] = {"/etc", "/usr/lib", "/usr/lib64", "/usr/share", "/lib", "/lib64",
	"/proc/self", "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager", NULL};

int sandbox_landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi < 0)
		return 0;
#ifdef TIDEGATE_FAILPOINTS
	const char *mask = getenv("TIDEGATE_LANDLOCK_ABI");
	if (mask && atol(mask) < abi)
		abi = atol(mask);
#endif
	return (int)(abi < LL_ABI_NEWEST ? abi : LL_ABI_NEWEST);
}

static struct ll_ruleset_attr ll_handled(int abi)
{
	struct ll_ruleset_attr a = {.fs = LL_FS_ABI1};

	if (abi >= 2)
		a.fs |= LL_FS_REFER;
	if (abi >= 3)
		a.fs |= LL_FS_TRUNCATE;
	if (abi >= 4)
		a.net = LL_PORT_BIND | LL_PORT_CONNECT;
	if (abi >= 5)
		a.fs |= LL_FS_IOCTL_DEV;
	if (abi >= 6)
		a.scoped = LL_SCOPE_ABSTRACT | LL_SCOPE_SIGNAL;
	return a;
}

static void ll_tell(int abi)
{
	if (abi >= 6)
		return;
	log_warn("this kernel's Landlock (ABI %d) does not restrict:%s%s%s%s; Linux 6.12 does", abi,
		abi < 3 ? " cutting readable files (3);" : "", abi < 4 ? " TCP ports (4);" : "",
		abi < 5 ? " device ioctls (5);" : "", " signals and abstract sockets (6)");
}

static int ll_allow_fd(const struct ll *l, int fd, uint64_t access, const char *name, struct err *e)
{
	struct landlock_path_beneath_attr a = {.allowed_access = access & l->handled.fs, .parent_fd = fd};
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, ERR_sandbox, "looking at %s", name);
	if (!S_ISDIR(st.st_mode))
		a.allowed_access &= LL_OF_FILES;
	if (syscall(SYS_landlock_add_rule, l->fd, LL_RULE_PATH, &a, 0) < 0)
		return err_sys(e, ERR_sandbox, "Landlock rule for %s", name);
	return 0;
}

/* What is not there, or may not be reached anyway, needs no rule. */
static int ll_allow_path(const struct ll *l, const char *path, uint64_t access, struct err *e)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
		return 0;
	if (fd < 0)
		return err_sys(e, ERR_sandbox, "opening %s", path);
	int rc = ll_allow_fd(l, fd, access, path, e);
	close(fd);
	return rc;
}

static int ll_allow_base(const struct ll *l, struct err *e)
{
	for (const char *const *p = base_folders; *p; p++)
		if (ll_allow_path(l, *p, LL_READ, e) < 0)
			return -1;
#ifdef TIDEGATE_SANITIZED
	if (ll_allow_path(l, "/proc/self/exe", LL_READ, e) < 0) /* a report reads its symbols */
		return -1;
#endif
	if (ll_allow_path(l, "/dev/null", LL_READ | LANDLOCK_ACCESS_FS_WRITE_FILE, e) < 0)
		return -1;
	return ll_allow_path(l, "/dev/urandom", LL_READ, e);
}

static int ll_allow_folder(const struct ll *l, const struct row *r, unsigned which, struct err *e)
{
	int fd = which == RUN ? l->run_fd : which == STATE ? l->state_fd : l->files_fd;
	const char *name = which == RUN     ? "the run folder"
			   : which == STATE ? "the state folder"
					    : "the folder of files";
	uint64_t access = 0;

	if (r->reads & which)
		access = LL_READ;
	if (r->writes & which)
		access = LL_WRITE | (which == RUN ? LANDLOCK_ACCESS_FS_MAKE_SOCK : 0);
	if (!access || (which == FILES && fd < 0))
		return 0;
	if (fd < 0)
		return err_set(
			e, ERR_sandbox, "%s works with %s, which was not handed over", r->process, name);
	return ll_allow_fd(l, fd, access, name, e);
}

static int ll_allow_files(const struct ll *l, const struct sandbox_needs *needs, struct err *e)
{
	for (int i = 0; i < SANDBOX_FILES; i++) {
		const char *name = needs->files[i];
		if (!name || !*name)
			continue;
		if (name[0] != '/')
			return err_set(e, ERR_config_bad,
				"%s: certificates and keys are named by absolute paths", name);
		struct stat st;
		if (stat(name, &st) == 0 && !S_ISREG(st.st_mode))
			return err_set(e, ERR_config_bad, "%s is not a file", name);
		if (ll_allow_path(l, name, LL_READ, e) < 0)
			return -1;
	}
	return needs->folder ? ll_allow_path(l, needs->folder, LL_READ, e) : 0;
}

static int ll_allow_port(const struct ll *l, uint16_t port, uint64_t access, struct err *e)
{
	struct ll_port_attr a = {.access = access, .port = port};

	if (!port || !l->handled.net)
		return 0;
	if (syscall(SYS_landlock_add_rule, l->fd, LL_RULE_PORT, &a, 0) < 0)
		return err_sys(e, ERR_sandbox, "Landlock rule for port %u", port);
	return 0;
}

static int ll_allow_ports(
	const struct ll *l, const struct row *r, const struct sandbox_needs *needs, struct err *e)
{
	bool names = r->dials & (UPSTREAM | DOWNSTREAM);

	if (r->dials & UPSTREAM && ll_allow_port(l, needs->upstream, LL_PORT_CONNECT, e) < 0)
		return -1;
	if (r->dials & DOWNSTREAM && ll_allow_port(l, needs->downstream, LL_PORT_CONNECT, e) < 0)
		return -1;
	for (int i = 0; i < SANDBOX_STORES && r->dials & STORE && needs->store[i]; i++) {
		names = true;
		if (ll_allow_port(l, needs->store[i], LL_PORT_CONNECT, e) < 0)
			return -1;
	}
	for (int i = 0; i < SANDBOX_MASTERS && r->dials & MASTERS && needs->masters[i]; i++) {
		names = true;
		if (ll_allow_port(l, needs->masters[i], LL_PORT_CONNECT, e) < 0)
			return -1;
	}
	for (int i = 0; i < SANDBOX_LISTENS && r->listens & CONTROL && needs->listens[i]; i++)
		if (ll_allow_port(l, needs->listens[i], LL_PORT_BIND, e) < 0)
			return -1;
	return names ? ll_allow_port(l, DNS_PORT, LL_PORT_CONNECT, e) : 0;
}

static int ll_rules(const struct ll *l, const struct row *r, const struct sandbox_needs *needs, struct err *e)
{
	if (ll_allow_base(l, e) < 0 || ll_allow_folder(l, r, RUN, e) < 0 ||
		ll_allow_folder(l, r, STATE, e) < 0 || ll_allow_folder(l, r, FILES, e) < 0)
		return -1;
	if (ll_allow_files(l, needs, e) < 0)
		return -1;
	return ll_allow_ports(l, r, needs, e);
}

static int box_landlock(
	const struct row *r, int run_fd, int state_fd, const struct sandbox_needs *needs, struct err *e)
{
	int abi = sandbox_landlock_abi();

	if (abi == 0)
		return err_set(e, ERR_sandbox, "this kernel has no Landlock");
	ll_tell(abi);
	struct ll l = {.run_fd = run_fd,
		.state_fd = state_fd,
		.files_fd = needs->has_files ? needs->files_fd : -1,
		.handled = ll_handled(abi)};
	l.fd = (int)syscall(SYS_landlock_create_ruleset, &l.handled, sizeof l.handled, 0);
	if (l.fd < 0)
		return err_sys(e, ERR_sandbox, "making a Landlock rule set");
	int rc = ll_rules(&l, r, needs, e);
	if (rc == 0 && syscall(SYS_landlock_restrict_self, l.fd, 0) < 0)
		rc = err_sys(e, ERR_sandbox, "entering Landlock");
	close(l.fd);
	return rc;
}

/* ---- seccomp ---- */

/* READER: network, memory, threads, reading files. -1 ends a list. */
static const int calls_reader[] = {
	/* descriptors and files */
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(write),
	SCMP_SYS(writev), SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(lseek), SCMP_SYS(fcntl),
	SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(pipe2), SCMP_SYS(open), SCMP_SYS(openat),
	SCMP_SYS(fstat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(statx),
	SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
	SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents64), SCMP_SYS(getcwd), SCMP_SYS(fadvise64),
	SCMP_SYS(readahead),
	/* waiting */
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2),
	SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_gettime),
	SCMP_SYS(signalfd4),
	/* memory (mmap and mprotect: by argument) */
	SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(msync),
	SCMP_SYS(mincore), SCMP_SYS(mlock), SCMP_SYS(mlock2), SCMP_SYS(munlock),
	/* threads and signals (clone, kill, tgkill: by argument) */
	SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(get_robust_list), SCMP_SYS(rseq),
	SCMP_SYS(set_tid_address), SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(exit),
	SCMP_SYS(exit_group), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_getparam),
	SCMP_SYS(sched_getscheduler), SCMP_SYS(getcpu), SCMP_SYS(membarrier), SCMP_SYS(sigaltstack),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(rt_sigpending), SCMP_SYS(rt_sigsuspend), SCMP_SYS(restart_syscall),
	/* time and facts */
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(times), SCMP_SYS(getrusage), SCMP_SYS(uname),
	SCMP_SYS(sysinfo), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
	SCMP_SYS(getgroups), SCMP_SYS(getresuid), SCMP_SYS(getresgid), SCMP_SYS(getrandom),
	SCMP_SYS(getrlimit),
	/* network (socket, ioctl: by argument); bind: of getaddrinfo's netlink socket, ports are Landlock's
	 */
	SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg), SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg), SCMP_SYS(shutdown), -1};

/* WRITER: also making, renaming, syncing, cutting files, and listening: a socket file is made too. */
static const int calls_writer[] = {SCMP_SYS(pwrite64), SCMP_SYS(pwritev), SCMP_SYS(rename),
	SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat), SCMP_SYS(rmdir), SCMP_SYS(truncate), SCMP_SYS(ftruncate), SCMP_SYS(fallocate),
	SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(sync_file_range), SCMP_SYS(chmod), SCMP_SYS(fchmod),
	SCMP_SYS(fchmodat), SCMP_SYS(utimensat), SCMP_SYS(umask), SCMP_SYS(flock), SCMP_SYS(memfd_create),
	SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4), -1};

static int sc_list(scmp_filter_ctx f, const int *calls)
{
	for (; *calls != -1; calls++) {
		int rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, *calls, 0);
		if (rc < 0 && rc != -EDOM) /* EDOM: this machine has no such call */
			return rc;
	}
	return 0;
}

static struct scmp_arg_cmp arg_is(unsigned arg, scmp_datum_t value)
{
	return (struct scmp_arg_cmp){.arg = arg, .op = SCMP_CMP_EQ, .datum_a = value};
}

static struct scmp_arg_cmp arg_masked(unsigned arg, scmp_datum_t mask, scmp_datum_t value)
{
	return (struct scmp_arg_cmp){.arg = arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

/* Adds a rule on one argument, keeping the first error. */
static void sc_arg(int *rc, scmp_filter_ctx f, uint32_t action, int call, struct scmp_arg_cmp arg)
{
	if (*rc == 0)
		*rc = seccomp_rule_add_array(f, action, call, 1, &arg);
}

/* Memory is writable or executable, never both. */
static int sc_memory(scmp_filter_ctx f)
{
	const scmp_datum_t wx = PROT_WRITE | PROT_EXEC;
	static const int calls[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};
	int rc = 0;

	for (int i = 0; i < 2; i++) {
		sc_arg(&rc, f, SCMP_ACT_ALLOW, calls[i], arg_masked(2, wx, 0));
		sc_arg(&rc, f, SCMP_ACT_ALLOW, calls[i], arg_masked(2, wx, PROT_WRITE));
		sc_arg(&rc, f, SCMP_ACT_ALLOW, calls[i], arg_masked(2, wx, PROT_EXEC));
		sc_arg(&rc, f, SCMP_ACT_ERRNO(EPERM), calls[i], arg_masked(2, wx, wx));
	}
	return rc;
}

/* New threads, but no new processes; signals to ourselves alone (abort, raise, pthread_kill). */
static int sc_threads(scmp_filter_ctx f)
{
	const scmp_datum_t self = (scmp_datum_t)getpid();
	int rc = 0;

	sc_arg(&rc, f, SCMP_ACT_ALLOW, SCMP_SYS(clone), arg_masked(0, CLONE_THREAD, CLONE_THREAD));
	sc_arg(&rc, f, SCMP_ACT_ALLOW, SCMP_SYS(kill), arg_is(0, self));
	sc_arg(&rc, f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), arg_is(0, self));
	if (rc ==
		0) /* its flags lie behind a pointer, unseen by a filter: the C library falls back to clone */
		rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return rc;
}

/* Stream and datagram sockets; netlink as getaddrinfo uses it. Nothing raw, no packet sockets. */
static int sc_sockets(scmp_filter_ctx f)
{
	static const int families[] = {AF_UNIX, AF_INET, AF_INET6}, types[] = {SOCK_STREAM, SOCK_DGRAM};
	const scmp_datum_t type_mask = 0xf; /* above it: SOCK_CLOEXEC, SOCK_NONBLOCK */
	int rc = 0;

	for (int i = 0; rc == 0 && i < 3; i++)
		for (int k = 0; rc == 0 && k < 2; k++)
			rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
				arg_is(0, (scmp_datum_t)families[i]),
				arg_masked(1, type_mask, (scmp_datum_t)types[k]));
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, arg_is(0, AF_NETLINK),
			arg_is(2, 0)); /* NETLINK_ROUTE */
	/* libcurl wakes its own threads by a pair */
	sc_arg(&rc, f, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), arg_is(0, AF_UNIX));
	return rc;
}

static int sc_small(scmp_filter_ctx f)
{
	int rc = 0;

	/* isatty by stdio, what nng and the resolver ask, an IPv6 zone's name */
	sc_arg(&rc, f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), arg_is(1, TCGETS));
	sc_arg(&rc, f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), arg_is(1, FIONREAD));
	sc_arg(&rc, f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), arg_is(1, FIONBIO));
	sc_arg(&rc, f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), arg_is(1, SIOCGIFINDEX));
	/* asking for limits, not setting them */
	sc_arg(&rc, f, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), arg_is(2, 0));
#ifndef TIDEGATE_SANITIZED
	sc_arg(&rc, f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), arg_is(0, PR_SET_NAME));
	sc_arg(&rc, f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), arg_is(0, PR_GET_NAME));
#endif
	return rc;
}

#ifdef TIDEGATE_SANITIZED
/*
 * Test builds with a sanitizer (T44): LeakSanitizer stops its own process by ptrace from a helper that shares
 * its memory, all of them ask more of the kernel. Still an allow-list: no exec, no plain fork, no mount.
 */
static const int calls_sanitizer[] = {SCMP_SYS(ptrace), SCMP_SYS(wait4), SCMP_SYS(process_vm_readv),
	SCMP_SYS(prctl), SCMP_SYS(personality), SCMP_SYS(getdents), -1};

static int sc_sanitizer(scmp_filter_ctx f)
{
	int rc = sc_list(f, calls_sanitizer);

	sc_arg(&rc, f, SCMP_ACT_ALLOW, SCMP_SYS(clone),
		arg_masked(0, CLONE_VM | CLONE_THREAD | CLONE_VFORK, CLONE_VM));
	return rc;
}
#else
static int sc_sanitizer(scmp_filter_ctx f)
{
	(void)f;
	return 0;
}
#endif

static int sc_attributes(scmp_filter_ctx f)
{
	int rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);

	if (rc == 0)
		rc = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (rc == 0)
		rc = seccomp_attr_set(
			f, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree: each call costs about ten steps */
	return rc;
}

static int sc_fill(scmp_filter_ctx f, const struct row *r)
{
	int rc = sc_attributes(f);

	if (rc == 0)
		rc = sc_list(f, calls_reader);
	if (rc == 0 && r->calls == WRITER)
		rc = sc_list(f, calls_writer);
	if (rc == 0)
		rc = sc_memory(f);
	if (rc == 0)
		rc = sc_threads(f);
	if (rc == 0)
		rc = sc_sockets(f);
	if (rc == 0)
		rc = sc_small(f);
	if (rc == 0)
		rc = sc_sanitizer(f);
	return rc;
}

static int box_seccomp(const struct row *r, struct err *e)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);

	if (!f)
		return err_set(e, ERR_sandbox, "no memory for a seccomp filter");
	int rc = sc_fill(f, r);
	if (rc == 0)
		rc = seccomp_load(f);
	seccomp_release(f);
	if (rc == 0)
		return 0;
	errno = -rc;
	return err_sys(e, ERR_sandbox, "seccomp filter");
}

/* ---- the rest ---- */

/* A thread that is there already would stay outside of Landlock. (TSan has one of its own.) */
static int box_single(struct err *e)
{
#ifndef TIDEGATE_SANITIZED
	struct stat st;

	if (stat("/proc/self/task", &st) < 0)
		return err_sys(e, ERR_sandbox, "counting threads in /proc/self/task");
	if (st.st_nlink != 3)
		return err_set(e, ERR_sandbox, "a thread was started before the box was closed");
#endif
	(void)e;
	return 0;
}

static int box_privileges(struct err *e)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};
	uid_t r, eff, s;

	if (getresuid(&r, &eff, &s) < 0)
		return err_sys(e, ERR_sandbox, "asking for the user id");
	if (r == 0 || eff == 0 || s == 0)
		return err_set(e, ERR_sandbox,
			"this process must not run as root: the supervisor gives it a user of its own");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, ERR_sandbox, "PR_SET_NO_NEW_PRIVS");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, ERR_sandbox, "PR_SET_DUMPABLE");
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_sys(e, ERR_sandbox, "dropping ambient capabilities");
	if (syscall(SYS_capset, &h, none) < 0)
		return err_sys(e, ERR_sandbox, "dropping capabilities");
	return 0;
}

static int box_limits(const struct row *r, struct err *e)
{
	const struct rlimit no_core = {0, 0};

	if (setrlimit(RLIMIT_CORE, &no_core) < 0)
		return err_sys(e, ERR_sandbox, "RLIMIT_CORE");
#ifndef TIDEGATE_SANITIZED
	const struct rlimit data = {(rlim_t)r->memory_mb << 20, (rlim_t)r->memory_mb << 20};
	struct rlimit now;
	if (getrlimit(RLIMIT_DATA, &now) < 0)
		return err_sys(e, ERR_sandbox, "RLIMIT_DATA");
	if (r->memory_mb && data.rlim_max < now.rlim_max && setrlimit(RLIMIT_DATA, &data) < 0)
		return err_sys(e, ERR_sandbox, "RLIMIT_DATA");
#else
	(void)r;
#endif
	return 0;
}

int sandbox_enter(
	enum sandbox_row row, int run_fd, int state_fd, const struct sandbox_needs *needs, struct err *e)
{
	static const struct sandbox_needs nothing;
	const struct row *r = &rows[row];

	if (box_single(e) < 0 || box_privileges(e) < 0 || box_limits(r, e) < 0)
		return -1;
	if (box_landlock(r, run_fd, state_fd, needs ? needs : &nothing, e) < 0)
		return -1;
	return box_seccomp(r, e);
}
