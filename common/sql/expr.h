#pragma once
#include <stdbool.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/sql/expr_value.h"
#include "server.h"

/*
 * Conditions over a row in a declared part of MySQL's language (docs/design/filters.md), judged exactly as
 * the upstream's server would: what can't be known to be exact is refused, by expr_check or expr_new where
 * that can be seen without a row, else by expr_eval. It never guesses.
 */
enum expr_truth { EXPR_FALSE, EXPR_TRUE, EXPR_UNKNOWN };

struct expr;
struct structure; /* structure.h */

struct expr_options {
	struct server server; /* whose meaning counts; its flavor at least */
	bool ansi_quotes, no_backslash_escapes;
};

/* A row, asked column by column. */
struct expr_row {
	/* The value of s->columns[column], as its kind says: INT (BIT, ENUM: the number, and YEAR): EXPR_INT
	 * or EXPR_UINT; text as the column's bytes; TIMESTAMP: in UTC. It may be kept in a. -1 with e. */
	int (*value)(void *arg, unsigned column, struct arena *a, struct expr_value *out, struct err *e);
	void *arg;
};

/* Is it one at all? Columns are not looked at. -1 with ERR_config_bad: what, at which character, and what is
 * allowed. */
int expr_check(const char *text, const struct expr_options *o, struct err *e);
/* Bound to a table, which must not change while it lives. NULL with e: ERR_expression. Free with expr_free.
 */
struct expr *expr_new(
	const char *text, const struct expr_options *o, const struct structure *s, struct err *e);
void expr_free(struct expr **x);
/*
 * x is only read: any number of threads may ask. Memory comes from `a`, and only for what functions put
 * together. -1 with ERR_expression: the server would fail (a number out of range), or the exact answer can't
 * be known for this row (text beyond ASCII under a collation that is not binary), or the row lacks the
 * column.
 */
int expr_eval(const struct expr *x, const struct expr_row *row, struct arena *a, enum expr_truth *out,
	struct err *e);
