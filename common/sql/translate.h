#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/sql/collation.h"
#include "common/sql/ddl.h"
#include "common/sql/dialect.h"
#include "common/sql/lexer.h"
#include "common/sql/structure.h"

/*
 * Inside of sql_translate (dialect.h), shared by dialect*.c: the statement as a list of tokens that rules
 * drop or replace. Whatever no rule touches is written out byte for byte.
 */
struct tok {
	enum sql_token type;
	size_t at, len;
	int depth;   /* of parentheses; an opening and its closing one have the outer depth */
	unsigned vc; /* the innermost version comment round it, 0: none */
	bool drop;
	const char *text;  /* instead of the token; NULL: as it is */
	const char *after; /* behind it */
};

/* A version comment that the source executes. */
struct version_comment {
	size_t open_at, open_len, close_at;
	unsigned parent;
	bool unwrap; /* its inside is written without the marks */
};

struct tr {
	const struct server *from, *to;
	enum collation_policy collations;
	enum sql_rows rows;
	struct str source;
	struct sql_lexer lx; /* as the source reads the text */
	struct tok *t;       /* n of them, then one of type SQL_END */
	size_t n, cap;
	struct version_comment *vc; /* from 1 */
	unsigned nvc, vccap;
	struct arena *mem;
	struct buf *notes;
	struct err *e;
	const struct sql_ddl *ddl;
	char column[257]; /* for notes; "" : the table as a whole */
	bool engine_changed;
	bool no_foreign;    /* the source's engine heeds no foreign keys */
	bool *wants_engine; /* of sql_dialects; NULL: it is known */
	bool adding;        /* a column to a table that may have rows: its default fills them */
	bool first_timestamp_seen;
};

/* --- tokens (dialect_tokens.c) --- */
int tr_read(struct tr *t, uint64_t sql_mode);
void tr_write(struct tr *t, struct buf *out);
bool tr_is(const struct tr *t, size_t i, const char *word);
bool tr_is_char(const struct tr *t, size_t i, char c);
bool tr_is_name(const struct tr *t, size_t i); /* a word or a quoted name */
struct str tr_text(const struct tr *t, size_t i);
/* The name without its quotes, in the arena; "" where it is none. */
const char *tr_name(const struct tr *t, size_t i);
size_t tr_close(const struct tr *t, size_t open);   /* of the matching ')', or n */
size_t tr_find(const struct tr *t, size_t byte);    /* the first token at or behind that byte */
void tr_drop(struct tr *t, size_t from, size_t to); /* to: not included */
bool tr_all_dropped(const struct tr *t, size_t from, size_t to);
void tr_replace(struct tr *t, size_t i, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void tr_append(struct tr *t, size_t i, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* One line for the log: "`t`.`c`: …". */
void tr_note(struct tr *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int tr_fail(struct tr *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A list [from, to) at one depth, cut at its commas; a part whose tokens are all dropped afterwards takes a
 * comma with it. */
int tr_each(struct tr *t, size_t from, size_t to, int (*fn)(struct tr *t, size_t a, size_t b));

/* --- who knows what (dialect_features.c) --- */
enum feature {
#define FEATURE(name, mysql, mariadb, tidb) FEATURE_##name,
#include "common/sql/feature.def"
#undef FEATURE
	FEATURE_COUNT
};
bool knows(const struct server *s, enum feature f);

/* --- rules --- */
int tr_column(struct tr *t, size_t a, size_t b); /* name type attribute … (dialect_column.c) */
int tr_default(struct tr *t, size_t at, const char *type, size_t *end); /* DEFAULT … (dialect_default.c) */
int tr_key(struct tr *t, size_t a, size_t b); /* a key, constraint or period in a table (dialect_key.c) */
/* --- UUID, INET4, INET6 as the target's text (dialect_address.c) --- */
int tr_address_default(struct tr *t, size_t at, size_t end, enum column_kind kind);
/* NOT NULL without a default: what the rows that are there get, behind the type. */
void tr_address_zero(struct tr *t, size_t type, enum column_kind kind);
bool tr_is_key(const struct tr *t, size_t a);
int tr_key_parts(struct tr *t, size_t open, const char *key);
size_t tr_key_option(struct tr *t, size_t i);
/* --- foreign keys of engines that heed none (dialect_foreign.c) --- */
bool tr_heeds_foreign(struct str engine);
/* Which engine the text names, from there on. */
void tr_engine(struct tr *t, size_t from);
bool tr_ignores_foreign(struct tr *t);
/* [CONSTRAINT name] FOREIGN KEY … in [a, b), with FOREIGN at `at`: where the engine ignores it, its index. */
void tr_foreign(struct tr *t, size_t a, size_t at, size_t name, size_t b);
void tr_note_foreign(struct tr *t, size_t a, size_t b);
/* Has the list round `at` an index that begins with the columns from ours on (one: with that column)? */
bool tr_has_index(const struct tr *t, size_t at, size_t ours, bool one);
/* CONSTRAINT_1 of MariaDB is a name per table, of MySQL one per schema. */
void tr_check_name(struct tr *t, size_t name);
/* The engine's name behind ENGINE [=] at i. */
bool tr_engine_name(const struct tr *t, size_t i, size_t *value, struct str *name);
int tr_options(struct tr *t, size_t a, size_t b); /* of tables and databases, partitions (dialect_option.c) */
/* A charset and (or) a collation token that belong together; SIZE_MAX: none. equals: how an added COLLATE is
 * written. */
int tr_charset(struct tr *t, size_t charset, size_t collate, const char *equals);
/* What the two say; MariaDB's short form too. NULL: not in the table. */
const struct collation *tr_collation(struct tr *t, size_t charset, size_t collate);
/* [DEFAULT] CHARACTER SET [=] x, CHARSET [=] x, COLLATE [=] x: where the value is, or 0. */
size_t tr_charset_value(const struct tr *t, size_t i);
int tr_alter(struct tr *t, size_t from);          /* the specifications of ALTER TABLE (dialect_alter.c) */
int tr_element(struct tr *t, size_t a, size_t b); /* of CREATE TABLE ( … ) */
