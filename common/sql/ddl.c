/*
 * What a statement of the binlog is and which tables it names. Called by sync for each QUERY event and by
 * dialect.c. A verb that is not in the tables here is UNKNOWN, and the caller stops (T16): this file must
 * never guess, and never take for harmless what it has not read to its end.
 */
#include "common/sql/ddl.h"

#include <string.h>

#include "common/sql/lexer.h"

struct reader {
	struct sql_lexer lx; /* the current token is the next one to be read */
	struct sql_ddl *d;
	struct err *e;
	bool temporary;
};

static const char *const verb_names[] = {
	[SQL_VERB_UNKNOWN] = "unknown",
	[SQL_VERB_BEGIN] = "BEGIN",
	[SQL_VERB_COMMIT] = "COMMIT",
	[SQL_VERB_ROLLBACK] = "ROLLBACK",
	[SQL_VERB_SAVEPOINT] = "SAVEPOINT",
	[SQL_VERB_ROLLBACK_TO] = "ROLLBACK TO",
	[SQL_VERB_XA] = "XA",
	[SQL_VERB_CREATE_DATABASE] = "CREATE DATABASE",
	[SQL_VERB_ALTER_DATABASE] = "ALTER DATABASE",
	[SQL_VERB_DROP_DATABASE] = "DROP DATABASE",
	[SQL_VERB_CREATE_TABLE] = "CREATE TABLE",
	[SQL_VERB_ALTER_TABLE] = "ALTER TABLE",
	[SQL_VERB_DROP_TABLE] = "DROP TABLE",
	[SQL_VERB_RENAME_TABLE] = "RENAME TABLE",
	[SQL_VERB_TRUNCATE] = "TRUNCATE",
	[SQL_VERB_CREATE_INDEX] = "CREATE INDEX",
	[SQL_VERB_DROP_INDEX] = "DROP INDEX",
	[SQL_VERB_CREATE_SEQUENCE] = "CREATE SEQUENCE",
	[SQL_VERB_ALTER_SEQUENCE] = "ALTER SEQUENCE",
	[SQL_VERB_DROP_SEQUENCE] = "DROP SEQUENCE",
	[SQL_VERB_DML] = "DML",
	[SQL_VERB_TEMPORARY] = "temporary table",
	[SQL_VERB_OBJECT] = "object",
	[SQL_VERB_ACCOUNT] = "account",
	[SQL_VERB_MAINTENANCE] = "maintenance",
};

const char *sql_verb_name(enum sql_verb v)
{
	return v < SQL_VERB_END ? verb_names[v] : "unknown";
}

bool sql_verb_is_ddl(enum sql_verb v)
{
	return v >= SQL_VERB_CREATE_DATABASE && v <= SQL_VERB_DROP_SEQUENCE;
}

bool sql_verb_is_sequence(enum sql_verb v)
{
	return v >= SQL_VERB_CREATE_SEQUENCE && v <= SQL_VERB_DROP_SEQUENCE;
}

bool sql_ddl_drops_database(const struct sql_ddl *d)
{
	return d->verb == SQL_VERB_DROP_DATABASE || (d->verb == SQL_VERB_CREATE_DATABASE && d->or_replace);
}

static bool is(const struct reader *r, const char *word)
{
	return sql_lex_is(&r->lx, word);
}

static bool accept(struct reader *r, const char *word)
{
	if (!is(r, word))
		return false;
	sql_lex_next(&r->lx);
	return true;
}

static bool accept_char(struct reader *r, char c)
{
	if (!sql_lex_is_char(&r->lx, c))
		return false;
	sql_lex_next(&r->lx);
	return true;
}

static int not_read(struct reader *r, const char *wanted)
{
	struct str t = r->lx.token;

	if (r->lx.type == SQL_BAD)
		return err_set(r->e, ERR_sql_parse, "%s: an unclosed string, name or comment at byte %zu",
			sql_verb_name(r->d->verb), r->lx.token_at);
	if (r->lx.type == SQL_END)
		return err_set(r->e, ERR_sql_parse, "%s: %s is missing at the statement's end",
			sql_verb_name(r->d->verb), wanted);
	return err_set(r->e, ERR_sql_parse, "%s: %s expected at byte %zu, not \"%.*s\"",
		sql_verb_name(r->d->verb), wanted, r->lx.token_at, (int)(t.n < 40 ? t.n : 40), t.p);
}

