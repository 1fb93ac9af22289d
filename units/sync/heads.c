/*
 * Heads of the files that were read. A short list: from the oldest place that a start would need on.
 */
#include "units/sync/heads.h"

#include <stdlib.h>

#include "common/base/xalloc.h"

struct head_seen {
	uint32_t generation;
	uint64_t file, id;
};

void heads_init(struct heads *h)
{
	*h = (struct heads){0};
	pthread_mutex_init(&h->lock, NULL);
}

static void keep(struct heads *h, const struct head_seen *s)
{
	if (h->n == h->room) {
		h->room = h->room ? h->room * 2 : 8;
		h->list = xrealloc(h->list, h->room * sizeof(*h->list));
	}
	h->list[h->n++] = *s;
}

void heads_note(struct heads *h, struct position at, uint64_t id, struct position oldest)
{
	size_t left = 0;

	if (!id)
		return;
	pthread_mutex_lock(&h->lock);
	for (size_t i = 0; i < h->n; i++) {
		const struct head_seen *s = &h->list[i];
		struct position end = {s->generation, s->file, UINT64_MAX};

		if ((s->generation != at.generation || s->file != at.file) && position_cmp(end, oldest) >= 0)
			h->list[left++] = *s;
	}
	h->n = left;
	keep(h, &(struct head_seen){at.generation, at.file, id});
	pthread_mutex_unlock(&h->lock);
}

uint64_t heads_of(struct heads *h, struct position at)
{
	uint64_t id = 0;

	pthread_mutex_lock(&h->lock);
	for (size_t i = 0; i < h->n; i++)
		if (h->list[i].generation == at.generation && h->list[i].file == at.file)
			id = h->list[i].id;
	pthread_mutex_unlock(&h->lock);
	return id;
}

void heads_fini(struct heads *h)
{
	free(h->list);
	pthread_mutex_destroy(&h->lock);
	*h = (struct heads){0};
}
