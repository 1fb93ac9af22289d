#pragma once
#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * The events of a large transaction on their way from the reader to the applier: a short, bounded queue of
 * whole events, one chunk a time. Two owners, one a thread; each lets go with pieces_release.
 */
struct pieces;

/* wake(arg) is called when the reader has something to do. */
struct pieces *pieces_new(void (*wake)(void *), void *arg);
void pieces_release(struct pieces **p);

/* The reader's side. */
bool pieces_room(struct pieces *p);                   /* false also before the applier wants anything */
void pieces_put(struct pieces *p, struct buf *chunk); /* taken; dropped where the applier begins again */
void pieces_end(struct pieces *p);
void pieces_fail(struct pieces *p, const struct err *e);
bool pieces_again(struct pieces *p); /* the applier begins again: send all once more. True once */
bool pieces_alone(struct pieces *p); /* the applier has let go */

/* The applier's side. 1: a chunk (owned by the caller), 0: that was all, -1: e. Waits. */
int pieces_take(struct pieces *p, struct buf *chunk, struct err *e);
/* From the beginning, or from there again; before the first call nothing is sent. Costs nothing where nothing
 * was taken. */
void pieces_rewind(struct pieces *p);