static int expect(struct reader *r, const char *word)
{
	return accept(r, word) ? 0 : not_read(r, word);
}

static int name_part(struct reader *r, char *out, const char *what)
{
	if (!sql_lex_ident(&r->lx, out, 257))
		return not_read(r, what);
	sql_lex_next(&r->lx);
	return 0;
}

/* [schema .] table; a leading dot (ODBC's way) means the default database. */
static int read_name(struct reader *r, struct sql_name *n)
{
	bool dot;

	*n = (struct sql_name){.at = r->lx.token_at};
	dot = accept_char(r, '.');
	n->end = r->lx.token_at + r->lx.token.n;
	if (name_part(r, n->table, "a table's name") < 0)
		return -1;
	if (dot || !sql_lex_is_char(&r->lx, '.'))
		return 0;
	sql_lex_next(&r->lx);
	memcpy(n->schema, n->table, sizeof(n->schema));
	n->end = r->lx.token_at + r->lx.token.n;
	return name_part(r, n->table, "a table's name");
}

static int add_table(struct reader *r)
{
	struct sql_name beyond;

	if (r->d->ntables == SQL_DDL_MAX_TABLES) {
		r->d->more = true;
		return read_name(r, &beyond);
	}
	return read_name(r, &r->d->tables[r->d->ntables++]);
}

static int if_exists(struct reader *r)
{
	if (!accept(r, "IF"))
		return 0;
	if (accept(r, "NOT"))
		r->d->if_not_exists = true;
	else
		r->d->if_exists = true;
	return expect(r, "EXISTS");
}

/* MariaDB's WAIT n, NOWAIT. */
static void lock_wait(struct reader *r)
{
	if (!accept(r, "NOWAIT") && accept(r, "WAIT"))
		sql_lex_next(&r->lx);
}

/* The rest of a statement that we only pass on: it must end where the text ends, as the server logs one
 * statement an event. */
static int read_end(struct reader *r)
{
	while (r->lx.type != SQL_END) {
		if (r->lx.type == SQL_BAD)
			return not_read(r, "the end");
		if (accept_char(r, ';')) {
			while (accept_char(r, ';'))
				;
			return r->lx.type == SQL_END ? 0 : not_read(r, "the end, behind ';',");
		}
		sql_lex_next(&r->lx);
	}
	return 0;
}

/* --- CREATE TABLE --- */

static void note_start_transaction(struct reader *r, size_t at)
{
	r->d->start_transaction = true;
	r->d->start_transaction_at = at;
	r->d->start_transaction_end = r->lx.token_at + r->lx.token.n;
}

/* One token of a CREATE TABLE's tail, at this depth of parentheses. */
static void create_tail_token(struct reader *r, int depth, bool after_dot)
{
	size_t at = r->lx.token_at;

	/* SELECT is a reserved word: unquoted, and not behind a dot, it is no name. */
	if (!after_dot && is(r, "SELECT"))
		r->d->as_select = true;
	if (depth == 0 && (is(r, "VALUES") || is(r, "TABLE")))
		r->d->as_select = true;
	if (depth != 0 || !is(r, "START")) {
		sql_lex_next(&r->lx);
		return;
	}
	sql_lex_next(&r->lx);
	if (is(r, "TRANSACTION")) {
		note_start_transaction(r, at);
		sql_lex_next(&r->lx);
	}
}

static int create_tail(struct reader *r)
{
	int depth = 0;
	bool after_dot = false;

	while (r->lx.type != SQL_END && r->lx.type != SQL_BAD && !sql_lex_is_char(&r->lx, ';')) {
		bool dot = sql_lex_is_char(&r->lx, '.');

		if (sql_lex_is_char(&r->lx, '('))
			depth++;
		if (sql_lex_is_char(&r->lx, ')'))
			depth--;
		create_tail_token(r, depth, after_dot);
		after_dot = dot;
	}
	if (depth != 0 && r->lx.type != SQL_BAD)
		return err_set(r->e, ERR_sql_parse, "CREATE TABLE: parentheses that don't match");
	return read_end(r);
}

