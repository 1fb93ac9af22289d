/*
 * A data file of CSV records: they become INSERT statements of many rows, each value as text that says its
 * charset. Called by the file's worker.
 */
#include <stdlib.h>

#include "common/base/xalloc.h"
#include "common/sql/quote.h"
#include "units/load/filerouted.h"
#include "units/load/filework.h"

enum { STATEMENT_BYTES = 1 << 20 };

static const struct plan_item *table_of(const struct fileworker *w)
{
	return &w->l->plan.tables.p[w->f->table];
}

static const struct structure *structure_of(const struct fileworker *w)
{
	return table_of(w)->structure;
}

static void add_column(struct fileworker *w, unsigned i)
{
	w->columns = xrealloc(w->columns, (w->ncolumns + 1) * sizeof(*w->columns));
	w->columns[w->ncolumns++] = i;
}

/* An empty line is the row of a table all of whose columns are generated. */
static bool is_empty(const struct fileworker *w)
{
	return w->ncolumns == 0 && w->row.n == 1 && w->row.fields[0].n == 0;
}

static int take_header(struct fileworker *w, struct err *e)
{
	const struct structure *s = structure_of(w);
	char name[260];

	for (size_t i = 0; i < w->row.n && !is_empty(w); i++) {
		struct str v = csv_value(&w->row, i);
		int at;

		memcpy(name, v.p, v.n < sizeof(name) - 1 ? v.n : sizeof(name) - 1);
		name[v.n < sizeof(name) - 1 ? v.n : sizeof(name) - 1] = '\0';
		at = structure_column(s, name);
		if (at < 0 || s->columns[at].generated)
			return err_set(e, ERR_load_files,
				"the header names `%s`, which is %s of the table (is it a row? then say that "
				"there is no header)",
				name, at < 0 ? "no column" : "a generated column");
		add_column(w, (unsigned)at);
	}
	return 0;
}

/* The columns of the file: by its header, which a file that is entered in its middle has at its beginning
 * too. */
static int find_columns(struct fileworker *w, struct err *e)
{
	const struct csv_dialect *d = &w->l->folder->csv;
	struct text head;
	int r;

	w->ncolumns = 0;
	if (filerouted_check_list(table_of(w), d->header, e) < 0)
		return -1;
	for (unsigned i = 0; !d->header && i < structure_of(w)->ncolumns; i++)
		if (!structure_of(w)->columns[i].generated)
			add_column(w, i);
	if (!d->header)
		return 0;
	if (w->f->at > 0) {
		r = fileworker_open(w, &head, 0, e);
		if (r == 0)
			r = csv_next(&head, d, &w->row, e);
		if (r > 0)
			r = take_header(w, e);
		text_close(&head);
		fileworker_give_back(w);
		return r;
	}
	r = csv_next(&w->text, d, &w->row, e);
	if (r == 0)
		return err_set(e, ERR_load_files,
			"the file is empty, not even its header is there: it is not complete");
	if (r > 0) {
		r = take_header(w, e);
		text_use(&w->text, w->row.used);
		fileworker_give_back(w);
	}
	return r;
}

static void put_value(struct buf *sql, const struct column *c, struct str v)
{
	switch (c->kind) {
	case COLUMN_BINARY:
	case COLUMN_BIT:
	case COLUMN_GEOMETRY:
	case COLUMN_VECTOR:
		buf_puts(sql, "_binary");
		break;
	default:
		buf_puts(sql, "_utf8mb4");
		break;
	}
	sql_put_string(sql, v);
}

static void begin_statement(struct fileworker *w)
{
	const char *sep = " (";

	buf_puts(&w->sql, "INSERT INTO ");
	sql_put_ident(&w->sql, str_of(table_of(w)->to_name));
	for (unsigned i = 0; i < w->ncolumns; i++) {
		buf_puts(&w->sql, sep);
		sql_put_ident(&w->sql, str_of(structure_of(w)->columns[w->columns[i]].name));
		sep = ",";
	}
	filerouted_put_names(table_of(w), &w->sql, &sep);
	buf_puts(&w->sql, sep[0] == ',' ? ") VALUES\n" : " () VALUES\n");
}

static void put_row(struct fileworker *w)
{
	if (w->sql.n == 0)
		begin_statement(w);
	else
		buf_puts(&w->sql, ",\n");
	buf_putc(&w->sql, '(');
	for (unsigned i = 0; i < w->ncolumns; i++) {
		if (i > 0)
			buf_putc(&w->sql, ',');
		if (w->row.fields[i].null)
			buf_puts(&w->sql, "NULL");
		else
			put_value(&w->sql, &structure_of(w)->columns[w->columns[i]], csv_value(&w->row, i));
	}
	filerouted_put_values(table_of(w), &w->sql, w->ncolumns > 0);
	buf_putc(&w->sql, ')');
}

/* The rows that are gathered, up to what is used of the file. */
static int send(struct fileworker *w, uint64_t *gathered, struct err *e)
{
	int r = 0;

	if (*gathered > 0)
		r = fileworker_exec(w, buf_str(&w->sql), *gathered, false, e);
	*gathered = 0;
	buf_clear(&w->sql);
	return r;
}

/* The record out of the file's text, then into the statement: of a large one never more than two are there.
 */
static int gather(struct fileworker *w, uint64_t *gathered, struct err *e)
{
	if (w->row.n != w->ncolumns && !is_empty(w))
		return err_set(
			e, ERR_load_files, "the record has %zu values for %u columns", w->row.n, w->ncolumns);
	text_use(&w->text, w->row.used);
	put_row(w);
	++*gathered;
	if (w->turn.mine)
		buf_free(&w->row.bytes);
	return 0;
}

int filecsv_load(struct fileworker *w, struct err *e)
{
	size_t most = w->max_packet > 0 && w->max_packet / 2 < STATEMENT_BYTES ? (size_t)w->max_packet / 2
									       : STATEMENT_BYTES;
	uint64_t gathered = 0;
	int r;

	buf_clear(&w->sql);
	if (db_exec(w->c, STR_LIT("SET NAMES binary"), e) < 0 || find_columns(w, e) < 0)
		return -1;
	w->zone_said = false;
	fileworker_look_at_zone(w);
	while ((r = csv_next(&w->text, &w->l->folder->csv, &w->row, e)) > 0) {
		/* A large one by itself: with others it might be more than the downstream takes. */
		if ((w->turn.mine && send(w, &gathered, e) < 0) || gather(w, &gathered, e) < 0)
			return -1;
		if (w->sql.n < most && !w->turn.mine)
			continue;
		if (send(w, &gathered, e) < 0)
			return -1;
		fileworker_give_back(w);
		if (fileworker_step(w, false, e) < 0)
			return -1;
	}
	if (r < 0 || send(w, &gathered, e) < 0)
		return -1;
	return fileworker_step(w, true, e);
}
