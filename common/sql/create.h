#pragma once
#include "common/base/buf.h"
#include "common/sql/structure.h"

/*
 * A structure out of a CREATE TABLE statement, as SHOW CREATE TABLE of that server writes it. collation: what
 * the table has where it says nothing; "": then it must say it. -1 (NULL): ERR_sql_parse with the column or
 * key that can't be read.
 */
struct structure *structure_from_create(
	struct str text, const struct server *from, const char *collation, struct err *e);
/* The other way round. What a structure does not hold is a comment, or a form that is read back as the same.
 */
void structure_put_create(const struct structure *s, struct buf *out);
