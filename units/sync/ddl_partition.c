/*
 * Rows that a statement takes or moves by the name of their partition, where the two servers may keep the
 * same row in other ones: it would be other rows' end. Called by ddl_words.c.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/xalloc.h"
#include "common/db/structure.h"
#include "common/sql/alter.h"
#include "common/sql/lexer.h"
#include "common/sql/quote.h"
#include "units/sync/away.h"
#include "units/sync/ddl_statement.h"

/* What tells rows apart. */
enum by {
	BY_NUMBER, /* a number that all servers make alike */
	BY_ORDER,  /* columns, as they compare */
	BY_HASH,   /* columns, by a hash of the server's own */
};

/* How the downstream's table is cut, as far as the statement hangs on it. */
struct cuts {
	enum by by[2]; /* of partitions, subpartitions */
	char *columns[2];
	bool subpartition; /* the statement names one */
};

struct sides {
	const struct server *from, *to;
	const struct structure *up, *down; /* up NULL: nobody can say */
};

static bool takes_rows(const struct alter_part *p)
{
	return p->event.id == EVENT_truncate_table_partition || p->event.id == EVENT_drop_table_partition ||
	       p->event.id == EVENT_exchange_table_partition;
}

/* TRUNCATE PARTITION ALL takes the same rows everywhere. */
static bool takes_all(struct sql_lexer lx)
{
	return sql_lex_next(&lx) != SQL_END && sql_lex_is(&lx, "TRUNCATE") && sql_lex_next(&lx) != SQL_END &&
	       sql_lex_next(&lx) != SQL_END && sql_lex_is(&lx, "ALL");
}

static bool names(struct sql_lexer lx, struct str name)
{
	char word[257];

	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD)
		if (sql_lex_ident(&lx, word, sizeof(word)) && name.n == strlen(word) &&
			strncasecmp(word, name.p, name.n) == 0)
			return true;
	return false;
}

/* TiDB makes LINEAR HASH an ordinary one, and does not say so. */
static enum by by_of(struct str method, const struct server *to)
{
	if (memmem(method.p, method.n, "KEY", 3) ||
		(memmem(method.p, method.n, "HASH", 4) && to->flavor == FLAVOR_TIDB))
		return BY_HASH;
	return memmem(method.p, method.n, "COLUMNS", 7) ? BY_ORDER : BY_NUMBER;
}

static void take_cuts(struct cuts *c, const struct str *v, const struct server *to)
{
	for (int i = 0; i < 2; i++)
		if (!c->columns[i] && v[2 * i].p) {
			c->by[i] = by_of(v[2 * i], to);
			c->columns[i] =
				v[2 * i + 1].p ? xstrndup(v[2 * i + 1].p, v[2 * i + 1].n) : xstrdup("");
		}
}

static int read_cuts(
	struct apply *a, const struct ddl_statement *j, struct sql_lexer lx, struct cuts *c, struct err *e)
{
	const struct sql_name *t = &j->to->tables[0];
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	char name[257];
	int r;

	buf_puts(&sql, "SELECT PARTITION_METHOD,PARTITION_EXPRESSION,SUBPARTITION_METHOD,"
		       "SUBPARTITION_EXPRESSION,SUBPARTITION_NAME FROM information_schema.PARTITIONS "
		       "WHERE TABLE_SCHEMA=");
	sql_put_string(&sql, str_of(ddl_schema_of(t, j->q.schema, name)));
	buf_puts(&sql, " AND TABLE_NAME=");
	sql_put_string(&sql, str_of(t->table));
	rows = db_query(a->ddl, buf_str(&sql), e);
	r = rows ? 1 : -1;
	while (r > 0 && (r = db_fetch(rows, &v, e)) > 0) {
		take_cuts(c, v, db_server(a->ddl));
		c->subpartition = c->subpartition || (v[4].p && names(lx, v[4]));
	}
	db_rows_close(&rows);
	buf_free(&sql);
	return r;
}

/* MySQL's utf8mb4_0900_ai_ci is, in MariaDB, a name for another one. */
static bool same_text(const struct sides *s, const struct column *up, const struct column *down)
{
	if (s->to->flavor != s->from->flavor && strstr(down->collation, "_0900_"))
		return false;
	return up->kind == down->kind && table_same_charset(up->charset, down->charset) &&
	       strcmp(strchrnul(up->collation, '_'), strchrnul(down->collation, '_')) == 0;
}

/* A newer server of the same family has all collations: it was given none in another's place. */
static bool text_differs(const struct sides *s, const struct column *down)
{
	int at = s->up ? structure_column(s->up, down->name) : -1;

	if (at < 0)
		return s->to->flavor != s->from->flavor || s->to->version < s->from->version;
	return !same_text(s, &s->up->columns[at], down);
}

/* Of KEY, MySQL and MariaDB were seen to keep all that compares alike in the same partitions, but dates. */
static bool differs(const struct sides *s, enum by by, const struct column *down)
{
	if (by == BY_HASH && s->to->flavor != s->from->flavor &&
		(s->to->flavor == FLAVOR_TIDB || down->kind == COLUMN_DATE))
		return true;
	return down->kind == COLUMN_TEXT && text_differs(s, down);
}

