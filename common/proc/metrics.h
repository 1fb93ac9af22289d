#pragma once
#include <jansson.h>

#include "common/base/buf.h"

/* /metrics in Prometheus' text form, unfolded from include/metric.def. */
enum metric_scope { METRIC_PROCESS, METRIC_MEMBER, METRIC_SOURCE, METRIC_TASK };

struct metrics;

/* process: "agent" or "master"; borrowed. */
struct metrics *metrics_new(const char *process);
void metrics_free(struct metrics **m);
/* What there is to tell of one member, source or task; takes object. name: the member's or source's, or the
 * task's with its source; NULL where the scope has none. */
void metrics_add(
	struct metrics *m, enum metric_scope scope, const char *name, const char *source, json_t *object);
/* A metric after the other, each with its help, its type and all its samples. */
void metrics_text(const struct metrics *m, struct buf *out);
