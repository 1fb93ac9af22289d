#pragma once
#include "units/sync/apply.h"

/*
 * What a statement would make of a table, seen without doing it: the table as the upstream has it, without
 * rows and under another name in the meta schema, is altered there and looked at.
 */
struct shape_of {
	const struct binlog_query *q; /* its session, and the whole statement */
	const char *schema, *name;    /* of the table; as the upstream calls it before */
	struct str text;              /* the statement, or what of it is to be tried */
	size_t at, end;               /* of the table's name in text */
	bool create;                  /* CREATE TABLE: there is none before */
};

struct shape {
	struct structure *before,
		*after;      /* NULL: not known. after: what is to be recorded for the upstream */
	json_t *defaults[2]; /* of columns, before and after */
};

/* -1 where the connection is lost; else 0, and what could not be found out is NULL, said in the log. */
int shape_try(
	struct apply *a, const struct trx *t, const struct shape_of *what, struct shape *out, struct err *e);
void shape_fini(struct shape *s);
/* Has the column another default, under the name that it has now? */
bool shape_other_default(const struct shape *s, const char *was, const char *now);