static int create_table(struct reader *r)
{
	bool paren;
	struct reader ahead;

	r->d->verb = SQL_VERB_CREATE_TABLE;
	if (if_exists(r) < 0 || add_table(r) < 0)
		return -1;
	ahead = *r;
	paren = accept_char(&ahead, '(');
	if (accept(&ahead, "LIKE")) {
		*r = ahead;
		r->d->like = true;
		if (add_table(r) < 0)
			return -1;
		if (paren && !accept_char(r, ')'))
			return not_read(r, "')'");
		return read_end(r);
	}
	return create_tail(r);
}

/* --- ALTER TABLE --- */

static int second_table(struct reader *r, bool *which)
{
	if (r->d->ntables > 1)
		return err_set(r->e, ERR_sql_parse,
			"ALTER TABLE: more than one RENAME or EXCHANGE in one statement");
	*which = true;
	return add_table(r);
}

/* RENAME [TO | AS | =] name, at the start of a specification; RENAME COLUMN and RENAME INDEX are not for us.
 */
static int alter_rename(struct reader *r)
{
	sql_lex_next(&r->lx);
	if (is(r, "COLUMN") || is(r, "INDEX") || is(r, "KEY"))
		return 0;
	if (!accept(r, "TO") && !accept(r, "AS"))
		accept_char(r, '=');
	return second_table(r, &r->d->rename);
}

static int alter_exchange(struct reader *r)
{
	char name[257];

	sql_lex_next(&r->lx);
	if (expect(r, "PARTITION") < 0 || name_part(r, name, "a partition's name") < 0 ||
		expect(r, "WITH") < 0 || expect(r, "TABLE") < 0)
		return -1;
	return second_table(r, &r->d->exchange);
}

/* CONVERT PARTITION p TO TABLE t and CONVERT TABLE t TO PARTITION p (MariaDB) make and take away tables: a
 * person must look. */
static int alter_convert(struct reader *r)
{
	sql_lex_next(&r->lx);
	if (is(r, "PARTITION") || is(r, "TABLE"))
		return err_set(r->e, ERR_sql_parse,
			"ALTER TABLE: CONVERT PARTITION and CONVERT TABLE are not supported");
	return 0;
}

static int alter_tail(struct reader *r)
{
	int depth = 0;
	bool start = true; /* of a specification */

	while (r->lx.type != SQL_END && r->lx.type != SQL_BAD && !sql_lex_is_char(&r->lx, ';')) {
		int rc = 0;

		if (sql_lex_is_char(&r->lx, '('))
			depth++;
		if (sql_lex_is_char(&r->lx, ')'))
			depth--;
		if (start && is(r, "RENAME"))
			rc = alter_rename(r);
		else if (start && is(r, "EXCHANGE"))
			rc = alter_exchange(r);
		else if (start && is(r, "CONVERT"))
			rc = alter_convert(r);
		if (rc < 0)
			return -1;
		start = depth == 0 && sql_lex_is_char(&r->lx, ',');
		if (r->lx.type != SQL_END && r->lx.type != SQL_BAD && !sql_lex_is_char(&r->lx, ';'))
			sql_lex_next(&r->lx);
	}
	if (depth != 0 && r->lx.type != SQL_BAD)
		return err_set(r->e, ERR_sql_parse, "ALTER TABLE: parentheses that don't match");
	return read_end(r);
}

static int alter_table(struct reader *r)
{
	r->d->verb = SQL_VERB_ALTER_TABLE;
	if (if_exists(r) < 0 || add_table(r) < 0)
		return -1;
	lock_wait(r);
	return alter_tail(r);
}

/* --- the others --- */

static int drop_names(struct reader *r, enum sql_verb verb)
{
	r->d->verb = verb;
	if (if_exists(r) < 0)
		return -1;
	do {
		if (add_table(r) < 0)
			return -1;
	} while (accept_char(r, ','));
	lock_wait(r);
	if (!accept(r, "RESTRICT"))
		accept(r, "CASCADE");
	accept_char(r, ';');
	return r->lx.type == SQL_END ? 0 : not_read(r, "',' or the end");
}

static int drop_table(struct reader *r)
{
	return drop_names(r, SQL_VERB_DROP_TABLE);
}

