/*
 * Many rows by one prepared statement: the server reads values instead of text, a quarter to a third of its
 * work for an inserted or upserted row (docs/design/apply.md). Called by the row-writer for runs of rows that
 * are long enough.
 */
#include "units/sync/bulk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"

enum { ROWS = 2000, BYTES = 1 << 20, STATEMENTS = 64, HEAD_BYTES = 4096 };

struct column_values {
	unsigned from; /* column of the image */
	bool before;   /* of the image before: the key of an UPDATE */
	union {
		int64_t *ints;
		double *doubles;
		const char **bytes;
	} v;
	unsigned long *lengths;
	char *nulls;
};

struct bulk {
	struct db *db;
	uint64_t max_packet;    /* what the downstream takes */
	size_t most;            /* bytes of a run */
	struct map *statements; /* text -> struct db_bulk */
	struct buf sql, text;
	struct arena *arena; /* of values that are no part of an event */
	/* the run in hand */
	const struct table *table;
	enum bulk_form form;
	char *bits; /* BULK_UPDATE: which columns are set */
	struct db_bulk_column *columns;
	struct column_values *values;
	unsigned ncolumns, columns_cap, rows;
	size_t bytes;
};

uint64_t bulk_worth(uint64_t rtt_us)
{
	/* A row saves 2 us of the server's work; below the least rows preparing and binding eat that. */
	enum { LEAST = 64, US_SAVED_PER_ROW = 2 };
	uint64_t rows = rtt_us / US_SAVED_PER_ROW;

	return rows < LEAST ? LEAST : rows;
}

uint64_t bulk_worth_update(uint64_t rtt_us)
{
	enum { US_SAVED_PER_ROW = 13 };

	return rtt_us / US_SAVED_PER_ROW;
}

struct bulk *bulk_new(struct db *d, uint64_t max_packet)
{
	struct bulk *b;

	if (!db_can_bulk(d))
		return NULL;
	b = xcalloc(1, sizeof(*b));
	b->db = d;
	b->max_packet = max_packet;
	b->most = max_packet / 2 < BYTES ? (size_t)max_packet / 2 : BYTES;
	b->statements = map_new();
	b->arena = arena_new(0);
	return b;
}

static void close_statement(void *p)
{
	struct db_bulk *s = p;

	db_bulk_close(&s);
}

void bulk_free(struct bulk **b)
{
	struct bulk *x = *b;

	*b = NULL;
	if (!x)
		return;
	map_free(&x->statements, close_statement);
	for (unsigned i = 0; i < x->columns_cap; i++) {
		free(x->values[i].v.ints);
		free(x->values[i].lengths);
		free(x->values[i].nulls);
	}
	free(x->values);
	free(x->columns);
	free(x->bits);
	buf_free(&x->sql);
	buf_free(&x->text);
	arena_free(&x->arena);
	free(x);
}

void bulk_clear(struct bulk *b)
{
	arena_clear(b->arena);
	b->table = NULL;
	b->rows = 0;
	b->bytes = 0;
}

/* --- what fits --- */

static bool can_column(const struct column *up, const struct column *down)
{
	switch (up->kind) {
	case COLUMN_TEXT:
		return down->kind == COLUMN_TEXT && table_same_charset(up->charset, down->charset);
	case COLUMN_INT:
	case COLUMN_FLOAT:
	case COLUMN_DOUBLE:
	case COLUMN_DECIMAL:
	case COLUMN_BIT:
	case COLUMN_DATE:
	case COLUMN_TIME:
	case COLUMN_DATETIME:
	case COLUMN_TIMESTAMP:
	case COLUMN_BINARY:
	case COLUMN_ENUM:
	case COLUMN_SET:
		return down->kind == up->kind;
	default:
		return false;
	}
}

bool bulk_can(const struct table *t)
{
	if (t->order == TABLE_TIED)
		return false;
	for (unsigned i = 0; i < t->up->ncolumns; i++)
		if (t->target[i] >= 0 && !can_column(&t->up->columns[i], &t->down->columns[t->target[i]]))
			return false;
	return true;
}

static bool is_whole(const struct table *t, const struct binlog_value *row)
{
	for (unsigned i = 0; i < t->up->ncolumns; i++)
		if (t->target[i] >= 0 && !row[i].present)
			return false;
	return true;
}

