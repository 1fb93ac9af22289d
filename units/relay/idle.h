#pragma once
#include <stdbool.h>
#include <stdint.h>

struct relay;

enum { IDLE_AFTER_MS = 10000 };

/*
 * Does anything go on? At rest the main thread looks at things, asks the upstream and speaks to the agent
 * rarely; what comes ends it at once. The main thread's.
 */
struct idle {
	uint64_t since_ms; /* nothing has changed since then; 0: not yet looked */
	uint64_t bytes, asks;
	bool connected, paused, full, trouble;
	bool watched; /* by the agent's word */
};

/* At the end of each step: fills in what the skeleton goes by (rest_ms, tell), and tells the other threads.
 */
void idle_look(struct relay *r);