static bool is_text(const struct sides *s, enum by by, const struct column *down)
{
	(void)s;
	(void)by;
	return down->kind == COLUMN_TEXT;
}

/* KEY () is by the key that names a row. */
static bool is_by(const struct structure *t, unsigned column, struct sql_lexer expression)
{
	const struct key *key = t->key >= 0 ? &t->keys[t->key] : NULL;

	if (expression.text.n > 0)
		return names(expression, str_of(t->columns[column].name));
	for (unsigned i = 0; key && i < key->ncolumns; i++)
		if (key->columns[i] == column)
			return true;
	return false;
}

/* The first such column that the table is cut by; NULL: there is none. */
static const struct column *find(const struct sides *s, const struct cuts *c, struct sql_lexer lx,
	bool (*such)(const struct sides *s, enum by by, const struct column *down))
{
	for (int i = 0; i < (c->subpartition ? 2 : 1); i++) {
		if (c->by[i] == BY_NUMBER)
			continue;
		lx.text = str_of(c->columns[i]);
		lx.at = 0;
		for (unsigned k = 0; k < s->down->ncolumns; k++)
			if (is_by(s->down, k, lx) && such(s, c->by[i], &s->down->columns[k]))
				return &s->down->columns[k];
	}
	return NULL;
}

/* up NULL: it can't say, or has no such table by now. */
static int ask_upstream(struct apply *a, const struct ddl_statement *j, struct structure **up, struct err *e)
{
	const struct sql_name *t = &j->ddl->tables[0];
	char name[257];
	bool found;

	*up = NULL;
	if (away_upstream(a, "to ask for the collations that partitions go by", e))
		*up = tables_upstream_now(
			&a->tables, ddl_schema_of(t, j->q.schema, name), t->table, &found, e);
	else if (a->tables.away)
		err_clear(e);
	return !*up && e->code ? -1 : 0;
}

static int refuse(
	const struct column *c, const struct alter_part *p, const struct ddl_statement *j, struct err *e)
{
	size_t n = p->end - p->at;

	return err_set(e, ERR_ddl_untranslatable,
		"the downstream may keep other rows in a partition of that name, which goes by `%s`: write "
		"there by hand what `%.*s` did to the upstream's rows, with DELETE and INSERT by their keys, "
		"then binlog skip",
		c->name, n > 200 ? 200 : (int)n, j->q.sql.p + p->at);
}

/* The upstream is asked only where text leaves it open. */
static int look(struct apply *a, const struct ddl_statement *j, struct sides *s, const struct cuts *c,
	const struct alter_part *p, struct sql_lexer lx, struct err *e)
{
	struct structure *up = NULL;
	const struct column *other;
	int r = 0;

	s->up = s->down; /* as if all text were alike */
	other = find(s, c, lx, differs);
	if (!other && find(s, c, lx, is_text) && (r = ask_upstream(a, j, &up, e)) == 0) {
		s->up = up;
		other = find(s, c, lx, differs);
	}
	if (r == 0 && other)
		r = refuse(other, p, j, e);
	structure_free(&up);
	return r;
}

static int check(struct apply *a, const struct ddl_statement *j, const struct server *from,
	const struct alter_part *p, struct err *e)
{
	const struct sql_name *t = &j->to->tables[0];
	struct sides s = {.from = from, .to = db_server(a->ddl)};
	struct structure *down = NULL;
	struct cuts c = {0};
	struct sql_lexer lx;
	char name[257];
	bool found;
	int r;

	sql_ddl_lexer(&lx, (struct str){j->q.sql.p + p->at, p->end - p->at}, from, j->q.sql_mode);
	if (takes_all(lx))
		return 0;
	r = read_cuts(a, j, lx, &c, e);
	if (r == 0 && (c.by[0] != BY_NUMBER || c.subpartition)) {
		down = db_structure(a->ddl, ddl_schema_of(t, j->q.schema, name), t->table, &found, e);
		s.down = down;
		r = down ? look(a, j, &s, &c, p, lx, e) : e->code ? -1 : 0;
	}
	structure_free(&down);
	free(c.columns[0]);
	free(c.columns[1]);
	return r;
}

int ddl_partitions_check(struct apply *a, const struct trx *t, const struct ddl_statement *j, struct err *e)
{
	struct alter parts = {0};
	struct err ignored = {0};
	int r = 0;

	if (j->ddl->verb != SQL_VERB_ALTER_TABLE)
		return 0;
	if (alter_read(j->q.sql, &t->format.server, j->q.sql_mode, j->ddl, &parts, &ignored) == 0)
		for (unsigned i = 0; r == 0 && i < parts.n; i++)
			if (takes_rows(&parts.parts[i]))
				r = check(a, j, &t->format.server, &parts.parts[i], e);
	alter_fini(&parts);
	return r;
}
