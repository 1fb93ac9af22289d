#pragma once
#include "master/master.h"

/* The words of include/command.def (and `check`) by their handlers. */
struct command_call {
	const json_t *args;    /* an object */
	json_t *answer;        /* to be filled: begins as {"result":true,"msg":""} */
	struct link_req **req; /* a handler that answers later takes it (sets it NULL) */
};

/*
 * Runs one command. Returns the answer (new reference), or NULL where it comes later (*req was taken). Errors
 * are answers too. changed: the orders are newer now.
 */
json_t *command_run(
	struct master *m, const char *word, const json_t *args, struct link_req **req, bool *changed);

/* Handlers: 0, or -1 with e: then nothing was changed. */
int command_operate_source(struct master *m, struct command_call *c, struct err *e);
int command_start_task(struct master *m, struct command_call *c, struct err *e);
int command_stop_task(struct master *m, struct command_call *c, struct err *e);
int command_pause_task(struct master *m, struct command_call *c, struct err *e);
int command_resume_task(struct master *m, struct command_call *c, struct err *e);
int command_query_status(struct master *m, struct command_call *c, struct err *e);
int command_list_member(struct master *m, struct command_call *c, struct err *e);
int command_binlog(struct master *m, struct command_call *c, struct err *e);
int command_binlog_schema(struct master *m, struct command_call *c, struct err *e);
int command_cutover(struct master *m, struct command_call *c, struct err *e);
int command_check(struct master *m, struct command_call *c, struct err *e);

/* Does this subtask follow the binlog, as far as is known? */
bool command_follows(struct master *m, const json_t *subtask);
/* Is the source one of args.sources, or does that name none? */
bool command_wants(const json_t *args, const char *source);
/* All names in args.sources are sources of the task; the task is there. */
int command_check_task(struct master *m, const json_t *args, struct err *e);