static bool sets_something(const struct table *t, const struct binlog_value *after)
{
	for (unsigned i = 0; i < t->up->ncolumns; i++)
		if (t->target[i] >= 0 && after[i].present)
			return true;
	return false;
}

static bool has_key(const struct table *t, const struct binlog_value *before)
{
	for (unsigned k = 0; k < t->key->ncolumns; k++)
		if (!before[t->key->columns[k]].present)
			return false;
	return true;
}

enum bulk_form bulk_form(const struct table *t, enum binlog_change kind, const struct binlog_value *before,
	const struct binlog_value *after)
{
	if (kind == BINLOG_DELETE || statement_lax(t, after) > 0)
		return BULK_NOT;
	if (kind == BINLOG_INSERT)
		return is_whole(t, after) ? BULK_INSERT : BULK_NOT;
	if (statement_can_upsert(t, before, after))
		return BULK_UPSERT;
	return t->bulk_update && sets_something(t, after) && has_key(t, before) ? BULK_UPDATE : BULK_NOT;
}

/* --- the run --- */

static enum db_bulk_type type_of(const struct column *c)
{
	switch (c->kind) {
	case COLUMN_INT:
		return c->is_unsigned ? DB_BULK_UNSIGNED : DB_BULK_INT;
	case COLUMN_BIT:
	case COLUMN_ENUM:
	case COLUMN_SET:
		return DB_BULK_UNSIGNED;
	case COLUMN_FLOAT:
	case COLUMN_DOUBLE:
		return DB_BULK_DOUBLE;
	default:
		return DB_BULK_BYTES;
	}
}

static void grow(struct bulk *b, unsigned n)
{
	if (n <= b->columns_cap)
		return;
	b->columns = xrealloc(b->columns, n * sizeof(*b->columns));
	b->values = xrealloc(b->values, n * sizeof(*b->values));
	for (; b->columns_cap < n; b->columns_cap++)
		b->values[b->columns_cap] = (struct column_values){
			.v.ints = xcalloc(ROWS, sizeof(int64_t)),
			.lengths = xcalloc(ROWS, sizeof(unsigned long)),
			.nulls = xcalloc(ROWS, 1),
		};
}

static void add_column(struct bulk *b, unsigned from, bool before)
{
	struct column_values *v = &b->values[b->ncolumns];

	v->from = from;
	v->before = before;
	b->columns[b->ncolumns++] = (struct db_bulk_column){
		.type = type_of(&b->table->up->columns[from]),
		.values = v->v.ints,
		.lengths = v->lengths,
		.nulls = v->nulls,
	};
}

static void begin(
	struct bulk *b, const struct table *t, enum bulk_form form, const struct binlog_value *after)
{
	b->table = t;
	b->form = form;
	b->ncolumns = 0;
	grow(b, t->up->ncolumns + (form == BULK_UPDATE ? t->key->ncolumns : 0));
	b->bits = xrealloc(b->bits, t->up->ncolumns);
	for (unsigned i = 0; i < t->up->ncolumns; i++) {
		b->bits[i] = t->target[i] >= 0 && after[i].present;
		if (b->bits[i])
			add_column(b, i, false);
	}
	for (unsigned k = 0; form == BULK_UPDATE && k < t->key->ncolumns; k++)
		add_column(b, t->key->columns[k], true);
}

/* DECIMAL, dates and times go as the text of their literals; bytes as they are. */
static int put_bytes(struct bulk *b, struct column_values *to, const struct binlog_value *v, struct err *e)
{
	const struct column *c = &b->table->up->columns[to->from];
	struct str s;

	if (c->kind == COLUMN_TEXT || c->kind == COLUMN_BINARY) {
		if (binlog_value_bytes(v, c, b->arena, &s, e) < 0)
			return -1;
	} else {
		buf_clear(&b->text);
		if (binlog_put_literal(&b->text, v, c, e) < 0)
			return -1;
		s = buf_str(&b->text);
		if (s.n >= 2 && s.p[0] == '\'')
			s = (struct str){s.p + 1, s.n - 2};
		s.p = arena_strdup(b->arena, s);
	}
	to->v.bytes[b->rows] = s.n ? s.p : "";
	to->lengths[b->rows] = s.n;
	b->bytes += s.n;
	return 0;
}

