#pragma once
#include <pthread.h>
#include <stdbool.h>

#include "units/sync/trx.h"

/* Between the main thread, which assembles, and the scheduler's. Its user stops putting where there is no
 * room (queue_has_room). */
struct queue {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct trx *head, **tail;
	size_t bytes;
	bool full; /* the reader was told so, and waits to be woken */
	void (*wake)(void *arg);
	void *wake_arg;
	struct position safe; /* nothing of ours between the last transaction and here */
	bool patient;         /* who waits must be told of a safe position that moves */
	bool leaving;
};

enum { QUEUE_BYTES = 24 << 20, QUEUE_PATIENT_MS = 1000 };

/* wake is called from the taking thread, not under the lock, when there is room again. */
void queue_init(struct queue *q, void (*wake)(void *arg), void *wake_arg);
void queue_fini(struct queue *q);
void queue_put(struct queue *q, struct trx *t); /* takes t and what hangs on t->next */
void queue_set_safe(struct queue *q, struct position safe);
size_t queue_bytes(struct queue *q);
/* Below QUEUE_BYTES with the reader's `more` that is no whole transaction yet, or empty. False: wake is
 * called once half of it is taken, so that the reader needs no clock. */
bool queue_has_room(struct queue *q, size_t more);
/* Waits at most ms for a transaction. NULL: none; *safe then tells how far the stream is known to hold
 * nothing for us. From QUEUE_PATIENT_MS on the wait ends, too, when that is elsewhere than *safe was. */
struct trx *queue_take(struct queue *q, unsigned ms, struct position *safe);
void queue_leave(struct queue *q);
bool queue_leaving(struct queue *q);
