#pragma once
#include <jansson.h>
#include <stdbool.h>

#include "agent/proc.h"

/* A one-shot tidegate-check that the orders ask for; it is reported until they name it no more. */
struct check {
	struct check *next;
	struct agent *agent;
	int64_t id;
	json_t *spec;
	struct proc *proc;
	bool gone, done;
	struct err error;
};

struct check *check_new(struct agent *a, json_t *spec, struct err *e);
void check_free(struct check **c);
void check_tick(struct check *c, uint64_t now);
