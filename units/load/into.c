/*
 * Rows of spool files as SQL, and the words around them. Pure; called by rows.c. What stands in a spool
 * file's field is what stands inside of an SQL string, so nothing is escaped here, nor may be.
 */
#include "units/load/into.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/sql/quote.h"

static void put_names(const struct into *i, struct buf *b, const char *open, const char *close)
{
	buf_puts(b, open);
	for (unsigned k = 0; k < i->n; k++) {
		buf_puts(b, k ? "," : "");
		sql_put_ident(b, str_of(i->columns[k]->name));
	}
	for (unsigned k = 0; k < i->t->extras.n; k++) {
		buf_puts(b, i->n + k ? "," : "");
		sql_put_ident(b, str_of(i->t->extras.p[k].column));
	}
	buf_puts(b, close);
}

/* In a session under SET NAMES binary. */
static void put_extra(const struct route_extra *x, struct buf *b)
{
	buf_puts(b, "_utf8mb4");
	sql_put_string(b, str_of(x->value));
}

static void put_tail(struct into *i)
{
	for (unsigned k = 0; k < i->t->extras.n; k++) {
		buf_puts(&i->tail, i->n + k ? "," : "");
		put_extra(&i->t->extras.p[k], &i->tail);
	}
}

static const char *charset_of(const struct column *c)
{
	enum value_format f = value_format_of(c);

	if (f == VALUE_JSON || f == VALUE_UTF8MB4)
		return "utf8mb4";
	return c->recoded ? value_charset(c) : NULL;
}

void into_init(struct into *i, const struct plan_item *t)
{
	const struct structure *s = t->structure;

	*i = (struct into){.t = t};
	i->columns = xcalloc(s->ncolumns + 1, sizeof(*i->columns));
	i->formats = xcalloc(s->ncolumns + 1, sizeof(*i->formats));
	i->charsets = xcalloc(s->ncolumns + 1, sizeof(*i->charsets));
	for (unsigned k = 0; k < s->ncolumns; k++) {
		if (s->columns[k].generated)
			continue;
		i->columns[i->n] = &s->columns[k];
		i->charsets[i->n] = charset_of(&s->columns[k]);
		i->formats[i->n++] = value_format_of(&s->columns[k]);
	}
	buf_puts(&i->names, " INTO ");
	sql_put_ident(&i->names, str_of(t->to_name));
	put_names(i, &i->names, " (", ") VALUES");
	put_tail(i);
}

void into_fini(struct into *i)
{
	free(i->columns);
	free(i->formats);
	free(i->charsets);
	buf_free(&i->names);
	buf_free(&i->tail);
	*i = (struct into){0};
}

/* Its bytes can't go into the column as they come: by way of a variable. */
static bool needs_variable(const struct into *i, unsigned k)
{
	return i->charsets[k] || i->formats[k] == VALUE_ENUM_NUMBER || i->formats[k] == VALUE_SET_NUMBER;
}

/* text: a variable or a placeholder, which holds binary text. */
static void put_expression(struct buf *b, const struct into *i, unsigned k, const char *text)
{
	if (i->charsets[k])
		buf_putf(b, "CONVERT(%s USING %s)", text, i->charsets[k]);
	else if (i->formats[k] == VALUE_SET_NUMBER)
		buf_putf(b, "CAST(%s AS UNSIGNED)", text);
	else /* '2' would be a member of that name */
		buf_putf(b, "%s+0", text);
}

/*
 * Which columns LOAD DATA reads into variables. Where there is a SET, the AUTO_INCREMENT column must be in
 * it: MariaDB forgets at the SET that the row came with a value, and makes one in place of 0 (seen in 10.11).
 */
static bool by_variable(const struct into *i, unsigned k)
{
	bool any = needs_variable(i, k) || (i->columns[k]->auto_increment && i->t->extras.n > 0);

	for (unsigned j = 0; !any && i->columns[k]->auto_increment && j < i->n; j++)
		any = needs_variable(i, j);
	return any;
}

static void put_load_fields(const struct into *i, struct buf *sql)
{
	buf_puts(sql, " (");
	for (unsigned k = 0; k < i->n; k++) {
		buf_puts(sql, k ? "," : "");
		if (by_variable(i, k))
			buf_putf(sql, "@v%u", k);
		else
			sql_put_ident(sql, str_of(i->columns[k]->name));
	}
	buf_putc(sql, ')');
}

static void put_load_set(const struct into *i, struct buf *sql)
{
	const char *sep = " SET ";
	char name[24];

	for (unsigned k = 0; k < i->n; k++) {
		if (!by_variable(i, k))
			continue;
		snprintf(name, sizeof(name), "@v%u", k);
		buf_puts(sql, sep);
		sql_put_ident(sql, str_of(i->columns[k]->name));
		buf_putc(sql, '=');
		if (needs_variable(i, k))
			put_expression(sql, i, k, name);
		else
			buf_puts(sql, name);
		sep = ",";
	}
	for (unsigned k = 0; k < i->t->extras.n; k++) {
		buf_puts(sql, sep);
		sql_put_ident(sql, str_of(i->t->extras.p[k].column));
		buf_putc(sql, '=');
		put_extra(&i->t->extras.p[k], sql);
		sep = ",";
	}
}

