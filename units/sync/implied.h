#pragma once
#include "units/sync/table.h"

/*
 * Columns of an INSERT that its image lacks (binlog_row_image MINIMAL or NOBLOB) and that have no default: as
 * upstream they get what their type gives. The downstream's strict sessions would refuse the row (1364).
 */

/* After the columns were fitted: which those are, and their values, of t->logged. */
void implied_learn(struct table *t, const struct binlog_table *map, const struct server *to);
/* The row of an INSERT. */
void implied_fill(const struct table *t, struct binlog_value *row);
