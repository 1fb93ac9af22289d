#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

/*
 * The finished chunk files that wait for the load, numbered from 1 in the order of their completion, and the
 * bound on what may be on disk. Shared by the writers (threads) and the main thread.
 */
struct spool_chunk {
	uint64_t number;
	uint32_t table;        /* index into the catalog */
	uint32_t stretch, seq; /* of the table; within the stretch, from 0 */
	bool ends_stretch;     /* the last one of its stretch */
	bool last;             /* the last one of its table */
	bool done;             /* recorded downstream, the file is gone */
	uint64_t rows, bytes;
	char *file,
		*hi; /* live as long as the spool; hi: JSON of the place that it reaches to, "" (msg.def) */
};

struct spool {
	int dir;
	uint64_t limit; /* bytes */
	pthread_mutex_t lock;
	pthread_cond_t room;
	struct spool_chunk *chunks;
	size_t n, cap, ndone;
	uint64_t bytes;                   /* on disk, unfinished files too */
	uint64_t kept;                    /* room that is promised to files under way */
	uint64_t total_rows, total_bytes; /* of all chunks ever finished */
	bool complete;                    /* no chunk comes any more */
	bool stopped;
};

void spool_init(struct spool *s, int dir, uint64_t limit);
void spool_fini(struct spool *s);
/*
 * Room for a new file of so many bytes is promised; with wait, as soon as there is some. False: there is
 * none, or stopped. A spool that is empty has room for a file of any size.
 */
bool spool_take_room(struct spool *s, uint64_t bytes, bool wait);
/* Bytes were written: of what was promised (which gets less), the rest on top. */
void spool_grow(struct spool *s, uint64_t bytes, uint64_t *promised);
/* What is left of a promise is not needed. */
void spool_give_back(struct spool *s, uint64_t *promised);
/* A finished chunk; file and hi are taken. Returns its number. With done set: recorded downstream in an
 * earlier life.
 */
uint64_t spool_add(struct spool *s, struct spool_chunk chunk);
void spool_complete(struct spool *s);
void spool_stop(struct spool *s);
enum spool_next { SPOOL_CHUNK, SPOOL_NOTHING, SPOOL_END };
enum spool_next spool_next(struct spool *s, uint64_t after, struct spool_chunk *out);
/* Recorded downstream: removes the file. A second time is no error. */
int spool_done(struct spool *s, uint64_t number, struct err *e);
/* Is there a chunk whose file is gone? Then only a load that has recorded this copy can go on with it. */
bool spool_any_gone(struct spool *s);
/* Flushes the files that are still there to disk, before a manifest vouches for them. */
int spool_sync(struct spool *s, struct err *e);
/* A copy of entry i (0-based), false behind the end: to write the manifest. */
bool spool_entry(struct spool *s, size_t i, struct spool_chunk *out);
