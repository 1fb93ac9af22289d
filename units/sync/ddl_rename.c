/*
 * Which pairs of a RENAME TABLE are ours (T30). Tables are followed through the statement, pair by pair, as
 * the server does it: a swap by way of a name that is not wanted is still one of wanted tables. Called by
 * ddl.c; asks nobody.
 */
#include "units/sync/ddl_rename.h"

#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/sql/quote.h"

enum { PAIRS_MAX = SQL_DDL_MAX_TABLES / 2 };

/* A table on its way. */
struct moved {
	const struct sql_name *first, *now;
	bool wanted;
};

static struct str schema_of(const struct sql_name *n, struct str schema)
{
	return n->schema[0] ? str_of(n->schema) : schema;
}

static bool is_wanted(const struct rules *rules, const struct sql_name *n, struct str schema)
{
	return rules_table(rules, schema_of(n, schema), str_of(n->table));
}

static bool is_same(const struct sql_name *a, const struct sql_name *b, struct str schema)
{
	return strcmp(a->table, b->table) == 0 && str_eq(schema_of(a, schema), schema_of(b, schema));
}

static unsigned find(const struct moved *list, unsigned n, const struct sql_name *name, struct str schema)
{
	while (n > 0 && !is_same(list[n - 1].now, name, schema))
		n--;
	return n; /* one more than its place; 0: it is not there */
}

int ddl_rename_across(
	const struct sql_name *from, const struct sql_name *to, bool leaves, struct str schema, struct err *e)
{
	struct buf a = {0}, b = {0};

	sql_put_table(&a, schema_of(from, schema), str_of(from->table));
	sql_put_table(&b, schema_of(to, schema), str_of(to->table));
	err_set(e, ERR_sync_ddl_mixed, "%s becomes %s: %s", buf_cstr(&a), buf_cstr(&b),
		leaves ? "the task's rules leave the new name out, so its rows would no longer be followed"
		       : "the task's rules left the old name out, so its rows were not copied");
	buf_free(&a);
	buf_free(&b);
	return -1;
}

/* A name in between that is not wanted: its database need not be in the downstream. Nobody sees it, any free
 * one does. */
static void rename_between(struct sql_name *n, const struct sql_name *first, unsigned pair)
{
	memcpy(n->schema, first->schema, sizeof(n->schema));
	snprintf(n->table, sizeof(n->table), DDL_RENAME_BETWEEN "%u", pair);
}

/* The pairs of wanted tables move to the front. */
static void keep_wanted(struct sql_ddl *ddl, const struct moved *list, const unsigned *of, const bool *inside)
{
	struct sql_name first[PAIRS_MAX];
	unsigned last[PAIRS_MAX] = {0}, pairs = ddl->ntables / 2, kept = 0;

	for (unsigned i = 0; i < pairs; i++)
		if (list[of[i]].first == &ddl->tables[2 * i])
			first[of[i]] = ddl->tables[2 * i];
	for (unsigned i = 0; i < pairs; i++) {
		struct sql_name *pair = &ddl->tables[2 * kept];

		if (!list[of[i]].wanted)
			continue;
		if (kept != i)
			memcpy(pair, &ddl->tables[2 * i], 2 * sizeof(*pair));
		if (last[of[i]])
			rename_between(&pair[0], &first[of[i]], last[of[i]]);
		last[of[i]] = inside[i] ? 0 : i + 1;
		if (last[of[i]])
			rename_between(&pair[1], &first[of[i]], last[of[i]]);
		kept++;
	}
	ddl->ntables = 2 * kept;
}

int ddl_rename_cut(const struct rules *rules, struct sql_ddl *ddl, struct str schema, struct err *e)
{
	struct moved list[PAIRS_MAX];
	unsigned of[PAIRS_MAX], n = 0, pairs = ddl->ntables / 2;
	bool inside[PAIRS_MAX]; /* the new name is a wanted one */

	for (unsigned i = 0; i < pairs; i++) {
		const struct sql_name *from = &ddl->tables[2 * i], *to = &ddl->tables[2 * i + 1];
		unsigned at = find(list, n, from, schema);

		if (at == 0) {
			list[n] = (struct moved){.first = from, .wanted = is_wanted(rules, from, schema)};
			at = ++n;
		}
		list[at - 1].now = to;
		of[i] = at - 1;
		inside[i] = is_wanted(rules, to, schema);
	}
	for (unsigned i = 0; i < n; i++)
		if (is_wanted(rules, list[i].now, schema) != list[i].wanted)
			return ddl_rename_across(list[i].first, list[i].now, list[i].wanted, schema, e);
	keep_wanted(ddl, list, of, inside);
	return ddl->ntables > 0;
}
