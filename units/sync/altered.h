#pragma once
#include "common/sql/lexer.h"
#include "units/sync/table.h"

/* A DDL statement that was executed downstream, and one of the tables that it names. */
struct altered {
	const char *schema, *name;   /* as it is called now */
	const struct structure *was; /* how the upstream had it before; NULL: it is new, or nobody knows */
	bool made;                   /* by the statement: before it there was none */
	struct str text;             /* the statement */
	uint64_t sql_mode;
	const struct server *from; /* whose words it has */
	enum flavor to;            /* of the downstream */
	bool told;                 /* an operator's words: the upstream's own may have changed any column */
	bool stays;                /* IF NOT EXISTS: a table that is there stays as it was */
};

/*
 * The structure that the table has upstream now: the downstream's, less columns that are the downstream's own
 * (not in `was`, and the statement names them nowhere); a column that it does not define is as it was; with
 * the upstream's kinds where the downstream has a substitute (UUID as CHAR(36)). NULL without an error: there
 * is no such table now, or (*found) the downstream's columns stand in another order or lack one of the
 * upstream's, so it can't be told from here.
 */
struct structure *tables_after_ddl(struct tables *ts, const struct altered *x, bool *found, struct err *e);
/* The statement may have given the column another type or charset, or nobody knows what it was before. */
bool altered_may_change(const struct altered *x, const char *column);
/* The statement's text, from its beginning. */
struct sql_lexer altered_text(const struct altered *x);
/* What the column was called before the statement; "": it adds it. */
void altered_name_before(const struct altered *x, const char *column, char old[300]);
/* What of it needs no server; takes s, which may be NULL, and may return it. `now`: the upstream's, NULL: not
 * known. */
struct structure *altered_fit(struct structure *s, const struct altered *x, const struct structure *now);
