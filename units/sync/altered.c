/*
 * What a table looks like upstream once a DDL has been executed downstream. Rows are read by position and
 * written by name, so a column of the downstream's own, or another order there, must not get into what is
 * recorded as the upstream's structure. Called by ddl_record.c.
 */
#include "units/sync/altered.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/xalloc.h"
#include "common/db/structure.h"
#include "common/sql/ddl.h"
#include "common/sql/lexer.h"
#include "common/sql/value_format.h"
#include "units/sync/versions.h"

/* Kinds for which the other family may have only a substitute. */
static bool has_substitutes(enum column_kind k)
{
	return k == COLUMN_UUID || k == COLUMN_INET4 || k == COLUMN_INET6 || k == COLUMN_VECTOR ||
	       k == COLUMN_JSON;
}

static void take_column(struct column *to, const struct column *from)
{
	free(to->type);
	free(to->charset);
	free(to->collation);
	to->type = xstrdup(from->type);
	to->charset = xstrdup(from->charset ? from->charset : "");
	to->collation = xstrdup(from->collation ? from->collation : "");
	to->kind = from->kind;
	to->length = from->length;
	to->is_unsigned = from->is_unsigned;
}

/*
 * The downstream keeps the text in utf8mb4, the stream has it in the upstream's charset. Where an earlier
 * charset is followed by a later one that is not in the stream yet, the later one is taken: bytes that are
 * then no UTF-8 stop the job, the other way round they would be turned into something else.
 */
static void take_charset(struct column *to, const struct column *from, enum flavor target)
{
	bool mapped = target == FLAVOR_TIDB || (from && strcmp(from->charset, "gb18030") == 0);

	if (!from || !mapped || to->kind != COLUMN_TEXT || from->kind != COLUMN_TEXT ||
		value_is_utf8(from->charset) || !value_is_utf8(to->charset))
		return;
	free(to->charset);
	free(to->collation);
	to->charset = xstrdup(from->charset);
	to->collation = xstrdup(from->collation ? from->collation : "");
}

static const struct column *named(const struct structure *s, const char *name)
{
	int at = s ? structure_column(s, name) : -1;

	return at < 0 ? NULL : &s->columns[at];
}

struct sql_lexer altered_text(const struct altered *x)
{
	struct sql_lexer lx;

	sql_lex_init(&lx, x->text, x->from->flavor == FLAVOR_MARIADB, x->from->version);
	lx.ansi_quotes = x->sql_mode & SQL_MODE_ANSI_QUOTES;
	lx.no_backslash_escapes = x->sql_mode & SQL_MODE_NO_BACKSLASH_ESCAPES;
	return lx;
}

/* Does the statement name this column, or anything that is called so? */
static bool says(const struct altered *x, const char *column)
{
	struct sql_lexer lx = altered_text(x);
	char name[300];

	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD)
		if ((lx.type == SQL_WORD || lx.type == SQL_IDENT) && sql_lex_ident(&lx, name, sizeof(name)) &&
			strcasecmp(name, column) == 0)
			return true;
	return false;
}

/* --- which columns it defines --- */

static void skip_words(struct sql_lexer *lx, bool *negated)
{
	*negated = false;
	do {
		sql_lex_next(lx);
		*negated = *negated || sql_lex_is(lx, "NOT");
	} while (sql_lex_is(lx, "COLUMN") || sql_lex_is(lx, "IF") || sql_lex_is(lx, "NOT") ||
		 sql_lex_is(lx, "EXISTS"));
}

static bool is_name(const struct sql_lexer *lx, const char *column)
{
	char name[300];

	return (lx->type == SQL_WORD || lx->type == SQL_IDENT) && sql_lex_ident(lx, name, sizeof(name)) &&
	       strcasecmp(name, column) == 0;
}

/* The list of ADD (a INT, b INT), up to its end. *at: at the column's name. */
static bool in_list(struct sql_lexer *lx, const char *column, struct sql_lexer *at)
{
	bool found = false, begins = true;
	int depth = 1;

	while (depth > 0 && sql_lex_next(lx) != SQL_END && lx->type != SQL_BAD) {
		if (!found && begins && is_name(lx, column)) {
			found = true;
			*at = *lx;
		}
		begins = depth == 1 && sql_lex_is_char(lx, ',');
		depth += sql_lex_is_char(lx, '(') - sql_lex_is_char(lx, ')');
	}
	return found;
}

/* Behind CHANGE or RENAME: the old name, into old, and the lexer stands at the new one. */
static bool read_old(struct sql_lexer *lx, char old[300])
{
	if ((lx->type != SQL_WORD && lx->type != SQL_IDENT) || !sql_lex_ident(lx, old, 300))
		return false;
	sql_lex_next(lx);
	if (sql_lex_is(lx, "TO"))
		sql_lex_next(lx);
	return true;
}

