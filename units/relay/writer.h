#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/binlog/event.h"
#include "units/relay/known.h"
#include "units/relay/store.h"
#include "units/relay/track.h"

/* Appends the upstream's events to the relay log. The puller's alone; what readers may see goes to the store.
 */
struct writer {
	struct store *store;
	bool sync_batches; /* fsync after each flush, not only at a file's end */
	int fd;            /* -1: the file is still to be made, by its FORMAT event */
	uint64_t number;   /* of the file */
	uint64_t written;  /* bytes of it on disk, whole events */
	uint64_t at; /* where the stream is in this file: written + buffered, or before it when catching up */
	bool inside; /* the stream began inside this file, not at its head */
	struct buf buf; /* whole events behind `written` */
	uint32_t last_event;
	struct binlog_format format; /* of the stream */
	struct track track;
	struct known known; /* not under the lock: the puller's */
	pthread_mutex_t *track_lock;
	uint64_t events, bytes; /* written since the start */
};

enum { WRITER_FLUSH_AT = 256 * 1024 };

void writer_init(struct writer *w, struct store *s, bool sync_batches, pthread_mutex_t *track_lock);
void writer_fini(struct writer *w);
/*
 * At start: finds the last whole event of the newest file, cuts what is behind it, and follows its GTIDs. A
 * file without a whole FORMAT event is removed: it will come again from its head.
 */
int writer_recover(struct writer *w, struct err *e);
/* A new stream begins at `offset` of the file that is written (4, or an event's boundary at or before its
 * end). */
int writer_resume(struct writer *w, uint64_t offset, struct err *e);
/* A real event of the file. ERR_relay_checksum, ERR_relay_hole; nothing is written then. */
int writer_event(struct writer *w, struct str event, const struct binlog_header *h, struct err *e);
/* Does the upstream's own word for its end of the stream fit? */
int writer_check_end(const struct writer *w, uint32_t log_pos, struct err *e);
/* The stream goes on in the next file: this one is flushed, synced, closed. */
int writer_rotate(struct writer *w, uint64_t number, struct err *e);
/* Buffered events to disk, then visible to readers. ERR_disk_full: nothing was lost, call again. */
int writer_flush(struct writer *w, struct err *e);
/* Flush, sync, relay.meta. */
int writer_save(struct writer *w, struct err *e);
