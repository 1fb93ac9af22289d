/*
 * SQL for a copy that goes on: the stretches of a plan, and what an earlier snapshot has left in
 * tidegate_stretch, _chunk and _structure. Called by the leader; what writes is part of a transaction of
 * record.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/map.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/sql/quote.h"
#include "units/load/kept.h"

enum { STRETCHES_BYTES = 1 << 20 };

static void put_from(struct load *l, struct buf *sql, const char *words, const char *table)
{
	buf_puts(sql, words);
	sql_put_table(sql, str_of(l->meta_schema), str_of(table));
	buf_puts(sql, " WHERE `task`=");
	record_put_text(sql, l->task);
	buf_puts(sql, " AND `source`=");
	record_put_text(sql, l->source);
}

/* --- the stretches of the plan --- */

static void put_stretch(
	struct load *l, struct buf *sql, const struct plan_item *t, const struct plan_stretch *s)
{
	buf_putc(sql, '(');
	record_put_text(sql, l->task);
	buf_putc(sql, ',');
	record_put_text(sql, l->source);
	buf_putc(sql, ',');
	record_put_text(sql, l->plan.copy_id);
	buf_putc(sql, ',');
	record_put_text(sql, t->schema);
	buf_putc(sql, ',');
	record_put_text(sql, t->name);
	buf_putf(sql, ",%" PRIu32 ",", s->id);
	record_put_text(sql, s->lo);
	buf_putc(sql, ',');
	record_put_text(sql, s->hi);
	buf_putc(sql, ',');
	record_put_text(sql, s->partitions);
	buf_putc(sql, ')');
}

int record_put_stretches(struct load *l, struct db *c, struct err *e)
{
	struct buf sql = {0};
	int r = 0;

	for (unsigned i = 0; i < l->plan.tables.n; i++) {
		const struct plan_item *t = &l->plan.tables.p[i];

		for (unsigned j = 0; r == 0 && j < t->nstretches; j++) {
			if (sql.n == 0) {
				buf_puts(&sql, "REPLACE INTO ");
				sql_put_table(&sql, str_of(l->meta_schema), STR_LIT("tidegate_stretch"));
				buf_puts(&sql, " (`task`,`source`,`copy_id`,`table_schema`,`table_name`,`"
					       "stretch`,`lo`,"
					       "`hi`,`partitions`) VALUES ");
			} else {
				buf_putc(&sql, ',');
			}
			put_stretch(l, &sql, t, &t->stretches[j]);
			if (sql.n >= STRETCHES_BYTES)
				r = record_run(c, &sql, e);
		}
	}
	if (r == 0 && sql.n > 0)
		r = record_run(c, &sql, e);
	buf_free(&sql);
	return r;
}

/* --- what is there --- */

struct reading {
	struct kept *k;
	const json_t *snapshots;
};

/* The number of a copy; -1: not one of ours. */
static int number_of(const struct reading *d, struct str copy_id)
{
	size_t i;
	json_t *s;

	json_array_foreach((json_t *)(uintptr_t)d->snapshots, i, s)
		if (str_is(copy_id, json_text(s, "copy_id", "")))
			return (int)i;
	return -1;
}

static struct kept_table *table_of(const struct reading *d, const struct str *v)
{
	char *schema = record_copy(v[0]), *name = record_copy(v[1]);
	struct kept_table *t = kept_find(d->k, schema, name);

	free(schema);
	free(name);
	return t;
}

static int on_structure(struct reading *d, const struct str *v, struct err *e)
{
	struct kept_table *t = table_of(d, v);
	json_t *o = t ? json_parse(v[2], "tidegate_structure", e) : NULL;

	if (t && o)
		t->up = structure_from_json(o, e);
	json_decref(o);
	return !t || t->up ? 0 : -1;
}

static int on_stretch(struct reading *d, const struct str *v, struct err *e)
{
	struct kept_table *t = table_of(d, v);
	char *lo, *hi, *partitions;

	(void)e;
	if (!t || number_of(d, v[2]) != (int)t->last)
		return 0;
	lo = record_copy(v[4]);
	hi = record_copy(v[5]);
	partitions = record_copy(v[6]);
	kept_add_stretch(t, (uint32_t)record_number(v[3]), lo, hi, partitions);
	free(lo);
	free(hi);
	free(partitions);
	return 0;
}

static int on_chunk(struct reading *d, const struct str *v, struct err *e)
{
	struct kept_table *t = table_of(d, v);
	struct gaps_chunk c;

	(void)e;
	if (!t)
		return 0;
	t->chunks++;
	t->rows += record_number(v[8]);
	t->bytes += record_number(v[9]);
	if (number_of(d, v[2]) != (int)t->last)
		return 0;
	c = (struct gaps_chunk){(uint32_t)record_number(v[4]), record_number(v[5]) != 0, record_copy(v[6]),
		record_copy(v[7])};
	kept_add_chunk(t, (uint32_t)record_number(v[3]), &c);
	free(c.lo);
	free(c.hi);
	return 0;
}

