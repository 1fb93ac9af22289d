/*
 * Statements of files as the task's routes want them: the table's name downstream, and behind each row the
 * values of columns that only the downstream has. Pure; called by the file's worker. The rows themselves are
 * never touched.
 */
#include "units/load/filerouted.h"

#include <inttypes.h>

#include "common/sql/lexer.h"
#include "common/sql/quote.h"

void filerouted_put_names(const struct plan_item *t, struct buf *sql, const char **sep)
{
	for (unsigned i = 0; i < t->extras.n; i++) {
		buf_puts(sql, *sep);
		sql_put_ident(sql, str_of(t->extras.p[i].column));
		*sep = ",";
	}
}

void filerouted_put_values(const struct plan_item *t, struct buf *sql, bool any)
{
	for (unsigned i = 0; i < t->extras.n; i++) {
		struct str value = str_of(t->extras.p[i].value);

		buf_puts(sql, i > 0 || any ? ",_utf8mb4 " : "_utf8mb4 ");
		sql_put_hex(sql, value);
	}
}

struct writing {
	const struct plan_item *t;
	struct sql_lexer lx;
	size_t from; /* what is written of the text */
	struct buf *sql;
};

static void put_up_to(struct writing *w, size_t at)
{
	buf_put(w->sql, w->lx.text.p + w->from, at - w->from);
	w->from = at;
}

/* A statement without a list has values for all columns that are visible; of a generated one it is DEFAULT.
 */
static void put_list(struct writing *w)
{
	const struct structure *s = w->t->structure;
	const char *sep = " (";

	for (unsigned i = 0; i < s->ncolumns; i++) {
		if (s->columns[i].invisible)
			continue;
		buf_puts(w->sql, sep);
		sql_put_ident(w->sql, str_of(s->columns[i].name));
		sep = ",";
	}
	filerouted_put_names(w->t, w->sql, &sep);
	buf_puts(w->sql, ") ");
}

/* Into the list that stands there. */
static void extend_list(struct writing *w)
{
	const char *sep = "";

	sql_lex_next(&w->lx);
	while (sql_lex_next(&w->lx) != SQL_END && w->lx.type != SQL_BAD && !sql_lex_is_char(&w->lx, ')'))
		sep = ",";
	put_up_to(w, w->lx.token_at);
	filerouted_put_names(w->t, w->sql, &sep);
}

/* Outside of all parentheses: ON DUPLICATE KEY UPDATE and the like would go over rows of other tables. */
static int check_word(const struct writing *w, struct err *e)
{
	const struct sql_lexer *lx = &w->lx;

	if (sql_lex_is_char(lx, '(') || sql_lex_is_char(lx, ')') || sql_lex_is_char(lx, ',') ||
		sql_lex_is(lx, "VALUES") || sql_lex_is(lx, "VALUE") || sql_lex_is(lx, "ROW"))
		return 0;
	return err_set(e, ERR_load_files,
		"only rows may stand in a file of a table that is merged with others, or gets columns by "
		"extract-…, not %.*s",
		STR_ARG(lx->token));
}

/* Into each of the parentheses that stand outside of all others; how many there are. */
static int put_rows(struct writing *w, uint64_t *rows, struct err *e)
{
	unsigned depth = 0;
	bool any = false;

	*rows = 0;
	while (sql_lex_next(&w->lx) != SQL_END && w->lx.type != SQL_BAD) {
		if (depth == 0 && check_word(w, e) < 0)
			return -1;
		if (sql_lex_is_char(&w->lx, ')') && depth == 1) {
			put_up_to(w, w->lx.token_at);
			filerouted_put_values(w->t, w->sql, any);
			++*rows;
		}
		any = depth > 0;
		if (sql_lex_is_char(&w->lx, '('))
			depth++;
		else if (sql_lex_is_char(&w->lx, ')') && depth > 0)
			depth--;
	}
	return 0;
}

int filerouted_check_list(const struct plan_item *t, bool list, struct err *e)
{
	if (list || !t->merged || t->create[0])
		return 0;
	return err_set(e, ERR_load_files,
		"nothing says which columns the values are for, and tables without a -schema.sql that are "
		"merged need not have the same: dump them with the names of columns (mydumper "
		"--complete-insert), or with -schema.sql");
}

int filerouted_put(const struct plan_item *t, const struct server *to, struct str text,
	const struct statement_about *about, struct buf *sql, struct err *e)
{
	struct writing w = {.t = t, .sql = sql};
	uint64_t rows = about->rows;

	sql_lex_init(&w.lx, text, to->flavor == FLAVOR_MARIADB, to->version);
	put_up_to(&w, (size_t)(about->name.p - text.p));
	sql_put_table(sql, str_of(t->to_schema), str_of(t->to_name));
	w.lx.at = w.from += about->name.n;
	if (!about->list && t->create[0])
		put_list(&w);
	if ((t->extras.n > 0 || t->merged) && about->list)
		extend_list(&w);
	if ((t->extras.n > 0 || t->merged) && put_rows(&w, &rows, e) < 0)
		return -1;
	put_up_to(&w, text.n);
	/* Where the lexer sees rows otherwise than who cut the statement, nothing is sent. */
	if (rows != about->rows || w.lx.type == SQL_BAD)
		return err_set(e, ERR_load_files,
			"the statement has %" PRIu64 " rows, but %" PRIu64 " can be told apart", about->rows,
			rows);
	return 0;
}
