#pragma once
#include "master/master.h"

/* Checks before a start: asked by a command, done by the agent with a one-shot unit, answered when the
 * findings are in. */
struct check {
	uint64_t id;
	char agent[MODEL_NAME + 1]; /* "": none is there yet, it is waited for until agent_by_ms */
	uint64_t agent_by_ms;
	json_t *order;  /* its entry in orders.checks */
	json_t *ignore; /* items whose failure is only a warning */
	uint64_t until_ms;
	struct link_req *req;      /* who waits */
	struct check_group *group; /* instead of req: one of several whose findings make one answer */
	/* Instead of both: of this number, whoever asks by it is told how far it is and what was found. It
	 * lives as long as somebody asks. */
	uint64_t run;
	json_t *report; /* the agent's last words of it; NULL: none yet */
	bool told;      /* whoever asks has heard them: no agent's any more, kept for who asks once more */
};

/* A command that asks about several sources at once. */
struct check_group {
	json_t *answer; /* in DM's shape, a source after the other */
	struct link_req *req;
	unsigned waiting, done;
	struct err first; /* of the sources that failed */
};

/* Answers a command that waits: takes req and answer. serve.c sends; tests look. */
typedef void check_answer_fn(struct master *m, struct link_req **req, json_t *answer);

/* Takes *req on success; the model is committed, so that the agent hears of it: one that is there, or that
 * comes within MASTER_AGENT_MS. */
int check_start(struct master *m, const json_t *args, struct link_req **req, struct err *e);
/* One more check, of this order (taken), for the group. The caller commits. NULL: no agent, or no room. */
struct check *check_join(
	struct master *m, struct check_group *g, const char *source, json_t *order, struct err *e);
/* One of a run, which is asked about again and again: how long an answer may be away, no connection waits.
 * NULL, order is gone: also where the source's own agent is not there. */
struct check *check_of_run(struct master *m, uint64_t run, const char *source, json_t *order, struct err *e);
/* -1 (ERR_source_unbound): one of its agents is lost, or has its source no more; no answer will come. */
int check_run_agents(struct master *m, uint64_t run, struct err *e);
void check_keep_run(struct master *m, uint64_t run); /* somebody has asked: it lives on */
/* Its last answer is given, perhaps in vain: it can be had again until its time is up, or its place is
 * wanted. */
void check_tell_run(struct master *m, uint64_t run);
void check_drop_run(struct master *m, uint64_t run);
/* What came of one source: text, or e with its code set. */
void check_group_put(
	struct check_group *g, struct master *m, const char *source, const char *text, const struct err *e);
struct link_req **check_waiting(struct check *c);
/* The report's findings; those waiting are answered. True where a check went (the orders changed; not yet
 * committed). */
bool check_report(struct master *m, const char *agent, const json_t *report, check_answer_fn *answer);
/* Agents that have come get what waited for them; time is up for some. True: the orders changed, not yet
 * committed. */
bool check_tick(struct master *m, check_answer_fn *answer);
/* Those end that nobody waits for any more: there says whether who sent the request is. */
bool check_cancel(struct master *m, bool (*there)(const struct link_req *req), check_answer_fn *answer);
/* Those end whose request came by this number, which a master that follows passed on and has no use for. */
bool check_cancel_request(struct master *m, uint64_t request, check_answer_fn *answer);
/* All checks of the group, and with the last one the group. */
void check_drop_group(struct master *m, struct check_group *g);
struct command_call;
/* Commits; the call is answered when all checks of the group are, which is the master's from here on. -1 with
 * e: nothing is under way. */
int check_begin_group(struct master *m, struct check_group *g, struct command_call *c, struct err *e);
void check_group_free(struct check_group **g);
void check_free_all(struct master *m);
