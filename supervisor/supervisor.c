/*
 * tidegated's one loop: signals, children's ends, the agent's requests, deadlines. Single-threaded, poll,
 * nothing of the network. It must never learn what a position, a stage or a message is: that is the agent's
 * (STYLE of the powerful one: docs/design/processes.md).
 */
#include "supervisor/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "supervisor/child.h"
#include "supervisor/notify.h"

enum { POLL_SIGNALS, POLL_ALIVE, POLL_PORT, POLL_CHILDREN };

/* A limit of files that holds a pidfd for each child; children get the one that we found. */
static void raise_limit(struct super *s)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &s->nofile) < 0)
		s->nofile = (struct rlimit){1024, 1024};
	r = s->nofile;
	r.rlim_cur = r.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &r);
}

static int open_signals(struct super *s, struct err *e)
{
	static const int wanted[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP};
	sigset_t set;

	sigemptyset(&set);
	for (unsigned i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		sigaddset(&set, wanted[i]);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL); /* ignored, it would reap behind our back */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_sys(e, ERR_spawn, "blocking signals");
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals < 0 ? err_sys(e, ERR_spawn, "making the signal descriptor") : 0;
}

/*
 * The children's places, 0 to FD_LAST, are taken for good: whatever is opened or received later lies above
 * them, so that placing one can never overwrite another. What was inherited there by accident is gone with
 * it.
 */
static int reserve_places(struct super *s, struct err *e)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	s->null = null < 0 ? -1 : fcntl(null, F_DUPFD_CLOEXEC, FD_LAST + 1);
	if (s->null < 0)
		return err_sys(e, ERR_io, "opening /dev/null");
	for (int fd = 0; fd <= FD_LAST; fd++)
		if ((fd > FD_LOG || fcntl(fd, F_GETFD) < 0) &&
			dup3(s->null, fd, fd > FD_LOG ? O_CLOEXEC : 0) < 0)
			return err_sys(e, ERR_io, "reserving descriptors");
	return 0;
}

static int open_basics(struct super *s, struct err *e)
{
	if (s->args->alive_fd >= 0) {
		s->alive = fcntl(s->args->alive_fd, F_DUPFD_CLOEXEC, FD_LAST + 1);
		if (s->alive < 0)
			return err_sys(e, ERR_io, "--alive-fd");
		close(s->args->alive_fd);
	}
	if (reserve_places(s, e) < 0)
		return -1;
	s->log = fcntl(FD_LOG, F_DUPFD_CLOEXEC, FD_LAST + 1);
	if (s->log < 0)
		return err_sys(e, ERR_io, "the log");
	if (!s->args->failpoints)
		return 0;
	s->failpoints = open(s->args->failpoints, O_RDWR | O_CLOEXEC);
	return s->failpoints < 0 ? err_sys(e, ERR_io, "opening %s", s->args->failpoints) : 0;
}

static int open_all(struct super *s, struct err *e)
{
	struct owner self = {geteuid(), getegid()};

	raise_limit(s);
	umask(027);
	if (open_basics(s, e) < 0 || ids_init(&s->ids, s->args, self, e) < 0)
		return -1;
	if (binaries_open(&s->binaries, s->args->libexec, e) < 0)
		return -1;
	if (s->args->with_master && s->binaries.fd[UNIT_master] < 0)
		return err_set(e, ERR_spawn, "--with-master: tidegate-master is not installed");
	if (folders_open(&s->folders, s->args, &s->ids, e) < 0)
		return -1;
	s->notify = getenv("NOTIFY_SOCKET");
	return open_signals(s, e);
}

static void close_all(struct super *s)
{
	port_close(&s->port);
	table_free(&s->table);
	binaries_close(&s->binaries);
	folders_close(&s->folders);
	for (int i = 0; i < 2; i++) {
		io_close(&s->units_alive[i]);
		io_close(&s->master_alive[i]);
	}
	io_close(&s->null);
	io_close(&s->log);
	io_close(&s->failpoints);
	io_close(&s->signals);
	io_close(&s->alive);
}

/* Agent and master read their own files again, whatever ours says. A start later on has the level in its
 * slice. */
static void reload(struct super *s)
{
	args_reload(s->args);
	for (size_t i = 0; i < s->table.n; i++) {
		const struct child *c = &s->table.rows[i];

		if (kind_is_host(c->kind))
			(void)child_hup(c->pidfd, SPAWN_HUP_LEVEL + (int)s->args->level);
	}
}

static void on_signals(struct super *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGQUIT)
			leave_kill_all(s, "SIGQUIT");
		else if (info.ssi_signo == SIGHUP)
			reload(s);
		else
			leave_stop(s, strsignal((int)info.ssi_signo));
	}
}

/* Whoever started us holds the other end. What is written to it has no meaning. */
static void on_alive(struct super *s)
{
	char waste[256];
	ssize_t n = read(s->alive, waste, sizeof(waste));

	if (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)))
		return;
	io_close(&s->alive);
	leave_stop(s, "the one who started this is gone");
}

