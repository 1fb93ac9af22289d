#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/position.h"

/*
 * What is on disk, in DM's layout below FD_STATE:
 *   server-uuid.index                 one sub-directory a line, oldest first
 *   <server>.000001/mysql-bin.000003  the upstream's files, byte for byte
 *   <server>.000001/relay.meta        where writing stands, for people; and where to begin in an empty
 * sub-directory One struct for both threads: the puller adds, the main thread reads and purges. Every
 * function takes the lock.
 */
enum { STORE_NAME = 330, STORE_PATH = 640 };

struct store_file {
	uint64_t number, size; /* size: whole events only */
};

struct store_generation {
	uint32_t number;       /* the 000001 behind the server's name */
	char name[STORE_NAME]; /* "<server>.000001" */
	char base[256];        /* "mysql-bin" */
	uint64_t first;        /* file to begin with, where there is none yet */
	uint64_t began;        /* the oldest one that it is known to have had: since the relay's start */
	struct store_file *files;
	size_t nfiles;
};

struct store {
	int dir;
	pthread_mutex_t lock;
	struct store_generation *gens;
	size_t ngens;
};

/* A place to read from. */
enum store_place {
	STORE_DATA,   /* size > offset */
	STORE_LIVE,   /* the end of the log: nothing yet */
	STORE_BEYOND, /* behind the end of the log */
	STORE_GONE,   /* older than what is kept */
	STORE_WRONG,  /* no such place */
};

struct store_span {
	struct position at; /* what was asked; the next file's head where that was the end of a closed file */
	char path[STORE_PATH], base[256];
	uint64_t size;
	bool closed;
	struct position next; /* the next file's head, where closed */
};

int store_open(struct store *s, int dir, struct err *e);
void store_close(struct store *s);
bool store_empty(struct store *s);
/* The last generation: its number, "<server>", base and the file to write; file size 0: it is to be made.
 * False: none. */
bool store_last(
	struct store *s, struct store_generation *g, struct store_file *file, char *server, size_t size);
struct position store_end(struct store *s, char *base, size_t size);
/* Makes the next sub-directory, that begins with the given file, and then names it in the index. number: at
 * least this one. A folder of that name that no index names is removed first. */
int store_add_generation(struct store *s, const char *server, const char *base, uint64_t first,
	uint32_t number, struct err *e);
/* Everything goes, the index first. */
int store_discard(struct store *s, struct err *e);
/* Whose files a generation has; "": there is no such one. */
void store_server(struct store *s, uint32_t generation, char *out, size_t size);
/* "<server>.000001/mysql-bin.000003" */
void store_path(struct store *s, uint32_t generation, uint64_t number, char *out, size_t size);
/* The puller's: a file begins (size 0), the last file has grown, or was found without a whole event. */
void store_add_file(struct store *s, uint64_t number);
void store_set_size(struct store *s, uint64_t size);
void store_drop_last(struct store *s);

enum store_place store_find(struct store *s, struct position at, struct store_span *out);
/* Is the generation there, and not known to have had the file? Purged ones it had, as long as the relay runs.
 */
bool store_never_had(struct store *s, struct position at);
/* Files from the oldest (index 0) on; false behind the newest. */
bool store_walk(struct store *s, size_t index, struct store_span *out);
uint64_t store_bytes(struct store *s);
/* When old files go: the oldest first, none that is at or behind `keep`, never the one that is written. */
struct store_limits {
	struct position keep;   /* {0,0,0}: nothing is kept for readers */
	uint64_t quota;         /* files go while the log is larger */
	uint64_t free_bytes;    /* … while the file system has less; 0: no matter */
	int64_t written_before; /* … those that were written last before this second; 0: no matter */
	struct position before; /* … those before this one; {0,0,0}: none */
};

struct store_purged {
	unsigned files;
	uint64_t bytes;
	/* `keep` alone held back more: because of the quota (then pulling must stop), of another limit. */
	bool stuck, held;
};

int store_purge(struct store *s, const struct store_limits *l, struct store_purged *out, struct err *e);
/* The file of that name in the sub-directory (NULL: the last one) as a position, its head. -1: no such file.
 */
int store_file_at(struct store *s, const char *sub_dir, const char *file, struct position *at, struct err *e);
/* Bytes of the file system that the log is on. */
void store_disk(struct store *s, uint64_t *capacity, uint64_t *available);
size_t store_count(struct store *s);
/* relay.meta of the last generation. */
int store_write_meta(struct store *s, const char *gtid, struct err *e);
