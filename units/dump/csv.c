/*
 * CSV in dumpling's dialect. Called by format.c where the files are to be CSV.
 * Must never write a line's end inside of a value.
 */
#include "units/dump/csv.h"

#include "common/sql/quote.h"
#include "units/dump/value.h"

static bool is_number(const struct column *c)
{
	switch (c->kind) {
	case COLUMN_INT:
	case COLUMN_FLOAT:
	case COLUMN_DOUBLE:
	case COLUMN_DECIMAL:
		return true;
	default:
		return false;
	}
}

/* Text that the server converts, and in which it would put a '?' for what Unicode lacks. */
static bool is_converted(const struct column *c)
{
	return c->kind == COLUMN_TEXT && !value_is_utf8(c->charset);
}

bool csv_is_no_text(const struct column *c, struct str v)
{
	return is_converted(c) && value_is_no_text(v);
}

void csv_put_select(struct buf *b, const struct column *c)
{
	if (is_converted(c)) {
		value_put_unicode(b, c);
		return;
	}
	sql_put_ident(b, str_of(c->name));
	if (c->kind == COLUMN_FLOAT || c->kind == COLUMN_DOUBLE)
		buf_puts(b, "*1e0"); /* FLOAT's own text has 6 digits */
}

/* Which byte must not stand bare in a value: the delimiter's first, or without one the separator's. */
static char special(const struct csv_form *o)
{
	return o->delimiter[0] ? o->delimiter[0] : o->separator[0];
}

static char escape_of(char c, char bare)
{
	switch (c) {
	case '\0':
		return '0';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\\':
		return '\\';
	default:
		return c == bare ? c : '\0';
	}
}

static void put_text(struct buf *b, const struct csv_form *o, struct str v)
{
	char bare = special(o);
	size_t from = 0, mark = SIZE_MAX;

	/* Without a delimiter it would be NULL, but for a backslash, which does nothing to most bytes. */
	if (!o->delimiter[0] && str_is(v, o->null_value))
		mark = strspn(o->null_value, CSV_MEANING);
	buf_puts(b, o->delimiter);
	for (size_t i = 0; i < v.n; i++) {
		char c = escape_of(v.p[i], bare);

		if (!c && i != mark)
			continue;
		if (!c)
			c = v.p[i];
		buf_put(b, v.p + from, i - from);
		buf_putc(b, '\\');
		buf_putc(b, c);
		from = i + 1;
	}
	buf_put(b, v.p + from, v.n - from);
	buf_puts(b, o->delimiter);
}

void csv_put_header(struct buf *b, const struct csv_form *o, const struct structure *s)
{
	const char *sep = "";

	for (unsigned i = 0; i < s->ncolumns; i++) {
		if (s->columns[i].generated)
			continue;
		buf_puts(b, sep);
		put_text(b, o, str_of(s->columns[i].name));
		sep = o->separator;
	}
	buf_puts(b, "\r\n");
}

void csv_put_row(struct buf *b, const struct csv_form *o, const struct structure *s, const struct str *v)
{
	const char *sep = "";
	unsigned at = 0;

	for (unsigned i = 0; i < s->ncolumns; i++) {
		if (s->columns[i].generated)
			continue;
		buf_puts(b, sep);
		sep = o->separator;
		if (!v[at].p)
			buf_puts(b, o->null_value);
		else if (is_number(&s->columns[i]))
			buf_put(b, v[at].p, v[at].n);
		else
			put_text(b, o, v[at]);
		at++;
	}
	buf_puts(b, "\r\n");
}
