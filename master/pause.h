#pragma once
#include "master/model.h"

/* A subtask's wanted stage, "since" when, and the error of a pause that nobody wanted. */

/* Into a document that is being changed: that stage from the next commit on, no error. */
void pause_set_stage(const struct model *m, json_t *doc, const char *stage);
/* The same with Running, told so that its agent tries again what it paused on. */
void pause_go_on(const struct model *m, json_t *doc);
/* The source's tasks that are paused by this error go on, by the next commit; one that an operator has paused
 * stays so. True: there were some. */
bool pause_end_all(struct model *m, const char *source, int code);
