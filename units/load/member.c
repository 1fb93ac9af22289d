/*
 * Names of files and schema files to schemas, tables, views and sequences. Called by folder.c. The real names
 * stand in the CREATE statements; a file's name is only believed where there is none (mydumper makes up
 * names, dumpling encodes them with '%').
 */
#include "units/load/member.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/sql/lexer.h"

enum { SCHEMA_FILE_MAX = 64 << 20, WORDS_MAX = 40 };
/* Behind the kinds of members. */
enum { TRIGGERS = MEMBER_KINDS, POST };

static const struct {
	const char *ending;
	int kind;
} endings[] = {
	{"-schema-create.sql", MEMBER_SCHEMA},
	{"-schema-view.sql", MEMBER_VIEW},
	{"-schema-sequence.sql", MEMBER_SEQUENCE},
	{"-schema-triggers.sql", TRIGGERS},
	{"-schema-post.sql", POST},
	{"-schema.sql", MEMBER_TABLE},
};

void members_init(struct members *o)
{
	*o = (struct members){0};
	for (int k = 0; k < MEMBER_KINDS; k++)
		o->by_prefix[k] = map_new();
}

static void free_member(struct member *x)
{
	free(x->prefix);
	free(x->schema);
	free(x->name);
	free(x->create);
	free(x->value);
	free(x);
}

void members_fini(struct members *o)
{
	for (size_t i = 0; i < o->n; i++)
		free_member(o->p[i]);
	free(o->p);
	for (size_t i = 0; i < o->nothers; i++) {
		free(o->others[i].name);
		free(o->others[i].prefix);
	}
	free(o->others);
	for (int k = 0; k < MEMBER_KINDS; k++)
		map_free(&o->by_prefix[k], NULL);
}

static struct member *add(struct members *o, enum member_kind kind, struct str prefix)
{
	struct member *x = map_get(o->by_prefix[kind], prefix);

	if (x)
		return x;
	x = xcalloc(1, sizeof(*x));
	x->kind = kind;
	x->wanted = true;
	x->place = (uint32_t)o->n;
	x->prefix = xstrndup(prefix.p, prefix.n);
	map_put(o->by_prefix[kind], prefix, x);
	o->p = xrealloc(o->p, (o->n + 1) * sizeof(struct member *));
	o->p[o->n++] = x;
	return x;
}

/* --- the CREATE statement --- */

static bool is_keyword(const struct sql_lexer *lx, enum member_kind kind)
{
	switch (kind) {
	case MEMBER_SCHEMA:
		return sql_lex_is(lx, "DATABASE") || sql_lex_is(lx, "SCHEMA");
	case MEMBER_TABLE:
		return sql_lex_is(lx, "TABLE");
	case MEMBER_VIEW:
		return sql_lex_is(lx, "VIEW");
	default:
		return sql_lex_is(lx, "SEQUENCE");
	}
}

/* Behind the keyword: [IF NOT EXISTS] [schema .] name */
static bool read_name(struct sql_lexer *lx, char *out, size_t size)
{
	sql_lex_next(lx);
	while (sql_lex_is(lx, "IF") || sql_lex_is(lx, "NOT") || sql_lex_is(lx, "EXISTS"))
		sql_lex_next(lx);
	if (!sql_lex_ident(lx, out, size))
		return false;
	sql_lex_next(lx);
	if (!sql_lex_is_char(lx, '.'))
		return true;
	sql_lex_next(lx);
	return sql_lex_ident(lx, out, size);
}

/* An unclosed string is where the lexer stays. */
static bool at_end(const struct sql_lexer *lx)
{
	return lx->type == SQL_END || lx->type == SQL_BAD;
}

/* Is it the CREATE that is looked for? Then its text and the object's name are taken. */
static bool take_create(struct member *x, struct str statement)
{
	struct sql_lexer lx;
	char name[260];
	size_t from;

	sql_lex_init(&lx, statement, true, 0);
	sql_lex_next(&lx);
	if (!sql_lex_is(&lx, "CREATE"))
		return false;
	from = lx.in_version_comment ? 0 : lx.token_at;
	for (int i = 0; i < WORDS_MAX && !at_end(&lx) && !is_keyword(&lx, x->kind); i++)
		sql_lex_next(&lx);
	if (!is_keyword(&lx, x->kind) || !read_name(&lx, name, sizeof(name)))
		return false;
	free(x->create);
	free(x->name);
	x->create = xstrndup(statement.p + from, statement.n - from);
	x->name = xstrdup(name);
	return true;
}

/* The next token; false: there is none. */
static bool step(struct sql_lexer *lx)
{
	sql_lex_next(lx);
	return !at_end(lx);
}