void into_put_load(const struct into *i, struct buf *sql)
{
	buf_puts(sql, "LOAD DATA LOCAL INFILE 'tidegate' INTO TABLE ");
	sql_put_ident(sql, str_of(i->t->to_name));
	buf_puts(sql,
		" CHARACTER SET binary FIELDS TERMINATED BY '\\t' ENCLOSED BY '' ESCAPED BY '\\\\' LINES "
		"STARTING BY '' TERMINATED BY '\\n'");
	put_load_fields(i, sql);
	put_load_set(i, sql);
}

void into_put_bulk(const struct into *i, const char *verb, struct buf *sql)
{
	buf_puts(sql, verb);
	buf_put(sql, i->names.p, i->names.n);
	for (unsigned k = 0; k < i->n; k++) {
		buf_putc(sql, k ? ',' : '(');
		if (needs_variable(i, k))
			put_expression(sql, i, k, "?");
		else
			buf_putc(sql, '?');
	}
	buf_put(sql, i->tail.p, i->tail.n);
	buf_putc(sql, ')');
}

void into_put_keep(const struct into *i, struct buf *sql)
{
	/* A generated column can be told nothing else. */
	const char *name = i->n > 0 ? i->columns[0]->name : i->t->structure->columns[0].name;

	buf_puts(sql, " ON DUPLICATE KEY UPDATE ");
	sql_put_ident(sql, str_of(name));
	buf_putc(sql, '=');
	if (i->n > 0)
		sql_put_ident(sql, str_of(name));
	else
		buf_puts(sql, "DEFAULT");
}

void into_put_newer(const struct into *i, struct buf *sql)
{
	if (i->n == 0)
		into_put_keep(i, sql);
	for (unsigned k = 0; k < i->n; k++) {
		struct str name = str_of(i->columns[k]->name);

		buf_puts(sql, k ? "," : " ON DUPLICATE KEY UPDATE ");
		sql_put_ident(sql, name);
		buf_puts(sql, "=VALUES(");
		sql_put_ident(sql, name);
		buf_putc(sql, ')');
	}
}

/* The next field of line, from *at on; at the last one a further tab is none of its. False: there is none. */
static bool next_field(struct str line, size_t *at, bool last, struct str *field)
{
	const char *start = line.p + *at, *tab;

	if (*at > line.n)
		return false;
	tab = memchr(start, '\t', line.n - *at);
	if (last ? tab != NULL : tab == NULL)
		return false;
	field->p = start;
	field->n = last ? line.n - *at : (size_t)(tab - start);
	*at += field->n + 1;
	return true;
}

static bool is_null(struct str field)
{
	return field.n == 2 && field.p[0] == '\\' && field.p[1] == 'N';
}

bool into_put_row(const struct into *i, struct str line, struct buf *sql)
{
	struct str field;
	size_t at = 0;

	if (i->n == 0)
		buf_putc(sql, '(');
	for (unsigned k = 0; k < i->n; k++) {
		bool quote = !value_format_is_number(i->formats[k]);

		if (!next_field(line, &at, k + 1 == i->n, &field))
			return false;
		buf_putc(sql, k ? ',' : '(');
		if (is_null(field)) {
			buf_puts(sql, "NULL");
			continue;
		}
		if (i->charsets[k])
			buf_putf(sql, "_%s", i->charsets[k]);
		if (quote)
			buf_putc(sql, '\'');
		buf_put(sql, field.p, field.n);
		if (quote)
			buf_putc(sql, '\'');
	}
	buf_put(sql, i->tail.p, i->tail.n);
	buf_putc(sql, ')');
	return i->n > 0 || line.n == 0;
}

static uint64_t bytes_of(struct str field)
{
	uint64_t n = 0;

	for (size_t i = 0; i < field.n; i++, n++)
		if (field.p[i] == '\\')
			i++;
	return n;
}

uint64_t into_row_bytes(const struct into *i, struct str line)
{
	struct str field;
	uint64_t n = 0;
	size_t at = 0;

	for (unsigned k = 0; k < i->n && next_field(line, &at, k + 1 == i->n, &field); k++) {
		enum value_format f = i->formats[k];

		if ((f == VALUE_STRING || f == VALUE_BYTES || f == VALUE_UTF8MB4) && !is_null(field))
			n += bytes_of(field);
	}
	return n;
}

static char unescaped(char c)
{
	switch (c) {
	case '0':
		return '\0';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case 'Z':
		return 0x1a;
	default:
		return c;
	}
}

static size_t unescape(char *p, size_t n)
{
	char *in = memchr(p, '\\', n), *out = in, *end = p + n;

	while (in && in < end) {
		bool escape = *in == '\\' && in + 1 < end;

		*out++ = escape ? unescaped(in[1]) : *in;
		in += escape ? 2 : 1;
	}
	return out ? (size_t)(out - p) : n;
}

bool into_split(const struct into *i, char *line, size_t n, struct str *values)
{
	struct str whole = {line, n}, field;
	size_t at = 0;

	for (unsigned k = 0; k < i->n; k++) {
		if (!next_field(whole, &at, k + 1 == i->n, &field))
			return false;
		values[k] = (struct str){NULL, 0};
		if (!is_null(field))
			values[k] = (struct str){field.p, unescape(line + (field.p - line), field.n)};
	}
	return true;
}
