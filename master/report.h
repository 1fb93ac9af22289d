#pragma once
#include "master/check.h"
#include "master/master.h"

/*
 * Takes an agent's report: it becomes what query-status shows; what must last (copied, a pause by error) is
 * committed, so that the orders are newer then. report is taken. -1 with e where the store failed: the agent
 * reports again.
 */
int report_take(struct master *m, struct agent *a, json_t *report, check_answer_fn *answer, struct err *e);
/* The last report's entries, NULL where there is none. */
const json_t *report_source(const struct master *m, const char *source);
const json_t *report_subtask(const struct master *m, const char *task, const char *source);
