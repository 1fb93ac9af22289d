/*
 * Bounds of partitions that a DDL statement says as times of its zone, where the downstream can't have that
 * zone: each of them may have had another offset, so no fixed one says them all. Called by ddl_session.c, and
 * by ddl_zone.c, which need not look at them any more.
 */
#include "units/sync/ddl_bounds.h"

#include <string.h>

#include "common/sql/ddl.h"
#include "common/sql/quote.h"

/* '…', 20260401000000, TIMESTAMP'…', DATE'…'. */
static bool take_time(struct sql_lexer *x, struct str *literal)
{
	bool typed = sql_lex_is(x, "TIMESTAMP") || sql_lex_is(x, "DATE");

	literal->p = x->token.p;
	if (typed)
		sql_lex_next(x);
	literal->n = (size_t)(x->token.p + x->token.n - literal->p);
	return (x->type == SQL_STRING || (x->type == SQL_NUMBER && !typed)) &&
	       !memchr(literal->p, '\\', literal->n);
}

enum ddl_bound ddl_bound_at(const struct sql_lexer *lx, struct str *literal, size_t *end)
{
	struct sql_lexer x = *lx;
	enum ddl_bound bound = DDL_BOUND_NOT;
	bool name;

	if (!sql_lex_is(&x, "UNIX_TIMESTAMP") || sql_lex_next(&x) == SQL_END || !sql_lex_is_char(&x, '('))
		return DDL_BOUND_NOT;
	sql_lex_next(&x);
	name = x.type == SQL_WORD || x.type == SQL_IDENT;
	if (take_time(&x, literal))
		bound = DDL_BOUND_TIME;
	else if (name)
		bound = DDL_BOUND_COLUMN;
	if (!sql_lex_is_char(&x, ')')) /* a column that is called `date` has it already */
		sql_lex_next(&x);
	*end = x.token_at + x.token.n;
	return sql_lex_is_char(&x, ')') ? bound : DDL_BOUND_NOT;
}

/* 1577833200, or 1577833200.000000. */
static size_t digits_of(const char *number)
{
	size_t n = strspn(number, "0123456789");

	return number[n] == 0 || (number[n] == '.' && strspn(number + n + 1, "0") == strlen(number + n + 1))
		       ? n
		       : 0;
}

static int put_number(struct db *upstream, struct str literal, struct buf *out, struct err *e)
{
	struct buf sql = {0};
	char number[32] = "";
	bool found;
	int r;

	buf_puts(&sql, "SELECT UNIX_TIMESTAMP(");
	buf_put(&sql, literal.p, literal.n);
	buf_putc(&sql, ')');
	r = db_value(upstream, buf_cstr(&sql), number, sizeof(number), &found, e);
	buf_free(&sql);
	if (r < 0)
		return -1;
	if (digits_of(number) == 0)
		return err_set(e, ERR_ddl_untranslatable,
			"the upstream makes no whole number of UNIX_TIMESTAMP(%.*s)", STR_ARG(literal));
	buf_put(out, number, digits_of(number));
	return 0;
}

static bool next_bound(struct sql_lexer *lx, bool *partition, struct str *literal, size_t *end)
{
	while (sql_lex_next(lx) != SQL_END && lx->type != SQL_BAD) {
		*partition = *partition || sql_lex_is(lx, "PARTITION");
		if (*partition && ddl_bound_at(lx, literal, end) == DDL_BOUND_TIME)
			return true;
	}
	return false;
}

bool ddl_bounds_has(struct str text, const struct server *words, uint64_t sql_mode)
{
	bool partition = false;
	struct sql_lexer lx;
	struct str literal;
	size_t end;

	sql_ddl_lexer(&lx, text, words, sql_mode);
	return next_bound(&lx, &partition, &literal, &end);
}

static int write(struct db *upstream, struct sql_lexer *lx, struct buf *out, struct err *e)
{
	bool partition = false;
	size_t copied = 0, end;
	struct str literal;

	while (next_bound(lx, &partition, &literal, &end)) {
		buf_put(out, lx->text.p + copied, lx->token_at - copied);
		if (put_number(upstream, literal, out, e) < 0)
			return -1;
		copied = end;
	}
	buf_put(out, lx->text.p + copied, lx->text.n - copied);
	return 0;
}

static int set_zone(struct db *upstream, struct str zone, struct err *e)
{
	struct buf sql = {0};
	int r;

	buf_puts(&sql, "SET time_zone=");
	sql_put_string(&sql, zone);
	r = db_exec(upstream, buf_str(&sql), e);
	buf_free(&sql);
	return r;
}

int ddl_bounds_write(struct db *upstream, struct str zone, const struct server *words, uint64_t sql_mode,
	struct buf *text, struct err *e)
{
	struct buf out = {0};
	struct sql_lexer lx;
	int r;

	sql_ddl_lexer(&lx, buf_str(text), words, sql_mode);
	r = set_zone(upstream, zone, e);
	if (r == 0)
		r = write(upstream, &lx, &out, e);
	if (r == 0)
		r = set_zone(upstream, STR_LIT("+00:00"), e);
	if (r < 0) {
		buf_free(&out);
		return err_add(e, "the times of partitions' bounds");
	}
	buf_free(text);
	*text = out;
	return 0;
}
