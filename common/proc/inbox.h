#pragma once
#include <pthread.h>

#include "common/proc/loop.h"

/* From threads of a library to the main thread: finished things, in their order. Wakes the loop. */
struct task {
	struct task *next;
	void (*run)(struct task *t); /* in the main thread */
};

struct inbox {
	struct loop *loop; /* NULL: nothing is ever run */
	int event_fd;
	pthread_mutex_t mtx; /* guards first and last */
	struct task *first, *last;
};

void inbox_init(struct inbox *q, struct loop *l);
/* From any thread. */
void inbox_push(struct inbox *q, struct task *t);
/* Takes t out, if it is in there: its owner goes away. */
void inbox_take(struct inbox *q, struct task *t);
void inbox_fini(struct inbox *q);
