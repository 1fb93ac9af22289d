#pragma once
#include "master/master.h"

/* Checks before a start: asked by a command, done by the agent with a one-shot unit, answered when the
 * findings are in. */
struct check {
	uint64_t id;
	char agent[MODEL_NAME + 1];
	json_t *order;  /* its entry in orders.checks */
	json_t *ignore; /* items whose failure is only a warning */
	uint64_t until_ms;
	struct link_req *req; /* who waits */
};

/* Answers a command that waits: takes req and answer. serve.c sends; tests look. */
typedef void check_answer_fn(struct link_req **req, json_t *answer);

/* Takes *req on success; the model is committed, so that the agent hears of it. */
int check_start(struct master *m, const json_t *args, struct link_req **req, struct err *e);
/* The report's findings; those waiting are answered. True where a check went (the orders changed; not yet
 * committed). */
bool check_report(struct master *m, const json_t *report, check_answer_fn *answer);
/* Time is up for some. */
bool check_expire(struct master *m, check_answer_fn *answer);
void check_free_all(struct master *m);
