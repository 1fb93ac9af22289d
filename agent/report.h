#pragma once
#include "common/base/buf.h"

struct agent;

/* The agent's report as JSON (docs/protocol.md), appended to out. */
void report_write(const struct agent *a, struct buf *out);
