#pragma once
#include "units/load/plan.h"
#include "units/load/text.h"

/* Rows of files by the task's routes: the name that the table has downstream, and the columns that only the
 * downstream has (extract-…). */

/* The statement of rows as the downstream gets it, with the columns' names if the table's -schema.sql says
 * them. to: who reads it. */
int filerouted_put(const struct plan_item *t, const struct server *to, struct str text,
	const struct statement_about *about, struct buf *sql, struct err *e);
/* Whether a file may leave it to the order of the table's columns which values are theirs. */
int filerouted_check_list(const struct plan_item *t, bool list, struct err *e);
/* Names of the columns that only the downstream has, each behind *sep, which becomes a comma. */
void filerouted_put_names(const struct plan_item *t, struct buf *sql, const char **sep);
/* Their values, in a session under whatever charset; any: others stand before them. */
void filerouted_put_values(const struct plan_item *t, struct buf *sql, bool any);
