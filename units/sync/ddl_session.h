#pragma once
#include "common/binlog/event.h"
#include "common/db/db.h"
#include "common/sql/dialect.h"
#include "units/sync/apply.h"

struct ddl_statement;

struct ddl_session {
	const struct binlog_query *q;
	const struct ddl_statement *j; /* NULL: tried with a table of no rows */
	struct buf *text;              /* of j, in the downstream's words: zones that it lacks go out of it */
	bool needs_database;           /* some table is named without its schema */
	bool no_values; /* the rows are not the statement's to keep: an operator's words, an empty table */
};
/* Gives the DDL's connection the session that the event's statement ran in. */
int ddl_session(struct apply *a, const struct trx *t, const struct ddl_session *s, struct err *e);
/* CREATE DATABASE without a charset takes the server's: d's session gets the nearest to that of the event's,
 * if the policy takes it.
 */
int ddl_server_collation(struct db *d, struct db *upstream, const struct binlog_query *q,
	const struct sql_dialects *s, struct err *e);
/* Back to what the applier's own statements want. */
int ddl_session_reset(struct apply *a, struct err *e);
