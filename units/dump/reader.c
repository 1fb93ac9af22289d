/*
 * Reads one stretch of a table through a snapshot connection, row by row, into the writer. Called by the
 * workers. Releases the table's metadata lock when it is through, so that an ALTER in the upstream waits no
 * longer than this.
 */
#include "units/dump/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/sql/quote.h"
#include "units/dump/value.h"
#include "units/dump/worker.h"
#include "units/dump/writer.h"

enum { BIG_CHUNKS = 4, STRETCHES_PER_THREAD = 4, MAX_STRETCHES = 1024, GIANT_BYTES = 4 << 20 };

/* The column whose ranges cut the table: the integer that leads the key naming a row; -1: none. */
static int range_column(const struct structure *s)
{
	const struct column *c;

	if (s->key < 0 || s->keys[s->key].ncolumns == 0)
		return -1;
	c = &s->columns[s->keys[s->key].columns[0]];
	/* A YEAR below 100 would be read as one of this century. */
	if (c->kind != COLUMN_INT || c->generated || strncmp(c->type, "year", 4) == 0)
		return -1;
	return (int)s->keys[s->key].columns[0];
}

static bool by_primary(const struct item *t)
{
	const struct structure *s = t->structure;

	return t->transactional && s->key >= 0 && s->keys[s->key].primary && s->keys[s->key].usable;
}

static void put_where(struct buf *b, const struct structure *s, const struct range *r)
{
	const char *word = " WHERE ";
	int at = range_column(s);
	char text[32];

	if (at < 0)
		return;
	for (int side = 0; side < 2; side++) {
		if (!(side ? r->has_hi : r->has_lo))
			continue;
		buf_puts(b, word);
		sql_put_ident(b, str_of(s->columns[at].name));
		range_text(side ? r->hi : r->lo, s->columns[at].is_unsigned, text, sizeof(text));
		buf_putf(b, "%s%s", side ? "<" : ">=", text);
		word = " AND ";
	}
}

static void put_order(struct buf *b, const struct structure *s)
{
	const struct key *k = &s->keys[s->key];

	for (unsigned i = 0; i < k->ncolumns; i++) {
		buf_puts(b, i ? "," : " ORDER BY ");
		sql_put_ident(b, str_of(s->columns[k->columns[i]].name));
	}
}

void reader_put_select(struct buf *b, const struct item *t, const struct range *r)
{
	const struct structure *s = t->structure;
	const char *sep = "SELECT ";

	for (unsigned i = 0; i < s->ncolumns; i++) {
		if (s->columns[i].generated)
			continue;
		buf_puts(b, sep);
		value_put_select(b, &s->columns[i]);
		sep = ",";
	}
	buf_puts(b, " FROM ");
	sql_put_table(b, str_of(t->schema), str_of(t->name));
	if (by_primary(t))
		buf_puts(b, " FORCE INDEX (PRIMARY)");
	put_where(b, s, r);
	if (by_primary(t))
		put_order(b, s);
}

/* --- cutting into ranges --- */

struct estimate {
	struct db *c;
	const struct item *t;
	int column;
};

static int estimate(void *arg, uint64_t lo, uint64_t hi, uint64_t *rows, struct err *e)
{
	const struct estimate *m = arg;
	const struct column *col = &m->t->structure->columns[m->column];
	char from[32], to[32];
	struct buf sql = {0};
	struct db_rows *r;
	const struct str *v;
	int got = -1;

	range_text(lo, col->is_unsigned, from, sizeof(from));
	range_text(hi, col->is_unsigned, to, sizeof(to));
	/* MySQL 9 answers with a tree unless asked not to. */
	buf_puts(&sql, db_server(m->c)->flavor == FLAVOR_MYSQL ? "EXPLAIN FORMAT=TRADITIONAL SELECT "
							       : "EXPLAIN SELECT ");
	sql_put_ident(&sql, str_of(col->name));
	buf_puts(&sql, " FROM ");
	/* Not with FORCE INDEX: MySQL does not look into the index then, and says 1. */
	sql_put_table(&sql, str_of(m->t->schema), str_of(m->t->name));
	buf_puts(&sql, " WHERE ");
	sql_put_ident(&sql, str_of(col->name));
	buf_putf(&sql, " BETWEEN %s AND %s", from, to);
	*rows = 0;
	r = db_query(m->c, buf_str(&sql), e);
	buf_free(&sql);
	while (r && (got = db_fetch(r, &v, e)) > 0)
		for (unsigned i = 0; i < db_columns(r); i++)
			if (strcasecmp(db_column_name(r, i), "rows") == 0 && v[i].p)
				*rows = strtoull(v[i].p, NULL, 10);
	db_rows_close(&r);
	return got;
}