static int drop_sequence(struct reader *r)
{
	return drop_names(r, SQL_VERB_DROP_SEQUENCE);
}

static int sequence(struct reader *r, enum sql_verb verb)
{
	r->d->verb = verb;
	return if_exists(r) < 0 || add_table(r) < 0 ? -1 : read_end(r);
}

static int create_sequence(struct reader *r)
{
	return sequence(r, SQL_VERB_CREATE_SEQUENCE);
}

static int alter_sequence(struct reader *r)
{
	return sequence(r, SQL_VERB_ALTER_SEQUENCE);
}

static int rename_table(struct reader *r)
{
	r->d->verb = SQL_VERB_RENAME_TABLE;
	if (if_exists(r) < 0)
		return -1;
	do {
		if (add_table(r) < 0)
			return -1;
		lock_wait(r);
		if (expect(r, "TO") < 0 || add_table(r) < 0)
			return -1;
	} while (accept_char(r, ','));
	accept_char(r, ';');
	return r->lx.type == SQL_END ? 0 : not_read(r, "',' or the end");
}

static int truncate_table(struct reader *r)
{
	r->d->verb = SQL_VERB_TRUNCATE;
	accept(r, "TABLE");
	if (add_table(r) < 0)
		return -1;
	lock_wait(r);
	accept_char(r, ';');
	return r->lx.type == SQL_END ? 0 : not_read(r, "the end");
}

static int index_of(struct reader *r, enum sql_verb verb)
{
	char name[257];

	r->d->verb = verb;
	if (if_exists(r) < 0 || name_part(r, name, "an index's name") < 0)
		return -1;
	if (accept(r, "USING") || accept(r, "TYPE"))
		sql_lex_next(&r->lx);
	if (expect(r, "ON") < 0 || add_table(r) < 0)
		return -1;
	return read_end(r);
}

static int create_index(struct reader *r)
{
	return index_of(r, SQL_VERB_CREATE_INDEX);
}

static int drop_index(struct reader *r)
{
	return index_of(r, SQL_VERB_DROP_INDEX);
}

static bool is_database_option(const struct reader *r)
{
	static const char *const words[] = {
		"DEFAULT", "CHARACTER", "CHAR", "CHARSET", "COLLATE", "ENCRYPTION", "READ", "COMMENT"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (is(r, words[i]))
			return true;
	}
	return false;
}

static int database(struct reader *r, enum sql_verb verb)
{
	r->d->verb = verb;
	if (if_exists(r) < 0)
		return -1;
	r->d->schema_at = r->d->schema_end = r->lx.token_at;
	if (verb == SQL_VERB_ALTER_DATABASE && is_database_option(r)) {
		struct reader ahead = *r;

		/* The default database, unless an option follows: then the word is its name (only DEFAULT and
		 * CHARACTER are reserved). */
		sql_lex_next(&ahead.lx);
		if (is(r, "DEFAULT") || is(r, "CHARACTER") || !is_database_option(&ahead))
			return read_end(r);
	}
	r->d->schema_end += r->lx.token.n;
	if (name_part(r, r->d->schema, "a database's name") < 0)
		return -1;
	return read_end(r);
}

static int create_database(struct reader *r)
{
	return database(r, SQL_VERB_CREATE_DATABASE);
}

static int alter_database(struct reader *r)
{
	return database(r, SQL_VERB_ALTER_DATABASE);
}

static int drop_database(struct reader *r)
{
	return database(r, SQL_VERB_DROP_DATABASE);
}

/* Which of CREATE, ALTER, DROP, RENAME know the noun. */
enum { C = 1, A = 2, D = 4, R = 8 };

