#pragma once
#include "units/dump/dump.h"

struct writer;

/* The list of stretches still to be read, and the threads that read them, each with its own snapshot
 * connection. */
void worker_make_jobs(struct dump *d);
/* From within a split: n more stretches of the same table as j. */
void worker_add_stretches(struct dump *d, const struct job *j, const struct range *ranges, unsigned n);
/* Ends the stretch's last file; the one that ends a table's last stretch says so with its chunk. */
int worker_end_stretch(struct dump *d, struct writer *w, struct err *e);
/* Runs the workers over conns until every stretch is read, or the first error; frees the keeper in between. 0
 * also after a failure. */
void worker_run_all(struct dump *d, struct db **conns, struct db **keeper);
