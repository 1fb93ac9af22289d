#pragma once
#include "units/load/folder.h"

/*
 * The triggers, routines and events of one file (schema-schema-post.sql, schema.table-schema-triggers.sql),
 * those that are wanted, into l->plan.routines and l->plan.lasts.
 */
struct objfile_session {
	char sql_mode[1024], time_zone[80]; /* where the file does not tell them, as mydumper's don't */
};
int objfile_read(
	struct load *l, const char *file, const char *schema, const struct objfile_session *s, struct err *e);
