#pragma once
#include "master/master.h"

/* The words of include/command.def by their handlers. */
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
#define COMMAND(word, fn, reads, usage, help) int fn(struct master *m, struct command_call *c, struct err *e);
#include "command.def"
#undef COMMAND

/* Does this subtask follow the binlog, as far as is known? */
bool command_follows(struct master *m, const json_t *subtask);
/* Is the source one of args.sources, or does that name none? */
bool command_wants(const json_t *args, const char *source);
/* All names in args.sources are sources of the task; the task is there. */
int command_check_task(struct master *m, const json_t *args, struct err *e);