/* DO or SELECT SETVAL(name, number[, used[, round]]): numbers only, as they are sent to a server. */
static void take_value(struct member *x, struct str statement)
{
	struct sql_lexer lx;
	struct buf b = {0};

	sql_lex_init(&lx, statement, true, 0);
	while (step(&lx) && !sql_lex_is(&lx, "SETVAL"))
		continue;
	sql_lex_next(&lx);
	if (!sql_lex_is_char(&lx, '('))
		return;
	while (step(&lx) && !sql_lex_is_char(&lx, ','))
		continue;
	while (!at_end(&lx) && step(&lx) && !sql_lex_is_char(&lx, ')')) {
		if (lx.type != SQL_NUMBER && !sql_lex_is_char(&lx, ',') && !sql_lex_is_char(&lx, '-'))
			break;
		buf_put(&b, lx.token.p, lx.token.n);
	}
	free(x->value);
	x->value = sql_lex_is_char(&lx, ')') && b.n > 0 ? xstrdup(buf_cstr(&b)) : NULL;
	buf_free(&b);
}

/* Behind a sequence's CREATE. */
static int read_value(struct member *x, struct text *t, struct err *e)
{
	struct statement s;
	int r = 0;

	while (x->kind == MEMBER_SEQUENCE && !x->value && (r = text_statement(t, &s, e)) > 0) {
		take_value(x, s.text);
		text_use(t, s.text.n + 1);
	}
	return r < 0 ? -1 : 1;
}

static int read_create(struct member *x, int dir, const char *file, struct err *e)
{
	struct statement s;
	struct text t;
	int r = text_open(&t, dir, file, 0, e);

	t.max = SCHEMA_FILE_MAX;
	t.limit = "and no CREATE statement is";
	while (r == 0 && (r = text_statement(&t, &s, e)) > 0) {
		bool taken = take_create(x, s.text);

		text_use(&t, s.text.n + 1);
		if (taken)
			break;
		r = 0;
	}
	if (r > 0)
		r = read_value(x, &t, e);
	text_close(&t);
	if (r == 0)
		return err_set(
			e, ERR_load_files, "%s holds no CREATE statement for what its name says", file);
	return r < 0 ? err_add(e, "%s", file) : 0;
}

static void add_other(struct members *o, const char *file, struct str prefix, bool of_schema)
{
	o->others = xrealloc(o->others, (o->nothers + 1) * sizeof(*o->others));
	o->others[o->nothers++] =
		(struct object_file){xstrdup(file), xstrndup(prefix.p, prefix.n), of_schema};
}

static bool makes_policy(struct str statement)
{
	struct sql_lexer lx;

	sql_lex_init(&lx, statement, true, 0);
	sql_lex_next(&lx);
	if (!sql_lex_is(&lx, "CREATE"))
		return false;
	do
		sql_lex_next(&lx);
	while (sql_lex_is(&lx, "OR") || sql_lex_is(&lx, "REPLACE"));
	if (!sql_lex_is(&lx, "PLACEMENT"))
		return false;
	sql_lex_next(&lx);
	return sql_lex_is(&lx, "POLICY");
}

/* 1: dumpling's file of a placement policy of TiDB's, by its name and by what it says; a table may have such
 * a name. */
static int is_policy(int dir, const char *file, struct str name, struct err *e)
{
	static const char ending[] = "-placement-policy-create.sql";
	size_t n = sizeof(ending) - 1;
	struct statement s;
	struct text t;
	bool is = false;
	int r;

	if (name.n <= n || memcmp(name.p + name.n - n, ending, n) != 0)
		return 0;
	r = text_open(&t, dir, file, 0, e);
	t.max = SCHEMA_FILE_MAX;
	t.limit = "and no CREATE statement is";
	while (r == 0 && (r = text_statement(&t, &s, e)) > 0) {
		is = makes_policy(s.text);
		r = is || str_starts(s.text, "INSERT") ? 1 : 0;
		text_use(&t, s.text.n + 1);
	}
	text_close(&t);
	if (is)
		log_info("%s is passed by: which stores of a TiDB cluster keep what is that cluster's", file);
	return r < 0 ? err_add(e, "%s", file) : is;
}

int members_take(struct members *o, int dir, const char *file, struct str name, struct err *e)
{
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		size_t k = strlen(endings[i].ending);

		if (name.n <= k || memcmp(name.p + name.n - k, endings[i].ending, k) != 0)
			continue;
		if (endings[i].kind >= MEMBER_KINDS) {
			add_other(o, file, (struct str){name.p, name.n - k}, endings[i].kind == POST);
			return 1;
		}
		return read_create(
			       add(o, (enum member_kind)endings[i].kind, (struct str){name.p, name.n - k}),
			       dir, file, e) < 0
			       ? -1
			       : 1;
	}
	return is_policy(dir, file, name, e);
}

