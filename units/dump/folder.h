#pragma once
#include "units/dump/dump.h"

/*
 * The folder of a dump into files (task-mode dump): dumpling's layout, ended by `metadata`. Only the dump's
 * own thread and, at start, the main thread call these.
 */

/* Opens it below FD_FILES. 1: the dump that this task was started for is complete in it; 0: to be made; -1:
 * e. */
int folder_open(struct dump *d, struct err *e);
/* Empties what an unfinished dump of ours has left, and marks the folder as ours. Another's is refused. */
int folder_begin(struct dump *d, struct err *e);
/*
 * Views, as both tools write them: a table of the view's columns first, so that a view that stands on this
 * one can be made whatever the order, then the view in its place. Sequences, with where they are now; the
 * other objects that are wanted. c is a DB_PLAIN connection.
 */
int folder_put_others(struct dump *d, struct db *c, struct err *e);
/* A whole file, durable. */
int folder_put_file(struct dump *d, struct buf *name, const struct buf *text, struct err *e);
/* Makes a data file durable. */
int folder_sync_file(struct dump *d, int fd, const char *name, struct err *e);
/* Everything is written: the last thing is the file `metadata`. */
int folder_finish(struct dump *d, const char *finished, struct err *e);
