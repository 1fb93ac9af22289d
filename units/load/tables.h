#pragma once
#include <jansson.h>

#include "units/load/load.h"

/*
 * Makes the plan's tables that are to be made: those that foreign keys tie to none on several connections at
 * once, as a server takes a few milliseconds of waiting for its disk for each, then the others on c, in the
 * plan's order. own learns which keys wait for the rows ("late").
 */
int tables_make(struct load *l, struct db *c, json_t *own, struct err *e);
