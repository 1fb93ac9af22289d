#pragma once
#include "units/dump/dump.h"

/*
 * Triggers, routines and events of a dump into files (option `objects`), as mydumper names them: a file for
 * each table that has triggers, and one for each schema. c is a DB_PLAIN connection. One that is wanted and
 * may not be read is an error: a dump that lacks it must not pass for a whole one.
 */
int objfile_put_all(struct dump *d, struct db *c, struct err *e);
/* A CREATE statement so that its end is the only ";\n" in it, which is where readers cut. Appended to b. */
void objfile_put_create(struct buf *b, const struct object *o, const struct server *s);
