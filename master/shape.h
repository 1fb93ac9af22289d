#pragma once
#include <jansson.h>

#include "master/speed.h"

/* DM's status objects out of the units' own (docs/protocol.md). Pure; new references. u: the unit's status
 * object or NULL. */
json_t *shape_dump(const json_t *u, const struct speed *sp);
/* Of a whole report: what the copy will be is known to the dump. */
json_t *shape_load(const json_t *report, const struct speed *sp);
json_t *shape_sync(const json_t *u, const json_t *relay, const struct speed *sp, uint64_t now_ms);
/* relay: {"stage","status","error"} of a report, or NULL -> JSON null. */
json_t *shape_relay(const json_t *relay);
/* "(mysql-bin.000003, 4711)"; "" where there is no file. */
json_t *shape_position(const char *file, int64_t offset);
