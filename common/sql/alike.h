#pragma once
#include "common/base/buf.h"
#include "common/sql/ddl.h"

/*
 * CREATE TABLE statements of tables that routes merge into one: what they say must be the same, word by word,
 * but for the name, and for how far AUTO_INCREMENT has counted, which is not what a table is like. Statements
 * are as the server `from` shows them.
 */

/* True, or where they part: in why, for people, a few words of both. */
bool alike(struct str a, struct str b, const struct server *from, struct buf *why);
/* Has it a column that counts by AUTO_INCREMENT? */
bool alike_counts(struct str create, const struct server *from);
