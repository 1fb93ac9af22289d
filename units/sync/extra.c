/*
 * Columns that routes fill: a table's structure with them, and their values. Called by table.c when a table
 * is met, and by decode.c for each row. Pure but for the routes.
 */
#include "units/sync/extra.h"

#include <string.h>
#include <strings.h>

#include "common/base/xalloc.h"

static int check_column(const struct table *t, const char *name, struct err *e)
{
	int at = structure_column(t->down, name);

	if (structure_column(t->up, name) >= 0)
		return err_set(e, ERR_sync_columns,
			"%s: column `%s` is one of the upstream's, and the task's routes would fill it too "
			"(extract-…)",
			t->head, name);
	if (at < 0)
		return err_set(e, ERR_sync_columns,
			"%s has no column `%s` in the downstream, which the task's routes fill (extract-…)",
			t->head, name);
	if (t->down->columns[at].kind != COLUMN_TEXT || t->down->columns[at].generated)
		return err_set(e, ERR_sync_columns,
			"%s: column `%s`, which the task's routes fill (extract-…), is no column of text: "
			"%.100s",
			t->head, name, t->down->columns[at].type);
	return 0;
}

static struct structure *copy(const struct structure *s, struct err *e)
{
	json_t *o = structure_to_json(s);
	struct structure *out = structure_from_json(o, e);

	json_decref(o);
	return out;
}

static void add_column(struct structure *s, const struct column *down)
{
	s->columns = xrealloc(s->columns, (s->ncolumns + 1) * sizeof(*s->columns));
	s->columns[s->ncolumns++] = (struct column){.name = xstrdup(down->name),
		.type = xstrdup(down->type),
		.kind = COLUMN_TEXT,
		.charset = xstrdup("utf8mb4"),
		.collation = xstrdup("utf8mb4_bin")};
}

static bool has_column(const struct structure *s, const struct key *k, const char *name)
{
	for (unsigned i = 0; i < k->ncolumns; i++)
		if (strcasecmp(s->columns[k->columns[i]].name, name) == 0)
			return true;
	return false;
}

/* The downstream takes no second row with these values, whatever else is in it. */
static bool is_key_there(const struct table *t, const struct structure *s, const struct key *k)
{
	for (unsigned i = 0; i < t->down->nkeys; i++) {
		const struct key *d = &t->down->keys[i];
		bool same = d->unique && d->usable && d->ncolumns == k->ncolumns;

		for (unsigned c = 0; same && c < k->ncolumns; c++)
			same = has_column(t->down, d, s->columns[k->columns[c]].name);
		if (same)
			return true;
	}
	return false;
}

/* Its last n columns too. */
static void widen(const struct structure *s, struct key *k, unsigned n)
{
	k->columns = xrealloc(k->columns, (k->ncolumns + n) * sizeof(*k->columns));
	if (k->prefixes)
		k->prefixes = xrealloc(k->prefixes, (k->ncolumns + n) * sizeof(*k->prefixes));
	for (unsigned i = 0; i < n; i++) {
		if (k->prefixes)
			k->prefixes[k->ncolumns] = 0;
		k->columns[k->ncolumns++] = s->ncolumns - n + i;
	}
}

int extra_learn(struct tables *ts, struct table *t, struct err *e)
{
	struct structure *s;

	t->logged = t->up;
	if (route_extras(rules_route(ts->rules), str_of(t->schema), str_of(t->name), str_of(ts->id->source),
		    &t->extras, e) < 0)
		return -1;
	for (unsigned i = 0; i < t->extras.n; i++)
		if (check_column(t, t->extras.p[i].column, e) < 0)
			return -1;
	if (t->extras.n == 0)
		return 0;
	s = copy(t->up, e);
	if (!s)
		return -1;
	t->up = s;
	t->extra = xcalloc(t->extras.n, sizeof(*t->extra));
	for (unsigned i = 0; i < t->extras.n; i++) {
		add_column(s, &t->down->columns[structure_column(t->down, t->extras.p[i].column)]);
		t->extra[i] = (struct binlog_value){.present = true,
			.type = WIRE_VARCHAR,
			.meta = 1020,
			.raw = str_of(t->extras.p[i].value)};
	}
	if (s->key >= 0 && !is_key_there(t, s, &s->keys[s->key]))
		widen(s, &s->keys[s->key], t->extras.n);
	return 0;
}

void extra_fill(const struct table *t, struct binlog_value *row)
{
	if (row && t->extras.n > 0)
		memcpy(row + t->logged->ncolumns, t->extra, t->extras.n * sizeof(*row));
}
