/*
 * Columns of the stream that no structure shows: MariaDB's hidden ones of unique keys over long values and of
 * row history.
 * Called by table.c when a table is met. Pure.
 */
#include "units/sync/hidden.h"

static bool is_alike(const struct table *t, enum column_kind k)
{
	bool time = k == COLUMN_TIMESTAMP || k == COLUMN_DATETIME;

	return k == COLUMN_INT || (time && structure_hides_period(t->logged));
}

/*
 * A BIGINT of the table's own that was dropped later looks like the hidden column of a unique hash that was
 * made later, two TIMESTAMP(6) like a period: the downstream tells them apart, it still has the first. A
 * recorded structure is of the row's time, and the downstream may have columns of its own.
 */
int hidden_check(const struct table *t, const struct binlog_table *map, struct err *e)
{
	if (!t->of_now || map->names || binlog_table_hidden(map, t->logged) == 0)
		return 0;
	for (unsigned i = 0; i < t->down->ncolumns; i++) {
		const struct column *c = &t->down->columns[i];

		if (is_alike(t, c->kind) && structure_column(t->up, c->name) < 0)
			return err_set(e, ERR_sync_columns,
				"%s: the upstream's structure of now has no column `%s`, and the rows in the "
				"binlog may have it",
				t->head, c->name);
	}
	return 0;
}
