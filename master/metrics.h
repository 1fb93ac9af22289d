#pragma once
#include "common/proc/metrics.h"
#include "master/master.h"

/* What the leader knows of members, sources and tasks, for /metrics. */
void master_metrics(struct master *m, struct metrics *out);
