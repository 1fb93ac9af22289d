/*
 * sql_translate: DDL of one server family said in another's words (docs/design/dialects.md). Called by load
 * for the dump's schema files and by sync for DDL of the binlog. Tokens that no rule knows pass byte for
 * byte; what can't be said is an error that names it. It must never ask a server, and never guess what the
 * statement meant.
 */
#include "common/sql/dialect.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/utf8.h"
#include "common/base/xalloc.h"
#include "common/sql/translate.h"

int tr_element(struct tr *t, size_t a, size_t b)
{
	if (a == b || tr_is(t, a, "LIKE"))
		return 0;
	return tr_is_key(t, a) ? tr_key(t, a, b) : tr_column(t, a, b);
}

/* Words between the verb and the first name that the target may not know. */
static void head(struct tr *t, size_t name)
{
	for (size_t i = tr_find(t, t->ddl->statement_at); i < name; i++) {
		if (tr_is(t, i, "OR") && tr_is(t, i + 1, "REPLACE") && !knows(t->to, FEATURE_or_replace)) {
			tr_note(t, "OR REPLACE is not known to the target and was dropped: what is there "
				   "must be dropped first");
			tr_drop(t, i, i + 2);
		}
		if ((tr_is(t, i, "ONLINE") || tr_is(t, i, "OFFLINE")) && t->to->flavor != FLAVOR_MARIADB)
			tr_drop(t, i, i + 1);
	}
}

/* IF EXISTS before a name, where only MariaDB has it. */
static void head_if(struct tr *t, size_t name, enum feature f)
{
	for (size_t i = 0; i < name; i++) {
		size_t end = i + 2 + tr_is(t, i + 1, "NOT");

		if (!tr_is(t, i, "IF") || knows(t->to, f))
			continue;
		tr_note(t, "IF EXISTS is not known to the target here and was dropped");
		tr_drop(t, i, end);
	}
}

/* WAIT n, NOWAIT at i: the token behind. */
static size_t lock_wait(struct tr *t, size_t i)
{
	size_t end = tr_is(t, i, "NOWAIT") ? i + 1 : tr_is(t, i, "WAIT") ? i + 2 : i;

	if (end > i && !knows(t->to, FEATURE_lock_wait))
		tr_drop(t, i, end);
	return end;
}

static int create_table(struct tr *t)
{
	size_t i = tr_find(t, t->ddl->tables[0].end);

	head(t, tr_find(t, t->ddl->tables[0].at));
	if (t->ddl->like)
		return 0;
	if (tr_is_char(t, i, '(')) {
		size_t close = tr_close(t, i);

		tr_engine(t, close + 1);
		if (tr_each(t, i + 1, close, tr_element) < 0)
			return -1;
		i = close + 1;
	}
	t->column[0] = 0;
	return tr_options(t, i, t->n);
}

static int alter_table(struct tr *t)
{
	size_t name = tr_find(t, t->ddl->tables[0].at);

	head(t, name);
	head_if(t, name, FEATURE_alter_if_exists);
	for (size_t i = tr_find(t, t->ddl->statement_at); i < name; i++)
		if (tr_is(t, i, "IGNORE") && t->to->flavor != FLAVOR_MARIADB)
			return tr_fail(t,
				"ALTER IGNORE TABLE, which takes away rows that a new unique key can't have, "
				"is not known to the target: delete the same rows there, then binlog "
				"replace without IGNORE");
	return tr_alter(t, lock_wait(t, tr_find(t, t->ddl->tables[0].end)));
}

/* Behind the table of CREATE INDEX and DROP INDEX: parts, then options, then how it is done. */
static int index_tail(struct tr *t, size_t i)
{
	if (tr_is_char(t, i, '(')) {
		if (tr_key_parts(t, i, "") < 0)
			return -1;
		i = tr_close(t, i) + 1;
	}
	while (i < t->n) {
		size_t value = i + 1 + tr_is_char(t, i + 1, '=');

		if ((tr_is(t, i, "ALGORITHM") || tr_is(t, i, "LOCK")) && value < t->n) {
			tr_drop(t, i, value + 1); /* how the source did it says nothing about the target */
			i = value + 1;
			continue;
		}
		i = tr_key_option(t, lock_wait(t, i));
	}
	return 0;
}

static int index_statement(struct tr *t)
{
	size_t name = tr_find(t, t->ddl->tables[0].at);

	head(t, name);
	head_if(t, name, FEATURE_alter_if_exists);
	for (size_t i = 0; i < name; i++) {
		if (tr_is(t, i, "VECTOR") && !knows(t->to, FEATURE_key_vector))
			return tr_fail(t, "a VECTOR index is not known to the target; skip this statement");
		if (tr_is(t, i, "SPATIAL") && !knows(t->to, FEATURE_key_spatial))
			return tr_fail(t, "a SPATIAL index is not known to the target; skip this statement");
	}
	return index_tail(t, tr_find(t, t->ddl->tables[0].end));
}

/* DROP, RENAME, TRUNCATE: names and little else. */
static int names_only(struct tr *t)
{
	head(t, tr_find(t, t->ddl->tables[0].at));
	if (t->ddl->verb == SQL_VERB_RENAME_TABLE)
		head_if(t, tr_find(t, t->ddl->tables[0].at), FEATURE_rename_if_exists);
	for (unsigned k = 0; k < t->ddl->ntables; k++)
		lock_wait(t, tr_find(t, t->ddl->tables[k].end));
	return 0;
}

