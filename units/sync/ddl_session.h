#pragma once
#include "common/binlog/event.h"
#include "common/db/db.h"
#include "common/sql/dialect.h"
#include "units/sync/apply.h"

/* Gives d the session that the event's statement ran in. needs_database: some table is named without its
 * schema. */
int ddl_session(
	struct db *d, const struct binlog_query *q, uint32_t timestamp, bool needs_database, struct err *e);
/*
 * Text written in another charset than UTF-8 becomes UTF-8 (in scratch memory), and the event's charset with
 * it: names are compared with those of TABLE_MAPs, and no lexer of ours meets a multi-byte charset whose
 * second byte is a quote.
 */
int ddl_to_utf8(struct apply *a, struct binlog_query *q, struct err *e);
/* CREATE DATABASE without a charset takes the server's: d's session gets the nearest to that of the event's,
 * if the policy takes it.
 */
int ddl_server_collation(struct db *d, struct db *upstream, const struct binlog_query *q,
	const struct sql_dialects *s, struct err *e);
/* Back to what the applier's own statements want. */
int ddl_session_reset(struct db *d, struct err *e);
