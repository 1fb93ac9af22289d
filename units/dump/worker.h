#pragma once
#include "units/dump/dump.h"

struct writer;

/* Plans the stretches of all tables, with all workers, and puts them in the order of reading. 0 also after a
 * failure, which is told by dump_fail. */
void worker_plan_all(struct dump *d, struct db **conns);
/* Ends the stretch's last file; the one that ends a table's last stretch says so with its chunk. */
int worker_end_stretch(struct dump *d, struct writer *w, struct err *e);
/* Runs the workers over conns until every stretch is read, or the first error; frees the keeper in between. 0
 * also after a failure. */
void worker_run_all(struct dump *d, struct db **conns, struct db **keeper);
