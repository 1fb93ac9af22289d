#pragma once
#include <jansson.h>
#include <signal.h>

#include "ctl/ask.h"

/* The checks before a start, as asked from the command line: of `run`, of start-task and check-task. */

/*
 * The master's `check` of one source of the task; a check that died (not one that found something) is made
 * again. endpoint NULL: the one that the master knows. afresh: as for a start with
 * --remove-meta. interrupts: ends the tries when it is not 0; or NULL.
 * The answer (new reference), or NULL with e.
 */
json_t *check_one(struct ask *k, const json_t *task, const char *source, json_t *endpoint, bool afresh,
	const volatile sig_atomic_t *interrupts, struct err *e);
/* Warnings of an answer are printed to stderr; its first failure is the error. */
int check_judge(const json_t *answer, struct err *e);
/*
 * These sources of the task, one after the other; all findings into list:
 * {"source","item","state","code","what", "where","mend"}. A check that died is made again. -1: no answer for
 * one.
 */
int check_all(
	struct ask *k, const json_t *task, const json_t *sources, bool afresh, json_t *list, struct err *e);
/* DM's answer to check-task, of such a list: {"result","msg"}, msg its JSON text, with at most that many
 * failures and warnings. New reference. */
json_t *check_detail(const json_t *list, unsigned errors, unsigned warnings);
