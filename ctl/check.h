#pragma once
#include <jansson.h>

#include "ctl/ask.h"

/* The checks before a start, as asked from the command line: of `run`, of start-task and check-task. */

enum { CHECK_MS = 70000 };

/* args of the master's `check` for one source of the task. endpoint NULL: the one that the master knows. New
 * reference. */
json_t *check_args(const json_t *task, const char *source, json_t *endpoint);
/* Warnings of an answer are printed to stderr; its first failure is the error. */
int check_judge(const json_t *answer, struct err *e);
/*
 * All sources of the task, one after the other; all findings into list:
 * {"source","item","state","code","what", "where","mend"}. A check that died is made again. -1: no answer for
 * one.
 */
int check_all(struct ask *k, const json_t *task, json_t *list, struct err *e);
/* DM's answer to check-task, of such a list: {"result","msg"}, msg its JSON text, with at most that many
 * failures and warnings. New reference. */
json_t *check_detail(const json_t *list, unsigned errors, unsigned warnings);