/* One part's word in hand. True: it gives the column its definition, *at its name; else *at stays: it may be
 * at that of an earlier part. *old: what is called so by it. */
static bool part_defines(struct sql_lexer *lx, const char *column, char old[300], struct sql_lexer *at)
{
	bool adds = sql_lex_is(lx, "ADD"), changes = sql_lex_is(lx, "CHANGE"),
	     renames = sql_lex_is(lx, "RENAME"), negated;
	struct sql_lexer listed;
	char was[300];

	if (!adds && !changes && !renames && !sql_lex_is(lx, "MODIFY"))
		return false;
	skip_words(lx, &negated);
	if (adds && sql_lex_is_char(lx, '(')) {
		if (!in_list(lx, column, &listed) || negated)
			return false;
		*at = listed;
		return true;
	}
	if ((changes || renames) && !read_old(lx, was))
		return false;
	if ((changes || renames) && is_name(lx, column))
		snprintf(old, 300, "%s", was);
	/* ADD COLUMN IF NOT EXISTS of one that is there does nothing. */
	if (renames || (adds && negated) || !is_name(lx, column))
		return false;
	*at = *lx;
	return true;
}

/*
 * The column of `was` whose definition the statement leaves as it was; NULL: it is a new one, or has another
 * now. What the downstream has for such a column need not be the upstream's: the event filter may have left
 * out what made it so.
 */
static const struct column *kept(const struct altered *x, const char *column)
{
	struct sql_lexer lx = altered_text(x), at;
	char old[300];
	int depth = 0;

	snprintf(old, sizeof(old), "%s", column);
	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD) {
		depth += sql_lex_is_char(&lx, '(') - sql_lex_is_char(&lx, ')');
		if (depth == 0 && lx.type == SQL_WORD && part_defines(&lx, column, old, &at))
			return NULL;
	}
	return named(x->was, old);
}

/* The lexer at the name of the column where the statement says what it is; the last one counts. */
static bool find_definition(const struct altered *x, const char *column, struct sql_lexer *at)
{
	struct sql_lexer lx = altered_text(x);
	bool found = false;
	char old[300];
	int depth = 0;

	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD) {
		if (x->made && sql_lex_is_char(&lx, '('))
			return in_list(&lx, column, at);
		depth += sql_lex_is_char(&lx, '(') - sql_lex_is_char(&lx, ')');
		if (depth == 0 && lx.type == SQL_WORD && part_defines(&lx, column, old, at))
			found = true;
	}
	return found;
}

/* What the statement calls the column's type, with its size. False: it says none. */
static bool read_type(const struct altered *x, const char *column, char *type, size_t size)
{
	struct sql_lexer lx;
	unsigned n;

	if (!find_definition(x, column, &lx) || sql_lex_next(&lx) != SQL_WORD)
		return false;
	snprintf(type, size, "%.*s", STR_ARG(lx.token));
	for (char *p = type; *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + ('a' - 'A') : *p);
	sql_lex_next(&lx);
	if (!sql_lex_is_char(&lx, '(') || sql_lex_next(&lx) != SQL_NUMBER)
		return true;
	n = (unsigned)strtoul(lx.token.p, NULL, 10);
	snprintf(type + strlen(type), size - strlen(type), "(%u)", n);
	return true;
}

/* CONVERT TO CHARACTER SET. *unknown: to one that it does not name. */
static bool converts(const struct altered *x, bool *unknown)
{
	struct sql_lexer lx = altered_text(x);
	bool found = false, after = false, set = false;

	*unknown = false;
	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD) {
		found = found || (after && sql_lex_is(&lx, "TO"));
		after = sql_lex_is(&lx, "CONVERT");
		*unknown = *unknown || (found && set && sql_lex_is(&lx, "DEFAULT"));
		set = sql_lex_is(&lx, "SET") || sql_lex_is(&lx, "CHARSET");
	}
	return found;
}

bool altered_may_change(const struct altered *x, const char *column)
{
	bool unknown;

	return converts(x, &unknown) || !kept(x, column);
}

static bool has_charset(const struct column *c)
{
	return c->kind == COLUMN_TEXT || c->kind == COLUMN_ENUM || c->kind == COLUMN_SET;
}

/* Of another charset now; a longer TEXT shows in the stream, the members of an ENUM do not. */
static void take_members(struct column *to, const struct column *from)
{
	if (from->kind == COLUMN_TEXT)
		return;
	free(to->type);
	to->type = xstrdup(from->type);
	to->kind = from->kind;
}

