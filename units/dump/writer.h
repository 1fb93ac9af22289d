#pragma once
#include "units/dump/dump.h"

/* Turns rows of one stretch of a table into chunk files of about chunk_bytes, statements of about
 * statement_size. One thread. */
struct writer {
	struct dump *d;
	const struct stretch *s;
	unsigned files;     /* made so far */
	struct buf columns; /* " INTO `t` (`a`,`b`) VALUES\n" */
	int fd;
	char *file;
	struct buf out;         /* not yet written */
	uint64_t written, rows; /* of this file */
	uint64_t counted;       /* of the rows: told to the tally */
	uint64_t all_rows;      /* of the files that are closed */
	size_t statement;       /* bytes of the open INSERT, 0: none open */
	char *end;              /* the file ends behind its last row: that row's place; NULL: it goes on */
};

void writer_init(struct writer *w, struct dump *d, const struct stretch *s);
/* row: "(1,'x')". odd: it holds an ENUM's error value, which only INSERT IGNORE stores. */
int writer_row(struct writer *w, struct str row, bool odd, struct err *e);
/* Does the file hold as much as it should? */
bool writer_is_full(const struct writer *w);
/* The next row comes into a new file. place: JSON of the last row's place; "" where there are none. */
void writer_end_here(struct writer *w, struct str place);
/* Ends the last file. Must be called by the one who holds the table's count of jobs: last says that no chunk
 * comes after it. */
int writer_end(struct writer *w, bool last, struct err *e);
void writer_fini(struct writer *w);
