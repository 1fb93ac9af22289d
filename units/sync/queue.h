#pragma once
#include <pthread.h>
#include <stdbool.h>

#include "units/sync/trx.h"

/* Between the main thread, which assembles, and the applier's. Bounded in bytes by its user (queue_bytes). */
struct queue {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct trx *head, **tail;
	size_t bytes, count;
	struct position safe; /* nothing of ours between the last transaction and here */
	bool leaving;
};

void queue_init(struct queue *q);
void queue_fini(struct queue *q);
void queue_put(struct queue *q, struct trx *t); /* takes t and what hangs on t->next */
void queue_set_safe(struct queue *q, struct position safe);
size_t queue_bytes(struct queue *q);
/* Waits at most ms for a transaction. NULL: none; *safe then tells how far the stream is known to hold
 * nothing for us. */
struct trx *queue_take(struct queue *q, unsigned ms, struct position *safe);
/* What stands first, without taking it; NULL: nothing. Only the applier takes, so it stays valid. */
const struct trx *queue_peek(struct queue *q);
void queue_leave(struct queue *q);
bool queue_leaving(struct queue *q);
