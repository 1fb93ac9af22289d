/*
 * libFuzzer: the lexer, the DDL reader and the translation on any bytes. The first byte chooses servers and
 * sql_mode. Beside crashes it looks for broken promises: tokens that overlap, names beyond the text, a
 * translation that the target reads as another statement.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/sql/alter.h"
#include "common/sql/create.h"
#include "common/sql/ddl.h"
#include "common/sql/dialect.h"
#include "common/sql/lexer.h"
#include "common/sql/objects.h"

static const struct server servers[] = {
	{FLAVOR_MYSQL, 90704}, {FLAVOR_MARIADB, 110809}, {FLAVOR_MARIADB, 100523}, {FLAVOR_TIDB, 80500}};

static void lex(struct str text, const struct server *s, uint64_t mode)
{
	struct sql_lexer lx;
	size_t end = 0;
	char name[257];

	sql_lex_init(&lx, text, s->flavor == FLAVOR_MARIADB, s->version);
	lx.ansi_quotes = mode & SQL_MODE_ANSI_QUOTES;
	lx.no_backslash_escapes = mode & SQL_MODE_NO_BACKSLASH_ESCAPES;
	for (;;) {
		enum sql_token t = sql_lex_next(&lx);

		assert(lx.token_at >= end && lx.token_at + lx.token.n <= text.n);
		assert(t == SQL_END || t == SQL_BAD || lx.token.n > 0);
		if (sql_lex_ident(&lx, name, sizeof(name)))
			assert(strlen(name) > 0);
		if (t == SQL_END || t == SQL_BAD)
			return;
		end = lx.token_at + lx.token.n;
	}
}

static void check_names(const struct sql_ddl *d, size_t n)
{
	assert(d->ntables <= SQL_DDL_MAX_TABLES);
	for (unsigned i = 0; i < d->ntables; i++)
		assert(d->tables[i].at < d->tables[i].end && d->tables[i].end <= n && d->tables[i].table[0]);
}

static void translate(struct str text, const struct server *from, const struct server *to, uint64_t mode)
{
	static struct sql_ddl before, after;
	struct buf out = {0}, notes = {0};
	struct err e = {0};

	if (sql_translate(text, &(struct sql_dialects){.from = from, .to = to, .sql_mode = mode}, &out,
		    &notes, &e) == 0) {
		assert(sql_ddl_read(text, from, mode, &before, &e) == 0);
		/* The same verb on the same tables, to the eyes of the target. */
		if (before.ntables && before.verb != SQL_VERB_TEMPORARY &&
			sql_ddl_read(buf_str(&out), to, mode, &after, &e) == 0 && to->flavor != FLAVOR_TIDB) {
			assert(after.verb == before.verb);
			assert(after.ntables == before.ntables);
			for (unsigned i = 0; i < after.ntables; i++) {
				assert(strcmp(before.tables[i].table, after.tables[i].table) == 0);
				assert(strcmp(before.tables[i].schema, after.tables[i].schema) == 0);
			}
		}
	} else {
		assert(e.code);
	}
	buf_free(&out);
	buf_free(&notes);
}

/* Cut to any of its parts it is still an ALTER of that table, with so many of them. */
static void cut(
	struct str text, const struct server *from, uint64_t mode, const struct sql_ddl *d, unsigned seed)
{
	static struct sql_ddl again;
	struct alter a, b;
	struct buf out = {0};
	struct err e = {0};
	bool keep[64] = {0};
	unsigned kept = 0;

	if (alter_read(text, from, mode, d, &a, &e) < 0)
		assert(e.code == ERR_sql_parse);
	for (unsigned i = 0; i < a.n; i++) {
		assert(a.parts[i].at <= a.parts[i].end && a.parts[i].end <= text.n);
		assert(i == 0 || a.parts[i].at >= a.parts[i - 1].end);
		if (i < 64)
			keep[i] = (seed >> (i % 8)) & 1;
		kept += i < 64 && (keep[i] || a.parts[i].neutral);
	}
	if (!e.code && !a.whole && kept > 0 && a.n <= 64) {
		alter_put(text, &a, keep, &out);
		if (sql_ddl_read(buf_str(&out), from, mode, &again, &e) == 0) {
			assert(again.verb == d->verb &&
				strcmp(again.tables[0].table, d->tables[0].table) == 0);
			if (alter_read(buf_str(&out), from, mode, &again, &b, &e) == 0)
				assert(b.n <= kept);
			alter_fini(&b);
		}
	}
	alter_fini(&a);
	buf_free(&out);
}

/* What was read is written, and read again. */
static void create(struct str text, const struct server *from)
{
	struct err e = {0};
	struct structure *s = structure_from_create(text, from, "utf8mb4_bin", &e), *again;
	struct buf out = {0};

	if (!s) {
		assert(e.code == ERR_sql_parse);
		return;
	}
	structure_put_create(s, &out);
	again = structure_from_create(buf_str(&out), from, "", &e);
	assert(!again || again->ncolumns == s->ncolumns); /* what no server takes need not be read again */
	structure_free(&again);
	structure_free(&s);
	buf_free(&out);
}

/* A statement that makes some kind of object, under some policy. */
static void object(struct str text, const struct server *from, unsigned policy)
{
	struct definer d = {(enum definer_policy)policy, "`u`@`h`"};
	enum object_kind kind = (enum object_kind)(text.n % OBJECT_KINDS);
	struct buf out = {0};
	struct err e = {0};

	if (object_put_create(kind, text, from, &d, &out, &e) < 0)
		assert(e.code == ERR_sql_parse);
	else if (kind != OBJECT_EVENT && d.policy == DEFINER_KEEP)
		assert(str_eq(buf_str(&out), text));
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct sql_ddl d;
	const struct server *from, *to;
	struct err e = {0};
	uint64_t mode;
	struct str text;

	if (n == 0)
		return 0;
	from = &servers[data[0] & 3];
	to = &servers[(data[0] >> 2) & 3];
	mode = (data[0] & 16 ? SQL_MODE_ANSI_QUOTES : 0) | (data[0] & 32 ? SQL_MODE_NO_BACKSLASH_ESCAPES : 0);
	text = (struct str){(const char *)data + 1, n - 1};
	lex(text, from, mode);
	if (sql_ddl_read(text, from, mode, &d, &e) == 0)
		check_names(&d, text.n);
	else
		assert(e.code == ERR_sql_parse);
	if (!e.code && d.verb == SQL_VERB_ALTER_TABLE)
		cut(text, from, mode, &d, (unsigned)text.n);
	translate(text, from, to, mode);
	create(text, from);
	object(text, from, data[0] >> 6);
	return 0;
}
