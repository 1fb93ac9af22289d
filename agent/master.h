#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/paged.h"
#include "common/proc/control.h"
#include "common/proc/prove.h"

struct agent;
struct link_peer;

enum { MASTERS = 8, MASTER_ADDRESS = 256 };

/* The conversation with the master: agent/master.c. */
struct master {
	struct control control;
	struct identity *id; /* that it proves its name with, to a master on another host */
	struct prove prove;
	struct link_peer *peer;
	char addresses[MASTERS][MASTER_ADDRESS]; /* of their sockets; one leads, the others say so */
	unsigned naddresses, at;
	bool move;         /* the one at `at` was of no use: the next one is dialled before the next hello */
	char instance[33]; /* random, of this process: every master knows it again by it */
	char cluster[64];  /* whose orders were worked by last, also by an agent before this one (seen.c) */
	uint64_t seen;     /* and of which revision */
	uint64_t session;  /* 0: not registered */
	uint64_t revision; /* of the orders we hold from this session */
	uint64_t hello_at; /* when to say hello (again) */
	bool helloing, asking, reporting;
	bool told_lost;    /* its silence was logged */
	bool told_refused; /* its refusal of a report was logged */
	uint64_t reported_ms;
	/* Where they are no message's: the orders as far as they are here, the report and what of it is
	 * there. */
	struct paged_text orders;
	struct buf report;
	uint64_t sent;
	uint64_t lease_ms; /* the master's: our calls must end well before it */
};

/* Before the box: where the masters are, and how they are spoken to. */
int master_read(struct agent *a, struct err *e);
/* Dials, with what an earlier agent of this host knew of them. */
int master_open(struct agent *a, struct err *e);
void master_close(struct agent *a);
/* Says, asks and reports what is due. */
void master_tick(struct agent *a, uint64_t now);
uint64_t master_due(const struct agent *a);
/* Sends a report at once, if it can. */
void master_report(struct agent *a, uint64_t now);
