#pragma once
#include <stdbool.h>
#include <stdint.h>

struct agent;
struct link_peer;

/* The conversation with the master: agent/master.c. */
struct master {
	struct link_peer *peer;
	uint64_t session;  /* 0: not registered */
	uint64_t revision; /* of the orders we hold from this session */
	uint64_t hello_at; /* when to say hello (again) */
	bool helloing, asking, reporting;
	bool told_lost;    /* its silence was logged */
	bool told_refused; /* its refusal of a report was logged */
	uint64_t reported_ms;
};

void master_open(struct agent *a);
/* Says, asks and reports what is due. */
void master_tick(struct agent *a, uint64_t now);
uint64_t master_due(const struct agent *a);
/* Sends a report at once, if it can. */
void master_report(struct agent *a, uint64_t now);
