/*
 * Reads the files of objects that our dump and mydumper write: statements that end in ";\n", of which the
 * settings say what a CREATE was made under. Called by folder.c. Nothing of them is executed here, and only
 * the CREATEs are, later, each under its own settings.
 */
#include "units/load/objfile.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/sql/lexer.h"

enum { FILE_MAX = 64 << 20, WORDS_MAX = 60 };

struct reading {
	struct load *l;
	const char *schema;
	const struct objfile_session *unknown;
	char *sql_mode, *collation, *time_zone; /* as the settings before say it */
};

static void put(char **to, struct str value)
{
	free(*to);
	*to = xstrndup(value.p ? value.p : "", value.n);
}

static struct str unquoted(struct str s)
{
	if (s.n >= 2 && strchr("'\"`", s.p[0]) && s.p[s.n - 1] == s.p[0])
		return (struct str){s.p + 1, s.n - 2};
	return s;
}

/* --- settings --- */

static char **setting(struct reading *r, const struct sql_lexer *lx)
{
	return sql_lex_is(lx, "sql_mode")               ? &r->sql_mode
	       : sql_lex_is(lx, "collation_connection") ? &r->collation
	       : sql_lex_is(lx, "time_zone")            ? &r->time_zone
							: NULL;
}

static const char *unknown(const struct reading *r, char *const *setting)
{
	return setting == &r->sql_mode    ? r->unknown->sql_mode
	       : setting == &r->time_zone ? r->unknown->time_zone
					  : "";
}

/* SET [SESSION] a = b [, …]; what is given back from a variable is not known, and not of the next object. */
static void take_settings(struct reading *r, struct sql_lexer *lx)
{
	do {
		char **to;

		sql_lex_next(lx);
		if (sql_lex_is(lx, "SESSION"))
			sql_lex_next(lx);
		to = setting(r, lx);
		sql_lex_next(lx);
		if (sql_lex_is_char(lx, ':'))
			sql_lex_next(lx);
		if (!sql_lex_is_char(lx, '='))
			return;
		sql_lex_next(lx);
		if (to && (lx->type == SQL_STRING || lx->type == SQL_WORD))
			put(to, unquoted(lx->token));
		else if (to)
			put(to, str_of(unknown(r, to)));
		sql_lex_next(lx);
	} while (sql_lex_is_char(lx, ','));
}

/* --- objects --- */

/* On the word DEFINER: "u@h". */
static char *take_definer(struct sql_lexer *lx)
{
	struct buf b = {0};
	char *text, user[260];
	struct str s;

	sql_lex_next(lx);
	sql_lex_next(lx);
	s = sql_lex_ident(lx, user, sizeof(user)) ? str_of(user) : unquoted(lx->token);
	buf_put(&b, s.p, s.n);
	if (sql_lex_next(lx) == SQL_VARIABLE) {
		s = unquoted((struct str){lx->token.p + 1, lx->token.n - 1});
		buf_putc(&b, '@');
		buf_put(&b, s.p, s.n);
		sql_lex_next(lx);
	}
	text = xstrdup(buf_cstr(&b));
	buf_free(&b);
	return text;
}

/* [schema .] name */
static bool take_name(struct sql_lexer *lx, char *out, size_t size)
{
	if (!sql_lex_ident(lx, out, size))
		return false;
	sql_lex_next(lx);
	if (!sql_lex_is_char(lx, '.'))
		return true;
	sql_lex_next(lx);
	if (!sql_lex_ident(lx, out, size))
		return false;
	sql_lex_next(lx);
	return true;
}

static bool skip_to(struct sql_lexer *lx, const char *word)
{
	while (!sql_lex_is(lx, word))
		if (lx->type == SQL_END || lx->type == SQL_BAD || sql_lex_next(lx) == SQL_END)
			return false;
	sql_lex_next(lx);
	return true;
}

/* The kind, the account and the name; the lexer stands behind CREATE, then behind the name. */
static bool read_head(struct sql_lexer *lx, struct object *o)
{
	char name[260];
	int kind = -1;

	for (int i = 0; i < WORDS_MAX && lx->type != SQL_END && lx->type != SQL_BAD; i++) {
		kind = lx->type == SQL_WORD ? object_kind_of(lx->token) : -1;
		if (kind >= 0)
			break;
		if (sql_lex_is(lx, "DEFINER")) {
			free(o->definer);
			o->definer = take_definer(lx);
		} else {
			sql_lex_next(lx);
		}
	}
	if (kind < 0 || kind == OBJECT_VIEW)
		return false;
	sql_lex_next(lx);
	if (kind == OBJECT_PACKAGE && sql_lex_is(lx, "BODY")) {
		kind = OBJECT_PACKAGE_BODY;
		sql_lex_next(lx);
	}
	while (sql_lex_is(lx, "IF") || sql_lex_is(lx, "NOT") || sql_lex_is(lx, "EXISTS"))
		sql_lex_next(lx);
	o->kind = (enum object_kind)kind;
	if (!take_name(lx, name, sizeof(name)))
		return false;
	o->name = xstrdup(name);
	return true;
}

