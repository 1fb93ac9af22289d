#pragma once
#include "units/sync/apply.h"

/*
 * Where the upstream keeps names in small letters (lower_case_table_names=1), a statement's are made so: rows
 * have them so, while the text has what was typed. ERR_db_… where it matters and the upstream can't be asked.
 */
int names_fold(struct apply *a, struct sql_ddl *ddl, struct err *e);
/* Could a server that keeps names in small letters write this one in another way? */
bool names_may_fold(const char *name);
