/*
 * Reads one stretch of a table through a snapshot connection, row by row, into the writer. Called by the
 * workers. Releases the table's metadata lock when it is through, so that an ALTER in the upstream waits no
 * longer than this.
 */
#include "units/dump/reader.h"

#include <stdlib.h>

#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "units/dump/key.h"
#include "units/dump/value.h"
#include "units/dump/worker.h"
#include "units/dump/writer.h"

/* Of a table with a key: which of the selected columns its places are made of. */
struct places {
	const struct key *k; /* NULL: there are no places */
	unsigned *at;
};

static void put_key_columns(struct buf *b, const struct item *t)
{
	const struct key *k = key_cuts(t) ? key_of(t) : NULL;

	for (unsigned i = 0; k && i < k->ncolumns; i++) {
		const struct column *c = &t->structure->columns[k->columns[i]];

		if (key_is_selected(c))
			continue;
		buf_putc(b, ',');
		key_put_select(b, c);
	}
}

static void put_where(struct buf *b, const struct item *t, const struct range *r)
{
	const struct key *k = key_of(t);
	size_t start = b->n;

	if (!k)
		return;
	buf_puts(b, " WHERE ");
	if (!range_put(b, t->structure, k, r))
		b->n = start;
	stretch_put_order(b, t->structure, k, false);
}

void reader_put_select(struct buf *b, const struct item *t, const struct stretch *stretch, bool csv)
{
	const struct structure *s = t->structure;
	const char *sep = "SELECT ";

	for (unsigned i = 0; i < s->ncolumns; i++) {
		if (s->columns[i].generated)
			continue;
		buf_puts(b, sep);
		if (csv)
			csv_put_select(b, &s->columns[i]);
		else
			value_put_select(b, &s->columns[i]);
		sep = ",";
	}
	if (*sep == 'S') /* all are generated: rows there are all the same */
		buf_puts(b, "SELECT 1");
	put_key_columns(b, t);
	stretch_put_from(b, t, stretch->partitions, "FORCE");
	put_where(b, t, &stretch->range);
}

/* --- places --- */

static unsigned stored_before(const struct structure *s, unsigned column)
{
	unsigned n = 0;

	for (unsigned i = 0; i < column; i++)
		n += !s->columns[i].generated;
	return n;
}

static struct places places_of(const struct item *t)
{
	const struct structure *s = t->structure;
	struct places p = {.k = key_cuts(t) ? key_of(t) : NULL};
	unsigned stored = stored_before(s, s->ncolumns), extra = stored > 0 ? stored : 1;

	if (!p.k)
		return p;
	p.at = xcalloc(p.k->ncolumns, sizeof(*p.at));
	for (unsigned i = 0; i < p.k->ncolumns; i++) {
		unsigned column = p.k->columns[i];

		p.at[i] = key_is_selected(&s->columns[column]) ? stored_before(s, column) : extra++;
	}
	return p;
}

/* The row's place as JSON. False: one of its values has no literal. */
static bool put_place(struct buf *out, const struct places *p, const struct structure *s, const struct str *v)
{
	struct tuple place = {0};
	struct buf text = {0};
	json_t *o;
	bool good = true;

	for (unsigned i = 0; good && i < p->k->ncolumns; i++) {
		buf_clear(&text);
		good = key_put_literal(&text, &s->columns[p->k->columns[i]], v[p->at[i]]);
		if (good)
			tuple_add(&place, buf_str(&text));
	}
	if (good) {
		o = tuple_to_json(&place);
		json_write(o, out);
		json_decref(o);
	}
	buf_free(&text);
	tuple_free(&place);
	return good;
}

/*
 * A chunk that has become large ends behind a row whose place can be told; without places, anywhere. A copy
 * that goes on reads from there.
 */
static void end_if_full(struct writer *w, const struct places *p, const struct item *t, const struct str *v)
{
	struct buf place = {0};

	if (!writer_is_full(w))
		return;
	/* Files that stay are never gone on with. */
	if (!p->k || w->d->o.to_files || put_place(&place, p, t->structure, v))
		writer_end_here(w, buf_str(&place));
	buf_free(&place);
}

/* --- reading --- */

static int copy_rows(struct writer *w, struct db_rows *r, const struct item *t, struct err *e)
{
	struct places places = places_of(t);
	const struct str *v;
	int got;

	/* No large row's turn is held while room is waited for: those who have room may be waiting for the
	 * turn. */
	while ((got = writer_wait_room(w, e)) == 0 && (got = db_fetch(r, &v, e)) > 0) {
		if (dump_stopping(w->d))
			got = err_set(e, ERR_link, "asked to leave");
		else
			got = writer_row(w, v, e);
		if (got < 0)
			break;
		end_if_full(w, &places, t, v);
		db_row_done(r);
	}
	free(places.at);
	return got;
}

static int read_stretch(
	struct dump *d, struct db *c, struct writer *w, const struct stretch *s, struct err *e)
{
	const struct item *t = &d->catalog.tables.p[s->table];
	struct buf sql = {0};
	struct db_rows *r;
	int got = -1;

	if (db_exec(c, STR_LIT("SAVEPOINT tidegate"), e) < 0)
		return dump_sql_error(e);
	reader_put_select(&sql, t, s, d->o.csv);
	r = db_query_large(c, buf_str(&sql), &d->giant, e);
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

int reader_run(struct dump *d, struct db *c, const struct stretch *s, struct err *e)
{
	const struct item *t = &d->catalog.tables.p[s->table];
	struct writer w;
	int r = 0;

	writer_init(&w, d, s);
	if (!t->no_data)
		r = read_stretch(d, c, &w, s, e);
	if (r == 0)
		r = worker_end_stretch(d, &w, e);
	writer_fini(&w);
	return r < 0 ? err_add(e, "table `%s`.`%s`", t->schema, t->name) : 0;
}
