/*
 * Rows into the bytes of chunk files. Pure; called by the chunk writer for each row. Must never write a byte
 * of a value that could end its field, its row or its statement.
 */
#include "units/dump/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/xalloc.h"
#include "common/sql/quote.h"
#include "segment.h"

/* After a row that only SQL can say, the next ones are likely of its kind: cutting costs a statement each. */
enum { MORE_SQL = 64 };

static bool is_special(enum value_format f)
{
	return f == VALUE_ENUM || f == VALUE_ENUM_NUMBER || f == VALUE_JSON;
}

/* Columns that only the downstream has: the same for all rows. */
static void put_extras(struct rows *r, const char *sep)
{
	for (unsigned i = 0; i < r->t->extras.n; i++) {
		buf_puts(&r->into, sep);
		sql_put_ident(&r->into, str_of(r->t->extras.p[i].column));
		buf_puts(&r->tail, sep);
		buf_puts(&r->tail, "_utf8mb4");
		sql_put_string(&r->tail, str_of(r->t->extras.p[i].value));
		sep = ",";
	}
}

void rows_init(struct rows *r, const struct row_format *format, const struct item *t, size_t statement_size)
{
	const struct structure *s = t->structure;
	const char *sep = "";

	*r = (struct rows){.format = format, .t = t, .statement_size = statement_size};
	r->columns = xcalloc(s->ncolumns + 1, sizeof(*r->columns));
	r->charsets = xcalloc(s->ncolumns + 1, sizeof(*r->charsets));
	buf_puts(&r->into, " INTO ");
	sql_put_ident(&r->into, str_of(t->target ? t->target : t->name));
	buf_puts(&r->into, " (");
	for (unsigned i = 0; i < s->ncolumns; i++) {
		if (s->columns[i].generated)
			continue;
		buf_puts(&r->into, sep);
		sql_put_ident(&r->into, str_of(s->columns[i].name));
		sep = ",";
		r->columns[r->ncolumns] = value_format_of(&s->columns[i]);
		if (format == &format_spool)
			r->charsets[r->ncolumns] = value_charset(&s->columns[i]);
		r->special = r->special || is_special(r->columns[r->ncolumns]);
		r->ncolumns++;
	}
	put_extras(r, sep);
	buf_puts(&r->into, ") VALUES\n");
}

void rows_fini(struct rows *r)
{
	free(r->columns);
	free(r->charsets);
	buf_free(&r->into);
	buf_free(&r->tail);
	buf_free(&r->out);
}

/* The column that is the nth of those stored, for an error. */
static int malformed(const struct rows *r, unsigned nth, struct err *e)
{
	const struct structure *s = r->t->structure;
	bool csv = r->format == &format_csv;
	unsigned i = 0;

	for (unsigned left = nth; i < s->ncolumns; i++)
		if (!s->columns[i].generated && left-- == 0)
			break;
	if (csv || r->columns[nth] == VALUE_UTF8MB4)
		return err_set(e, ERR_dump_failed,
			"column `%s` (%s) holds characters of %s that Unicode has not, and %s: mend these "
			"rows upstream, then resume-task",
			s->columns[i].name, s->columns[i].type, s->columns[i].charset,
			csv ? "CSV is in UTF-8" : "the downstream keeps nothing else");
	return err_set(e, ERR_dump_failed, "column `%s` (%s) holds a value that is no number",
		s->columns[i].name, s->columns[i].type);
}

/* --- SQL --- */

static const char head[] = "/*!40014 SET FOREIGN_KEY_CHECKS=0*/;\n/*!40101 SET NAMES binary*/;\n";

static void sql_begin(struct rows *r)
{
	buf_puts(&r->out, head);
}

static void end_statement(struct rows *r, const char *end)
{
	if (r->statement > 0)
		buf_puts(&r->out, end);
	r->statement = 0;
}

static void begin_row(struct rows *r, bool odd)
{
	if (r->statement > 0) {
		buf_puts(&r->out, ",\n");
		return;
	}
	buf_puts(&r->out, odd ? "INSERT IGNORE" : "INSERT");
	buf_put(&r->out, r->into.p, r->into.n);
}

/* The load can't know whether a statement's text meets a column of its own charset, so it says of which it
 * is.
 */
static void put_charset(struct rows *r, unsigned i, struct str v)
{
	if (!r->charsets[i] || !v.p || value_needs_sql(r->columns[i], v))
		return;
	buf_putc(&r->out, '_');
	buf_puts(&r->out, r->charsets[i]);
}

static int put_values(struct rows *r, const struct str *v, struct err *e)
{
	buf_putc(&r->out, '(');
	for (unsigned i = 0; i < r->ncolumns; i++) {
		if (i > 0)
			buf_putc(&r->out, ',');
		put_charset(r, i, v[i]);
		if (value_put(&r->out, r->columns[i], v[i]) == VALUE_MALFORMED)
			return malformed(r, i, e);
	}
	buf_put(&r->out, r->tail.p, r->tail.n);
	buf_putc(&r->out, ')');
	return 0;
}

