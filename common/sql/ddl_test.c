/*
 * The DDL reader, row by row: what a statement is, which tables it names, in which bytes. Verbs, names and
 * flags as text: "CREATE TABLE: a.t b" with flags behind '|': e IF EXISTS, n IF NOT EXISTS, r OR REPLACE, l
 * LIKE, s SELECT, R rename, X exchange, T START TRANSACTION, m more. "!" stands for an error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/buf.h"
#include "common/sql/ddl.h"

enum { MYSQL = 1, MARIA = 2, BOTH = 3, ANSI = 4 };

static const struct row {
	unsigned mode;
	const char *text, *want;
} rows[] = {
#include "common/sql/ddl_test.inc"
};

static void flags(const struct sql_ddl *d, struct buf *b)
{
	const struct {
		bool on;
		char c;
	} f[] = {{d->if_exists, 'e'}, {d->if_not_exists, 'n'}, {d->or_replace, 'r'}, {d->like, 'l'},
		{d->as_select, 's'}, {d->rename, 'R'}, {d->exchange, 'X'}, {d->start_transaction, 'T'},
		{d->more, 'm'}};
	bool any = false;

	for (size_t i = 0; i < sizeof(f) / sizeof(f[0]); i++) {
		if (f[i].on && !any)
			buf_puts(b, " |");
		if (f[i].on)
			buf_putc(b, f[i].c);
		any |= f[i].on;
	}
}

static void describe(const struct sql_ddl *d, struct buf *b)
{
	buf_puts(b, sql_verb_name(d->verb));
	if (d->schema[0])
		buf_putf(b, ": <%s>", d->schema);
	else if (d->ntables)
		buf_putc(b, ':');
	for (unsigned i = 0; i < d->ntables; i++) {
		if (d->tables[i].schema[0])
			buf_putf(b, " %s.%s", d->tables[i].schema, d->tables[i].table);
		else
			buf_putf(b, " %s", d->tables[i].table);
	}
	flags(d, b);
}

/* The bytes at..end of each table are the reference and nothing else: read again as one, they give the same
 * name. */
static void spans(const char *text, const struct sql_ddl *d, const struct server *s, uint64_t mode)
{
	static struct sql_ddl again;

	for (unsigned i = 0; i < d->ntables; i++) {
		struct buf b = {0};
		struct err e = {0};

		buf_putf(&b, "TRUNCATE %.*s", (int)(d->tables[i].end - d->tables[i].at),
			text + d->tables[i].at);
		if (sql_ddl_read(buf_str(&b), s, mode, &again, &e) < 0)
			fail_msg("[%s] table %u: [%s]: %s", text, i, buf_cstr(&b), e.text);
		assert_int_equal(again.ntables, 1);
		assert_string_equal(again.tables[0].table, d->tables[i].table);
		assert_string_equal(again.tables[0].schema, d->tables[i].schema);
		buf_free(&b);
	}
	if (d->start_transaction)
		assert_memory_equal(text + d->start_transaction_at, "START", 5);
}

static void one(const struct row *row, bool maria)
{
	static struct sql_ddl d;
	struct server s = {maria ? FLAVOR_MARIADB : FLAVOR_MYSQL, maria ? 101105 : 90700};
	uint64_t mode = row->mode & ANSI ? SQL_MODE_ANSI_QUOTES : 0;
	struct err e = {0};
	struct buf b = {0};
	size_t n = strlen(row->text);
	char *copy = malloc(n ? n : 1);

	memcpy(copy, row->text, n);
	if (sql_ddl_read((struct str){copy, n}, &s, mode, &d, &e) < 0) {
		assert_int_equal(e.code, ERR_sql_parse);
		assert_int_not_equal(strlen(e.text), 0);
		buf_putc(&b, '!');
	} else {
		describe(&d, &b);
		spans(row->text, &d, &s, mode);
	}
	if (strcmp(buf_cstr(&b), row->want) != 0)
		fail_msg("[%s] (%s)\n got: %s (%s)\nwant: %s", row->text, flavor_name(s.flavor), buf_cstr(&b),
			e.text, row->want);
	buf_free(&b);
	free(copy);
}

static void table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].mode & MYSQL)
			one(&rows[i], false);
		if (rows[i].mode & MARIA)
			one(&rows[i], true);
	}
}

/* Each row cut short at every byte: an answer or an error, never a crash; a table's name never comes from
 * beyond the cut. */
static void cut_short(void **state)
{
	static struct sql_ddl d;
	struct server s = {FLAVOR_MYSQL, 90700};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t n = 0; n < strlen(rows[i].text); n++) {
			char *copy = malloc(n ? n : 1);
			struct err e = {0};

			memcpy(copy, rows[i].text, n);
			if (sql_ddl_read((struct str){copy, n}, &s, 0, &d, &e) == 0 && d.ntables)
				assert_true(d.tables[d.ntables - 1].end <= n);
			free(copy);
		}
	}
}

static void many_tables(void **state)
{
	static struct sql_ddl d;
	struct server s = {FLAVOR_MARIADB, 101105};
	struct err e = {0};
	struct buf b = {0};

	(void)state;
	buf_puts(&b, "DROP TABLE t0");
	for (int i = 1; i < 64; i++)
		buf_putf(&b, ",t%d", i);
	assert_int_equal(sql_ddl_read(buf_str(&b), &s, 0, &d, &e), 0);
	assert_int_equal(d.ntables, 64);
	assert_false(d.more);
	buf_puts(&b, ",t64,x.t65");
	assert_int_equal(sql_ddl_read(buf_str(&b), &s, 0, &d, &e), 0);
	assert_int_equal(d.ntables, 64);
	assert_true(d.more);
	buf_puts(&b, ",'x'");
	assert_int_equal(sql_ddl_read(buf_str(&b), &s, 0, &d, &e), -1);
	buf_free(&b);
}

static void deep_parentheses(void **state)
{
	static struct sql_ddl d;
	struct server s = {FLAVOR_MYSQL, 90700};
	struct err e = {0};
	struct buf b = {0};

	(void)state;
	buf_puts(&b, "CREATE TABLE t (a int CHECK ");
	for (int i = 0; i < 100000; i++)
		buf_putc(&b, '(');
	assert_int_equal(sql_ddl_read(buf_str(&b), &s, 0, &d, &e), -1);
	for (int i = 0; i < 100000; i++)
		buf_putc(&b, ')');
	buf_putc(&b, ')');
	assert_int_equal(sql_ddl_read(buf_str(&b), &s, 0, &d, &e), 0);
	buf_free(&b);
}

static void charsets_are_read_in_the_modes_of_the_text(void **state)
{
	static const struct server mysql = {.flavor = FLAVOR_MYSQL, .version = 80030};
	static const char text[] = "CREATE TABLE t (a CHAR(9) DEFAULT 'C:\\') CHARSET latin1";
	static const char names[] =
		"CREATE TABLE t (a CHAR(9) DEFAULT 'C:\\', b CHAR(9) DEFAULT ') CHARSET x')";

	(void)state;
	assert_true(sql_ddl_names_charset(str_of(text), &mysql, SQL_MODE_NO_BACKSLASH_ESCAPES));
	assert_false(sql_ddl_names_charset(str_of(text), &mysql, 0));
	assert_false(sql_ddl_names_charset(str_of(names), &mysql, SQL_MODE_NO_BACKSLASH_ESCAPES));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(charsets_are_read_in_the_modes_of_the_text),
		cmocka_unit_test(table),
		cmocka_unit_test(cut_short),
		cmocka_unit_test(many_tables),
		cmocka_unit_test(deep_parentheses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
