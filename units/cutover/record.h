#pragma once
#include "units/cutover/cutover.h"

/*
 * tidegate_object (docs/design/meta.md): what a cutover has made, so that the next one knows its own. known:
 * {"TRIGGER":{"app":{"t":"<state>"}}}; the state "" of what is recorded and perhaps not made, or made by the
 * load, else a hash of the statement.
 */
int record_read(struct cutover *c, json_t **known, struct err *e);
/* NULL: not recorded. */
const char *record_find(const json_t *known, const char *kind, const char *schema, const char *name);
int record_put(struct cutover *c, const char *kind, const struct object *o, const char *state, struct err *e);
/* It was dropped, and is not the task's any more: whoever makes one of that name keeps it. */
int record_gone(struct cutover *c, const char *kind, const char *schema, const char *name, struct err *e);
/* Where the source stood when the first object was made; "": none was. */
#define RECORD_POSITION "POSITION"
