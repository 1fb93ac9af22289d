#pragma once
#include <jansson.h>
#include <stdint.h>

struct agent;

/* Makes the agent's sources, subtasks and checks what the orders say; what they don't name begins to leave.
 * Takes orders. */
void orders_set(struct agent *a, json_t *orders);
/* Lets everything do what is due, and removes what has left. */
void orders_tick(struct agent *a, uint64_t now);
