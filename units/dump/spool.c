/*
 * The list of chunk files. Knows no database and no message. Writers add, the main thread gives out and
 * removes; files are only removed once the load has said that their rows are recorded downstream.
 */
#include "units/dump/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/xalloc.h"

void spool_init(struct spool *s, int dir, uint64_t limit)
{
	*s = (struct spool){.dir = dir, .limit = limit};
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->room, NULL);
}

void spool_fini(struct spool *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->chunks[i].file);
		free(s->chunks[i].hi);
	}
	free(s->chunks);
	pthread_cond_destroy(&s->room);
	pthread_mutex_destroy(&s->lock);
	*s = (struct spool){.dir = -1};
}

/* Nothing of what is there or promised may be what is waited for: files under way end, and the load takes
 * them. */
static bool has_room(const struct spool *s, uint64_t bytes)
{
	return s->bytes + s->kept + bytes <= s->limit || (s->bytes == 0 && s->kept == 0);
}

bool spool_take_room(struct spool *s, uint64_t bytes, bool wait)
{
	bool got;

	pthread_mutex_lock(&s->lock);
	while (wait && !s->stopped && !has_room(s, bytes))
		pthread_cond_wait(&s->room, &s->lock);
	got = !s->stopped && has_room(s, bytes);
	s->kept += got ? bytes : 0;
	pthread_mutex_unlock(&s->lock);
	return got;
}

void spool_grow(struct spool *s, uint64_t bytes, uint64_t *promised)
{
	uint64_t of_it = bytes < *promised ? bytes : *promised;

	pthread_mutex_lock(&s->lock);
	s->bytes += bytes;
	s->kept -= of_it;
	pthread_mutex_unlock(&s->lock);
	*promised -= of_it;
}

void spool_give_back(struct spool *s, uint64_t *promised)
{
	pthread_mutex_lock(&s->lock);
	s->kept -= *promised;
	if (*promised > 0)
		pthread_cond_broadcast(&s->room);
	pthread_mutex_unlock(&s->lock);
	*promised = 0;
}

uint64_t spool_add(struct spool *s, struct spool_chunk chunk)
{
	pthread_mutex_lock(&s->lock);
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 64;
		s->chunks = xrealloc(s->chunks, s->cap * sizeof(*s->chunks));
	}
	chunk.number = s->n + 1;
	s->chunks[s->n++] = chunk;
	s->ndone += chunk.done;
	s->total_rows += chunk.rows;
	s->total_bytes += chunk.bytes;
	pthread_mutex_unlock(&s->lock);
	return chunk.number;
}

void spool_complete(struct spool *s)
{
	pthread_mutex_lock(&s->lock);
	s->complete = true;
	pthread_mutex_unlock(&s->lock);
}

void spool_stop(struct spool *s)
{
	pthread_mutex_lock(&s->lock);
	s->stopped = true;
	pthread_cond_broadcast(&s->room);
	pthread_mutex_unlock(&s->lock);
}

enum spool_next spool_next(struct spool *s, uint64_t after, struct spool_chunk *out)
{
	enum spool_next r = SPOOL_NOTHING;

	pthread_mutex_lock(&s->lock);
	for (uint64_t i = after; i < s->n && r == SPOOL_NOTHING; i++) {
		if (s->chunks[i].done)
			continue;
		*out = s->chunks[i];
		r = SPOOL_CHUNK;
	}
	if (r == SPOOL_NOTHING && s->complete)
		r = SPOOL_END;
	pthread_mutex_unlock(&s->lock);
	return r;
}

static int remove_file(const struct spool *s, const char *file, struct err *e)
{
	if (unlinkat(s->dir, file, 0) < 0 && errno != ENOENT)
		return err_sys(e, ERR_io, "removing %s", file);
	return 0;
}

int spool_done(struct spool *s, uint64_t number, struct err *e)
{
	int r = 0;

	pthread_mutex_lock(&s->lock);
	if (number == 0 || number > s->n) {
		r = err_set(e, ERR_proto, "chunk %" PRIu64 " is done, but there are only %zu", number, s->n);
	} else if (!s->chunks[number - 1].done) {
		struct spool_chunk *c = &s->chunks[number - 1];

		r = remove_file(s, c->file, e);
		if (r == 0) {
			c->done = true;
			s->ndone++;
			s->bytes -= c->bytes < s->bytes ? c->bytes : s->bytes;
			pthread_cond_broadcast(&s->room);
		}
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

bool spool_any_gone(struct spool *s)
{
	bool any;

	pthread_mutex_lock(&s->lock);
	any = s->ndone > 0;
	pthread_mutex_unlock(&s->lock);
	return any;
}

bool spool_entry(struct spool *s, size_t i, struct spool_chunk *out)
{
	bool there;

	pthread_mutex_lock(&s->lock);
	there = i < s->n;
	if (there)
		*out = s->chunks[i];
	pthread_mutex_unlock(&s->lock);
	return there;
}

static int sync_file(const struct spool *s, const char *file, struct err *e)
{
	int fd = openat(s->dir, file, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0) /* recorded and removed meanwhile */
		return errno == ENOENT ? 0 : err_sys(e, ERR_io, "opening %s", file);
	r = fdatasync(fd) < 0 ? err_sys(e, ERR_io, "syncing %s", file) : 0;
	close(fd);
	return r;
}

int spool_sync(struct spool *s, struct err *e)
{
	struct spool_chunk c;

	for (size_t i = 0; spool_entry(s, i, &c); i++)
		if (!c.done && sync_file(s, c.file, e) < 0)
			return -1;
	return 0;
}
