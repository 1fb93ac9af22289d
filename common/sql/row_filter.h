#pragma once
#include <jansson.h>

#include "common/sql/expr.h"

/*
 * Which row changes a task leaves out: DM's expression-filter (docs/design/filters.md). Loaded with the other
 * rules of a task (rules.h), bound to a table once for each structure of it.
 */
struct row_filters; /* all of a task */
struct row_filter;  /* those of one table, bound */

enum row_change { ROW_INSERT, ROW_UPDATE, ROW_DELETE };
enum row_verdict {
	ROW_KEEP,
	ROW_SKIP,
	ROW_ENTERS, /* an UPDATE whose old row is left out and whose new one is not: an INSERT */
	ROW_LEAVES, /* the other way round: a DELETE */
};

/* [{"name","schema","table","insert","update_old","update_new","delete","across":bool}], each with one kind
 * of expressions. 0 and *out (NULL: there are none), or -1 with ERR_config_bad. */
int row_filters_new(struct row_filters **out, const json_t *list, bool case_sensitive, struct err *e);
void row_filters_free(struct row_filters **f);
/* The table of filter i; false: there are no more. */
bool row_filters_table(const struct row_filters *f, size_t i, const char **schema, const char **table);
/* May a row of that table be left out as it comes or changes? Without DELETEs alone each is where it belongs.
 */
bool row_filters_hide(const struct row_filters *f, struct str schema, struct str table);
/* May a DELETE (else: an UPDATE) of that table's rows be left out, or become another change? */
bool row_filters_change(const struct row_filters *f, struct str schema, struct str table, bool deletes);
/* Does one of them need the whole history of its table (across)? Its name, or NULL. */
const char *row_filters_across(const struct row_filters *f);
/* How many rows were left out, or became another change, since the start. Any thread. */
uint64_t row_filters_rows(const struct row_filters *f);
/* What is counted there. */
void row_filter_count(const struct row_filter *f);

/* 0 and *out (NULL: none names this table), or -1 with ERR_expression. s must live as long. */
int row_filter_bind(struct row_filter **out, struct row_filters *f, const struct structure *s,
	const struct server *server, struct err *e);
void row_filter_free(struct row_filter **f);
bool row_filter_hides(const struct row_filter *f); /* as row_filters_hide */
/* before: of UPDATE and DELETE; after: of INSERT and UPDATE. Any thread. -1 with ERR_expression. */
int row_filter_judge(const struct row_filter *f, enum row_change change, const struct expr_row *before,
	const struct expr_row *after, struct arena *a, enum row_verdict *out, struct err *e);
