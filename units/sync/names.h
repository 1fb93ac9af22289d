#pragma once
#include "units/sync/apply.h"

/*
 * Where the upstream keeps names in small letters (lower_case_table_names=1), a statement's are made so: rows
 * have them so, while the text has what was typed. ERR_db_… where it matters and the upstream can't be asked.
 */
int names_fold(struct apply *a, struct sql_ddl *ddl, struct err *e);
/*
 * For a downstream that keeps them as they are written: the text is written anew with them (q->sql, in
 * scratch memory; ddl is what it says then), those that it refers to among them. from: whose words it has.
 */
int names_write(struct apply *a, struct binlog_query *q, const struct server *from, struct sql_ddl *ddl,
	struct err *e);
/* Could a server that keeps names in small letters write this one in another way? */
bool names_may_fold(const char *name);
