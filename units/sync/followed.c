/* The tables that a task follows, and what a statement makes of their names. */
#include "units/sync/followed.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"

struct followed *followed_add(struct followed_list *l, struct str schema, struct str table)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->p = xrealloc(l->p, l->cap * sizeof(*l->p));
	}
	l->p[l->n] = (struct followed){
		.schema = xstrndup(schema.p, schema.n), .table = xstrndup(table.p, table.n)};
	return &l->p[l->n++];
}

void followed_fini(struct followed_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->p[i].schema);
		free(l->p[i].table);
	}
	free(l->p);
	*l = (struct followed_list){0};
}

static struct str schema_of(const struct sql_name *n, struct str schema)
{
	return n->schema[0] ? str_of(n->schema) : schema;
}

static bool is_named(const struct followed *f, const struct sql_name *n, struct str schema)
{
	return str_is(schema_of(n, schema), f->schema) && strcmp(n->table, f->table) == 0;
}

static void rename_one(struct followed *f, const struct sql_name *to, struct str schema)
{
	struct str s = schema_of(to, schema);

	free(f->schema);
	free(f->table);
	f->schema = xstrndup(s.p, s.n);
	f->table = xstrdup(to->table);
	f->moved = true;
}

void followed_move(struct followed_list *l, const struct sql_ddl *ddl, struct str schema)
{
	bool renames = ddl->verb == SQL_VERB_RENAME_TABLE || ddl->rename, known = false;

	/* Each entry once: both names of a pair may be the same (ALTER TABLE t …, RENAME TO t). */
	for (unsigned i = 0; renames && i + 1 < ddl->ntables; i += 2)
		for (size_t k = 0; k < l->n; k++)
			if (is_named(&l->p[k], &ddl->tables[i], schema))
				rename_one(&l->p[k], &ddl->tables[i + 1], schema);
	if (ddl->verb != SQL_VERB_CREATE_TABLE)
		return;
	for (size_t k = 0; k < l->n; k++)
		known = known || is_named(&l->p[k], &ddl->tables[0], schema);
	if (!known)
		followed_add(l, schema_of(&ddl->tables[0], schema), str_of(ddl->tables[0].table))->moved =
			true;
}
