#pragma once
#include "units/sync/statement.h"

/*
 * Updates of many rows as one statement: a table of the new values, joined by the key. It never makes a row,
 * so it needs no T7; and the server counts the rows that it found. For tables that can't be upserted: those
 * with further unique keys, or with columns of their own.
 */

/* Can this downstream do it, and can it be said exactly for this table? t->key, t->target, t->down are known.
 */
bool join_can(const struct table *t, const struct server *down);
/* Does a value of the key name its row, whatever types the statement gives it? */
bool join_can_key(const struct table *t);
/* May this change share a statement with others? No unique key changes, so the order of the rows does not
 * matter. */
bool join_takes(const struct table *t, const struct binlog_value *before, const struct binlog_value *after);
/* Into the open statement, or a new one. */
int join_add(struct packet *p, const struct table *t, const struct binlog_value *before,
	const struct binlog_value *after, struct err *e);
/* The end of the open statement's text. */
void join_end(struct packet *p);
