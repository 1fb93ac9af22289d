#pragma once
#include <jansson.h>

#include "units/load/load.h"

/* Procedures, functions, packages: made behind the data and before the views, which may ask them; out of
 * files triggers and events too, at last. own: see own.h, which is recorded in between. What can't be made is
 * said in the log and holds up nothing; the cutover tells of it again. */
int routine_make_all(struct load *l, struct db *c, const struct objects *all, json_t *own, struct err *e);