/* --- names --- */

static int hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

/* dumpling's "%2E". */
static char *decoded(struct str s)
{
	struct buf b = {0};

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '%' && i + 2 < s.n && hex(s.p[i + 1]) >= 0 && hex(s.p[i + 2]) >= 0) {
			buf_putc(&b, (char)(hex(s.p[i + 1]) * 16 + hex(s.p[i + 2])));
			i += 2;
		} else {
			buf_putc(&b, s.p[i]);
		}
	}
	buf_cstr(&b);
	return b.p;
}

/* Where the schema's part of "db.t" ends: at the longest name that is known, else at the first dot. */
static size_t schema_part(const struct members *o, struct str prefix)
{
	const char *dot = memchr(prefix.p, '.', prefix.n);

	for (size_t n = prefix.n; n-- > 1;)
		if (prefix.p[n] == '.' && map_get(o->by_prefix[MEMBER_SCHEMA], (struct str){prefix.p, n}))
			return n;
	return dot ? (size_t)(dot - prefix.p) : prefix.n;
}

char *members_schema(const struct members *o, struct str prefix, bool of_schema)
{
	size_t n = of_schema ? prefix.n : schema_part(o, prefix);
	const struct member *s = map_get(o->by_prefix[MEMBER_SCHEMA], (struct str){prefix.p, n});

	return s && s->schema ? xstrdup(s->schema) : decoded((struct str){prefix.p, n});
}

static void settle_one(struct members *o, struct member *x)
{
	struct str prefix = str_of(x->prefix);
	size_t n = x->kind == MEMBER_SCHEMA ? prefix.n : schema_part(o, prefix);
	const struct member *schema = map_get(o->by_prefix[MEMBER_SCHEMA], (struct str){prefix.p, n});

	if (x->schema)
		return;
	if (x->kind == MEMBER_SCHEMA) {
		x->schema = x->name;
		x->name = NULL;
		return;
	}
	x->schema = schema && schema->schema ? xstrdup(schema->schema)
		    : schema && schema->name ? xstrdup(schema->name)
					     : decoded((struct str){prefix.p, n});
	if (!x->name)
		x->name = decoded((struct str){prefix.p + n + (n < prefix.n), prefix.n - n - (n < prefix.n)});
}

void members_settle(struct members *o)
{
	for (size_t i = 0; i < o->n; i++)
		settle_one(o, o->p[i]);
	/* Both tools make a table first where a view is to be, for views that stand on others. */
	for (size_t i = 0; i < o->n; i++)
		if (o->p[i]->kind == MEMBER_TABLE &&
			map_get(o->by_prefix[MEMBER_VIEW], str_of(o->p[i]->prefix)))
			o->p[i]->wanted = false;
}

/* "db.t.00001" -> "db.t"; false: there is no number at the end. */
static bool without_number(struct str *name, unsigned *digits)
{
	size_t n = name->n;

	while (n > 0 && isdigit((unsigned char)name->p[n - 1]))
		n--;
	if (n == name->n || n < 2 || name->p[n - 1] != '.')
		return false;
	*digits = (unsigned)(name->n - n);
	name->n = n - 1;
	return true;
}

struct member *members_of_data(struct members *o, struct str name, unsigned *digits)
{
	struct member *x;
	struct str whole = name;

	*digits = 0;
	do {
		x = map_get(o->by_prefix[MEMBER_TABLE], name);
	} while (!x && without_number(&name, digits));
	if (x)
		return x;
	if (!memchr(name.p, '.', name.n))
		name = whole;
	if (!memchr(name.p, '.', name.n))
		return NULL;
	x = add(o, MEMBER_TABLE, name);
	settle_one(o, x);
	return x;
}

/* --- whose --- */

struct server members_server(const struct members *o, struct server fallback)
{
	static const char *const mariadb[] = {"current_timestamp()", "uca1400", "/*M!",
		"PAGE_CHECKSUM=", "json_valid(`", "WITH SYSTEM VERSIONING", "nextval(", NULL};
	static const char *const mysql[] = {"utf8mb4_0900_", "/*!80", "DEFAULT ENCRYPTION=", "/*T![", NULL};

	for (size_t i = 0; i < o->n; i++) {
		const char *create = o->p[i]->create;

		for (size_t k = 0; create && mariadb[k]; k++)
			if (strstr(create, mariadb[k]))
				return (struct server){FLAVOR_MARIADB, 100600};
		for (size_t k = 0; create && mysql[k]; k++)
			if (strstr(create, mysql[k]))
				return (struct server){FLAVOR_MYSQL, 80000};
	}
	return fallback;
}