static const struct noun {
	const char *word;
	unsigned verbs;
	enum sql_verb verb; /* where there is no reader */
	int (*create)(struct reader *r);
	int (*alter)(struct reader *r);
	int (*drop)(struct reader *r);
} nouns[] = {
	{"TABLE", C | A | D | R, SQL_VERB_UNKNOWN, create_table, alter_table, drop_table},
	{"TABLES", D | R, SQL_VERB_UNKNOWN, NULL, NULL, drop_table},
	{"DATABASE", C | A | D, SQL_VERB_UNKNOWN, create_database, alter_database, drop_database},
	{"SCHEMA", C | A | D, SQL_VERB_UNKNOWN, create_database, alter_database, drop_database},
	{"INDEX", C | D, SQL_VERB_UNKNOWN, create_index, NULL, drop_index},
	{"VIEW", C | A | D, SQL_VERB_OBJECT, NULL, NULL, NULL},
	{"TRIGGER", C | D, SQL_VERB_OBJECT, NULL, NULL, NULL},
	{"PROCEDURE", C | A | D, SQL_VERB_OBJECT, NULL, NULL, NULL},
	{"FUNCTION", C | A | D, SQL_VERB_OBJECT, NULL, NULL, NULL},
	{"PACKAGE", C | A | D, SQL_VERB_OBJECT, NULL, NULL, NULL},
	{"LIBRARY", C | A | D, SQL_VERB_OBJECT, NULL, NULL, NULL},
	{"EVENT", C | A | D, SQL_VERB_OBJECT, NULL, NULL, NULL},
	{"SEQUENCE", C | A | D, SQL_VERB_UNKNOWN, create_sequence, alter_sequence, drop_sequence},
	{"SEQUENCES", D, SQL_VERB_UNKNOWN, NULL, NULL, drop_sequence},
	{"SERVER", C | A | D, SQL_VERB_OBJECT, NULL, NULL, NULL},
	{"TABLESPACE", C | A | D, SQL_VERB_OBJECT, NULL, NULL, NULL},
	{"UNDO", C | A | D, SQL_VERB_OBJECT, NULL, NULL, NULL},
	{"LOGFILE", C | A | D, SQL_VERB_OBJECT, NULL, NULL, NULL},
	{"RESOURCE", C | A | D, SQL_VERB_OBJECT, NULL, NULL, NULL},
	{"REFERENCE", C | D, SQL_VERB_OBJECT, NULL, NULL, NULL}, /* SPATIAL REFERENCE SYSTEM */
	{"JSON", C | A | D, SQL_VERB_OBJECT, NULL, NULL, NULL},  /* JSON DUALITY VIEW */
	{"USER", C | A | D | R, SQL_VERB_ACCOUNT, NULL, NULL, NULL},
	{"ROLE", C | D, SQL_VERB_ACCOUNT, NULL, NULL, NULL},
	{"INSTANCE", A, SQL_VERB_MAINTENANCE, NULL, NULL, NULL},
	{"PREPARE", D, SQL_VERB_MAINTENANCE, NULL, NULL, NULL},
};

static const struct noun *noun_of(const struct reader *r, unsigned verb)
{
	for (size_t i = 0; i < sizeof(nouns) / sizeof(nouns[0]); i++) {
		if ((nouns[i].verbs & verb) && is(r, nouns[i].word))
			return &nouns[i];
	}
	return NULL;
}

/* DEFINER = user: `a`@`b`, 'a'@'b', a@b, CURRENT_USER, CURRENT_USER(), a role. */
static void skip_definer(struct reader *r)
{
	accept_char(r, '=');
	sql_lex_next(&r->lx);
	while (r->lx.type == SQL_VARIABLE)
		sql_lex_next(&r->lx);
	if (accept_char(r, '('))
		accept_char(r, ')');
}

static bool skip_modifier(struct reader *r)
{
	static const char *const plain[] = {
		"ONLINE", "OFFLINE", "IGNORE", "UNIQUE", "FULLTEXT", "SPATIAL", "VECTOR", "AGGREGATE"};

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (accept(r, plain[i]))
			return true;
	}
	if (accept(r, "TEMPORARY")) {
		r->temporary = true;
		return true;
	}
	if (accept(r, "DEFINER")) {
		skip_definer(r);
		return true;
	}
	if (accept(r, "ALGORITHM")) {
		accept_char(r, '=');
		sql_lex_next(&r->lx);
		return true;
	}
	if (accept(r, "SQL")) {
		accept(r, "SECURITY");
		sql_lex_next(&r->lx);
		return true;
	}
	return false;
}

/* CREATE, ALTER, DROP: modifiers, a noun, the noun's reader. A noun that is not in the table leaves UNKNOWN.
 */