/* An ENUM's error value: only INSERT IGNORE stores it. */
static bool is_odd(const struct rows *r, const struct str *v)
{
	for (unsigned i = 0; r->special && i < r->ncolumns; i++)
		if (r->columns[i] != VALUE_JSON && value_needs_sql(r->columns[i], v[i]))
			return true;
	return false;
}

static int put_sql_row(struct rows *r, const struct str *v, bool odd, struct err *e)
{
	size_t start = r->out.n;

	begin_row(r, odd);
	if (put_values(r, v, e) < 0)
		return -1;
	r->statement += r->out.n - start;
	return 0;
}

static void sql_seal(struct rows *r)
{
	end_statement(r, ";\n");
}

static int sql_row(struct rows *r, const struct str *v, struct err *e)
{
	bool odd = is_odd(r, v);

	if (odd || r->statement >= r->statement_size)
		sql_seal(r);
	if (put_sql_row(r, v, odd, e) < 0)
		return -1;
	if (odd)
		sql_seal(r);
	return 0;
}

const struct row_format format_sql = {.ending = ".sql", .begin = sql_begin, .row = sql_row, .seal = sql_seal};

static void files_begin(struct rows *r)
{
	sql_begin(r);
	buf_puts(&r->out,
		"/*!40103 SET TIME_ZONE='+00:00'*/;\n"
		"/*!40101 SET SQL_MODE='STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'*/;\n");
}

const struct row_format format_files = {
	.ending = ".sql", .begin = files_begin, .row = sql_row, .seal = sql_seal};

/* --- CSV --- */

static void csv_begin(struct rows *r)
{
	if (r->csv->header)
		csv_put_header(&r->out, r->csv, r->t->structure);
}

static int csv_row(struct rows *r, const struct str *v, struct err *e)
{
	const struct structure *s = r->t->structure;
	unsigned at = 0;

	for (unsigned i = 0; i < s->ncolumns; i++) {
		if (s->columns[i].generated)
			continue;
		if (csv_is_no_text(&s->columns[i], v[at]))
			return malformed(r, at, e);
		at++;
	}
	csv_put_row(&r->out, r->csv, r->t->structure, v);
	return 0;
}

static void csv_seal(struct rows *r)
{
	(void)r;
}

const struct row_format format_csv = {.ending = ".csv", .begin = csv_begin, .row = csv_row, .seal = csv_seal};

/* --- spool files --- */

static void spool_seal(struct rows *r)
{
	char text[SEGMENT_HEAD + 1];

	if (!r->kind)
		return;
	end_statement(r, "");
	snprintf(text, sizeof(text), SEGMENT_PRINT, r->kind, r->in_segment,
		(unsigned long long)(r->out.n - r->segment - SEGMENT_HEAD));
	memcpy(r->out.p + r->segment, text, SEGMENT_HEAD);
	r->kind = 0;
}

static void spool_open(struct rows *r, char kind)
{
	if (r->kind == kind)
		return;
	spool_seal(r);
	r->kind = kind;
	r->segment = r->out.n;
	r->in_segment = 0;
	buf_room(&r->out, SEGMENT_HEAD);
	r->out.n += SEGMENT_HEAD; /* written by spool_seal */
}

static int spool_sql_row(struct rows *r, const struct str *v, struct err *e)
{
	bool odd = is_odd(r, v);

	if (odd || r->statement >= r->statement_size)
		spool_seal(r);
	spool_open(r, SEGMENT_SQL);
	r->in_segment++;
	if (put_sql_row(r, v, odd, e) < 0)
		return -1;
	if (odd)
		spool_seal(r);
	return 0;
}

static bool needs_sql(const struct rows *r, const struct str *v)
{
	for (unsigned i = 0; i < r->ncolumns; i++)
		if (value_needs_sql(r->columns[i], v[i]))
			return true;
	return false;
}

static bool goes_as_sql(struct rows *r, const struct str *v)
{
	if (!r->special)
		return false;
	if (needs_sql(r, v))
		r->more_sql = MORE_SQL;
	else if (r->more_sql > 0)
		r->more_sql--;
	return r->more_sql > 0;
}

static int spool_row(struct rows *r, const struct str *v, struct err *e)
{
	if (goes_as_sql(r, v))
		return spool_sql_row(r, v, e);
	spool_open(r, SEGMENT_TEXT);
	for (unsigned i = 0; i < r->ncolumns; i++) {
		if (i > 0)
			buf_putc(&r->out, '\t');
		if (value_put_field(&r->out, r->columns[i], v[i]) == VALUE_MALFORMED)
			return malformed(r, i, e);
	}
	buf_putc(&r->out, '\n');
	r->in_segment++;
	return 0;
}

static void spool_begin(struct rows *r)
{
	(void)r;
}

const struct row_format format_spool = {
	.ending = SEGMENT_ENDING, .begin = spool_begin, .row = spool_row, .seal = spool_seal, .whole = true};