/* 1: asked; 0: the table is empty, or its key can't be cut. */
static int ask_bounds(struct estimate *m, struct range_split *s, struct err *e)
{
	const struct column *col = &m->t->structure->columns[m->column];
	struct buf sql = {0};
	struct db_rows *r;
	const struct str *v;
	int got = -1;

	buf_puts(&sql, "SELECT MIN(");
	sql_put_ident(&sql, str_of(col->name));
	buf_puts(&sql, "),MAX(");
	sql_put_ident(&sql, str_of(col->name));
	buf_puts(&sql, ") FROM ");
	sql_put_table(&sql, str_of(m->t->schema), str_of(m->t->name));
	r = db_query(m->c, buf_str(&sql), e);
	buf_free(&sql);
	if (r && (got = db_fetch(r, &v, e)) > 0)
		got = v[0].p && v[1].p && range_parse(v[0], col->is_unsigned, &s->min) &&
		      range_parse(v[1], col->is_unsigned, &s->max);
	db_rows_close(&r);
	return got;
}

static uint64_t wanted_rows(const struct dump *d, const struct item *t)
{
	uint64_t even = t->rows / (d->o.threads * STRETCHES_PER_THREAD) + 1;
	/* A stretch below two chunks would only make more, smaller files. */
	uint64_t least = (uint64_t)((double)t->rows * 2.0 * (double)d->o.chunk_bytes / (double)t->bytes) + 1;

	return even > least ? even : least;
}

static bool worth_splitting(const struct dump *d, const struct item *t)
{
	return d->o.threads > 1 && t->transactional && t->rows > 1 &&
	       t->bytes >= BIG_CHUNKS * d->o.chunk_bytes && range_column(t->structure) >= 0;
}

static int do_split(struct dump *d, struct db *c, struct job *j, struct err *e)
{
	const struct item *t = &d->catalog.tables.p[j->table];
	struct estimate m = {c, t, range_column(t->structure)};
	struct range_split s = {.rows = t->rows, .want = wanted_rows(d, t), .estimate = estimate, .arg = &m};
	uint64_t limit = t->rows / s.want * 4 + 64;
	struct range *ranges;
	int n = ask_bounds(&m, &s, e);

	if (n <= 0)
		return n;
	limit = limit < MAX_STRETCHES ? limit : MAX_STRETCHES;
	ranges = xcalloc((size_t)limit, sizeof(*ranges));
	n = range_split(&s, ranges, (unsigned)limit, e);
	if (n > 1) {
		log_info("table `%s`.`%s` is read in %d stretches", t->schema, t->name, n);
		j->range = ranges[0];
		worker_add_stretches(d, j, ranges + 1, (unsigned)n - 1);
	}
	free(ranges);
	return n < 0 ? -1 : 0;
}

int reader_split(struct dump *d, struct db *c, struct job *j, struct err *e)
{
	const struct item *t = &d->catalog.tables.p[j->table];
	int r;

	if (!worth_splitting(d, t))
		return 0;
	r = db_exec(c, STR_LIT("SAVEPOINT tidegate"), e);
	if (r == 0)
		r = do_split(d, c, j, e);
	if (r == 0)
		r = db_exec(c, STR_LIT("ROLLBACK TO SAVEPOINT tidegate"), e);
	if (r < 0)
		dump_sql_error(e);
	return r < 0 ? err_add(e, "cutting table `%s`.`%s` into ranges", t->schema, t->name) : 0;
}

