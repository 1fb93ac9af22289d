#pragma once
#include <jansson.h>

#include "common/base/buf.h"
#include "common/base/err.h"

/* What the readers of the two files share. Each has its checked form o of the whole file. */

/* The endpoint of o's section key ("from", "target-database") in the form of endpoint_to_json; NULL with e.
 */
json_t *file_endpoint(const char *name, const json_t *o, const char *key, struct err *e);
/* Names travel in process titles, logs and paths: printable, no blank, no slash. */
int file_check_name(const char *name, const json_t *o, const char *key, struct err *e);
/* Without the terminating member: the file's bytes, checked as `section`; warnings are filled. NULL with e.
 */
json_t *file_read(const char *file, const char *section, json_t *warnings, struct err *e);
/* One of expression-filter: its member for the rules of a task (common/sql/row_filter.h). NULL with e, at the
 * key that is wrong. */
json_t *file_expression(const char *file, const char *name, const json_t *o, struct err *e);
/* The last part of a path: what messages call the file. */
const char *file_name(const char *path);
/* A rule of `filters`, as rules_new takes it (new reference); what can't be meant so becomes a warning. */
json_t *file_filter(const char *name, const json_t *rule, json_t *warnings);
