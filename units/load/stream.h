#pragma once
#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * A file of a dump, read from its beginning, unpacked on the way: plain, gzip or zstd. Memory is bounded
 * whatever the file is; what is packed wrongly, or ends too early, is an error with the file's name.
 */
enum packing { PACKED_NOT, PACKED_GZIP, PACKED_ZSTD };
struct stream;

/* The packing that a name's end tells; *n is the name's length without it. */
enum packing stream_packing(const char *name, size_t *n);
/* NULL with e. */
struct stream *stream_open(int dir, const char *name, struct err *e);
/* Appends at least one byte, about `want`, behind what out holds. 1; 0: the end; -1. */
int stream_read(struct stream *s, size_t want, struct buf *out, struct err *e);
/* Goes on at this byte of what is unpacked. */
int stream_skip(struct stream *s, uint64_t bytes, struct err *e);
void stream_close(struct stream **s);
/* A whole small file. */
int stream_read_all(int dir, const char *name, size_t max, struct buf *out, struct err *e);
