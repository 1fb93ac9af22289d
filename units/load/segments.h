#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/str.h"

/*
 * Reads a spool file (segment.h) in pieces: never more of it in memory than a buffer, or one row. It stands
 * in a segment, or at the end; whoever has taken a segment's bytes stands in the next.
 */
struct segments {
	int fd;
	const char *file; /* borrowed: for errors */
	char *bytes;
	size_t size, from, to; /* of bytes: what is read and not yet given out is from..to */
	char kind;             /* of the segment; 0: the end */
	unsigned rows;         /* of the segment, as its head says */
	uint64_t left;         /* of the segment's bytes, not yet given out */
	uint64_t unread;       /* bytes of the file behind this segment */
	uint64_t text_rows;    /* of all text segments so far */
	size_t lent;           /* bytes that the next call counts as taken */
	struct err failed;     /* of segments_bytes, which is called through a library */
};

/* bytes: as announced; another size is ERR_dump_changed. Stands in the first segment. */
int segments_open(struct segments *s, int dir, const char *file, uint64_t bytes, struct err *e);
void segments_close(struct segments *s);
/* What was lent last is through: where that ended its segment, it stands in the next. Nothing of that is read
 * but the head. */
int segments_settle(struct segments *s, struct err *e);
/* The next row of text, without its newline, borrowed until the next call, to be written upon too. 1; 0: no
 * text stands here; -1. */
int segments_line(struct segments *s, struct str *line, struct err *e);
/* Up to n bytes of text, through as many segments as stand in a row. 0: no text stands here; -1: failed. */
int segments_bytes(struct segments *s, char *out, unsigned n);
/* The statement of the segment, borrowed until the next call. 1; 0: no statement stands here; -1. */
int segments_statement(struct segments *s, struct str *statement, struct err *e);
