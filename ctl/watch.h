#pragma once
#include <jansson.h>

#include "common/base/err.h"
#include "ctl/ctl.h"

/* Asks every so many seconds (a->watch) and prints each answer, until the process is ended. Takes args.
 * Returns only where that can't begin, or the question is wrong. */
int watch_send(const struct args *a, const char *word, json_t *args, struct err *e);
