#pragma once
#include "units/cutover/cutover.h"

/* AUTO_INCREMENT values and sequences: what comes next downstream is never below what comes next in the
 * source. They only go forward, so that a second run changes nothing. */
int counters_set(struct cutover *c, struct err *e);
