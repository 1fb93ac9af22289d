#pragma once
#include "common/base/buf.h"
#include "common/base/map.h"

/*
 * Foreign keys of one server that act, and which of those of one the other has not: the same columns of the
 * same two tables, with the same action. Names of keys, their number and the columns' order are no matter.
 */
struct acting_side;

/* Columns of a row of REFERENTIAL_CONSTRAINTS, and of KEY_COLUMN_USAGE. */
enum {
	RULE_CHILD_SCHEMA,
	RULE_CHILD,
	RULE_PARENT_SCHEMA,
	RULE_PARENT,
	RULE_NAME,
	RULE_ON_DELETE,
	RULE_ON_UPDATE,
	RULE_N
};
enum { USED_SCHEMA, USED_TABLE, USED_NAME, USED_COLUMN, USED_PARENT_COLUMN };

/* What one side has more. */
struct acting_missing {
	char *schema, *table; /* of the child, downstream */
	char *text;
	bool deletes; /* ON DELETE; else ON UPDATE */
};

struct acting_side *acting_side_new(void);
void acting_side_free(struct acting_side **s);
/* row: as the server says; to: by the names downstream. An action that is not to count is "" in `to`. */
void acting_side_add(struct acting_side *s, const struct str row[RULE_N], const struct str to[RULE_N]);
/* A column of one of them; others are passed by. */
void acting_side_column(struct acting_side *s, const struct str *row);
bool acting_side_empty(const struct acting_side *s);
/* What up has and down has not: key -> struct acting_missing. own_schema: down tells the child's database for
 * that of the parent (TiDB). */
struct map *acting_missing(const struct acting_side *up, const struct acting_side *down, bool own_schema);
void acting_missing_free(struct map **m);
/* Keeps those alone for which keep says so. */
void acting_missing_keep(
	struct map **m, bool (*keep)(void *arg, struct str key, struct acting_missing *x), void *arg);
