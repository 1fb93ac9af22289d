/*
 * Does a trigger, a view or a routine lead out of its database? Its text is looked at for names of other
 * databases, and for names of objects of its own that do. What can't be told counts as leading out: a stop
 * too many is seen, rows that are lost are not. Called by stray.c, in the scheduler's thread.
 */
#include "units/sync/stray_leave.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/sql/ddl.h"
#include "common/sql/lexer.h"

struct object {
	struct object *next;
	enum stray_kind kind;
	char *name;
	struct map *words, *heads; /* names before a dot, as they are, and all others, folded */
	bool leaves;
};

struct stray_objects {
	char *database;
	bool exact;
	const struct server *server;
	struct map *databases; /* folded */
	struct object *list;
};

/* Letters beyond ASCII are folded in each server's own ways: all such names are one. */
void stray_fold(struct buf *b, struct str name)
{
	size_t before = b->n;

	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] & 0x80) {
			b->n = before;
			buf_putc(b, (char)0x80);
			return;
		}
		buf_putc(b, (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] + 32 : name.p[i]));
	}
}

/* Of a set any value will do. */
static void put_folded(struct map *set, struct str name)
{
	struct buf b = {0};

	stray_fold(&b, name);
	map_put(set, buf_str(&b), set);
	buf_free(&b);
}

static void *get_folded(const struct map *m, struct str name)
{
	struct buf b = {0};
	void *value;

	stray_fold(&b, name);
	value = map_get(m, buf_str(&b));
	buf_free(&b);
	return value;
}

struct stray_objects *stray_objects_new(struct str database, bool exact, const struct server *server)
{
	struct stray_objects *o = xcalloc(1, sizeof(*o));

	o->database = xstrndup(database.p, database.n);
	o->exact = exact;
	o->server = server;
	o->databases = map_new();
	return o;
}

void stray_objects_free(struct stray_objects **o)
{
	struct object *x;

	while ((x = (*o)->list)) {
		(*o)->list = x->next;
		map_free(&x->words, NULL);
		map_free(&x->heads, NULL);
		free(x->name);
		free(x);
	}
	map_free(&(*o)->databases, NULL);
	free((*o)->database);
	free(*o);
	*o = NULL;
}

void stray_objects_database(struct stray_objects *o, struct str name)
{
	put_folded(o->databases, name);
}

static bool has(struct str text, const char *word)
{
	return memmem(text.p, text.n, word, strlen(word)) != NULL;
}

static bool dot_follows(struct sql_lexer lx)
{
	return sql_lex_next(&lx) == SQL_CHAR && sql_lex_is_char(&lx, '.');
}

/* False: it can't be read. */
static bool scan(struct object *x, struct sql_lexer *lx)
{
	bool behind_dot = false;
	char name[260];

	while (sql_lex_next(lx) != SQL_END) {
		bool dot = dot_follows(*lx);

		if (lx->type == SQL_BAD || (lx->type == SQL_STRING && dot))
			return false;
		if (lx->type == SQL_WORD || lx->type == SQL_IDENT) {
			if (!sql_lex_ident(lx, name, sizeof(name)))
				return false;
			if (!dot)
				put_folded(x->words, str_of(name));
			else if (!behind_dot)
				map_put(x->heads, str_of(name), x);
		}
		behind_dot = sql_lex_is_char(lx, '.');
	}
	return true;
}

void stray_objects_add(
	struct stray_objects *o, enum stray_kind kind, struct str name, struct str text, struct str sql_mode)
{
	struct object *x = xcalloc(1, sizeof(*x));
	struct sql_lexer lx;

	x->kind = kind;
	x->name = xstrndup(name.p, name.n);
	x->words = map_new();
	x->heads = map_new();
	sql_ddl_lexer(&lx, text, o->server,
		(has(sql_mode, "ANSI_QUOTES") ? SQL_MODE_ANSI_QUOTES : 0) |
			(has(sql_mode, "NO_BACKSLASH_ESCAPES") ? SQL_MODE_NO_BACKSLASH_ESCAPES : 0));
	x->leaves = text.n == 0 || !scan(x, &lx);
	x->next = o->list;
	o->list = x;
}

/* An alias, a table, a variable stands in the text without a dot behind it, too; a database's name does not.
 */
static bool is_elsewhere(const struct stray_objects *o, const struct object *x, struct str head)
{
	if (o->exact ? str_is(head, o->database) : str_is_ci(head, o->database))
		return false;
	if (get_folded(o->databases, head))
		return true;
	if (x->kind == STRAY_TRIGGER && (str_is_ci(head, "new") || str_is_ci(head, "old")))
		return false;
	return !get_folded(x->words, head);
}

static bool names_elsewhere(const struct stray_objects *o, const struct object *x)
{
	struct str head;
	size_t at = 0;
	void *v;

	while (map_next(x->heads, &at, &head, &v))
		if (is_elsewhere(o, x, head))
			return true;
	return false;
}

static bool names_one_of(const struct object *x, const struct map *leaving)
{
	struct str word;
	size_t at = 0;
	void *v;

	if (map_get(leaving, STR_LIT("*")))
		return true;
	while (map_next(x->words, &at, &word, &v))
		if (map_get(leaving, word))
			return true;
	return false;
}

static void put(struct map *leaving, struct str key, const struct object *x)
{
	static const char *const what[] = {"a trigger of", "the view", "the function", "the routine"};

	free(map_put(leaving, key, xasprintf("%s `%s`", what[x->kind], x->name)));
}

/* Routines' names are compared without accents, so one of ASCII may mean one that is not. */
static void put_leaving(struct map *leaving, const struct object *x)
{
	struct buf key = {0};

	stray_fold(&key, str_of(x->name));
	put(leaving, buf_str(&key), x);
	if (x->kind >= STRAY_FUNCTION && key.n == 1 && (key.p[0] & 0x80))
		put(leaving, STR_LIT("*"), x);
	buf_free(&key);
}

/* All that leave by objects of their own database that do. */
static void follow(struct stray_objects *o, struct map *leaving)
{
	bool more = true;

	while (more) {
		more = false;
		for (struct object *x = o->list; x; x = x->next) {
			if (x->leaves || !names_one_of(x, leaving))
				continue;
			x->leaves = more = true;
			put_leaving(leaving, x);
		}
	}
}

struct map *stray_objects_leaving(struct stray_objects *o)
{
	struct map *all = map_new(), *leaving = map_new();

	for (struct object *x = o->list; x; x = x->next)
		if (x->leaves |= names_elsewhere(o, x))
			put_leaving(all, x);
	follow(o, all);
	for (struct object *x = o->list; x; x = x->next)
		if (x->leaves && x->kind != STRAY_ROUTINE)
			put_leaving(leaving, x);
	stray_leaving_free(&all);
	return leaving;
}

void stray_leaving_free(struct map **leaving)
{
	if (*leaving)
		map_free(leaving, free);
}
