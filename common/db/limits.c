/*
 * How large statements and rows may be downstream (T28). Asked once a connection. TiDB's own
 * limits are in its configuration, which an account without the CONFIG privilege is not shown: then they are
 * met, not foreseen.
 */
#include "common/db/limits.h"

#include <stdlib.h>

#include "common/db/internal.h"

static int number(struct db *d, const char *sql, uint64_t *out, struct err *e)
{
	char text[24];
	bool found;

	*out = 0;
	if (db_value(d, sql, text, sizeof(text), &found, e) < 0)
		return -1;
	*out = found ? strtoull(text, NULL, 10) : 0;
	return 0;
}

/* Of several servers the smallest counts: a connection may go to any of them. */
static void least(uint64_t *limit, struct str text)
{
	char digits[24];
	uint64_t n;

	snprintf(digits, sizeof(digits), "%.*s", STR_ARG(text));
	n = strtoull(digits, NULL, 10);
	if (n > 0 && (*limit == 0 || n < *limit))
		*limit = n;
}

/* Type, Instance, Name, Value */
static int of_configuration(struct db *d, struct db_limits *out, struct err *e)
{
	const char *sql = "SHOW CONFIG WHERE type='tidb' AND name='performance.txn-entry-size-limit'";
	struct db_rows *rows = db_query(d, str_of(sql), e);
	const struct str *v;
	int r;

	if (!rows)
		return db_error_is_lost(e->sql_errno) || !e->sql_errno ? -1 : 0;
	while ((r = db_fetch(rows, &v, e)) > 0)
		if (db_columns(rows) >= 4)
			least(&out->entry, v[3]);
	db_rows_close(&rows);
	return r;
}

int db_limits_read(struct db *d, struct db_limits *out, struct err *e)
{
	uint64_t session = 0;

	*out = (struct db_limits){0};
	if (number(d, "SELECT @@max_allowed_packet", &out->packet, e) < 0)
		return -1;
	if (d->server.flavor != FLAVOR_TIDB)
		return 0;
	if (of_configuration(d, out, e) < 0)
		return -1;
	err_clear(e);
	if (d->server.version >= 70600 && number(d, "SELECT @@tidb_txn_entry_size_limit", &session, e) < 0)
		return -1;
	if (session > 0) /* 0: as configured */
		out->entry = session;
	return 0;
}
