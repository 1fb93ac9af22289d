#pragma once
#include "common/db/db.h"
#include "common/sql/lexer.h"
#include "common/sql/structure.h"

/* UNIX_TIMESTAMP(…), in a statement behind the word PARTITION. */
enum ddl_bound {
	DDL_BOUND_NOT,
	DDL_BOUND_COLUMN, /* of a column: servers take a TIMESTAMP alone there, which has no zone */
	DDL_BOUND_TIME,   /* of a written time of the session's zone */
};
/* Is it one that begins at the lexer's token? literal: the time as it is written; end: behind it. */
enum ddl_bound ddl_bound_at(const struct sql_lexer *lx, struct str *literal, size_t *end);
enum { DDL_TIMES_BOUNDS = 1, DDL_TIMES_DEFAULTS = 2, DDL_TIMES_SET = 4, DDL_TIMES_STARTS = 8 };
/* Whose dialect the text of a statement is in, and what its table was before it: ALTER COLUMN … SET DEFAULT
 * does not say the column's type. NULL: not asked yet, any column may be a TIMESTAMP. */
struct ddl_words {
	const struct server *server;
	uint64_t sql_mode;
	const struct structure *was;
};
/* Are there such times in it, or written defaults of TIMESTAMPs, or such ones that are set, or where
 * MariaDB's partitions by SYSTEM_TIME start? Their bits. */
unsigned ddl_times_in(struct str text, const struct ddl_words *words);
/* In one part of an ALTER: has a TIMESTAMP another default, what it makes of which hangs on the zone? */
bool ddl_times_has_other(struct str part, const struct ddl_words *words);
/*
 * Bounds of partitions become the numbers that the upstream makes of them, which is asked in the statement's
 * zone; defaults become times of the zone that the downstream's session has, "+02:00". -1: the upstream's
 * connection may have another zone now.
 */
int ddl_times_write(struct db *upstream, struct str zone, const char *session, const struct ddl_words *words,
	struct buf *text, struct err *e);
