/*
 * What an ALTER makes of the values that are there, where the two servers make another thing of them without
 * a word: such a statement is no statement of the downstream's. Called by ddl_words.c.
 */
#include "common/sql/address.h"
#include "common/sql/alter.h"
#include "common/sql/dialect.h"
#include "common/sql/lexer.h"
#include "common/sql/quote.h"
#include "units/sync/ddl_statement.h"

static bool is_bytes(const struct sql_lexer *now)
{
	return sql_lex_is(now, "BINARY") || sql_lex_is(now, "VARBINARY") || sql_lex_is(now, "TINYBLOB") ||
	       sql_lex_is(now, "BLOB") || sql_lex_is(now, "MEDIUMBLOB") || sql_lex_is(now, "LONGBLOB");
}

/* MariaDB's UUID and INET types where the downstream has text: what was typed gets the server's form upstream
 * and stays as it is here; bytes that are made of them are the value's there, the text's here. */
static bool is_other_form(enum column_kind was, const struct sql_lexer *now, const struct server *to)
{
	enum column_kind kind = now->type == SQL_WORD ? sql_address_kind(now->token) : COLUMN_OTHER;

	if (sql_is_address(kind))
		return was != kind && !sql_keeps_address(kind, to);
	return is_bytes(now) && sql_is_address(was) && !sql_keeps_address(was, to);
}

struct servers {
	const struct server *from, *to;
};

/* Seen: of the number 3, MariaDB makes an ENUM's third member, MySQL the one that is called '3'; of a date,
 * MariaDB its year, MySQL 0. */
static bool differs(enum column_kind was, const struct sql_lexer *now, const struct servers *s)
{
	if (is_other_form(was, now, s->to))
		return true;
	if ((s->from->flavor == FLAVOR_MARIADB) == (s->to->flavor == FLAVOR_MARIADB))
		return false;
	if (sql_lex_is(now, "ENUM") || sql_lex_is(now, "SET"))
		return was == COLUMN_INT || was == COLUMN_DECIMAL || was == COLUMN_FLOAT ||
		       was == COLUMN_DOUBLE;
	return sql_lex_is(now, "YEAR") && (was == COLUMN_DATE || was == COLUMN_TIME ||
						  was == COLUMN_DATETIME || was == COLUMN_TIMESTAMP);
}

static bool may_differ(const struct sql_lexer *now, const struct servers *s)
{
	for (int k = 0; k < COLUMN_OTHER; k++)
		if (differs((enum column_kind)k, now, s))
			return true;
	return false;
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

static void read_type(struct sql_lexer *lx, const struct ddl_statement *j, const struct servers *s,
	const struct alter_part *p)
{
	sql_ddl_lexer(lx, (struct str){j->q.sql.p + p->at, p->end - p->at}, s->from, j->q.sql_mode);
	to_type(lx);
}

static bool any_may_differ(const struct ddl_statement *j, const struct servers *s, const struct alter *parts)
{
	bool any = false;

	for (unsigned i = 0; i < parts->n && !any; i++) {
		struct sql_lexer lx;

		if (!parts->parts[i].changes)
			continue;
		read_type(&lx, j, s, &parts->parts[i]);
		any = may_differ(&lx, s);
	}
	return any;
}

enum { UNKNOWN_COLUMN = 1054 };

/* Text that has the server's form already stays what it is. 1: all of it has, 0: not. */
static int has_one_form(struct apply *a, const struct ddl_statement *j, const char *column,
	enum column_kind kind, struct err *e)
{
	const struct sql_name *t = &j->to->tables[0];
	struct buf sql = {0}, form = {0};
	struct db_rows *rows;
	const struct str *v;
	char name[257];
	int r, same = 1;

	buf_puts(&sql, "SELECT ");
	sql_put_ident(&sql, str_of(column));
	buf_puts(&sql, " FROM ");
	sql_put_table(&sql, str_of(ddl_schema_of(t, j->q.schema, name)), str_of(t->table));
	rows = db_query(a->ddl, buf_str(&sql), e);
	r = rows ? 1 : e->sql_errno == UNKNOWN_COLUMN ? 0 : -1;
	if (r == 0) /* it has its new name: a statement that was executed is looked at anew behind a crash */
		err_clear(e);
	while (r > 0 && same && (r = db_fetch(rows, &v, e)) > 0) {
		buf_clear(&form);
		same = !v[0].p || (sql_canonical_address(kind, v[0], &form) && str_eq(v[0], buf_str(&form)));
	}
	db_rows_close(&rows);
	buf_free(&sql);
	buf_free(&form);
	return r < 0 ? -1 : same;
}

/* 1: what the part makes of its column is the same on both sides, 0: not. */
static int stays_same(struct apply *a, const struct ddl_statement *j, const struct servers *s,
	const struct alter_part *p, const struct structure *was, struct err *e)
{
	int at = p->name ? structure_column(was, p->name) : -1, r;
	enum column_kind kind;
	struct sql_lexer lx;

	if (!p->changes || at < 0)
		return 1;
	read_type(&lx, j, s, p);
	if (!differs(was->columns[at].kind, &lx, s))
		return 1;
	r = ddl_is_empty(a, j, e);
	kind = lx.type == SQL_WORD ? sql_address_kind(lx.token) : COLUMN_OTHER;
	if (r == 0 && was->columns[at].kind == COLUMN_TEXT && sql_is_address(kind))
		r = has_one_form(a, j, p->name, kind, e);
	if (r == 0)
		err_set(e, ERR_ddl_untranslatable,
			"the downstream's server makes other values of `%s` than the upstream's: binlog "
			"replace with statements that give them what they are upstream",
			p->name);
	return r;
}

static int check(struct apply *a, const struct ddl_statement *j, const struct servers *s,
	const struct alter *parts, struct err *e)
{
	const struct structure *was;
	struct structure *mine;
	int r = 1;

	if (!any_may_differ(j, s, parts))
		return 0;
	if (ddl_structure_before(a, j, &was, &mine, e) < 0)
		return -1;
	for (unsigned i = 0; was && r > 0 && i < parts->n; i++)
		r = stays_same(a, j, s, &parts->parts[i], was, e);
	structure_free(&mine);
	return r > 0 ? 0 : -1;
}

int ddl_values_check(struct apply *a, const struct trx *t, const struct ddl_statement *j, struct err *e)
{
	struct servers s = {&t->format.server, db_server(a->ddl)};
	struct alter parts = {0};
	struct err ignored = {0};
	int r = 0;

	if (j->ddl->verb != SQL_VERB_ALTER_TABLE)
		return 0;
	if (alter_read(j->q.sql, s.from, j->q.sql_mode, j->ddl, &parts, &ignored) == 0)
		r = check(a, j, &s, &parts, e);
	alter_fini(&parts);
	return r;
}
