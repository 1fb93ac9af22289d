/*
 * tidegate_chunk: which chunks are in the downstream. The record is written in the chunk's own transaction,
 * which makes its rows come exactly once (T1, T2). Called by the leader at start and by the workers.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/map.h"
#include "common/base/xalloc.h"
#include "common/sql/quote.h"
#include "units/load/record.h"

static void put_key(struct load *l, struct buf *sql)
{
	buf_puts(sql, "`task`=");
	record_put_text(sql, l->task);
	buf_puts(sql, " AND `source`=");
	record_put_text(sql, l->source);
}

static void put_from_chunk(struct load *l, struct buf *sql)
{
	buf_puts(sql, " FROM ");
	sql_put_table(sql, str_of(l->meta_schema), STR_LIT("tidegate_chunk"));
	buf_puts(sql, " WHERE ");
	put_key(l, sql);
	buf_puts(sql, " AND `copy_id`=");
	record_put_text(sql, l->plan.copy_id);
}

static void add(struct recorded *r, uint64_t n)
{
	if (n >= r->n) {
		uint64_t words = (n + 1) / 64 * 2 + 16;

		r->bits = xrealloc(r->bits, words * sizeof(*r->bits));
		memset(r->bits + r->n / 64, 0, (words - r->n / 64) * sizeof(*r->bits));
		r->n = words * 64;
	}
	r->bits[n / 64] |= UINT64_C(1) << (n % 64);
}

bool recorded_has(const struct recorded *r, uint64_t n)
{
	return n < r->n && (r->bits[n / 64] >> (n % 64) & 1);
}

void recorded_fini(struct recorded *r)
{
	free(r->bits);
	*r = (struct recorded){0};
}

int record_chunks(struct load *l, struct db *c, struct recorded *out, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int got;

	buf_puts(&sql, "SELECT `number`,`row_count`,`byte_count`");
	put_from_chunk(l, &sql);
	rows = db_query(c, buf_str(&sql), e);
	buf_free(&sql);
	if (!rows)
		return -1;
	while ((got = db_fetch(rows, &v, e)) > 0) {
		add(out, record_number(v[0]));
		out->chunks++;
		out->rows += record_number(v[1]);
		out->bytes += record_number(v[2]);
	}
	db_rows_close(&rows);
	return got;
}

/* By the name that is recorded. */
static struct map *tables_by_name(const struct load *l)
{
	struct map *m = map_new();
	struct buf name = {0};

	for (unsigned i = 0; i < l->plan.tables.n; i++) {
		struct plan_item *t = &l->plan.tables.p[i];

		buf_clear(&name);
		buf_putf(&name, "%s.%s", t->schema, t->name);
		map_put(m, buf_str(&name), t);
	}
	buf_free(&name);
	return m;
}

int record_amounts(struct load *l, struct db *c, struct tally *t, struct err *e)
{
	struct map *tables = tables_by_name(l);
	struct buf sql = {0};
	struct db_rows *rows;
	const struct plan_item *table;
	const struct str *v;
	int got = -1;

	buf_puts(&sql, "SELECT `tbl`,SUM(`row_count`),SUM(`byte_count`) FROM ");
	sql_put_table(&sql, str_of(l->meta_schema), STR_LIT("tidegate_chunk"));
	buf_puts(&sql, " WHERE ");
	put_key(l, &sql);
	buf_puts(&sql, " GROUP BY `tbl`");
	rows = db_query(c, buf_str(&sql), e);
	buf_free(&sql);
	while (rows && (got = db_fetch(rows, &v, e)) > 0)
		if ((table = map_get(tables, v[0])))
			tally_add(t, (unsigned)(table - l->plan.tables.p),
				(struct amount){record_number(v[1]), record_number(v[2])});
	db_rows_close(&rows);
	map_free(&tables, NULL);
	return got;
}

int record_has_chunk(struct load *l, struct db *c, uint64_t n, struct err *e)
{
	struct buf sql = {0};
	char text[8];
	bool found;
	int r;

	buf_puts(&sql, "SELECT 1");
	put_from_chunk(l, &sql);
	buf_putf(&sql, " AND `number`=%" PRIu64, n);
	r = db_value(c, buf_cstr(&sql), text, sizeof(text), &found, e);
	buf_free(&sql);
	return r < 0 ? -1 : found;
}

void record_put_chunk(struct load *l, struct buf *sql, const struct record_chunk *k)
{
	const struct chunk *c = k->chunk;
	char *name = xasprintf("%s.%s", k->table->schema, k->table->name);

	buf_puts(sql, "INSERT INTO ");
	sql_put_table(sql, str_of(l->meta_schema), STR_LIT("tidegate_chunk"));
	buf_puts(sql,
		" (`task`,`source`,`copy_id`,`number`,`tbl`,`row_count`,`byte_count`,`stretch`,`seq`,`ends`,"
		"`table_schema`,`table_name`,`lo`,`hi`) SELECT `task`,`source`,");
	record_put_text(sql, l->plan.copy_id);
	buf_putf(sql, ",%" PRIu64 ",", c->number);
	record_put_text(sql, name);
	buf_putf(sql, ",%" PRIu64 ",%" PRIu64 ",%" PRIu32 ",%" PRIu32 ",%d,", c->rows, c->bytes, c->stretch,
		c->seq, c->ends_stretch);
	record_put_text(sql, k->table->schema);
	buf_putc(sql, ',');
	record_put_text(sql, k->table->name);
	buf_putc(sql, ',');
	record_put_text(sql, c->lo);
	buf_putc(sql, ',');
	record_put_text(sql, c->hi);
	buf_puts(sql, " FROM ");
	sql_put_table(sql, str_of(l->meta_schema), STR_LIT("tidegate_slot"));
	buf_puts(sql, " WHERE ");
	put_key(l, sql);
	buf_putf(sql, " AND `slot`=0 AND `epoch`=%" PRIu64, l->id.epoch);
	/* Not on TiDB, which refuses it: there the take-over's KILL alone stands between. */
	if (l->to.flavor != FLAVOR_TIDB)
		buf_puts(sql, " LOCK IN SHARE MODE");
	free(name);
}
