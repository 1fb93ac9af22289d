#pragma once
#include "units/cutover/objects.h"

/* Makes what the plan says, and enables events last of all. Each step may be the one after a crash. */
int make_objects(struct cutover *c, const struct plan *p, struct err *e);
int make_enable_events(struct cutover *c, const struct plan *p, struct err *e);
