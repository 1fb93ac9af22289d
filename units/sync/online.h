#pragma once
#include "units/sync/apply.h"

/* What a DDL statement means to tables of gh-ost and pt-osc (docs/design/online-ddl.md). */
enum online_way {
	ONLINE_FOLLOW, /* what is left of it is done like any other */
	ONLINE_PASS,   /* nothing of it is done downstream */
	ONLINE_REPLAY, /* the statements of the list are, in its place */
};

/* What an operator said about it: nothing stops it then. */
enum online_told { ONLINE_UNTOLD, ONLINE_SKIPPED, ONLINE_REPLACED };

struct online_step {
	enum online_way way;
	struct buf notes; /* statements on tidegate_online, a NUL behind each: of the transaction that moves
			     the watermark behind it */
	struct binlog_query *list; /* under the real table's name; of the scratch arena */
	unsigned n;
};

/* Looks only: out says what is to be done. ddl: of a verb that is DDL. -1: ERR_sync_online, or the downstream
 * could not be asked. */
int online_look(struct apply *a, const struct trx *t, const struct binlog_query *q, const struct sql_ddl *ddl,
	enum online_told told, struct online_step *out, struct err *e);
/* The same of a statement that nobody can read, and that a filter or an operator leaves out. */
int online_look_unread(struct apply *a, struct str statement, struct online_step *out, struct err *e);
/*
 * Of an ALTER TABLE of an empty shadow: why the rows that the tool copies into it would not be what the
 * statement makes of the real table's rows. dropped: names of columns that are gone (a list; more come to
 * it). False: they are the same.
 */
bool online_differs(const struct binlog_query *q, const struct server *from, const struct sql_ddl *ddl,
	json_t *dropped, char *why, size_t size);
/* An ALTER TABLE whose only part is a RENAME. */
bool online_only_renames(const struct binlog_query *q, const struct server *from, const struct sql_ddl *ddl);
