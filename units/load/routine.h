#pragma once
#include <jansson.h>

#include "units/load/load.h"

/* Procedures, functions, packages: made behind the data and before the views, which may ask them. own: see
 * own.h. What can't be made is said in the log and holds up nothing; the cutover tells of it again. */
int routine_claim(struct load *l, struct db *c, json_t *own, struct err *e);
int routine_make(struct load *l, struct db *c, const json_t *own, struct err *e);
