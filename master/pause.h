#pragma once
#include "master/model.h"

/* A subtask's wanted stage, "since" when, and the error of a pause that nobody wanted. */

/* A copy of the subtask's document with that stage from the next commit on: no error. */
json_t *pause_set_stage(const struct model *m, const json_t *subtask, const char *stage);
/* The same with Running, told so that its agent tries again what it paused on. */
json_t *pause_go_on(const struct model *m, const json_t *subtask);
/* Is it paused, by that error? One that an operator wanted has none. */
bool pause_is_by(const json_t *subtask, int code);
/* The source's tasks that are paused by it go on, by the next commit. True: there were some. */
bool pause_end_all(struct model *m, const char *source, int code);
