#pragma once
#include "common/base/buf.h"
#include "common/sql/ddl.h"
#include "common/sql/route.h"

/* A statement of the upstream, and what counts where it writes no schema. */
struct route_statement {
	struct str text;
	const struct server *from;
	uint64_t sql_mode;
	struct str schema;
	/* Another rule for names than routes, as route_table is one; table without bytes: of the schema
	 * itself. NULL: routes. */
	int (*rename)(void *arg, struct str schema, struct str table, struct route_name *out, struct err *e);
	void *arg;
};

/*
 * A DDL statement under the names of the downstream. ddl: as sql_ddl_read read the text; *to becomes the same
 * with routed names (its places are still those of s->text). 1: the text is in out, every table with its
 * schema; 0: no name in it changes, out is left alone; -1: ERR_route_statement where something in it could
 * not be said exactly.
 */
int route_ddl(const struct route *r, const struct route_statement *s, const struct sql_ddl *ddl,
	struct sql_ddl *to, struct buf *out, struct err *e);

/* MariaDB's nextval(s), lastval(s), setval(s, …), NEXT VALUE FOR s, PREVIOUS VALUE FOR s: true with the lexer
 * at the name, or false where it was. */
bool route_before_sequence(struct sql_lexer *lx, const struct server *from);
