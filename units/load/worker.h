#pragma once
#include "units/load/load.h"

/* Loads every chunk that the dump gives out, with l->threads connections. 0 also after a failure, which is in
 * l->fail. */
void worker_run_all(struct load *l);
