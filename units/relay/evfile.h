#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/binlog/event.h"

/* A binlog file on disk, read event by event. */
struct evfile {
	int fd;
	uint64_t at;   /* the next event's first byte */
	uint64_t size; /* bytes beyond are not looked at */
	bool torn;     /* set at the end: the bytes from `at` on are no whole event */
	char name[300];
	struct buf window; /* bytes of the file from window_at on */
	uint64_t window_at;
};

/* size 0: what the file has. Checks the magic; a file shorter than that is open, torn at 0. */
int evfile_open(struct evfile *f, int dir, const char *name, uint64_t size, struct err *e);
void evfile_close(struct evfile *f);
/* 1: a whole event, borrowed until the next call; 0: the end, see torn; -1: the disk failed. */
int evfile_next(struct evfile *f, struct str *event, struct err *e);
/* The same, but only steps over the event: its size. */
int evfile_skip(struct evfile *f, uint32_t *size, struct err *e);

/* The event around `offset` (below size): where it begins and its size. `from`: a boundary to look from, 0:
 * the head. */
int evfile_boundary(int dir, const char *name, uint64_t size, uint64_t from, uint64_t offset,
	uint64_t *boundary, uint32_t *event_size, struct err *e);
