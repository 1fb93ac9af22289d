#pragma once
#include <stdbool.h>
#include <stdint.h>

struct agent;

/* Listens at SLOT/agent.sock, once per slot; its folder is there when a unit of the slot has been started. */
void desk_open(struct agent *a, unsigned slot);
/* A unit of the slot was reported as started: what it may have said before is heard now. */
void desk_started(struct agent *a, unsigned slot);
/* Refuses those that nobody reported in time. */
void desk_tick(struct agent *a, uint64_t now);
void desk_close(struct agent *a);
/* Reads all reports of the supervisor that are there; false: it is gone or talks nonsense. */
bool desk_supervisor(struct agent *a);
