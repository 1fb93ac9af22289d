#pragma once
#include "common/db/db.h"
#include "common/sql/structure.h"

/* Reads a table's structure from information_schema. *found false (and NULL) where there is no such table. */
struct structure *db_structure(
	struct db *d, const char *schema, const char *table, bool *found, struct err *e);
