#pragma once
#include "units/sync/apply.h"

/* What the task's event filter leaves of a wanted DDL statement (docs/design/event-filter.md). */
struct ddl_cut {
	bool any;             /* something is left out */
	char why[160];        /* by which rule, as what event; the last of them */
	struct sql_ddl *gone; /* DROP: the tables, RENAME and RENAME TO: the pairs that are left out, CREATE
	     OR REPLACE DATABASE: the database; NULL: none */
	struct buf text; /* ALTER TABLE without the parts that are left out, CREATE without OR REPLACE; empty:
			    it is as it was */
	bool shaped;     /* shape says how the upstream has the table behind the statement */
	struct structure *shape; /* NULL: nobody can tell; the upstream is asked when rows come */
};

/* What is asked about. ddl and wanted are cut too. */
struct ddl_asked {
	const struct trx *t;
	const struct binlog_query *q;
	struct sql_ddl *ddl;
	bool *wanted; /* of a DROP's tables */
};

/* 1: something of it is to be executed, 0: nothing; -1: a rule stops it (ERR_sync_filter), or it can't be cut
 * (ERR_sync_ddl_mixed). */
int ddl_filter(struct apply *a, const struct ddl_asked *asked, struct ddl_cut *out, struct err *e);
/* One that can't be read: 1: to be done, as far as rules say; 0: it is left out. */
int ddl_filter_unread(struct apply *a, const struct binlog_query *q, struct ddl_cut *out, struct err *e);
void ddl_cut_fini(struct ddl_cut *c);
