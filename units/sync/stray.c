/*
 * Statements of unwanted databases that may write wanted tables: noted by the assembler, which asks nobody,
 * judged by the scheduler, by what the upstream's database has now. Each database is asked about once, and
 * again after a statement that may have given it something.
 */
#include "units/sync/stray.h"

#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/sql/lexer.h"
#include "common/sql/quote.h"
#include "units/sync/apply.h"
#include "units/sync/away.h"
#include "units/sync/trx.h"

enum { HEAD = 120 };

static void put_word(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n && s.p[i]; i++)
		buf_putc(b, (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + 32 : s.p[i]));
	buf_putc(b, '\0');
}

/* database, head of the text, its words, "": each with a NUL behind it. */
void stray_note(struct buf *notes, const struct binlog_query *q, const struct server *from)
{
	char name[260], last[sizeof(name)] = "";
	struct sql_lexer lx;

	put_word(notes, q->schema);
	buf_put(notes, q->sql.p, q->sql.n > HEAD ? HEAD : q->sql.n);
	buf_putc(notes, '\0');
	sql_ddl_lexer(&lx, q->sql, from, q->sql_mode);
	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD) {
		if ((lx.type != SQL_WORD && lx.type != SQL_IDENT) ||
			!sql_lex_ident(&lx, name, sizeof(name)) || !name[0] || strcmp(name, last) == 0)
			continue;
		put_word(notes, str_of(name));
		strcpy(last, name);
	}
	buf_putc(notes, '\0');
}

static void names_free(void *p)
{
	struct map *m = p;

	map_free(&m, NULL);
}

void stray_fini(struct stray *s)
{
	if (s->databases)
		map_free(&s->databases, names_free);
}

static int ask_one(
	struct db *up, const char *sql, const char *what, struct str schema, struct map *names, struct err *e)
{
	struct buf text = {0}, name = {0};
	struct db_rows *rows;
	const struct str *v;
	int n;

	buf_puts(&text, sql);
	sql_put_string(&text, schema);
	rows = db_query(up, buf_str(&text), e);
	buf_free(&text);
	if (!rows)
		return -1;
	while ((n = db_fetch(rows, &v, e)) > 0) {
		buf_clear(&name);
		put_word(&name, v[0]);
		map_put(names, str_of(name.p), (void *)(uintptr_t)what);
	}
	buf_free(&name);
	db_rows_close(&rows);
	return n;
}

/* NULL with e. */
static struct map *ask(struct db *up, struct str schema, struct err *e)
{
	struct map *names = map_new();

	if (ask_one(up,
		    "SELECT EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA=",
		    "a trigger of", schema, names, e) < 0 ||
		ask_one(up, "SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA=", "the view",
			schema, names, e) < 0 ||
		ask_one(up,
			"SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_TYPE='FUNCTION' "
			"AND ROUTINE_SCHEMA=",
			"the function", schema, names, e) < 0)
		names_free(names), names = NULL;
	return names;
}

/* NULL without e: the upstream is away, and was waited for. */
static const struct map *names_of(struct apply *a, struct str schema, const char *head, struct err *e)
{
	struct map *names = a->stray.databases ? map_get(a->stray.databases, schema) : NULL;
	struct db *up;

	if (names)
		return names;
	log_warn(
		"rows of `%.*s`, which is not wanted, are changed by logged statements (binlog_format is not "
		"ROW), as this one: %s; what one of its triggers changes elsewhere is not followed where the "
		"upstream's user can't see it",
		STR_ARG(schema), head);
	up = away_upstream(a, "which knows the triggers, views and functions of a database", e);
	if (!up) {
		if (a->tables.away)
			err_clear(e);
		return NULL;
	}
	names = ask(up, schema, e);
	if (!names) {
		db_close(&a->tables.ask_up);
		return NULL;
	}
	if (!a->stray.databases)
		a->stray.databases = map_new();
	map_put(a->stray.databases, schema, names);
	return names;
}

/* The next of the notes. */
static struct str next(struct str *rest)
{
	struct str s = str_of(rest->p);

	rest->p += s.n + 1;
	rest->n -= s.n + 1;
	return s;
}

int stray_check(struct apply *a, const struct trx *t, struct err *e)
{
	struct str rest = buf_str(&t->statements);

	if (t->objects || t->kind == TRX_DDL)
		stray_fini(&a->stray);
	while (rest.n > 0) {
		struct str schema = next(&rest), head = next(&rest), word;
		const struct map *names = names_of(a, schema, head.p, e);

		if (!names && e->code)
			return -1;
		while ((word = next(&rest)).n > 0) {
			const char *what = names ? map_get(names, word) : NULL;

			if (what)
				return err_set(e, ERR_sync_statement_dml,
					"default database `%.*s`, which is not wanted: %.*s; but by %s "
					"`%.*s` it may "
					"change rows that are",
					STR_ARG(schema), STR_ARG(head), what, STR_ARG(word));
		}
	}
	return 0;
}
