#pragma once
#include <jansson.h>

#include "agent/proc.h"

struct source;
struct subtask;
struct check;

/* The configuration slices of docs/protocol.md, new references. Each unit gets its own part only; passwords
 * stay cipher text. */
json_t *slice_relay(const struct source *s, const struct proc *p);
json_t *slice_subtask(const struct subtask *t, const struct proc *p);
json_t *slice_check(const struct check *c, const struct proc *p);
