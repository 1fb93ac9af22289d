/*
 * Takes keys out of a CREATE TABLE, as text. Pure; called by target.c. Must never take one whose absence lets
 * a wrong row in, or a needed key be made by the server itself.
 */
#include "units/load/latekeys.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/sql/foreign.h"
#include "units/load/own.h"

enum { NAME = FOREIGN_NAME };

static void lower(char *z)
{
	for (; *z; z++)
		if (*z >= 'A' && *z <= 'Z')
			*z = (char)(*z - 'A' + 'a');
}

static void start(struct sql_lexer *lx, struct str text, const struct server *s)
{
	sql_lex_init(lx, text, s->flavor == FLAVOR_MARIADB, s->version);
}

/* --- foreign keys --- */

struct references {
	const char *schema;
	json_t *refs;
};

static void note_reference(void *arg, const struct foreign *f)
{
	const struct references *r = arg;
	char schema[NAME], table[NAME], column[NAME];

	snprintf(schema, sizeof(schema), "%s", f->schema[0] ? f->schema : r->schema);
	snprintf(table, sizeof(table), "%s", f->table);
	snprintf(column, sizeof(column), "%s", f->column);
	lower(schema);
	lower(table);
	lower(column);
	own_add(r->refs, schema, table, column);
}

bool latekeys_references(struct str create, const struct server *s, const char *schema, json_t *refs)
{
	struct references r = {schema, refs};

	return foreign_each(create, s, note_reference, &r) > 0;
}

/* --- may this one wait? --- */

struct cutting {
	struct str create;
	const struct server *to;
	const struct structure *s;
	const json_t *refs;
	json_t *children; /* {"":{"":{"column":true}}}: first columns of this table's own foreign keys */
};

static const struct column *column_of(const struct structure *s, const char *name)
{
	for (unsigned i = 0; i < s->ncolumns; i++)
		if (strcasecmp(s->columns[i].name, name) == 0)
			return &s->columns[i];
	return NULL;
}

/* A column of a key, the first or a later one. */
static bool column_may(const struct cutting *c, const char *name, bool first)
{
	const struct column *column = column_of(c->s, name);
	char small[NAME], schema[NAME], table[NAME];

	if (!column || column->generated)
		return false;
	if (!first)
		return true;
	snprintf(small, sizeof(small), "%s", name);
	snprintf(schema, sizeof(schema), "%s", c->s->schema);
	snprintf(table, sizeof(table), "%s", c->s->table);
	lower(small);
	lower(schema);
	lower(table);
	return !column->auto_increment && !own_has(c->children, "", "", small) &&
	       !own_has(c->refs, schema, table, small);
}

/* Every part of the key, from its parenthesis on. */
static bool parts_may(const struct cutting *c, struct sql_lexer *lx)
{
	char name[NAME];
	bool first = true;

	do {
		unsigned depth = 0;

		sql_lex_next(lx);
		if (!sql_lex_ident(lx, name, sizeof(name)) || !column_may(c, name, first))
			return false; /* an expression too */
		first = false;
		do {
			if (sql_lex_next(lx) == SQL_END || lx->type == SQL_BAD)
				return false;
			depth += sql_lex_is_char(lx, '(');
			if (depth > 0 && sql_lex_is_char(lx, ')')) {
				depth--;
				sql_lex_next(lx);
			}
		} while (depth > 0 || (!sql_lex_is_char(lx, ',') && !sql_lex_is_char(lx, ')')));
	} while (sql_lex_is_char(lx, ','));
	return true;
}

static bool may_wait(const struct cutting *c, const struct element *el, char *name)
{
	struct sql_lexer lx;

	start(&lx, (struct str){c->create.p + el->from, el->to - el->from}, c->to);
	sql_lex_next(&lx);
	if (!el->plain || !(sql_lex_is(&lx, "KEY") || sql_lex_is(&lx, "INDEX")))
		return false;
	sql_lex_next(&lx);
	if (lx.type != SQL_IDENT || !sql_lex_ident(&lx, name, NAME))
		return false;
	while (!sql_lex_is_char(&lx, '('))
		if (sql_lex_next(&lx) == SQL_END || lx.type == SQL_BAD)
			return false;
	return parts_may(c, &lx);
}

/* --- cutting --- */

static void find_children(struct cutting *c)
{
	struct elements l;
	struct element el;
	char name[NAME];

	if (!elements_open(&l, c->create, c->to))
		return;
	while (elements_next(&l, &el)) {
		struct sql_lexer lx;

		start(&lx, (struct str){c->create.p + el.from, el.to - el.from}, c->to);
		if (!foreign_find(&lx) || !foreign_column(&lx, name))
			continue;
		lower(name);
		own_add(c->children, "", "", name);
	}
}

/* Behind the list stand the table's options: ENGINE=InnoDB among them. */
static bool is_innodb(struct elements *l)
{
	enum sql_token t;

	while ((t = sql_lex_next(&l->lx)) != SQL_END && t != SQL_BAD) {
		if (!sql_lex_is(&l->lx, "ENGINE"))
			continue;
		sql_lex_next(&l->lx);
		if (sql_lex_is_char(&l->lx, '='))
			sql_lex_next(&l->lx);
		return sql_lex_is(&l->lx, "InnoDB");
	}
	return false;
}

static struct str trim(struct str t)
{
	while (t.n > 0 && strchr(" \t\r\n", t.p[0])) {
		t.p++;
		t.n--;
	}
	while (t.n > 0 && strchr(" \t\r\n", t.p[t.n - 1]))
		t.n--;
	return t;
}

/* Every element either into out or into keys. False: the text is not understood, or there is no such key. */
static bool divide(const struct cutting *c, struct buf *out, json_t *keys)
{
	struct elements l;
	struct element el;
	char name[NAME];
	size_t kept = 0;

	if (!elements_open(&l, c->create, c->to))
		return false;
	buf_put(out, c->create.p, l.lx.at);
	while (elements_next(&l, &el)) {
		struct str text = {c->create.p + el.from, el.to - el.from}, inner = trim(text);

		/* JSON refuses what is no UTF-8. */
		if (may_wait(c, &el, name) &&
			json_object_set_new(keys, name, json_stringn(inner.p, inner.n)) == 0)
			continue;
		buf_puts(out, kept++ ? "," : "");
		buf_put(out, text.p, text.n);
	}
	if (!l.last || kept == 0 || json_object_size(keys) == 0)
		return false;
	buf_putc(out, '\n');
	buf_put(out, c->create.p + el.to, c->create.n - el.to);
	return is_innodb(&l);
}

bool latekeys_cut(struct str create, const struct server *to, const struct structure *s, const json_t *refs,
	struct buf *out, json_t *keys)
{
	struct cutting c = {create, to, s, refs, json_object()};
	size_t start_at = out->n;
	bool good;

	find_children(&c);
	good = divide(&c, out, keys);
	json_decref(c.children);
	if (!good) {
		out->n = start_at;
		json_object_clear(keys);
	}
	return good;
}
