/*
 * Chunks of events between the reader (main thread) and the applier that writes a large transaction. Bounded,
 * so that the transaction's size costs no memory; rewound where the downstream wants it all once more.
 */
#include "units/sync/pieces.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/base/xalloc.h"

enum { ROOM = 4 << 20 };

struct chunk {
	struct chunk *next;
	struct buf b;
};

struct pieces {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct chunk *head, **tail;
	size_t bytes;
	unsigned owners;
	bool wanted, ended, failed, taken, again;
	struct err error;
	void (*wake)(void *);
	void *wake_arg;
};

struct pieces *pieces_new(void (*wake)(void *), void *arg)
{
	struct pieces *p = xcalloc(1, sizeof(*p));

	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	p->tail = &p->head;
	p->owners = 2;
	p->wake = wake;
	p->wake_arg = arg;
	return p;
}

static void clear(struct pieces *p)
{
	while (p->head) {
		struct chunk *c = p->head;

		p->head = c->next;
		buf_free(&c->b);
		free(c);
	}
	p->tail = &p->head;
	p->bytes = 0;
}

void pieces_release(struct pieces **p)
{
	struct pieces *q = *p;
	bool last;

	if (!q)
		return;
	*p = NULL;
	pthread_mutex_lock(&q->lock);
	last = --q->owners == 0;
	if (!last)
		q->wake(q->wake_arg);
	pthread_mutex_unlock(&q->lock);
	if (!last)
		return;
	clear(q);
	pthread_cond_destroy(&q->more);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

bool pieces_room(struct pieces *p)
{
	bool room;

	pthread_mutex_lock(&p->lock);
	room = p->wanted && p->bytes < ROOM && !p->ended;
	pthread_mutex_unlock(&p->lock);
	return room;
}

void pieces_put(struct pieces *p, struct buf *chunk)
{
	struct chunk *c = xcalloc(1, sizeof(*c));

	c->b = *chunk;
	*chunk = (struct buf){0};
	pthread_mutex_lock(&p->lock);
	*p->tail = c;
	p->tail = &c->next;
	p->bytes += c->b.n;
	if (p->again)
		clear(p);
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
}

void pieces_end(struct pieces *p)
{
	pthread_mutex_lock(&p->lock);
	p->ended = !p->again;
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
}

void pieces_fail(struct pieces *p, const struct err *e)
{
	pthread_mutex_lock(&p->lock);
	p->failed = true;
	p->error = *e;
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
}

bool pieces_again(struct pieces *p)
{
	bool again;

	pthread_mutex_lock(&p->lock);
	again = p->again;
	p->again = false;
	pthread_mutex_unlock(&p->lock);
	return again;
}

bool pieces_alone(struct pieces *p)
{
	bool alone;

	pthread_mutex_lock(&p->lock);
	alone = p->owners == 1;
	pthread_mutex_unlock(&p->lock);
	return alone;
}

int pieces_take(struct pieces *p, struct buf *chunk, struct err *e)
{
	struct chunk *c;
	int r = 0;

	pthread_mutex_lock(&p->lock);
	p->taken = true;
	while (!p->failed && (p->again || (!p->head && !p->ended)))
		pthread_cond_wait(&p->more, &p->lock);
	c = p->failed ? NULL : p->head;
	if (p->failed) {
		*e = p->error;
		r = -1;
	} else if (c) {
		p->head = c->next;
		if (!p->head)
			p->tail = &p->head;
		p->bytes -= c->b.n;
		r = 1;
	}
	pthread_mutex_unlock(&p->lock);
	if (c) {
		*chunk = c->b;
		free(c);
		p->wake(p->wake_arg);
	}
	return r;
}

void pieces_rewind(struct pieces *p)
{
	pthread_mutex_lock(&p->lock);
	p->wanted = true;
	if (p->taken) {
		clear(p);
		p->again = true;
		p->ended = false;
		p->taken = false;
	}
	pthread_mutex_unlock(&p->lock);
	p->wake(p->wake_arg);
}