static int put_value(struct bulk *b, unsigned i, const struct binlog_value *v, struct err *e)
{
	struct column_values *to = &b->values[i];
	const struct column *c = &b->table->up->columns[to->from];

	b->bytes += 9;
	to->nulls[b->rows] = v->null ? DB_BULK_NULL : 0;
	if (v->null) {
		to->v.ints[b->rows] = 0;
		to->lengths[b->rows] = 0;
		return 0;
	}
	switch (b->columns[i].type) {
	case DB_BULK_INT:
	case DB_BULK_UNSIGNED:
		to->v.ints[b->rows] = binlog_value_int(v, c);
		return 0;
	case DB_BULK_DOUBLE:
		return binlog_value_real(v, &to->v.doubles[b->rows], e);
	default:
		return put_bytes(b, to, v, e);
	}
}

/* Would this row be said by the same statement? */
static bool joins(
	const struct bulk *b, const struct table *t, enum bulk_form form, const struct binlog_value *after)
{
	if (b->table != t || b->form != form)
		return false;
	for (unsigned i = 0; form == BULK_UPDATE && i < t->up->ncolumns; i++)
		if (b->bits[i] != (t->target[i] >= 0 && after[i].present))
			return false;
	return true;
}

int bulk_add(struct bulk *b, const struct table *t, enum bulk_form form, const struct binlog_value *before,
	const struct binlog_value *after, struct err *e)
{
	int r = 0;

	if (b->rows > 0 && !joins(b, t, form, after))
		r = bulk_run(b, e);
	if (r != 0)
		return r;
	if (b->rows == 0)
		begin(b, t, form, after);
	for (unsigned i = 0; i < b->ncolumns; i++) {
		const struct column_values *v = &b->values[i];

		if (put_value(b, i, &(v->before ? before : after)[v->from], e) < 0)
			return err_add(e, "%s column `%s`", t->head, t->up->columns[v->from].name);
	}
	b->rows++;
	return 0;
}

bool bulk_empty(const struct bulk *b)
{
	return b->rows == 0;
}

bool bulk_full(const struct bulk *b)
{
	return b->rows == ROWS || b->bytes >= b->most;
}

/* Prepared once; the server prepares it again by itself where the table has changed. */
static struct db_bulk *prepare(struct bulk *b, struct err *e)
{
	struct db_bulk *s;

	buf_clear(&b->sql);
	if (b->form == BULK_UPDATE)
		statement_put_prepared_update(&b->sql, b->table, b->bits);
	else
		statement_put_prepared(&b->sql, b->table, b->form == BULK_UPSERT);
	s = map_get(b->statements, buf_str(&b->sql));
	if (s)
		return s;
	if (map_count(b->statements) >= STATEMENTS) {
		map_free(&b->statements, close_statement);
		b->statements = map_new();
	}
	s = db_bulk_open(b->db, buf_str(&b->sql), b->ncolumns, e);
	if (s)
		map_put(b->statements, buf_str(&b->sql), s);
	return s;
}

/* A run that ends with a large row: its packet would end the connection, each time anew. */
static bool fits(const struct bulk *b)
{
	return b->bytes + HEAD_BYTES <= b->max_packet;
}

int bulk_run(struct bulk *b, struct err *e)
{
	struct db_bulk *s = b->rows > 0 && fits(b) ? prepare(b, e) : NULL;
	uint64_t count, wanted = b->form == BULK_UPSERT ? 2 * (uint64_t)b->rows : b->rows;
	int r = 0;

	if (b->rows == 0)
		return 0;
	if (!fits(b)) {
		r = err_set(e, ERR_sync_too_large,
			"%s: %u rows of %zu bytes, max_allowed_packet of the downstream is %" PRIu64,
			b->table->head, b->rows, b->bytes, b->max_packet);
	} else if (!s || db_bulk_run(s, b->columns, b->rows, &count, e) < 0) {
		r = err_add(e, "applying to %s", b->table->head);
	} else if (count != wanted) {
		err_set(e, ERR_sync_row_missing, "%s of %u rows: the server counted %" PRIu64, b->table->head,
			b->rows, count);
		r = 1;
	}
	bulk_clear(b);
	return r;
}