/* True: there is no more to say of it. */
static bool take_kept(struct column *to, const struct altered *x, bool converted)
{
	const struct column *from = x->was && !x->told ? kept(x, to->name) : NULL;

	if (!from)
		return false;
	if (converted && has_charset(from) && has_charset(to)) {
		take_members(to, from);
		return false;
	}
	take_column(to, from);
	return true;
}

/*
 * The upstream's type, by the statement's own words: the upstream of now may be ahead, with the column or its
 * table gone or changed again. True: they say all of it.
 */
static bool take_said(struct column *to, const struct altered *x)
{
	struct column up = {.charset = (char *)"", .collation = (char *)""};
	char type[300];

	if (x->told || !read_type(x, to->name, type, sizeof(type)))
		return false;
	up.type = type;
	up.kind = column_kind_of(type, "", x->from);
	if (up.kind == COLUMN_VECTOR) {
		up.length = strchr(type, '(') ? (unsigned)strtoul(strchr(type, '(') + 1, NULL, 10) : 2048;
		snprintf(type, sizeof(type), "vector(%u)", up.length);
	}
	if (up.kind == COLUMN_TEXT && strcmp(type, "json") == 0) /* MariaDB's, which is none elsewhere */
		up = (struct column){.type = (char *)"longtext",
			.kind = COLUMN_TEXT,
			.charset = (char *)"utf8mb4",
			.collation = (char *)"utf8mb4_bin"};
	else if (!has_substitutes(up.kind))
		return up.kind != COLUMN_OTHER && !has_substitutes(to->kind);
	if (to->kind != up.kind)
		take_column(to, &up);
	return true;
}

static void take_kinds(
	struct structure *s, const struct altered *x, const struct structure *now, bool converted)
{
	for (unsigned i = 0; i < s->ncolumns; i++) {
		const struct column *c = named(now, s->columns[i].name);

		if (take_kept(&s->columns[i], x, converted))
			continue;
		if (!c)
			c = named(x->was, s->columns[i].name);
		if (!take_said(&s->columns[i], x) && c &&
			(has_substitutes(c->kind) || has_substitutes(s->columns[i].kind)))
			take_column(&s->columns[i], c);
		take_charset(&s->columns[i], c, x->to);
	}
}

/* FIRST, AFTER: what it names may stand elsewhere than before. */
static bool says_a_place(const struct altered *x)
{
	struct sql_lexer lx = altered_text(x);

	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD)
		if (sql_lex_is(&lx, "FIRST") || sql_lex_is(&lx, "AFTER"))
			return true;
	return false;
}

void altered_name_before(const struct altered *x, const char *column, char old[300])
{
	struct sql_lexer lx = altered_text(x), at;
	int depth = 0;

	snprintf(old, 300, "%s", column);
	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD) {
		bool adds = sql_lex_is(&lx, "ADD");

		depth += sql_lex_is_char(&lx, '(') - sql_lex_is_char(&lx, ')');
		if (depth == 0 && lx.type == SQL_WORD && part_defines(&lx, column, old, &at) && adds)
			old[0] = '\0';
	}
}

/* Each column behind those that it stood behind, but for what FIRST and AFTER may have moved. */
static bool same_order(const struct structure *s, const struct altered *x)
{
	bool moves = says_a_place(x);
	int last = -1;

	for (unsigned i = 0; i < s->ncolumns; i++) {
		char old[300];
		int at;

		if (moves && says(x, s->columns[i].name))
			continue;
		altered_name_before(x, s->columns[i].name, old);
		at = structure_column(x->was, old);
		if (at >= 0 && at < last)
			return false;
		last = at >= 0 ? at : last;
	}
	return true;
}

/* The upstream has a column that the downstream does without (a generated one). */
static bool lacks(const struct structure *s, const struct altered *x)
{
	for (unsigned i = 0; i < x->was->ncolumns; i++)
		if (!named(s, x->was->columns[i].name) && !says(x, x->was->columns[i].name))
			return true;
	return false;
}

/* MySQL gives a table without a primary key one of its own where it is told to
 * (sql_generate_invisible_primary_key). */
static bool is_made_key(const struct column *c)
{
	return c->invisible && c->auto_increment && strcasecmp(c->name, "my_row_id") == 0;
}

static bool is_own(const struct column *c, const struct altered *x)
{
	return (x->was ? !named(x->was, c->name) : is_made_key(c)) && !says(x, c->name);
}