/* --- reading --- */

static int put_values(struct buf *row, const struct item *t, const struct str *v, bool *odd, struct err *e)
{
	const struct structure *s = t->structure;
	unsigned at = 0;

	buf_clear(row);
	*odd = false;
	for (unsigned i = 0; i < s->ncolumns; i++) {
		enum value_put r;

		if (s->columns[i].generated)
			continue;
		buf_putc(row, at ? ',' : '(');
		r = value_put(row, value_format_of(&s->columns[i]), v[at++]);
		if (r == VALUE_MALFORMED)
			return err_set(e, ERR_dump_failed, "column `%s` (%s) holds a value that is no number",
				s->columns[i].name, s->columns[i].type);
		*odd = *odd || r == VALUE_ENUM_ERROR;
	}
	buf_putc(row, ')');
	return 0;
}

static int copy_row(
	struct writer *w, struct buf *row, const struct item *t, const struct str *v, struct err *e)
{
	bool odd;

	if (put_values(row, t, v, &odd, e) < 0)
		return -1;
	return writer_row(w, buf_str(row), odd, e);
}

static size_t row_bytes(const struct str *v, unsigned n)
{
	size_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += v[i].n;
	return sum;
}

static int copy_giant(struct writer *w, const struct item *t, const struct str *v, struct err *e)
{
	struct buf row = {0};
	int r;

	pthread_mutex_lock(&w->d->giant);
	r = copy_row(w, &row, t, v, e);
	buf_free(&row);
	pthread_mutex_unlock(&w->d->giant);
	return r;
}

static int copy_rows(struct writer *w, struct db_rows *r, const struct item *t, struct err *e)
{
	struct buf row = {0};
	const struct str *v;
	int got;

	while ((got = db_fetch(r, &v, e)) > 0) {
		if (dump_stopping(w->d))
			got = err_set(e, ERR_link, "asked to leave");
		else if (row_bytes(v, db_columns(r)) > GIANT_BYTES)
			got = copy_giant(w, t, v, e);
		else
			got = copy_row(w, &row, t, v, e);
		if (got < 0)
			break;
	}
	buf_free(&row);
	return got;
}

static int read_stretch(struct dump *d, struct db *c, struct writer *w, const struct job *j, struct err *e)
{
	const struct item *t = &d->catalog.tables.p[j->table];
	struct buf sql = {0};
	struct db_rows *r;
	int got = -1;

	if (db_exec(c, STR_LIT("SAVEPOINT tidegate"), e) < 0)
		return dump_sql_error(e);
	reader_put_select(&sql, t, &j->range);
	r = db_query(c, buf_str(&sql), e);
	buf_free(&sql);
	if (r)
		got = copy_rows(w, r, t, e);
	if (got < 0 && dump_stopping(d)) /* the rest of the result may be long: nobody waits for it */
		db_interrupt(c);
	db_rows_close(&r);
	if (got == 0)
		got = db_exec(c, STR_LIT("ROLLBACK TO SAVEPOINT tidegate"), e);
	return got < 0 ? dump_sql_error(e) : 0;
}

int reader_run(struct dump *d, struct db *c, const struct job *j, struct err *e)
{
	const struct item *t = &d->catalog.tables.p[j->table];
	struct writer w;
	int r = 0;

	writer_init(&w, d, j);
	if (!t->no_data)
		r = read_stretch(d, c, &w, j, e);
	if (r == 0)
		r = worker_end_stretch(d, &w, e);
	writer_fini(&w);
	return r < 0 ? err_add(e, "table `%s`.`%s`", t->schema, t->name) : 0;
}
