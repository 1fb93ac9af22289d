/*
 * DDL under routed names: the names of tables, schemas and what refers to tables are replaced in place, the
 * rest passes byte for byte. Called by load for CREATE statements and by sync for those of the binlog. It
 * must never guess: what may mean a table under its old name is an error that shows it.
 */
#include "common/sql/route_ddl.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/sql/lexer.h"
#include "common/sql/quote.h"

struct router {
	const struct route *r;
	const struct route_statement *s;
	const struct sql_ddl *ddl;
	struct sql_ddl *to;
	struct buf *out;
	struct err *e;
	struct sql_lexer lx;
	size_t copied;  /* of the text, into out */
	unsigned table; /* the next one of ddl */
	bool changed;
	struct str child; /* the schema of the statement's first table: of a reference without one */
};

static bool of_database(enum sql_verb v)
{
	return v == SQL_VERB_CREATE_DATABASE || v == SQL_VERB_ALTER_DATABASE || v == SQL_VERB_DROP_DATABASE;
}

static struct str schema_of(const struct router *r, const struct sql_name *n)
{
	return n->schema[0] ? str_of(n->schema) : r->s->schema;
}

static int new_table(struct router *r, struct str schema, struct str table, struct route_name *out)
{
	return r->s->rename ? r->s->rename(r->s->arg, schema, table, out, r->e)
			    : route_table(r->r, schema, table, out, r->e);
}

static int new_schema(struct router *r, struct str schema, char out[ROUTE_NAME])
{
	struct route_name name;
	int m;

	if (!r->s->rename)
		return route_schema(r->r, schema, out, r->e);
	m = r->s->rename(r->s->arg, schema, (struct str){0}, &name, r->e);
	memcpy(out, name.schema, m < 0 ? 0 : sizeof(name.schema));
	return m;
}

/* The names of the statement itself. */
static int route_names(struct router *r)
{
	char schema[ROUTE_NAME];
	int m;

	memcpy(r->to, r->ddl, sizeof(*r->to));
	if (of_database(r->ddl->verb)) {
		m = new_schema(r, r->ddl->schema[0] ? str_of(r->ddl->schema) : r->s->schema, schema);
		if (m > 0)
			memcpy(r->to->schema, schema, sizeof(schema));
		r->changed = m > 0;
		return m < 0 ? -1 : 0;
	}
	for (unsigned i = 0; i < r->ddl->ntables; i++) {
		const struct sql_name *from = &r->ddl->tables[i];
		struct route_name name;

		m = new_table(r, schema_of(r, from), str_of(from->table), &name);
		if (m < 0)
			return -1;
		memcpy(r->to->tables[i].schema, name.schema, sizeof(name.schema));
		memcpy(r->to->tables[i].table, name.table, sizeof(name.table));
		r->changed = r->changed || m > 0;
	}
	if (r->ddl->ntables > 0)
		r->child = schema_of(r, &r->ddl->tables[0]);
	return 0;
}

static int refuse(struct router *r, const char *what, size_t at)
{
	size_t n = r->s->text.n - at;

	return err_set(
		r->e, ERR_route_statement, "%s: %.*s", what, (int)(n < 120 ? n : 120), r->s->text.p + at);
}

/* Everything up to `at` as it is, then the name, in the place of what ends at `end`. */
static void replace(struct router *r, size_t at, size_t end, const struct route_name *name)
{
	buf_put(r->out, r->s->text.p + r->copied, at - r->copied);
	sql_put_table(r->out, str_of(name->schema), str_of(name->table));
	r->copied = end;
}

/* The lexer goes on behind `end`. */
static void pass(struct router *r, size_t end)
{
	while (r->lx.type != SQL_END && r->lx.type != SQL_BAD && r->lx.token_at < end)
		sql_lex_next(&r->lx);
}

static void put_own(struct router *r)
{
	const struct sql_name *from = &r->ddl->tables[r->table], *to = &r->to->tables[r->table];
	struct route_name name;

	memcpy(name.schema, to->schema, sizeof(name.schema));
	memcpy(name.table, to->table, sizeof(name.table));
	replace(r, from->at, from->end, &name);
	pass(r, from->end);
	r->table++;
}

/* [schema .] table at the lexer: a table that the statement refers to; schema: where none is named. */
static int put_reference(struct router *r, struct str schema)
{
	char parts[2][ROUTE_NAME] = {"", ""};
	size_t at = r->lx.token_at, end = at + r->lx.token.n;
	struct route_name name;
	int m;

	if (!sql_lex_ident(&r->lx, parts[0], ROUTE_NAME))
		return refuse(r, "a table's name is wanted", at);
	sql_lex_next(&r->lx);
	if (sql_lex_is_char(&r->lx, '.')) {
		sql_lex_next(&r->lx);
		if (!sql_lex_ident(&r->lx, parts[1], ROUTE_NAME))
			return refuse(r, "a table's name is wanted", at);
		end = r->lx.token_at + r->lx.token.n;
		sql_lex_next(&r->lx);
	}
	m = new_table(
		r, parts[1][0] ? str_of(parts[0]) : schema, str_of(parts[1][0] ? parts[1] : parts[0]), &name);
	if (m < 0)
		return -1;
	r->changed = r->changed || m > 0;
	replace(r, at, end, &name);
	return 0;
}

