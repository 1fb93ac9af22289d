/*
 * The one way from nng's threads to the main thread. Called by link.c; knows nothing of what it carries.
 */
#include "common/proc/inbox.h"

#include <assert.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

void inbox_push(struct inbox *q, struct task *t)
{
	uint64_t one = 1;

	t->next = NULL;
	pthread_mutex_lock(&q->mtx);
	if (q->last)
		q->last->next = t;
	else
		q->first = t;
	q->last = t;
	pthread_mutex_unlock(&q->mtx);
	ssize_t put = write(q->event_fd, &one, sizeof one);
	(void)put; /* EAGAIN: the counter is full, the main thread is on its way */
}

static struct task *inbox_pop(struct inbox *q)
{
	pthread_mutex_lock(&q->mtx);
	struct task *t = q->first;
	if (t)
		q->first = t->next;
	if (!q->first)
		q->last = NULL;
	pthread_mutex_unlock(&q->mtx);
	return t;
}

void inbox_take(struct inbox *q, struct task *t)
{
	struct task *before = NULL;

	pthread_mutex_lock(&q->mtx);
	for (struct task *at = q->first; at; before = at, at = at->next) {
		if (at != t)
			continue;
		if (before)
			before->next = t->next;
		else
			q->first = t->next;
		if (q->last == t)
			q->last = before;
		break;
	}
	pthread_mutex_unlock(&q->mtx);
}

static void inbox_run(void *arg, uint32_t events)
{
	struct inbox *q = arg;
	struct task *t;
	uint64_t n;

	(void)events;
	ssize_t got = read(q->event_fd, &n, sizeof n);
	(void)got;
	while ((t = inbox_pop(q)))
		t->run(t);
}

void inbox_init(struct inbox *q, struct loop *l)
{
	*q = (struct inbox){.loop = l, .event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	pthread_mutex_init(&q->mtx, NULL);
	assert(q->event_fd >= 0);
	if (l)
		loop_add(l, q->event_fd, inbox_run, q);
}

void inbox_fini(struct inbox *q)
{
	if (q->loop)
		loop_del(q->loop, q->event_fd);
	close(q->event_fd);
	pthread_mutex_destroy(&q->mtx);
}
