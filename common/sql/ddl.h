#pragma once
#include <stdbool.h>

#include "common/base/err.h"
#include "common/base/str.h"
#include "common/sql/lexer.h"
#include "server.h"

/* What a QUERY event's text is: the closed table of verbs (T16). Anything else is SQL_VERB_UNKNOWN: the
 * caller stops. */
enum sql_verb {
	SQL_VERB_UNKNOWN,
	SQL_VERB_BEGIN,
	SQL_VERB_COMMIT,
	SQL_VERB_ROLLBACK,
	SQL_VERB_SAVEPOINT,
	SQL_VERB_ROLLBACK_TO,
	SQL_VERB_XA,
	SQL_VERB_CREATE_DATABASE,
	SQL_VERB_ALTER_DATABASE,
	SQL_VERB_DROP_DATABASE,
	SQL_VERB_CREATE_TABLE,
	SQL_VERB_ALTER_TABLE,
	SQL_VERB_DROP_TABLE,
	SQL_VERB_RENAME_TABLE,
	SQL_VERB_TRUNCATE,
	SQL_VERB_CREATE_INDEX,
	SQL_VERB_DROP_INDEX,
	SQL_VERB_CREATE_SEQUENCE, /* MariaDB's */
	SQL_VERB_ALTER_SEQUENCE,
	SQL_VERB_DROP_SEQUENCE,
	SQL_VERB_DML,         /* INSERT, UPDATE, DELETE, REPLACE, LOAD DATA, … logged as a statement */
	SQL_VERB_TEMPORARY,   /* CREATE/ALTER/DROP TEMPORARY TABLE: never ours, also as DROP with a version
				 comment round TEMPORARY */
	SQL_VERB_OBJECT,      /* views, triggers, routines, events, tablespaces, servers: recognised and
				 skipped by rule */
	SQL_VERB_ACCOUNT,     /* users, roles, grants, passwords: skipped */
	SQL_VERB_MAINTENANCE, /* ANALYZE, OPTIMIZE, REPAIR, CHECK, FLUSH, SET, only a comment: nothing to
				 apply */
	SQL_VERB_END
};

enum { SQL_DDL_MAX_TABLES = 64 };

struct sql_name {
	char schema[257], table[257]; /* schema "": none was written, the default database counts */
	size_t at, end;               /* bytes of the whole reference in the text */
};

struct sql_ddl {
	enum sql_verb verb;
	char schema[257]; /* of CREATE/ALTER/DROP DATABASE; "" of ALTER DATABASE without a name: the default
			     database */
	/* The tables named: for RENAME old, new, old, new …; for CREATE TABLE … LIKE: new, model; ALTER …
	 * RENAME TO: old, new. */
	struct sql_name tables[SQL_DDL_MAX_TABLES];
	unsigned ntables;
	size_t schema_at, schema_end; /* of that name in the text; equal: where it would stand */
	bool if_exists, if_not_exists, or_replace, like, as_select;
	bool rename;   /* ALTER TABLE … RENAME [TO]: tables[1] is the new name */
	bool exchange; /* ALTER TABLE … EXCHANGE PARTITION … WITH TABLE: tables[1] is the other table */
	bool more;     /* more than SQL_DDL_MAX_TABLES: the caller stops */
	bool start_transaction; /* MySQL's CREATE TABLE … START TRANSACTION (T17) */
	size_t start_transaction_at, start_transaction_end;
	size_t statement_at; /* of the verb itself: behind comments and MariaDB's SET STATEMENT … FOR */
};

/* Reads one statement. Returns 0 also for SQL_VERB_UNKNOWN; -1 (ERR_sql_parse) where a known DDL verb's names
 * can't be read. */
int sql_ddl_read(
	struct str text, const struct server *from, uint64_t sql_mode, struct sql_ddl *out, struct err *e);
/* A lexer at the beginning of the text, as sql_ddl_read reads it. */
void sql_ddl_lexer(struct sql_lexer *lx, struct str text, const struct server *from, uint64_t sql_mode);
/* A table's options say the charset; columns' own words in CREATE TABLE stand inside the parentheses. */
bool sql_ddl_names_charset(struct str text, const struct server *from, uint64_t sql_mode);
bool sql_verb_is_ddl(enum sql_verb v);      /* what is executed in the downstream */
bool sql_verb_is_sequence(enum sql_verb v); /* the names are of sequences */
/* All tables of d->schema go: DROP DATABASE, and MariaDB's CREATE OR REPLACE DATABASE. */
bool sql_ddl_drops_database(const struct sql_ddl *d);
const char *sql_verb_name(enum sql_verb v);

/* sql_mode bits that change how text is read (as in QUERY events' status variables). */
#define SQL_MODE_ANSI_QUOTES (1ull << 2)
#define SQL_MODE_NO_BACKSLASH_ESCAPES (1ull << 20)
