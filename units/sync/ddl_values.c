/*
 * What an ALTER makes of the values that are there, where the two families make another thing of them without
 * a word: such a statement is no statement of the downstream's. Called by ddl_words.c.
 */
#include "common/sql/alter.h"
#include "common/sql/lexer.h"
#include "units/sync/ddl_statement.h"

/* Seen: of the number 3, MariaDB makes an ENUM's third member, MySQL the one that is called '3'; of a date,
 * MariaDB its year, MySQL 0. */
static bool differs(enum column_kind was, const struct sql_lexer *now)
{
	if (sql_lex_is(now, "ENUM") || sql_lex_is(now, "SET"))
		return was == COLUMN_INT || was == COLUMN_DECIMAL || was == COLUMN_FLOAT ||
		       was == COLUMN_DOUBLE;
	return sql_lex_is(now, "YEAR") && (was == COLUMN_DATE || was == COLUMN_TIME ||
						  was == COLUMN_DATETIME || was == COLUMN_TIMESTAMP);
}

/* The lexer at the type's word of MODIFY or CHANGE. */
static void to_type(struct sql_lexer *lx)
{
	bool change;

	sql_lex_next(lx);
	change = sql_lex_is(lx, "CHANGE");
	if (sql_lex_next(lx) != SQL_END && sql_lex_is(lx, "COLUMN"))
		sql_lex_next(lx);
	if (sql_lex_is(lx, "IF") && sql_lex_next(lx) != SQL_END)
		sql_lex_next(lx);
	sql_lex_next(lx);
	if (change)
		sql_lex_next(lx);
}

/* The part whose values would be others; NULL: there is none. was NULL: whatever the column was. */
static const struct alter_part *find(const struct ddl_statement *j, const struct server *from,
	const struct alter *a, const struct structure *was)
{
	for (unsigned i = 0; i < a->n; i++) {
		const struct alter_part *p = &a->parts[i];
		int at = was && p->name ? structure_column(was, p->name) : -1;
		struct sql_lexer lx;

		if (!p->changes)
			continue;
		sql_ddl_lexer(&lx, (struct str){j->q.sql.p + p->at, p->end - p->at}, from, j->q.sql_mode);
		to_type(&lx);
		if (was ? at >= 0 && differs(was->columns[at].kind, &lx)
			: differs(COLUMN_INT, &lx) || differs(COLUMN_DATE, &lx))
			return p;
	}
	return NULL;
}

static int check(struct apply *a, const struct ddl_statement *j, const struct server *from,
	const struct alter *parts, struct err *e)
{
	const struct alter_part *p = NULL;
	const struct structure *was;
	struct structure *mine;
	int r;

	if (!find(j, from, parts, NULL))
		return 0;
	if (ddl_structure_before(a, j, &was, &mine, e) < 0)
		return -1;
	if (was)
		p = find(j, from, parts, was);
	r = p ? ddl_is_empty(a, j, e) : 1;
	if (r == 0)
		r = err_set(e, ERR_ddl_untranslatable,
			"the downstream's server makes other values of `%s` than the upstream's: binlog "
			"replace with statements that give them what they are upstream",
			p->name);
	structure_free(&mine);
	return r < 0 ? -1 : 0;
}

int ddl_values_check(struct apply *a, const struct trx *t, const struct ddl_statement *j, struct err *e)
{
	const struct server *from = &t->format.server;
	struct alter parts = {0};
	struct err ignored = {0};
	int r = 0;

	if (j->ddl->verb != SQL_VERB_ALTER_TABLE ||
		(from->flavor == FLAVOR_MARIADB) == (db_server(a->ddl)->flavor == FLAVOR_MARIADB))
		return 0;
	if (alter_read(j->q.sql, from, j->q.sql_mode, j->ddl, &parts, &ignored) == 0)
		r = check(a, j, from, &parts, e);
	alter_fini(&parts);
	return r;
}