static int verb_noun(struct reader *r, unsigned verb)
{
	const struct noun *n;
	int (*read)(struct reader *);

	if (verb == C && accept(r, "OR")) {
		if (expect(r, "REPLACE") < 0)
			return -1;
		r->d->or_replace = true;
	}
	while (skip_modifier(r))
		;
	n = noun_of(r, verb);
	if (!n)
		return 0;
	if (r->temporary) {
		r->d->verb = SQL_VERB_TEMPORARY;
		return 0;
	}
	sql_lex_next(&r->lx);
	read = verb == C ? n->create : verb == A ? n->alter : n->drop;
	if (read)
		return read(r);
	r->d->verb = n->verb;
	return 0;
}

static int read_create(struct reader *r)
{
	return verb_noun(r, C);
}

static int read_alter(struct reader *r)
{
	return verb_noun(r, A);
}

static int read_drop(struct reader *r)
{
	return verb_noun(r, D);
}

static int read_rename(struct reader *r)
{
	const struct noun *n = noun_of(r, R);

	if (!n)
		return 0;
	sql_lex_next(&r->lx);
	if (n->verb == SQL_VERB_UNKNOWN)
		return rename_table(r);
	r->d->verb = n->verb;
	return 0;
}

/* BEGIN and COMMIT stand alone: BEGIN NOT ATOMIC is a compound statement, and nothing that we know. */
static int read_begin(struct reader *r)
{
	accept(r, "WORK");
	accept_char(r, ';');
	if (r->lx.type == SQL_END)
		r->d->verb = SQL_VERB_BEGIN;
	return 0;
}

static int read_start(struct reader *r)
{
	if (is(r, "TRANSACTION"))
		r->d->verb = SQL_VERB_BEGIN;
	return 0;
}

static int read_rollback(struct reader *r)
{
	accept(r, "WORK");
	r->d->verb = is(r, "TO") ? SQL_VERB_ROLLBACK_TO : SQL_VERB_ROLLBACK;
	return 0;
}

/* ANALYZE TABLE changes nothing; MariaDB's ANALYZE UPDATE … does. */
static int read_maintain_table(struct reader *r)
{
	if (!accept(r, "NO_WRITE_TO_BINLOG"))
		accept(r, "LOCAL");
	if (is(r, "TABLE") || is(r, "TABLES") || is(r, "VIEW"))
		r->d->verb = SQL_VERB_MAINTENANCE;
	else
		r->d->verb = SQL_VERB_DML;
	return 0;
}

static int read_load(struct reader *r)
{
	r->d->verb = is(r, "INDEX") ? SQL_VERB_MAINTENANCE : SQL_VERB_DML;
	return 0;
}

static int read_statement(struct reader *r);

/* SET STATEMENT name = value, … FOR statement: the inner FOR of SUBSTRING(… FOR …) is in parentheses. */
static int set_statement(struct reader *r)
{
	for (int depth = 0; r->lx.type != SQL_END && r->lx.type != SQL_BAD; sql_lex_next(&r->lx)) {
		if (sql_lex_is_char(&r->lx, '('))
			depth++;
		if (sql_lex_is_char(&r->lx, ')'))
			depth--;
		if (depth == 0 && accept(r, "FOR"))
			return read_statement(r);
	}
	return 0;
}

static int read_set(struct reader *r)
{
	if (accept(r, "STATEMENT"))
		return set_statement(r);
	if (is(r, "PASSWORD") || is(r, "ROLE"))
		r->d->verb = SQL_VERB_ACCOUNT;
	else if (accept(r, "DEFAULT") && is(r, "ROLE"))
		r->d->verb = SQL_VERB_ACCOUNT;
	else
		r->d->verb = SQL_VERB_MAINTENANCE;
	return 0;
}