bool route_before_sequence(struct sql_lexer *lx, const struct server *from)
{
	struct sql_lexer ahead = *lx;
	bool is = false;

	if (from->flavor != FLAVOR_MARIADB)
		return false;
	if (sql_lex_is(lx, "NEXTVAL") || sql_lex_is(lx, "LASTVAL") || sql_lex_is(lx, "SETVAL")) {
		sql_lex_next(&ahead);
		is = sql_lex_is_char(&ahead, '(');
	} else if (sql_lex_is(lx, "NEXT") || sql_lex_is(lx, "PREVIOUS")) {
		sql_lex_next(&ahead);
		is = sql_lex_is(&ahead, "VALUE") && sql_lex_next(&ahead) != SQL_END &&
		     sql_lex_is(&ahead, "FOR");
	}
	if (!is)
		return false;
	sql_lex_next(&ahead);
	*lx = ahead;
	return true;
}

/* Is it the old name of something that has another one now? */
static bool is_old_name(const struct router *r, const char *name)
{
	for (unsigned i = 0; i < r->ddl->ntables; i++) {
		const struct sql_name *from = &r->ddl->tables[i], *to = &r->to->tables[i];
		struct str schema = schema_of(r, from);

		if (strcmp(from->table, to->table) != 0 && strcasecmp(from->table, name) == 0)
			return true;
		if (!str_is(schema, to->schema) && strlen(name) == schema.n &&
			strncasecmp(schema.p, name, schema.n) == 0)
			return true;
	}
	return false;
}

/* `t`.`column`, `schema`.`function`(…): names that are no place of a table's name, in an expression. */
static int look_qualified(struct router *r)
{
	struct sql_lexer ahead = r->lx;
	char name[ROUTE_NAME];

	if ((r->lx.type != SQL_WORD && r->lx.type != SQL_IDENT) || !sql_lex_ident(&r->lx, name, sizeof(name)))
		return 0;
	sql_lex_next(&ahead);
	if (!sql_lex_is_char(&ahead, '.') || !is_old_name(r, name))
		return 0;
	return refuse(r, "the old name stands in an expression", r->lx.token_at);
}

/* UNION = (t, …) of a MERGE table. */
static bool is_union(const struct router *r)
{
	struct sql_lexer ahead = r->lx;

	if (!sql_lex_is(&r->lx, "UNION"))
		return false;
	sql_lex_next(&ahead);
	return sql_lex_is_char(&ahead, '=') || sql_lex_is_char(&ahead, '(');
}

static int token(struct router *r)
{
	if (r->table < r->ddl->ntables && r->lx.token_at >= r->ddl->tables[r->table].at) {
		put_own(r);
		return 0;
	}
	if (sql_lex_is(&r->lx, "REFERENCES")) {
		sql_lex_next(&r->lx);
		return put_reference(r, r->child);
	}
	/* Unlike a key's parent, a sequence is one of the session's database. */
	if (route_before_sequence(&r->lx, r->s->from))
		return put_reference(r, r->s->schema);
	if (is_union(r))
		return refuse(r, "a MERGE table", r->lx.token_at);
	if (look_qualified(r) < 0)
		return -1;
	sql_lex_next(&r->lx);
	return 0;
}

static int route_tables(struct router *r)
{
	sql_ddl_lexer(&r->lx, r->s->text, r->s->from, r->s->sql_mode);
	sql_lex_next(&r->lx);
	while (r->lx.type != SQL_END && r->lx.type != SQL_BAD)
		if (token(r) < 0)
			return -1;
	if (r->lx.type == SQL_BAD || r->table < r->ddl->ntables)
		return refuse(r, "it can't be read to its end", 0);
	return 0;
}

static void route_database(struct router *r)
{
	size_t at = r->ddl->schema_at, end = r->ddl->schema_end;

	buf_put(r->out, r->s->text.p, at);
	sql_put_ident(r->out, str_of(r->to->schema));
	buf_puts(r->out, at == end ? " " : "");
	r->copied = end;
}

static int rewrite(struct router *r)
{
	if (of_database(r->ddl->verb)) {
		route_database(r);
		return 0;
	}
	if (r->ddl->more)
		return refuse(r, "it names too many tables", 0);
	if (r->changed && r->ddl->as_select)
		return refuse(r, "its SELECT reads tables", 0);
	return route_tables(r);
}

int route_ddl(const struct route *r, const struct route_statement *s, const struct sql_ddl *ddl,
	struct sql_ddl *to, struct buf *out, struct err *e)
{
	struct router x = {.r = r, .s = s, .ddl = ddl, .to = to, .out = out, .e = e};
	size_t before = out->n;

	if (route_names(&x) < 0)
		return -1;
	if (!x.changed && of_database(ddl->verb))
		return 0;
	if (rewrite(&x) < 0)
		return -1;
	if (!x.changed) {
		memcpy(to, ddl, sizeof(*to));
		out->n = before;
		return 0;
	}
	buf_put(out, s->text.p + x.copied, s->text.n - x.copied);
	return 1;
}