struct question {
	const char *columns, *table, *order;
	int (*on)(struct reading *d, const struct str *v, struct err *e);
};

static int read_rows(struct load *l, struct db *c, const struct question *q, struct reading *d, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int got;

	put_from(l, &sql, q->columns, q->table);
	buf_puts(&sql, q->order);
	rows = db_query(c, buf_str(&sql), e);
	buf_free(&sql);
	if (!rows)
		return -1;
	while ((got = db_fetch(rows, &v, e)) > 0)
		if (q->on(d, v, e) < 0) {
			got = -1;
			break;
		}
	db_rows_close(&rows);
	return got;
}

int kept_read(struct load *l, struct db *c, const struct record *r, struct kept *k, struct err *e)
{
	static const struct question questions[] = {
		{"SELECT `table_schema`,`table_name`,`structure` FROM ", "tidegate_structure", "",
			on_structure},
		{"SELECT `table_schema`,`table_name`,`copy_id`,`stretch`,`lo`,`hi`,`partitions` FROM ",
			"tidegate_stretch", " ORDER BY `copy_id`,`table_schema`,`table_name`,`stretch`",
			on_stretch},
		{"SELECT `table_schema`,`table_name`,`copy_id`,`stretch`,`seq`,`ends`,`lo`,`hi`,`row_count`,"
		 "`byte_count` FROM ",
			"tidegate_chunk", " ORDER BY `table_schema`,`table_name`,`copy_id`,`stretch`,`seq`",
			on_chunk},
	};
	struct reading d = {.k = k, .snapshots = json_object_get(r->own, "snapshots")};

	kept_begin(k, r->own);
	for (size_t i = 0; i < sizeof(questions) / sizeof(*questions); i++)
		if (read_rows(l, c, &questions[i], &d, e) < 0)
			return err_add(e, "reading what is loaded already");
	kept_count(k);
	return 0;
}

/* --- what goes --- */

static int forget_table(
	struct load *l, struct db *c, const char *table, const struct kept_table *t, struct err *e)
{
	struct buf sql = {0};
	int r;

	put_from(l, &sql, "DELETE FROM ", table);
	buf_puts(&sql, " AND `table_schema`=");
	record_put_text(&sql, t->schema);
	buf_puts(&sql, " AND `table_name`=");
	record_put_text(&sql, t->name);
	r = record_run(c, &sql, e);
	buf_free(&sql);
	return r;
}

int record_forget_again(struct load *l, struct db *c, const struct kept *k, struct err *e)
{
	static const char *const tables[] = {"tidegate_chunk", "tidegate_stretch", "tidegate_structure"};

	for (unsigned i = 0; i < k->n; i++)
		for (size_t j = 0; k->t[i].why && j < sizeof(tables) / sizeof(*tables); j++)
			if (forget_table(l, c, tables[j], &k->t[i], e) < 0)
				return -1;
	return 0;
}

/* --- places of chunks that are recorded --- */

static void put_name(struct buf *b, struct str schema, struct str name)
{
	buf_clear(b);
	buf_put(b, schema.p, schema.n);
	buf_putc(b, '\0');
	buf_put(b, name.p, name.n);
}

static struct map *tables_by_name(const struct load *l)
{
	struct map *m = map_new();
	struct buf key = {0};

	for (unsigned i = 0; i < l->plan.tables.n; i++) {
		struct plan_item *t = &l->plan.tables.p[i];

		put_name(&key, str_of(t->schema), str_of(t->name));
		map_put(m, buf_str(&key), t);
	}
	buf_free(&key);
	return m;
}

static const struct plan_item *find_table(const struct map *tables, const struct str *v)
{
	const struct plan_item *t;
	struct buf key = {0};

	put_name(&key, v[0], v[1]);
	t = map_get(tables, buf_str(&key));
	buf_free(&key);
	return t;
}

int record_places(struct load *l, struct db *c, struct places *p, struct err *e)
{
	struct map *tables = tables_by_name(l);
	const struct plan_item *t;
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int got = -1;

	put_from(l, &sql, "SELECT `table_schema`,`table_name`,`stretch`,`seq`,`hi` FROM ", "tidegate_chunk");
	buf_puts(&sql, " AND `copy_id`=");
	record_put_text(&sql, l->plan.copy_id);
	rows = db_query(c, buf_str(&sql), e);
	buf_free(&sql);
	while (rows && (got = db_fetch(rows, &v, e)) > 0)
		if ((t = find_table(tables, v)))
			places_note(p, (uint32_t)(t - l->plan.tables.p), (uint32_t)record_number(v[2]),
				(uint32_t)record_number(v[3]), v[4]);
	db_rows_close(&rows);
	map_free(&tables, NULL);
	return got;
}
