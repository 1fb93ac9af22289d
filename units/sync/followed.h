#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "common/base/str.h"
#include "common/sql/ddl.h"

/* A table of the upstream that this task follows; table "": its database's default is on record. */
struct followed {
	char *schema, *table;
	bool moved; /* by the statement: its name is a new one */
};

/* A name may stand there more than once. */
struct followed_list {
	struct followed *p;
	size_t n, cap;
};

struct followed *followed_add(struct followed_list *l, struct str schema, struct str table);
void followed_fini(struct followed_list *l);
/* Names as they are behind the statement; schema: its default database. */
void followed_move(struct followed_list *l, const struct sql_ddl *ddl, struct str schema);
