#pragma once
#include "common/base/buf.h"
#include "common/base/map.h"
#include "server.h"

/*
 * Which of a database's triggers, views and routines may lead out of it: pure, on their texts.
 */
struct stray_objects;

enum stray_kind { STRAY_TRIGGER, STRAY_VIEW, STRAY_FUNCTION, STRAY_ROUTINE /* no statement names it */ };

/* Names that a server may take for the same come out the same, and "*" stands for what is any name. */
void stray_fold(struct buf *b, struct str name);

/* exact: names of databases differ by case. */
struct stray_objects *stray_objects_new(struct str database, bool exact, const struct server *server);
void stray_objects_free(struct stray_objects **o);
/* There is a database of this name. */
void stray_objects_database(struct stray_objects *o, struct str name);
/* name: of a trigger its table's. text: no bytes where it can't be read. sql_mode: in words. */
void stray_objects_add(
	struct stray_objects *o, enum stray_kind kind, struct str name, struct str text, struct str sql_mode);
/* Folded names that lead out of the database -> what they are (char *, for messages); "*": any does. */
struct map *stray_objects_leaving(struct stray_objects *o);
void stray_leaving_free(struct map **leaving);