/* What a trigger is of, and whether an event runs. */
static bool read_rest(struct sql_lexer *lx, struct object *o)
{
	char table[260] = "";

	if (o->kind == OBJECT_TRIGGER && (!skip_to(lx, "ON") || !take_name(lx, table, sizeof(table))))
		return false;
	o->table = xstrdup(table);
	if (o->kind == OBJECT_EVENT && !skip_to(lx, "PRESERVE"))
		return false;
	o->enabled = o->kind == OBJECT_EVENT && sql_lex_is(lx, "ENABLE");
	return true;
}

static bool is_wanted(const struct load *l, const struct object *o)
{
	const struct folder *f = l->folder;

	if (!(f->objects & OBJECT_BIT(o->kind)))
		return false;
	return o->kind == OBJECT_TRIGGER ? rules_table(f->rules, str_of(o->schema), str_of(o->table))
					 : rules_schema(f->rules, str_of(o->schema));
}

static void keep(struct load *l, struct object *o)
{
	bool last = !(OBJECT_BIT(o->kind) & OBJECTS_ROUTINES);

	if (is_wanted(l, o) && last && l->follows) {
		log_info("%s `%s`.`%s` is for the cutover to make", object_word(o->kind), o->schema, o->name);
	} else if (is_wanted(l, o)) {
		*objects_add(last ? &l->plan.lasts : &l->plan.routines) = *o;
		*o = (struct object){0};
	}
	object_fini(o);
}

static int take_create(struct reading *r, struct str text, struct sql_lexer *lx, struct err *e)
{
	struct object o = {.schema = xstrdup(r->schema)};

	lx->ansi_quotes = strstr(r->sql_mode, "ANSI_QUOTES") != NULL;
	lx->no_backslash_escapes = strstr(r->sql_mode, "NO_BACKSLASH_ESCAPES") != NULL;
	sql_lex_next(lx);
	if (!read_head(lx, &o) || !read_rest(lx, &o)) {
		object_fini(&o);
		return err_set(e, ERR_load_files, "no trigger, routine or event: %.*s",
			(int)(text.n < 80 ? text.n : 80), text.p);
	}
	if (!o.definer)
		o.definer = xstrdup("");
	o.create = xstrndup(text.p, text.n);
	o.sql_mode = xstrdup(r->sql_mode);
	o.collation = xstrdup(r->collation);
	o.time_zone = xstrdup(o.kind == OBJECT_EVENT ? r->time_zone : "");
	keep(r->l, &o);
	return 0;
}

/* --- the file --- */

static int take_statement(struct reading *r, struct str text, struct err *e)
{
	struct sql_lexer lx;

	sql_lex_init(&lx, text, true, 0);
	sql_lex_next(&lx);
	if (sql_lex_is(&lx, "SET"))
		take_settings(r, &lx);
	else if (sql_lex_is(&lx, "CREATE"))
		return take_create(r, (struct str){text.p + lx.token_at, text.n - lx.token_at}, &lx, e);
	else if (lx.type != SQL_END && !sql_lex_is(&lx, "DROP") && !sql_lex_is(&lx, "USE"))
		return err_set(e, ERR_load_files, "only CREATE, DROP and settings may stand here: %.*s",
			(int)(text.n < 60 ? text.n : 60), text.p);
	return 0;
}

static int take_all(struct reading *r, struct str text, struct err *e)
{
	while (text.n > 0) {
		const char *end = memmem(text.p, text.n, ";\n", 2);
		struct str one = {text.p, end ? (size_t)(end - text.p) : text.n};

		if (!end && one.p[one.n - 1] == ';') /* the last line's end may be missing */
			one.n--;
		else if (!end && strspn(one.p, " \t\r\n") < one.n)
			return err_set(e, ERR_load_files, "the file ends in the middle of a statement");
		if (take_statement(r, one, e) < 0)
			return -1;
		text.n -= end ? one.n + 2 : text.n;
		text.p += end ? one.n + 2 : 0;
	}
	return 0;
}

int objfile_read(
	struct load *l, const char *file, const char *schema, const struct objfile_session *s, struct err *e)
{
	struct reading r = {l, schema, s, xstrdup(s->sql_mode), xstrdup(""), xstrdup(s->time_zone)};
	struct buf text = {0};
	int rc = stream_read_all(l->folder->dir, file, FILE_MAX, &text, e);

	buf_cstr(&text);
	if (rc == 0)
		rc = take_all(&r, buf_str(&text), e);
	buf_free(&text);
	free(r.sql_mode);
	free(r.collation);
	free(r.time_zone);
	return rc < 0 ? err_add(e, "%s", file) : 0;
}
