/*
 * Reads CSV records. Called by the workers. Pure but for the file behind the text. A record that does not end
 * with its file is an error: half a row is never one.
 */
#include "units/load/csv.h"

#include <stdlib.h>

#include "common/base/xalloc.h"

/* No table has more columns; so the places of a record's values are bounded, too. */
enum { FIELDS_MOST = 4096 };

struct parse {
	struct text *t;
	const struct csv_dialect *d;
	struct csv_row *row;
	size_t i;
	int r; /* 0: the end was seen, -1: reading failed */
	struct err *e;
};

static char here(struct parse *p)
{
	return text_peek(p->t, p->i, &p->r, p->e);
}

static bool at_end(const struct parse *p)
{
	return p->i >= p->t->b.n - p->t->at;
}

static bool follows(struct parse *p, const char *word)
{
	for (size_t k = 0; word[k]; k++) {
		char c = text_peek(p->t, p->i + k, &p->r, p->e);

		if (c != word[k] || p->i + k >= p->t->b.n - p->t->at)
			return false;
	}
	return word[0] != '\0';
}

static char unescaped(char c)
{
	switch (c) {
	case '0':
		return '\0';
	case 'b':
		return '\b';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case 'Z':
		return 26;
	default:
		return c;
	}
}

static struct csv_field *add_field(struct csv_row *row)
{
	if (row->n == row->cap) {
		row->cap = row->cap ? 2 * row->cap : 16;
		row->fields = xrealloc(row->fields, row->cap * sizeof(*row->fields));
	}
	row->fields[row->n] = (struct csv_field){.at = row->bytes.n};
	return &row->fields[row->n++];
}

/* The byte here, a backslash undone; i goes behind it. */
static void take_byte(struct parse *p)
{
	char c = here(p);

	p->i++;
	if (c == '\\' && !p->d->no_escape) {
		c = unescaped(here(p));
		p->i++;
	}
	buf_putc(&p->row->bytes, c);
}

/* As many bytes as stand for themselves inside of quotes. */
static void take_run(struct parse *p)
{
	struct str rest = text_rest(p->t);
	size_t i = p->i;

	while (i < rest.n && rest.p[i] != p->d->delimiter[0] && rest.p[i] != '\\')
		i++;
	text_set_apart(&p->row->bytes);
	buf_put(&p->row->bytes, rest.p + p->i, i - p->i);
	p->i = i;
}

static int quoted(struct parse *p)
{
	size_t k = strlen(p->d->delimiter);

	for (;;) {
		here(p);
		if (p->r < 0)
			return -1;
		if (at_end(p))
			return err_set(p->e, ERR_load_files,
				"the file ends inside of a quoted value: it is not complete");
		if (!follows(p, p->d->delimiter)) {
			take_byte(p);
			take_run(p);
			continue;
		}
		p->i += k;
		if (!follows(p, p->d->delimiter))
			return 0;
		buf_puts(&p->row->bytes, p->d->delimiter); /* doubled: one of the value */
		p->i += k;
	}
}

static bool at_line_end(struct parse *p)
{
	char c = here(p);

	return at_end(p) || c == '\n' || c == '\r';
}

static int bare(struct parse *p, struct csv_field *f)
{
	size_t from = p->i;
	struct str raw;

	while (p->r >= 0 && !at_line_end(p) && !follows(p, p->d->separator))
		take_byte(p);
	if (p->r < 0)
		return -1;
	raw = text_rest(p->t);
	if (p->i > raw.n)
		return err_set(p->e, ERR_load_files, "the file ends behind a backslash: it is not complete");
	f->null = str_is((struct str){raw.p + from, p->i - from}, p->d->null_value);
	return 0;
}

static int field(struct parse *p)
{
	struct csv_field *f;
	int r;

	if (p->row->n == FIELDS_MOST)
		return err_set(p->e, ERR_load_files, "it has more than %d values", FIELDS_MOST);
	f = add_field(p->row);
	if (follows(p, p->d->delimiter)) {
		p->i += strlen(p->d->delimiter);
		r = quoted(p);
	} else {
		r = bare(p, f);
	}
	f->n = p->row->bytes.n - f->at;
	return r;
}

static void skip_line_end(struct parse *p)
{
	if (!at_end(p) && here(p) == '\r')
		p->i++;
	here(p);
	if (!at_end(p) && here(p) == '\n')
		p->i++;
}

static int record(struct parse *p)
{
	for (;;) {
		if (field(p) < 0)
			return -1;
		if (follows(p, p->d->separator)) {
			p->i += strlen(p->d->separator);
			continue;
		}
		if (!at_line_end(p))
			return err_set(p->e, ERR_load_files,
				"behind a quoted value stands neither a separator nor a line's end");
		if (at_end(p)) /* all who write CSV end its last line, too */
			return err_set(p->e, ERR_load_files,
				"the file ends without a line's end: it is not complete");
		skip_line_end(p);
		return p->r < 0 ? -1 : 1;
	}
}

int csv_next(struct text *t, const struct csv_dialect *d, struct csv_row *row, struct err *e)
{
	struct parse p = {.t = t, .d = d, .row = row, .r = 1, .e = e};
	char where[48];

	buf_clear(&row->bytes);
	buf_room(&row->bytes, 1); /* an empty value is none that is NULL */
	row->n = 0;
	here(&p);
	if (p.r < 0)
		return -1;
	if (at_end(&p))
		return 0;
	if (record(&p) < 0) {
		text_where(t, where, sizeof(where));
		return err_add(e, "the record at %s", where);
	}
	row->used = p.i;
	return 1;
}

void csv_row_fini(struct csv_row *row)
{
	buf_free(&row->bytes);
	free(row->fields);
	*row = (struct csv_row){0};
}