/* AS type, which MariaDB has since 11.5: older ones count in BIGINT. */
static int sequence(struct tr *t)
{
	size_t i = tr_find(t, t->ddl->tables[0].end);

	if (!tr_is(t, i, "AS") || knows(t->to, FEATURE_sequence_type))
		return 0;
	tr_note(t, "AS %.*s was dropped: the target's sequences are BIGINT", STR_ARG(tr_text(t, i + 1)));
	tr_drop(t, i, i + 2 + (tr_is(t, i + 2, "UNSIGNED") || tr_is(t, i + 2, "SIGNED")));
	return 0;
}

static int database(struct tr *t)
{
	size_t verb = tr_find(t, t->ddl->statement_at);

	head(t, verb + 2 < t->n ? verb + 2 : t->n); /* CREATE OR REPLACE */
	return tr_options(t, verb + 2, t->n);
}

/* Does the string stay what it is without its introducer, in a session of UTF-8? */
static bool is_same_in_utf8(struct str introducer, struct str string)
{
	static const char *const utf8[] = {"_utf8mb4", "_utf8mb3", "_utf8"};
	static const char *const others[] = {"_binary", "_ucs2", "_utf16", "_utf16le", "_utf32"};

	for (size_t i = 0; i < sizeof(utf8) / sizeof(*utf8); i++)
		if (str_is_ci(introducer, utf8[i]))
			return true;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (str_is_ci(introducer, others[i]))
			return false;
	return utf8_is_ascii(string);
}

/* Will a server that writes the string with escapes, and reads it without, have another one? */
static bool needs_escapes(struct str string)
{
	for (size_t k = 1; k + 1 < string.n; k++)
		if (string.p[k] < ' ' || string.p[k] > '~' || string.p[k] == '\\' ||
			string.p[k] == string.p[0])
			return true;
	return false;
}

/*
 * MariaDB keeps the string behind an introducer with escapes that it does not read as such: _utf8mb4'\\d' is
 * 'd' to a generated column, 'ü' is 'xC3xBC', and 'it\'s' a syntax error (seen in 10.11). MySQL puts one
 * before each string of an expression. Without it the string is kept well, in the table's charset; a
 * character that this has not is an error (1918).
 */
static void no_introducer(struct tr *t, size_t i)
{
	if (t->from->flavor == FLAVOR_MYSQL && t->to->flavor == FLAVOR_MARIADB &&
		needs_escapes(tr_text(t, i + 1)) && is_same_in_utf8(tr_text(t, i), tr_text(t, i + 1)))
		tr_replace(t, i, "%s", "");
}

/* Collations and introducers inside expressions, which no clause above has looked at. */
static int expressions(struct tr *t)
{
	for (size_t i = 0; i + 1 < t->n; i++) {
		struct str word = tr_text(t, i);
		const char *mapped;

		if (tr_is(t, i, "COLLATE") && tr_is_name(t, i + 1) && !t->t[i + 1].text && !t->t[i].drop)
			if (tr_charset(t, SIZE_MAX, i + 1, " ") < 0)
				return -1;
		if (t->t[i].type != SQL_WORD || word.p[0] != '_' || t->t[i + 1].type != SQL_STRING)
			continue;
		mapped = sql_map_collation((struct str){word.p + 1, word.n - 1}, t->from, t->to);
		/* utf8 and utf8mb3 are one charset; any other change would change the string's bytes. */
		if (mapped && (str_is_ci(word, "_utf8") || str_is_ci(word, "_utf8mb3")) &&
			strncmp(mapped, "utf8", 4) == 0 && !t->t[i].text)
			tr_replace(t, i, "_%s", mapped);
		no_introducer(t, i);
	}
	return 0;
}

static void set_statement(struct tr *t)
{
	size_t i = tr_find(t, t->ddl->statement_at);

	if (i && !knows(t->to, FEATURE_set_statement)) {
		tr_note(t, "SET STATEMENT … FOR is not known to the target and was dropped");
		tr_drop(t, 0, i);
	}
}

static int rules(struct tr *t)
{
	set_statement(t);
	switch (t->ddl->verb) {
	case SQL_VERB_CREATE_TABLE:
		return create_table(t);
	case SQL_VERB_ALTER_TABLE:
		return alter_table(t);
	case SQL_VERB_CREATE_INDEX:
	case SQL_VERB_DROP_INDEX:
		return index_statement(t);
	case SQL_VERB_CREATE_SEQUENCE:
	case SQL_VERB_ALTER_SEQUENCE:
		return sequence(t);
	case SQL_VERB_DROP_TABLE:
	case SQL_VERB_DROP_SEQUENCE:
	case SQL_VERB_RENAME_TABLE:
	case SQL_VERB_TRUNCATE:
		return names_only(t);
	case SQL_VERB_CREATE_DATABASE:
	case SQL_VERB_ALTER_DATABASE:
		return database(t);
	default:
		return 0;
	}
}

int sql_translate(
	struct str text, const struct sql_dialects *d, struct buf *out, struct buf *notes, struct err *e)
{
	struct sql_ddl *ddl = xcalloc(1, sizeof(*ddl));
	struct tr t = {.from = d->from,
		.to = d->to,
		.collations = d->collations,
		.rows = d->rows,
		.no_foreign = d->engine && d->engine[0] && !tr_heeds_foreign(str_of(d->engine)),
		.wants_engine = d->engine ? NULL : d->wants_engine,
		.source = text,
		.notes = notes,
		.e = e,
		.ddl = ddl,
		.mem = arena_new(4096)};
	int rc = sql_ddl_read(text, d->from, d->sql_mode, ddl, e);

	if (rc == 0)
		rc = tr_read(&t, d->sql_mode);
	if (rc == 0)
		rc = rules(&t);
	if (rc == 0)
		rc = expressions(&t);
	if (rc == 0)
		tr_write(&t, out);
	free(t.t);
	free(t.vc);
	arena_free(&t.mem);
	free(ddl);
	return rc;
}
