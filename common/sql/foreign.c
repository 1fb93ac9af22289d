/*
 * Foreign keys out of CREATE TABLE statements, as text. Pure. Used by whoever may read the upstream's tables,
 * and no more.
 */
#include "common/sql/foreign.h"

#include <string.h>

static void start(struct sql_lexer *lx, struct str text, const struct server *s)
{
	sql_lex_init(lx, text, s->flavor == FLAVOR_MARIADB, s->version);
}

bool elements_open(struct elements *l, struct str create, const struct server *s)
{
	start(&l->lx, create, s);
	l->last = false;
	for (;;) {
		enum sql_token t = sql_lex_next(&l->lx);

		if (t == SQL_END || t == SQL_BAD)
			return false;
		if (sql_lex_is_char(&l->lx, '('))
			return true;
	}
}

bool elements_next(struct elements *l, struct element *out)
{
	unsigned depth = 0;

	if (l->last)
		return false;
	*out = (struct element){.from = l->lx.at, .plain = l->lx.in_version_comment == 0};
	for (;;) {
		enum sql_token t = sql_lex_next(&l->lx);

		if (t == SQL_END || t == SQL_BAD)
			return false;
		l->last = depth == 0 && sql_lex_is_char(&l->lx, ')');
		if (l->last || (depth == 0 && sql_lex_is_char(&l->lx, ',')))
			break;
		depth += sql_lex_is_char(&l->lx, '(');
		depth -= sql_lex_is_char(&l->lx, ')');
	}
	out->to = l->lx.token_at;
	out->plain = out->plain && l->lx.in_version_comment == 0;
	return true;
}

bool foreign_find(struct sql_lexer *lx)
{
	enum sql_token t = sql_lex_next(lx);

	if (sql_lex_is(lx, "CONSTRAINT")) {
		sql_lex_next(lx); /* its name, or at once FOREIGN */
		if (lx->type != SQL_WORD || !sql_lex_is(lx, "FOREIGN"))
			t = sql_lex_next(lx);
	}
	if (t == SQL_END || t == SQL_BAD || !sql_lex_is(lx, "FOREIGN"))
		return false;
	sql_lex_next(lx);
	return sql_lex_is(lx, "KEY");
}

bool foreign_column(struct sql_lexer *lx, char *out)
{
	while (!sql_lex_is_char(lx, '('))
		if (sql_lex_next(lx) == SQL_END || lx->type == SQL_BAD)
			return false;
	sql_lex_next(lx);
	return sql_lex_ident(lx, out, FOREIGN_NAME);
}

static bool more(struct sql_lexer *lx)
{
	return sql_lex_next(lx) != SQL_END && lx->type != SQL_BAD;
}

/* Behind REFERENCES: `p`, or `s`.`p`, up to the parenthesis. */
static bool read_parent(struct sql_lexer *lx, struct foreign *f)
{
	char names[2][FOREIGN_NAME] = {"", ""};
	unsigned n = 0;

	while (!sql_lex_is(lx, "REFERENCES"))
		if (!more(lx))
			return false;
	while (more(lx) && !sql_lex_is_char(lx, '('))
		if (n < 2 && sql_lex_ident(lx, names[n], FOREIGN_NAME))
			n++;
	memcpy(f->schema, n == 2 ? names[0] : "", n == 2 ? FOREIGN_NAME : 1);
	memcpy(f->table, names[n == 2], FOREIGN_NAME);
	return n > 0;
}

static bool read_foreign(struct sql_lexer *lx, struct foreign *f)
{
	if (!foreign_find(lx) || !read_parent(lx, f) || !foreign_column(lx, f->column))
		return false;
	f->acts = false;
	while (more(lx)) /* ON DELETE SET NULL ON UPDATE CASCADE; RESTRICT and NO ACTION do nothing */
		f->acts = f->acts || sql_lex_is(lx, "CASCADE") || sql_lex_is(lx, "SET");
	return true;
}

unsigned foreign_each(
	struct str create, const struct server *s, void (*fn)(void *arg, const struct foreign *f), void *arg)
{
	struct elements l;
	struct element el;
	struct foreign f;
	unsigned n = 0;

	if (!elements_open(&l, create, s))
		return 0;
	while (elements_next(&l, &el)) {
		struct sql_lexer lx;

		start(&lx, (struct str){create.p + el.from, el.to - el.from}, s);
		if (!read_foreign(&lx, &f))
			continue;
		fn(arg, &f);
		n++;
	}
	return n;
}