/* An agent that says what no agent says is ended; its end does the rest. */
static void distrust_agent(struct super *s, const struct err *e)
{
	const struct child *c = table_find(&s->table, UNIT_agent, 0, 0);

	log_error("the agent is killed: %s", e->text);
	port_close(&s->port);
	if (c)
		(void)child_signal(c->pidfd, SIGKILL);
}

static void on_port(struct super *s, short events)
{
	struct request r;
	struct err e = {0};

	port_flush(&s->port);
	if (port_is_backed_up(&s->port) || !(events & (POLLIN | POLLHUP | POLLERR)))
		return;
	switch (port_receive(&s->port, &r, &e)) {
	case PORT_REQUEST:
		units_request(s, &r);
		break;
	case PORT_BROKEN:
		distrust_agent(s, &e);
		break;
	case PORT_CLOSED: /* as a rule it is ending just now */
		port_close(&s->port);
		leave_host(s, &s->hosts[0]);
		break;
	case PORT_NONE:
		break;
	}
}

/* Borrowed until the next call; the children come last, in the table's order. */
static nfds_t fill_polls(const struct super *s, struct pollfd **polls, size_t *cap)
{
	size_t n = POLL_CHILDREN + s->table.n;

	if (n > *cap) {
		*cap = n * 2;
		*polls = xrealloc(*polls, *cap * sizeof(**polls));
	}
	(*polls)[POLL_SIGNALS] = (struct pollfd){.fd = s->signals, .events = POLLIN};
	(*polls)[POLL_ALIVE] = (struct pollfd){.fd = s->alive, .events = POLLIN};
	(*polls)[POLL_PORT] =
		(struct pollfd){.fd = s->port.fd, .events = port_is_backed_up(&s->port) ? POLLOUT : POLLIN};
	for (size_t i = 0; i < s->table.n; i++)
		(*polls)[POLL_CHILDREN + i] = (struct pollfd){.fd = s->table.rows[i].pidfd, .events = POLLIN};
	return (nfds_t)n;
}

/* Children first and backwards: reaping moves the last row into the gap. Requests come after, so that one for
 * a unit that has just ended is not refused as busy. */
static void dispatch(struct super *s, const struct pollfd *polls, size_t children)
{
	for (size_t i = children; i-- > 0;)
		if (polls[POLL_CHILDREN + i].revents)
			leave_reap(s, i);
	if (polls[POLL_SIGNALS].revents)
		on_signals(s);
	if (polls[POLL_ALIVE].revents && s->alive >= 0)
		on_alive(s);
	if (polls[POLL_PORT].revents && s->port.fd == polls[POLL_PORT].fd)
		on_port(s, polls[POLL_PORT].revents);
}

static int loop(struct super *s, struct err *e)
{
	struct pollfd *polls = NULL;
	size_t cap = 0;
	int timeout, r = 0;

	for (;;) {
		size_t children;
		nfds_t n;

		timeout = leave_tick(s, clock_ms());
		if (s->stopped)
			break;
		children = s->table.n;
		n = fill_polls(s, &polls, &cap);
		r = poll(polls, n, timeout);
		if (r < 0 && errno != EINTR) {
			r = err_sys(e, ERR_spawn, "waiting for events");
			break;
		}
		if (r > 0)
			dispatch(s, polls, children);
	}
	free(polls);
	return r < 0 && errno != EINTR ? -1 : 0;
}

/* The first start of each must work: what fails here would fail for ever. */
static int start_hosts(struct super *s, struct err *e)
{
	uint64_t now = clock_ms();

	host_init(&s->hosts[0], UNIT_agent);
	host_init(&s->hosts[1], s->args->with_master ? UNIT_master : UNIT_NONE);
	if (s->args->with_master && start_host(s, &s->hosts[1], now, e) < 0)
		return -1;
	if (start_host(s, &s->hosts[0], now, e) < 0)
		return -1;
	notify_send(s->notify, "READY=1");
	return 0;
}

int super_run(struct super_args *a, struct err *e)
{
	struct super s = {.args = a,
		.port = {.fd = -1},
		.units_alive = {-1, -1},
		.master_alive = {-1, -1},
		.null = -1,
		.log = -1,
		.failpoints = -1,
		.signals = -1,
		.alive = -1};
	int r;

	memset(&s.binaries, -1, sizeof(s.binaries));
	s.folders = (struct folders){.state = -1, .run = -1, .sources = -1, .state_lock = -1, .run_lock = -1};
	r = open_all(&s, e);
	if (r == 0) {
		r = start_hosts(&s, e);
		if (r < 0)
			leave_kill_all(&s, "not everything could be started");
		if (loop(&s, r < 0 ? NULL : e) < 0)
			r = -1;
	}
	close_all(&s);
	if (r == 0)
		log_info("stopped");
	if (r == 0 && s.refused != UNIT_NONE)
		r = err_set(e, ERR_usage,
			"tidegate-%s.conf is not right: mend the line that the last error of the %s above names",
			unit_info(s.refused)->name, unit_info(s.refused)->name);
	return r;
}
