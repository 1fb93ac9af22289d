#pragma once
#include "common/sql/ddl.h"
#include "common/sql/rules.h"

/*
 * A RENAME TABLE of which only some tables are wanted: the pairs that move others go from ddl. 1: some are
 * left, 0: none; -1: a table comes into what is wanted, or leaves it (ERR_sync_ddl_mixed). schema: the
 * default database.
 */
int ddl_rename_cut(const struct rules *rules, struct sql_ddl *ddl, struct str schema, struct err *e);
/* How the names of ours begin that stand for unwanted ones on the way. */
#define DDL_RENAME_BETWEEN "tidegate_between_"
/* From where to where a statement moves a table across the rules, for an error. */
int ddl_rename_across(const struct sql_name *from, const struct sql_name *to, bool leaves, struct str schema,
	struct err *e);
