/*
 * The records of prepared XA transactions. They say where the rows are, not what they are: a restart reads
 * the relay log there again. Called by appliers, by the scheduler, and once before they start.
 */
#include "units/sync/xa.h"

#include <inttypes.h>
#include <stdlib.h>
#include <xxhash.h>

#include "common/sql/quote.h"
#include "units/sync/pending.h"

/* `task`='…' AND `source`='…' */
static void put_owner(struct buf *sql, const struct meta_id *id)
{
	buf_puts(sql, "`task`=");
	sql_put_string(sql, str_of(id->task));
	buf_puts(sql, " AND `source`=");
	sql_put_string(sql, str_of(id->source));
}

static void put_table(struct buf *sql, const struct meta_id *id)
{
	sql_put_ident(sql, str_of(id->schema));
	buf_puts(sql, ".`tidegate_xa`");
}

/* Prepared again after a crash of the upstream, the new one counts. */
static void put_prepare(struct buf *sql, const struct meta_id *id, const struct trx *t)
{
	char at[64];

	position_store(t->start, at, sizeof(at));
	buf_puts(sql, "REPLACE INTO ");
	put_table(sql, id);
	buf_puts(sql, " (`task`,`source`,`xid`,`position`,`state`) VALUES (");
	sql_put_string(sql, str_of(id->task));
	buf_putc(sql, ',');
	sql_put_string(sql, str_of(id->source));
	buf_putc(sql, ',');
	sql_put_hex(sql, (struct str){t->xid.bytes, t->xid.n});
	buf_putf(sql, ",'%s','prepared')", at);
}

static void put_decided(struct buf *sql, const struct meta_id *id, const struct trx *t)
{
	buf_puts(sql, "DELETE FROM ");
	put_table(sql, id);
	buf_puts(sql, " WHERE ");
	put_owner(sql, id);
	buf_puts(sql, " AND `xid`=");
	sql_put_hex(sql, (struct str){t->xid.bytes, t->xid.n});
}

int xa_record(struct db *d, const struct meta_id *id, const struct trx *t, struct err *e)
{
	uint64_t affected = 0, matched;
	struct db_multi m = {.affected = &affected, .matched = &matched, .count = 1};
	struct buf sql = {0};
	int r;

	if (t->xa == TRX_XA_PREPARE)
		put_prepare(&sql, id, t);
	else
		put_decided(&sql, id, t);
	r = db_exec_multi(d, buf_str(&sql), &m, e);
	buf_free(&sql);
	/* What is committed was prepared: no record, and its rows may be here already. */
	if (r == 0 && t->xa == TRX_XA_COMMIT && affected != 1)
		return err_set(e, ERR_sync_xa, "no record of it in `%s`.`tidegate_xa`", id->schema);
	return r;
}

uint64_t xa_key(const struct trx *t)
{
	return XXH3_64bits_withSeed(t->xid.bytes, t->xid.n, 3);
}

int xa_refuse(const struct trx *t, struct err *e)
{
	char name[300];

	xid_text(&t->xid, name, sizeof(name));
	return err_set(
		e, ERR_sync_xa, "XA COMMIT %s at %" PRIu64 ":%" PRIu64, name, t->start.file, t->start.offset);
}

static int compare(const void *a, const void *b)
{
	return position_cmp(*(const struct position *)a, *(const struct position *)b);
}

int xa_pending(struct apply *a, struct buf *positions, struct err *e)
{
	const struct str *values;
	struct position at;
	struct db_rows *rows;
	struct buf sql = {0};
	int r;

	buf_puts(&sql, "SELECT `position` FROM ");
	put_table(&sql, &a->id);
	buf_puts(&sql, " WHERE ");
	put_owner(&sql, &a->id);
	rows = db_query(a->ddl, buf_str(&sql), e);
	buf_free(&sql);
	if (!rows)
		return -1;
	while ((r = db_fetch(rows, &values, e)) > 0) {
		if (position_load(values[0], &at, e) < 0) {
			r = -1;
			break;
		}
		/* Those that lanes wrote ahead of the watermark come in the stream. */
		if (position_cmp(at, a->watermark) < 0)
			buf_put(positions, &at, sizeof(at));
	}
	db_rows_close(&rows);
	if (positions->n > 0)
		qsort(positions->p, positions->n / sizeof(at), sizeof(at), compare);
	return r;
}
