#pragma once
#include <jansson.h>
#include <stdbool.h>

/*
 * Which downstream objects are this task's, by kind: "made" tables (it created them, it may drop them),
 * "taken" tables (were there, empty: it may empty them), "views", "sequences", "routines" ("FUNCTION f");
 * "late": keys to be made behind the rows. Kept as {"kind":{"schema":{"name":true}}} in tidegate_plan.
 */
bool own_has(const json_t *own, const char *kind, const char *schema, const char *name);
void own_add(json_t *own, const char *kind, const char *schema, const char *name);
/* With a value (taken) in the place of true. */
void own_set(json_t *own, const char *kind, const char *schema, const char *name, json_t *value);
/* Walks one kind: fn's -1 ends it. */
int own_each(const json_t *own, const char *kind, int (*fn)(void *arg, const char *schema, const char *name),
	void *arg);
