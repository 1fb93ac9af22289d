#pragma once
#include "common/db/db.h"
#include "common/sql/lexer.h"

/* UNIX_TIMESTAMP(…), in a statement behind the word PARTITION. */
enum ddl_bound {
	DDL_BOUND_NOT,
	DDL_BOUND_COLUMN, /* of a column: servers take a TIMESTAMP alone there, which has no zone */
	DDL_BOUND_TIME,   /* of a written time of the session's zone */
};
/* Is it one that begins at the lexer's token? literal: the time as it is written; end: behind it. */
enum ddl_bound ddl_bound_at(const struct sql_lexer *lx, struct str *literal, size_t *end);
/* Are there such times in it? words: whose dialect the text is in. */
bool ddl_bounds_has(struct str text, const struct server *words, uint64_t sql_mode);
/*
 * The times of partitions' bounds become the numbers that the upstream made of them, which is asked in the
 * statement's zone. -1: that connection's zone may be another one now.
 */
int ddl_bounds_write(struct db *upstream, struct str zone, const struct server *words, uint64_t sql_mode,
	struct buf *text, struct err *e);