static const struct {
	const char *word;
	int (*read)(struct reader *r);
	enum sql_verb verb; /* where there is no reader */
} verbs[] = {
	{"BEGIN", read_begin, SQL_VERB_UNKNOWN},
	{"START", read_start, SQL_VERB_UNKNOWN},
	{"COMMIT", NULL, SQL_VERB_COMMIT},
	{"ROLLBACK", read_rollback, SQL_VERB_UNKNOWN},
	{"SAVEPOINT", NULL, SQL_VERB_SAVEPOINT},
	{"RELEASE", NULL, SQL_VERB_MAINTENANCE},
	{"XA", NULL, SQL_VERB_XA},
	{"CREATE", read_create, SQL_VERB_UNKNOWN},
	{"ALTER", read_alter, SQL_VERB_UNKNOWN},
	{"DROP", read_drop, SQL_VERB_UNKNOWN},
	{"RENAME", read_rename, SQL_VERB_UNKNOWN},
	{"TRUNCATE", truncate_table, SQL_VERB_UNKNOWN},
	{"INSERT", NULL, SQL_VERB_DML},
	{"UPDATE", NULL, SQL_VERB_DML},
	{"DELETE", NULL, SQL_VERB_DML},
	{"REPLACE", NULL, SQL_VERB_DML},
	{"WITH", NULL, SQL_VERB_DML},
	{"CALL", NULL, SQL_VERB_DML},
	{"DO", NULL, SQL_VERB_DML},
	{"SELECT", NULL, SQL_VERB_DML}, /* of a function that writes */
	{"LOAD", read_load, SQL_VERB_UNKNOWN},
	{"GRANT", NULL, SQL_VERB_ACCOUNT},
	{"REVOKE", NULL, SQL_VERB_ACCOUNT},
	{"SET", read_set, SQL_VERB_UNKNOWN},
	{"ANALYZE", read_maintain_table, SQL_VERB_UNKNOWN},
	{"OPTIMIZE", NULL, SQL_VERB_MAINTENANCE},
	{"REPAIR", NULL, SQL_VERB_MAINTENANCE},
	{"CHECK", NULL, SQL_VERB_MAINTENANCE},
	{"FLUSH", NULL, SQL_VERB_MAINTENANCE},
	{"RESET", NULL, SQL_VERB_MAINTENANCE},
	{"CACHE", NULL, SQL_VERB_MAINTENANCE},
	{"INSTALL", NULL, SQL_VERB_OBJECT},
	{"UNINSTALL", NULL, SQL_VERB_OBJECT},
};

static int read_statement(struct reader *r)
{
	r->d->statement_at = r->lx.token_at;
	if (r->lx.type ==
		SQL_END) { /* a server puts "# Dummy event …" in the place of what it must not send */
		r->d->verb = SQL_VERB_MAINTENANCE;
		return 0;
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (!accept(r, verbs[i].word))
			continue;
		r->d->verb = verbs[i].verb;
		return verbs[i].read ? verbs[i].read(r) : 0;
	}
	return 0;
}

void sql_ddl_lexer(struct sql_lexer *lx, struct str text, const struct server *from, uint64_t sql_mode)
{
	sql_lex_init(
		lx, text, from->flavor == FLAVOR_MARIADB, from->flavor == FLAVOR_TIDB ? 0 : from->version);
	lx->ansi_quotes = sql_mode & SQL_MODE_ANSI_QUOTES;
	lx->no_backslash_escapes = sql_mode & SQL_MODE_NO_BACKSLASH_ESCAPES;
}

int sql_ddl_read(
	struct str text, const struct server *from, uint64_t sql_mode, struct sql_ddl *out, struct err *e)
{
	struct reader r = {.d = out, .e = e};

	out->verb = SQL_VERB_UNKNOWN;
	out->schema[0] = 0;
	out->ntables = 0;
	out->tables[0] = (struct sql_name){0}; /* who forgets to ask ntables must not find an older name */
	out->if_exists = out->if_not_exists = out->or_replace = out->like = out->as_select = false;
	out->rename = out->exchange = out->more = out->start_transaction = false;
	out->start_transaction_at = out->start_transaction_end = out->statement_at = 0;
	out->schema_at = out->schema_end = 0;
	sql_ddl_lexer(&r.lx, text, from, sql_mode);
	sql_lex_next(&r.lx);
	return read_statement(&r);
}

bool sql_ddl_names_charset(struct str text, const struct server *from, uint64_t sql_mode)
{
	struct sql_lexer lx;
	int depth = 0;

	sql_ddl_lexer(&lx, text, from, sql_mode);
	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD) {
		depth += sql_lex_is_char(&lx, '(') - sql_lex_is_char(&lx, ')');
		if (depth == 0 && sql_lex_is_charset(&lx))
			return true;
	}
	return false;
}
