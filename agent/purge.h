#pragma once
#include <jansson.h>

struct agent;

/* What purge-relay wants of a source's relay, which is asked by an order and answers in its status. To the
 * master it is one of the checks, without a process of its own. */

/* From the orders' checks that have a `purge`. */
void purge_apply(struct agent *a);
/* Looks whether relays have answered. */
void purge_tick(struct agent *a);
/* What the source's relay is to do, for its order; borrowed, NULL: nothing. */
const json_t *purge_wanted(const struct agent *a, const char *source);
void purge_report(const struct agent *a, json_t *checks);
void purge_free_all(struct agent *a);
