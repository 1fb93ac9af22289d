/*
 * The watcher thread of every sandboxed process. It polls three descriptors: the supervisor's (for its end
 * only, it never reads), a signalfd for SIGTERM, SIGINT and SIGHUP, an eventfd of its own. Started by unit.c
 * and daemon.c; it touches nothing of the unit but the leaving flag, so that it works whatever the main
 * thread is stuck in.
 */
#include "common/proc/watch.h"

#include <assert.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "spawn.h"

enum { REASON_ASKED, REASON_SIGNAL, REASON_ORPHAN };

struct watch {
	pthread_t thread;
	struct loop *loop;
	int supervisor_fd, signal_fd, event_fd;
	atomic_bool leaving, end, last;
	atomic_int reason, status; /* status: of watch_last */
	atomic_int hup;            /* 0: none; 1: came; 2 + level: with a level */
	_Atomic uint64_t deadline; /* of clock_ms; 0: none */
};

static void watch_because(struct watch *w, int reason, uint64_t ms)
{
	uint64_t at = clock_ms() + ms, was = atomic_load(&w->deadline);

	while ((was == 0 || at < was) && !atomic_compare_exchange_weak(&w->deadline, &was, at))
		;
	if (!atomic_load(&w->leaving))
		atomic_store(&w->reason, reason);
	atomic_store(&w->leaving, true);
	loop_wake(w->loop);
}

static void watch_check_deadline(const struct watch *w)
{
	uint64_t deadline = atomic_load(&w->deadline);

	if (!deadline || clock_ms() < deadline)
		return;
	if (atomic_load(&w->last)) {
		log_debug("a library does not close: ending without it");
		_exit(atomic_load(&w->status));
	}
	log_error(
		"still busy at the deadline after being asked to leave (%s): leaving hard", watch_reason(w));
	_exit(WATCH_HARD_EXIT);
}

static int watch_patience(const struct watch *w)
{
	uint64_t deadline = atomic_load(&w->deadline), now = clock_ms();

	if (!deadline)
		return -1;
	uint64_t left = deadline > now ? deadline - now : 0;
	return left > 3600 * 1000 ? 3600 * 1000 : (int)left;
}

static void watch_drain(int fd, void *into, size_t n)
{
	ssize_t got = read(fd, into, n);

	(void)got; /* EAGAIN: taken already */
}

static void watch_signal(struct watch *w)
{
	struct signalfd_siginfo si = {0};

	watch_drain(w->signal_fd, &si, sizeof si);
	if (si.ssi_signo == SIGHUP) {
		bool level = si.ssi_code == SI_QUEUE && si.ssi_int >= SPAWN_HUP_LEVEL &&
			     si.ssi_int <= SPAWN_HUP_LEVEL + LOG_ERROR_;

		atomic_store(&w->hup, level ? 2 + si.ssi_int - SPAWN_HUP_LEVEL : 1);
		loop_wake(w->loop);
	} else if (si.ssi_signo) {
		watch_because(w, REASON_SIGNAL, WATCH_LEAVE_MS);
	}
}

static void *watch_thread(void *arg)
{
	struct watch *w = arg;
	uint64_t n;

	while (!atomic_load(&w->end)) {
		struct pollfd p[] = {{.fd = w->supervisor_fd, .events = POLLRDHUP},
			{.fd = w->signal_fd, .events = POLLIN}, {.fd = w->event_fd, .events = POLLIN}};
		poll(p, 3, watch_patience(w));
		if (p[0].revents) {
			w->supervisor_fd = -1; /* poll passes over it */
			watch_because(w, REASON_ORPHAN, WATCH_LEAVE_MS);
		}
		if (p[1].revents)
			watch_signal(w);
		if (p[2].revents)
			watch_drain(w->event_fd, &n, sizeof n);
		if (!atomic_load(&w->end))
			watch_check_deadline(w);
	}
	return NULL;
}

struct watch *watch_start(int supervisor_fd, struct loop *l)
{
	struct watch *w = xcalloc(1, sizeof *w);
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGTERM);
	sigaddset(&s, SIGINT);
	sigaddset(&s, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &s, NULL);
	w->loop = l;
	w->supervisor_fd = supervisor_fd;
	w->signal_fd = signalfd(-1, &s, SFD_CLOEXEC | SFD_NONBLOCK);
	w->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert(w->signal_fd >= 0 && w->event_fd >= 0);
	int rc = pthread_create(&w->thread, NULL, watch_thread, w);
	assert(rc == 0);
	return w;
}

static void watch_kick(struct watch *w)
{
	uint64_t one = 1;
	ssize_t put = write(w->event_fd, &one, sizeof one);

	(void)put;
}

void watch_leave(struct watch *w, uint64_t ms)
{
	watch_because(w, REASON_ASKED, ms);
	watch_kick(w);
}

void watch_last(struct watch *w, uint64_t ms, int status)
{
	atomic_store(&w->status, status);
	atomic_store(&w->last, true);
	atomic_store(&w->deadline, clock_ms() + ms);
	watch_kick(w);
}

bool watch_leaving(const struct watch *w)
{
	return atomic_load(&w->leaving);
}

bool watch_hup(struct watch *w, int *level)
{
	int hup = atomic_exchange(&w->hup, 0);

	*level = hup > 1 ? hup - 2 : -1;
	return hup > 0;
}

const char *watch_reason(const struct watch *w)
{
	static const char *const words[] = {"asked to", "SIGTERM", "the supervisor is gone"};

	return words[atomic_load(&w->reason)];
}

void watch_stop(struct watch **wp)
{
	struct watch *w = *wp;

	if (!w)
		return;
	atomic_store(&w->end, true);
	watch_kick(w);
	pthread_join(w->thread, NULL);
	close(w->signal_fd);
	close(w->event_fd);
	free(w);
	*wp = NULL;
}
