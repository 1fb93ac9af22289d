/*
 * What an INSERT gives columns that a minimal image lacks. Called by table.c when a table is met, and by
 * decode.c for each inserted row. It must never give a column its type's value that has a default upstream.
 */
#include "units/sync/implied.h"

#include <string.h>

#include "common/base/xalloc.h"

/* A default that such a server can't have was left out of what was made there (dialects.md): that the
 * downstream has none says nothing. */
static bool keeps_defaults(const struct server *to, const struct column *down)
{
	if (to->flavor == FLAVOR_TIDB)
		return to->version >= 60500 && !strstr(down->type, "text") && !strstr(down->type, "blob") &&
		       down->kind != COLUMN_JSON;
	return to->flavor == FLAVOR_MARIADB || to->version >= 80013;
}

static bool has_none(const struct column *c)
{
	return !c->nullable && !c->generated && !c->auto_increment && c->no_default;
}

void implied_learn(struct table *t, const struct binlog_table *map, const struct server *to)
{
	t->implied = NULL;
	for (unsigned i = 0; i < t->logged->ncolumns; i++) {
		const struct column *down = t->target[i] < 0 ? NULL : &t->down->columns[t->target[i]];
		struct binlog_value v;

		if (!down || !has_none(down) || !has_none(&t->logged->columns[i]) || map->nullable[i] ||
			!keeps_defaults(to, down) || !binlog_implied(map, i, &v))
			continue;
		if (!t->implied)
			t->implied = xcalloc(t->logged->ncolumns, sizeof(*t->implied));
		t->implied[i] = v;
	}
}

void implied_fill(const struct table *t, struct binlog_value *row)
{
	for (unsigned i = 0; t->implied && i < t->logged->ncolumns; i++)
		if (!row[i].present && t->implied[i].present)
			row[i] = t->implied[i];
}
