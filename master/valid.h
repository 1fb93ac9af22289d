#pragma once
#include <jansson.h>
#include <stddef.h>

#include "common/base/err.h"

/* What comes in a command is checked here before any of it is stored. All return 0, or -1 with e; what names
 * the value. */
int valid_name(const char *name, size_t max, const char *what, struct err *e);
int valid_mode(const char *mode, struct err *e);
/* A whole address whose password, if there is one, is cipher text (T32). */
int valid_endpoint(const json_t *endpoint, const char *what, struct err *e);
/* Table rules that the units will understand; meta_schema is one they must never touch. NULL: none. */
int valid_rules(const json_t *rules, const char *meta_schema, struct err *e);
/* "file" and "offset" of an incremental task's start. */
int valid_start(const json_t *start, struct err *e);
