#pragma once
#include "units/cutover/cutover.h"

/* Is the source ready to be left: read-only, no transaction open, none prepared? Fills c->at. */
void source_look(struct cutover *c);
/* Does it still stand where it stood? Else a finding. */
void source_look_again(struct cutover *c, const char *after_what);
/* The wanted tables into c->tables, the greatest first. */
int source_list(struct cutover *c, struct err *e);
/* Has it another name downstream? */
bool source_is_routed(const struct cutover_table *t);
/* Behind source_list, with the downstream open: which of its tables another source of the task has on record
 * there. */
int source_find_shared(struct cutover *c, struct err *e);
