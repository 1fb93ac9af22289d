#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/proc/unit.h"

struct relay;
struct relay_shared;

enum { SERVE_CONTEXTS = 64, SERVE_EDGES = 32, SERVE_BEYOND = 16 };

/* A place where an event begins, or a place inside a large one: known, so that it need not be looked for. */
struct serve_edge {
	struct position at;
	uint64_t begin; /* of the event; at.offset itself where it begins there */
	uint32_t size;  /* of the event that at is inside of; 0: it begins there */
};

/* A place that is asked for and lies behind the log's end. */
struct serve_beyond {
	struct position at;
	uint64_t since_ms, asked_ms; /* first, 0: none; and last */
};

/* The main thread's: readers that wait, and the places that they will ask for next. */
struct serve {
	struct serve_fetch *waiting;
	struct serve_ask *asks; /* those who wait for the upstream's next answer */
	struct serve_edge edges[SERVE_EDGES];
	unsigned next_edge;
	struct serve_beyond beyond[SERVE_BEYOND];
};

/* The handlers of the relay's socket (unit_on). */
void serve_on_fetch(void *self, struct unit_env *env, struct link_req **req);
void serve_on_locate(void *self, struct unit_env *env, struct link_req **req);
void serve_on_resolve(void *self, struct unit_env *env, struct link_req **req);
void serve_on_upstream(void *self, struct unit_env *env, struct link_req **req);
void serve_on_pin(void *self, struct unit_env *env, struct link_req **req);
/* New data, or time has passed: answers those who wait and can be answered. */
void serve_waiting(struct relay *r);
/* The same for those who want to know how far the upstream is. */
void serve_upstream(struct relay *r);
/* All that have a pin have read the whole log, and wait for more. */
bool serve_all_wait(struct relay *r);
/* The end of the upstream's binlog by its last answer, under the lock; zero where another server gave it. */
struct position serve_upstream_end(const struct relay_shared *s, const char *server, uint32_t generation);
/* Everybody gets an empty answer: the relay leaves. */
void serve_dismiss(struct relay *r);
