#pragma once
#include <jansson.h>
#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/sql/structure.h"

/*
 * A place in a table's key: a SQL literal for each of the key's columns, or for its first ones only. No
 * literal at all is the open end. Places are compared by servers only, in the columns' own collations; here
 * they are text.
 */
struct tuple {
	char **v;
	unsigned n;
};

/* lo < key <= hi */
struct range {
	struct tuple lo, hi;
};

/* text: copied. */
void tuple_add(struct tuple *t, struct str text);
struct tuple tuple_copy(const struct tuple *t);
void tuple_free(struct tuple *t);
/* The same literals; false does not say that the places differ. */
bool tuple_same(const struct tuple *a, const struct tuple *b);
/* ["1","_utf8mb4 x'61'"], NULL for the open end; a new reference. */
json_t *tuple_to_json(const struct tuple *t);
/* NULL: the open end. Else it must have `columns` literals, none of them empty. */
int tuple_from_json(struct tuple *out, const json_t *o, unsigned columns, struct err *e);

struct range range_copy(const struct range *r);
void range_free(struct range *r);
/*
 * "`a`>=1 AND (`a`>1 OR …)": the rows of the key k that are in r; nothing at all where both ends are open.
 * True: something was written.
 */
bool range_put(struct buf *b, const struct structure *s, const struct key *k, const struct range *r);