/* place[i]: where column i is now, -1: it is gone. A key with such a column is no key of the upstream's. */
static void move_keys(struct structure *s, const int *place)
{
	unsigned left = 0;

	for (unsigned i = 0; i < s->nkeys; i++) {
		struct key *k = &s->keys[i];
		bool gone = false;

		for (unsigned c = 0; c < k->ncolumns; c++) {
			gone = gone || place[k->columns[c]] < 0;
			k->columns[c] = gone ? 0 : (unsigned)place[k->columns[c]];
		}
		if (gone)
			structure_key_fini(k);
		else
			s->keys[left++] = *k;
	}
	s->nkeys = left;
	s->key = structure_naming_key(s);
}

static void cut_own(struct structure *s, const struct altered *x)
{
	int *place = xcalloc(s->ncolumns, sizeof(*place));
	unsigned left = 0;

	for (unsigned i = 0; i < s->ncolumns; i++) {
		place[i] = is_own(&s->columns[i], x) ? -1 : (int)left;
		if (place[i] < 0)
			structure_column_fini(&s->columns[i]);
		else
			s->columns[left++] = s->columns[i];
	}
	if (left < s->ncolumns) {
		s->ncolumns = left;
		move_keys(s, place);
	}
	free(place);
}

/* Generated on one side only. */
static void take_generated(struct structure *s, const struct altered *x)
{
	for (unsigned i = 0; i < s->ncolumns; i++) {
		struct column *to = &s->columns[i];
		const struct column *from = named(x->was, to->name);

		if (!from || from->generated == to->generated || says(x, to->name))
			continue;
		free(to->expression);
		to->expression = from->expression ? xstrdup(from->expression) : NULL;
		to->generated = from->generated;
		to->is_virtual = from->is_virtual;
	}
}

/* The table's default charset upstream, where that is another one than downstream: as it was. */
static void take_default(struct structure *s, const struct altered *x)
{
	if (!s->charset && x->was && x->was->charset && !sql_ddl_names_charset(x->text, x->from, x->sql_mode))
		s->charset = xstrdup(x->was->charset);
}

/* ALTER [COLUMN] [IF EXISTS] column DROP DEFAULT, at the ALTER. */
static bool drops_default(struct sql_lexer lx, const char *column)
{
	bool negated;

	skip_words(&lx, &negated);
	return is_name(&lx, column) && sql_lex_next(&lx) == SQL_WORD && sql_lex_is(&lx, "DROP") &&
	       sql_lex_next(&lx) == SQL_WORD && sql_lex_is(&lx, "DEFAULT");
}

/* Has the statement itself left the column without a default? */
static bool leaves_no_default(const struct altered *x, const char *column)
{
	struct sql_lexer lx = altered_text(x);

	if (altered_may_change(x, column))
		return true;
	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD)
		if (sql_lex_is(&lx, "ALTER") && drops_default(lx, column))
			return true;
	return false;
}

/* One that the downstream alone has lost is none that the upstream lacks: implied.c would write another
 * value. */
static void take_defaults(struct structure *s, const struct altered *x)
{
	for (unsigned i = 0; i < s->ncolumns; i++) {
		struct column *c = &s->columns[i];
		const struct column *from;
		char old[300];

		if (!c->no_default || x->made)
			continue;
		altered_name_before(x, c->name, old);
		from = named(x->was, old);
		if (!x->was || x->told)
			c->no_default = false;
		else if (from && !leaves_no_default(x, c->name))
			c->no_default = from->no_default;
	}
}

struct structure *altered_fit(struct structure *s, const struct altered *x, const struct structure *now)
{
	bool unknown, converted;

	if (!s)
		return NULL;
	converted = converts(x, &unknown);
	take_kinds(s, x, now, converted);
	take_default(s, x);
	take_defaults(s, x);
	versions_after_ddl(s, x);
	if (!x->was) {
		if (x->made || x->stays)
			cut_own(s, x);
		return s;
	}
	if (unknown || lacks(s, x) || !same_order(s, x)) {
		structure_free(&s);
		return NULL;
	}
	cut_own(s, x);
	take_generated(s, x);
	return s;
}

struct structure *tables_after_ddl(struct tables *ts, const struct altered *x, bool *found, struct err *e)
{
	struct structure *s, *now;
	struct err ignored = {0};
	struct route_name to;
	bool there;

	err_clear(e);
	if (route_table(rules_route(ts->rules), str_of(x->schema), str_of(x->name), &to, e) < 0)
		return NULL;
	s = db_structure(ts->ask_down, to.schema, to.table, found, e);
	if (!s)
		return NULL;
	structure_rename(s, x->schema, x->name);
	now = tables_upstream_now(ts, x->schema, x->name, &there, &ignored);
	s = altered_fit(s, x, now);
	structure_free(&now);
	return s;
}
