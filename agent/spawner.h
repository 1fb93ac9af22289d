#pragma once
#include "common/base/err.h"
#include "include/spawn.h"
#include "unit.h"

/* The agent's end of the socketpair with the supervisor. */
struct spawner {
	int fd;            /* borrowed: FD_SUPERVISOR, non-blocking */
	uint32_t requests; /* the last number given */
};

/*
 * Asks for the process of q's kind, slot, sub and title; the two descriptors (slice, log pipe) stay the
 * caller's. Sets q->request: the reply carries it. 0; 1: it is busy, ask again; -1 with e.
 */
int spawner_start(struct spawner *s, struct spawn_req *q, const int fds[2], struct err *e);
/* Sends q's signo (SIGTERM or SIGKILL) to the process of its kind, slot and sub. The exit report is the
 * answer. 0; 1: it is busy, ask again; -1 with e. */
int spawner_signal(struct spawner *s, struct spawn_req *q, struct err *e);
/* 1: a report; 0: none there now; -1: the supervisor talks nonsense or is gone. */
int spawner_next(struct spawner *s, struct spawn_rep *rep, struct err *e);
const char *spawn_refused_text(uint32_t why);
