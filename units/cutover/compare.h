#pragma once
#include "units/cutover/cutover.h"

/* Compares all tables of c->tables, on connections of its own; each difference is a finding, and so is what
 * could not be compared. */
void compare_all(struct cutover *c);
