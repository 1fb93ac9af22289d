#pragma once
#include <jansson.h>

/*
 * Tables that several sources of a task have rows in: each source has told what its own sum up to, and what
 * is downstream (units/cutover/cutover.h, cutover_part). Takes these findings out of sources
 * ([{"source","findings"},…]) and puts one that judges into the first one's list for each table. How many
 * tables.
 */
unsigned cutover_parts_judge(json_t *sources);
