/*
 * Statements that are prepared once and executed for many rows at a time. Used by the row-writer through
 * db.h.
 */
#include <stdlib.h>

#include "common/base/xalloc.h"
#include "common/db/internal.h"

struct db_bulk {
	struct db *d;
	struct client_bulk *c;
	unsigned columns;
	char head[220]; /* of the statement, for errors */
};

bool db_can_bulk(const struct db *d)
{
	return d->server.flavor == FLAVOR_MARIADB && client_can_bulk(d->c);
}

struct db_bulk *db_bulk_open(struct db *d, struct str sql, unsigned columns, struct err *e)
{
	struct client_bulk *c = client_bulk_open(d->c, sql);
	struct db_bulk *b;

	if (!c) {
		db_fail(d, sql, ERR_db_execute, e);
		return NULL;
	}
	b = xcalloc(1, sizeof(*b));
	b->d = d;
	b->c = c;
	b->columns = columns;
	db_statement_head(sql, b->head, sizeof(b->head));
	return b;
}

int db_bulk_run(struct db_bulk *b, const struct db_bulk_column *columns, unsigned rows, uint64_t *count,
	struct err *e)
{
	if (client_bulk_run(b->c, columns, b->columns, rows) < 0)
		return db_fail(b->d, str_of(b->head), ERR_db_execute, e);
	if (!db_read_matched(client_info(b->d->c), count))
		*count = client_bulk_affected(b->c);
	return 0;
}

void db_bulk_close(struct db_bulk **b)
{
	if (!*b)
		return;
	client_bulk_close(&(*b)->c);
	free(*b);
	*b = NULL;
}
