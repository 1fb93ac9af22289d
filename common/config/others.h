#pragma once
#include <jansson.h>

/*
 * What the task (yaml.h) wants of a source: its own entry, else what is written for all. key: "rules",
 * "dump", "load", "sync", "start". Borrowed; NULL: nothing.
 */
const json_t *task_part(const json_t *task, const char *source, const char *key);
/* {source: its routes}, of all sources of the task that have any. New reference. */
json_t *task_routes(const json_t *task);
/*
 * Of such an object, what the rules of one source must know of the others (rules.h), by their names. New
 * reference; NULL: there is none, or this source has no routes.
 */
json_t *others_of(const json_t *routes, const char *source);
