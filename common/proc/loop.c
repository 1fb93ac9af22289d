/*
 * The main thread's event loop: one epoll set that holds the caller's descriptors, an eventfd for wake-ups
 * and a signalfd. Timers are a short unsorted list (a process has a handful). Everything but loop_wake
 * belongs to the thread that made the loop. Watches and timers may be removed from inside any callback: the
 * dead ones are freed after the round.
 */
#include "common/proc/loop.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"

enum { LOOP_EVENTS = 32 };

struct watch {
	struct watch *next;
	int fd;
	bool dead;
	void (*on)(void *arg, uint32_t events);
	void *arg;
};

struct timer {
	struct timer *next;
	uint64_t id, at;
	void (*on)(void *arg);
	void *arg;
};

struct signal_on {
	void (*fn)(void *arg, int signo);
	void *arg;
};

struct loop {
	int epoll_fd, wake_fd, signal_fd;
	bool stop;
	struct watch *watches;
	struct timer *timers;
	uint64_t last_timer;
	sigset_t signals;
	struct signal_on on_signal[NSIG];
};

static void loop_woken(void *arg, uint32_t events)
{
	struct loop *l = arg;
	uint64_t n;

	(void)events;
	ssize_t got = read(l->wake_fd, &n, sizeof n);
	(void)got; /* EAGAIN: somebody's wake-up was already taken together with another */
}

static void loop_signalled(void *arg, uint32_t events)
{
	struct loop *l = arg;
	struct signalfd_siginfo si;

	(void)events;
	while (l->signal_fd >= 0 && read(l->signal_fd, &si, sizeof si) == (ssize_t)sizeof si) {
		if (si.ssi_signo >= NSIG)
			continue;
		const struct signal_on *o = &l->on_signal[si.ssi_signo];
		if (o->fn)
			o->fn(o->arg, (int)si.ssi_signo);
	}
}

struct loop *loop_new(void)
{
	struct loop *l = xcalloc(1, sizeof *l);

	l->signal_fd = -1;
	sigemptyset(&l->signals);
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert(l->epoll_fd >= 0 && l->wake_fd >= 0);
	loop_add(l, l->wake_fd, loop_woken, l);
	return l;
}

void loop_free(struct loop **lp)
{
	struct loop *l = *lp;

	if (!l)
		return;
	while (l->watches) {
		struct watch *w = l->watches;
		l->watches = w->next;
		free(w);
	}
	while (l->timers)
		loop_timer_stop(l, l->timers->id);
	if (l->signal_fd >= 0)
		close(l->signal_fd);
	close(l->wake_fd);
	close(l->epoll_fd);
	free(l);
	*lp = NULL;
}

void loop_add(struct loop *l, int fd, void (*on)(void *arg, uint32_t events), void *arg)
{
	struct watch *w = xcalloc(1, sizeof *w);

	*w = (struct watch){l->watches, fd, false, on, arg};
	l->watches = w;
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = w};
	int rc = epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
	assert(rc == 0); /* a closed descriptor or one that is watched already: our mistake */
}

void loop_mod(struct loop *l, int fd, uint32_t events)
{
	for (struct watch *w = l->watches; w; w = w->next)
		if (w->fd == fd && !w->dead) {
			struct epoll_event ev = {.events = events, .data.ptr = w};
			int rc = epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, fd, &ev);
			assert(rc == 0);
		}
}

void loop_del(struct loop *l, int fd)
{
	for (struct watch *w = l->watches; w; w = w->next) {
		if (w->fd != fd || w->dead)
			continue;
		w->dead = true;
		epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, fd,
			NULL); /* fails where fd is closed already: gone is gone */
		return;
	}
}

/* Only between rounds: an event that epoll has handed out may still point to a dead watch. */
static void loop_bury(struct loop *l)
{
	for (struct watch **at = &l->watches; *at;) {
		struct watch *w = *at;
		if (!w->dead) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		free(w);
	}
}

uint64_t loop_timer(struct loop *l, uint64_t ms, void (*on)(void *arg), void *arg)
{
	struct timer *t = xcalloc(1, sizeof *t);

	*t = (struct timer){l->timers, ++l->last_timer, clock_ms() + ms, on, arg};
	l->timers = t;
	return t->id;
}

void loop_timer_stop(struct loop *l, uint64_t id)
{
	for (struct timer **at = &l->timers; *at; at = &(*at)->next) {
		struct timer *t = *at;
		if (t->id != id)
			continue;
		*at = t->next;
		free(t);
		return;
	}
}

/* The timer that is due first; of two for the same moment the older one. */
static struct timer *loop_timer_first(const struct loop *l)
{
	struct timer *first = l->timers;

	for (struct timer *t = first; t; t = t->next)
		if (t->at < first->at || (t->at == first->at && t->id < first->id))
			first = t;
	return first;
}

/* Timers that a callback starts wait for the next round, so that a pause of 0 can't keep the loop here. */
static void loop_fire(struct loop *l)
{
	uint64_t now = clock_ms(), newest = l->last_timer;

	for (;;) {
		struct timer *due = NULL;
		for (struct timer *t = l->timers; t; t = t->next) {
			if (t->at > now || t->id > newest)
				continue;
			if (!due || t->at < due->at || (t->at == due->at && t->id < due->id))
				due = t;
		}
		if (!due)
			return;
		void (*on)(void *) = due->on;
		void *arg = due->arg;
		loop_timer_stop(l, due->id);
		on(arg);
	}
}

void loop_signal(struct loop *l, int signo, void (*on)(void *arg, int signo), void *arg)
{
	assert(signo > 0 && signo < NSIG);
	l->on_signal[signo] = (struct signal_on){on, arg};
	sigaddset(&l->signals, signo);
	pthread_sigmask(SIG_BLOCK, &l->signals, NULL);
	int fd = signalfd(l->signal_fd, &l->signals, SFD_CLOEXEC | SFD_NONBLOCK);
	assert(fd >= 0);
	if (l->signal_fd < 0)
		loop_add(l, fd, loop_signalled, l);
	l->signal_fd = fd;
}

void loop_wake(struct loop *l)
{
	uint64_t one = 1;
	ssize_t put = write(l->wake_fd, &one, sizeof one);

	(void)put; /* EAGAIN: the counter is full, so a wake-up is due anyway */
}

/* How long epoll may wait: until the first timer, at most ms. */
static int loop_patience(const struct loop *l, int ms)
{
	const struct timer *first = loop_timer_first(l);

	if (!first)
		return ms;
	uint64_t now = clock_ms();
	uint64_t left = first->at > now ? first->at - now : 0;
	if (left > 3600 * 1000)
		left = 3600 * 1000;
	return ms < 0 || left < (uint64_t)ms ? (int)left : ms;
}

void loop_once(struct loop *l, int ms)
{
	struct epoll_event ev[LOOP_EVENTS];
	int n = epoll_wait(l->epoll_fd, ev, LOOP_EVENTS, loop_patience(l, ms));

	assert(n >= 0 || errno == EINTR);
	for (int i = 0; i < n; i++) {
		struct watch *w = ev[i].data.ptr;
		if (!w->dead)
			w->on(w->arg, ev[i].events);
	}
	loop_bury(l);
	loop_fire(l);
}

void loop_run(struct loop *l)
{
	for (l->stop = false; !l->stop;)
		loop_once(l, -1);
}

void loop_stop(struct loop *l)
{
	l->stop = true;
	loop_wake(l);
}
