/*
 * The queue of whole transactions between the main thread and the scheduler's. Bounded in bytes: the reader
 * stops when it is full and is woken when half of it is gone, so that it has work again long before the
 * scheduler runs dry.
 */
#include "units/sync/queue.h"

#include <errno.h>

#include "common/base/clock.h"
#include "units/sync/stray.h"

void queue_init(struct queue *q, void (*wake)(void *arg), void *wake_arg)
{
	pthread_condattr_t attr;

	*q = (struct queue){.wake = wake, .wake_arg = wake_arg};
	q->tail = &q->head;
	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->more, &attr);
	pthread_condattr_destroy(&attr);
}

void queue_fini(struct queue *q)
{
	while (q->head) {
		struct trx *t = q->head;

		q->head = t->next;
		trx_free(&t);
	}
	pthread_cond_destroy(&q->more);
	pthread_mutex_destroy(&q->lock);
}

/* Small transactions weigh mostly by themselves. */
static size_t weight(const struct trx *t)
{
	return t->raw.n + sizeof(*t) + stray_weight(t->notes) + stray_weight(t->made);
}

void queue_put(struct queue *q, struct trx *t)
{
	pthread_mutex_lock(&q->lock);
	*q->tail = t;
	for (; t; t = t->next) {
		q->bytes += weight(t);
		q->tail = &t->next;
	}
	pthread_cond_signal(&q->more);
	pthread_mutex_unlock(&q->lock);
}

void queue_set_safe(struct queue *q, struct position safe)
{
	pthread_mutex_lock(&q->lock);
	if (q->patient && position_cmp(q->safe, safe) != 0)
		pthread_cond_signal(&q->more);
	q->safe = safe;
	pthread_mutex_unlock(&q->lock);
}

size_t queue_bytes(struct queue *q)
{
	size_t n;

	pthread_mutex_lock(&q->lock);
	n = q->bytes;
	pthread_mutex_unlock(&q->lock);
	return n;
}

bool queue_has_room(struct queue *q, size_t more)
{
	bool room;

	pthread_mutex_lock(&q->lock);
	room = q->bytes == 0 || q->bytes + more < QUEUE_BYTES;
	q->full = !room;
	pthread_mutex_unlock(&q->lock);
	return room;
}

struct trx *queue_take(struct queue *q, unsigned ms, struct position *safe)
{
	struct timespec until = clock_deadline(ms);
	struct trx *t;
	bool room = false;
	int r = 0;

	pthread_mutex_lock(&q->lock);
	q->patient = ms >= QUEUE_PATIENT_MS;
	while (!q->head && !q->leaving && r != ETIMEDOUT &&
		!(q->patient && position_cmp(q->safe, *safe) != 0))
		r = pthread_cond_timedwait(&q->more, &q->lock, &until);
	q->patient = false;
	t = q->head;
	if (t) {
		q->head = t->next;
		if (!q->head)
			q->tail = &q->head;
		q->bytes -= weight(t);
		t->next = NULL;
		room = q->full && q->bytes < QUEUE_BYTES / 2;
		q->full = q->full && !room;
	}
	*safe = q->safe;
	pthread_mutex_unlock(&q->lock);
	if (room)
		q->wake(q->wake_arg);
	return t;
}

void queue_leave(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->leaving = true;
	pthread_cond_broadcast(&q->more);
	pthread_mutex_unlock(&q->lock);
}

bool queue_leaving(struct queue *q)
{
	bool leaving;

	pthread_mutex_lock(&q->lock);
	leaving = q->leaving;
	pthread_mutex_unlock(&q->lock);
	return leaving;
}
