#pragma once
#include "units/dump/dump.h"
#include "units/dump/format.h"

/* Turns rows of one stretch of a table into chunk files of about chunk_bytes. One thread. */
struct writer {
	struct dump *d;
	const struct stretch *s;
	unsigned files; /* made so far */
	struct rows rows;
	int fd;
	char *file;
	struct pack *pack; /* NULL: files are plain */
	struct buf packed;
	uint64_t on_disk;              /* bytes of this file */
	uint64_t written, count, told; /* bytes, rows of this file; rows of it told to the tally */
	uint64_t all_rows;             /* of the files that are closed */
	uint64_t room, next_room;      /* in the spool, promised to this file, and to the next */
	char *end; /* the file ends behind its last row: that row's place; NULL: it goes on */
};

void writer_init(struct writer *w, struct dump *d, const struct stretch *s);
/* Before a row is fetched: where a new file will be needed for it, waits until the spool has room for one.
 * Later it must not wait: a large row keeps others' from being fetched. A full file does not wait with it, as
 * all may be waiting for just that. */
int writer_wait_room(struct writer *w, struct err *e);
/* v: the values as selected, the table's stored columns first. */
int writer_row(struct writer *w, const struct str *v, struct err *e);
/* Does the file hold as much as it should? */
bool writer_is_full(const struct writer *w);
/* The next row comes into a new file. place: JSON of the last row's place; "" where there are none. */
void writer_end_here(struct writer *w, struct str place);
/* Ends the last file. Must be called by the one who holds the table's count of jobs: last says that no chunk
 * comes after it. */
int writer_end(struct writer *w, bool last, struct err *e);
void writer_fini(struct writer *w);
