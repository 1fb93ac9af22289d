#pragma once
#include "units/cutover/cutover.h"

/* Is the source ready to be left: read-only, no transaction open, none prepared? Fills c->at. */
void source_look(struct cutover *c);
/* Does it still stand where it stood? Else a finding. */
void source_look_again(struct cutover *c, const char *after_what);
/* The wanted tables into c->tables, the greatest first. */
int source_list(struct cutover *c, struct err *e);
/* Do both go to one table downstream? */
bool source_is_one_target(
	const struct cutover *c, const struct cutover_table *a, const struct cutover_table *b);
/* Behind source_list, with the downstream open: which tables are merged there. */
int source_find_merged(struct cutover *c, struct err *e);
/* Behind source_find_merged: which of its tables another source of the task has on record
 * there. */
int source_find_shared(struct cutover *c, struct err *e);
