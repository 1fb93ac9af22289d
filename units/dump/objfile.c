/*
 * Objects into files: for each the session that it was made under, a DROP, and its CREATE as the server shows
 * it. Called by folder.c, behind the rows.
 */
#include "units/dump/objfile.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/db/object.h"
#include "common/sql/lexer.h"
#include "common/sql/quote.h"
#include "units/dump/folder.h"
#include "units/dump/name.h"

static const char head[] = "/*!40101 SET NAMES utf8mb4*/;\n";

/* In text a blank between the two does no harm. */
static void put_cut_free(struct buf *b, struct str s, const char *between)
{
	for (size_t i = 0; i < s.n; i++) {
		buf_putc(b, s.p[i]);
		if (s.p[i] == ';' && i + 1 < s.n && s.p[i + 1] == '\n')
			buf_puts(b, between);
	}
}

/* A literal stays what it is: its line's end becomes an escape. */
static void put_escaped(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		buf_putc(b, s.p[i]);
		if (s.p[i] != ';' || i + 1 == s.n || s.p[i + 1] != '\n')
			continue;
		buf_puts(b, "\\n");
		i++;
	}
}

/*
 * Where a backslash is a byte like any other, the literal ends behind the ';' and the next one begins:
 * servers put neighbours together, as one value. But not those of COMMENT, where the blank stays.
 */
static void put_literal(struct buf *b, const struct sql_lexer *lx, bool comment)
{
	const char between[] = {lx->token.p[0], ' ', lx->token.p[0], '\0'};

	if (!lx->no_backslash_escapes)
		put_escaped(b, lx->token);
	else
		put_cut_free(b, lx->token, comment ? " " : between);
}

void objfile_put_create(struct buf *b, const struct object *o, const struct server *s)
{
	struct sql_lexer lx;
	size_t from = 0, n = strlen(o->create);
	bool comment = false;

	sql_lex_init(&lx, str_of(o->create), s->flavor == FLAVOR_MARIADB, s->version);
	lx.ansi_quotes = strstr(o->sql_mode, "ANSI_QUOTES") != NULL;
	lx.no_backslash_escapes = strstr(o->sql_mode, "NO_BACKSLASH_ESCAPES") != NULL;
	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD) {
		if (lx.type == SQL_STRING) {
			put_cut_free(b, (struct str){o->create + from, lx.token_at - from}, " ");
			put_literal(b, &lx, comment);
			from = lx.token_at + lx.token.n;
		}
		comment = sql_lex_is(&lx, "COMMENT");
	}
	put_cut_free(b, (struct str){o->create + from, n - from}, " ");
	buf_puts(b, ";\n");
}

static void put_setting(struct buf *b, const char *name, const char *value)
{
	buf_putf(b, "SET SESSION %s=", name);
	sql_put_string(b, str_of(value));
	buf_puts(b, ";\n");
}

static void put_object(struct buf *b, const struct object *o, const struct server *s)
{
	if (b->n == 0)
		buf_puts(b, head);
	put_setting(b, "sql_mode", o->sql_mode);
	if (o->collation[0])
		put_setting(b, "collation_connection", o->collation);
	if (o->time_zone[0])
		put_setting(b, "time_zone", o->time_zone);
	buf_putf(b, "DROP %s IF EXISTS ", object_word(o->kind));
	sql_put_ident(b, str_of(o->name));
	buf_puts(b, ";\n");
	objfile_put_create(b, o, s);
}

static unsigned index_of(const struct items *l, const char *schema, const char *name)
{
	unsigned i = 0;

	while (i < l->n && (strcmp(l->p[i].schema, schema) != 0 || (name && strcmp(l->p[i].name, name) != 0)))
		i++;
	return i;
}

/* Do they stand in one file? */
static bool together(const struct object *a, const struct object *b)
{
	return a->kind == OBJECT_TRIGGER
		       ? strcmp(a->schema, b->schema) == 0 && strcmp(a->table, b->table) == 0
		       : strcmp(a->schema, b->schema) == 0;
}

static int put_file(struct dump *d, const struct object *o, struct buf *text, struct err *e)
{
	struct buf name = {0};
	int r;

	if (o->kind == OBJECT_TRIGGER)
		name_triggers(&name, str_of(o->schema), str_of(o->table),
			index_of(&d->catalog.tables, o->schema, o->table));
	else
		name_post(&name, str_of(o->schema), index_of(&d->catalog.schemas, o->schema, NULL));
	r = folder_put_file(d, &name, text, e);
	buf_free(&name);
	buf_clear(text);
	return r;
}

/* All of the list that are of the kinds; those of one file stand together in it, or are put together. */
static int put_kinds(struct dump *d, struct db *c, const struct objects *all, unsigned kinds, struct err *e)
{
	bool *done = xcalloc((size_t)all->n + 1, sizeof(*done));
	struct buf text = {0};
	int r = 0;

	for (unsigned i = 0; r == 0 && i < all->n; i++) {
		if (done[i] || !(OBJECT_BIT(all->p[i].kind) & kinds))
			continue;
		for (unsigned k = i; r == 0 && k < all->n; k++) {
			const struct object *o = &all->p[k];

			if (done[k] || !(OBJECT_BIT(o->kind) & kinds) || !together(&all->p[i], o))
				continue;
			done[k] = true;
			r = object_readable(c, o, e);
			if (r == 0)
				put_object(&text, o, &d->server);
		}
		if (r == 0)
			r = put_file(d, &all->p[i], &text, e);
	}
	buf_free(&text);
	free(done);
	return r;
}

int objfile_put_all(struct dump *d, struct db *c, struct err *e)
{
	struct objects all = {0};
	int r = d->o.objects ? objects_read(c, d->rules, d->o.objects, &all, e) : 0;

	if (r == 0)
		r = put_kinds(d, c, &all, OBJECTS_TRIGGERS, e);
	if (r == 0)
		r = put_kinds(d, c, &all, OBJECTS_ROUTINES | OBJECTS_EVENTS, e);
	objects_fini(&all);
	return r < 0 ? -1 : 0;
}
