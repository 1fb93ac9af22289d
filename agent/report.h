#pragma once
#include "common/base/buf.h"
#include "common/proc/metrics.h"

struct agent;

/* The agent's report as JSON (docs/protocol.md), appended to out. */
void report_write(const struct agent *a, struct buf *out);
/* The same objects, for /metrics. */
void report_metrics(const struct agent *a, struct metrics *m);
