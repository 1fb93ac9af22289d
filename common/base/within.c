/* A call that is waited for, but not for ever. */
#include "common/base/within.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"

/* Of whoever lets go last: the caller, when its time is over, or the thread. */
struct run {
	void (*fn)(void *arg);
	void *arg;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool done, left;
};

static void run_free(struct run *r)
{
	pthread_cond_destroy(&r->ended);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static void *run_main(void *arg)
{
	struct run *r = arg;
	bool left;

	r->fn(r->arg);
	pthread_mutex_lock(&r->lock);
	r->done = true;
	left = r->left;
	pthread_cond_signal(&r->ended);
	pthread_mutex_unlock(&r->lock);
	if (left)
		run_free(r);
	return NULL;
}

static struct run *run_new(void (*fn)(void *arg), void *arg)
{
	struct run *r = xcalloc(1, sizeof(*r));
	pthread_condattr_t attr;

	r->fn = fn;
	r->arg = arg;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->ended, &attr);
	pthread_condattr_destroy(&attr);
	return r;
}

static bool start(struct run *r)
{
	sigset_t all, was;
	pthread_t thread;
	bool ok;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	ok = pthread_create(&thread, NULL, run_main, r) == 0;
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	if (ok)
		pthread_detach(thread);
	return ok;
}

static bool wait_for(struct run *r, unsigned ms)
{
	struct timespec until = clock_deadline(ms);
	bool done;
	int rc = 0;

	pthread_mutex_lock(&r->lock);
	while (!r->done && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&r->ended, &r->lock, &until);
	done = r->done;
	r->left = !done;
	pthread_mutex_unlock(&r->lock);
	return done;
}

bool within(void (*fn)(void *arg), void *arg, unsigned ms)
{
	struct run *r = run_new(fn, arg);
	bool done = true;

	if (start(r))
		done = wait_for(r, ms);
	else
		fn(arg); /* no thread to be had: then as it comes */
	if (done)
		run_free(r);
	return done;
}
