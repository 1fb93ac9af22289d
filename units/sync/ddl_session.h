#pragma once
#include "common/binlog/event.h"
#include "common/db/db.h"

/* Gives d the session that the event's statement ran in. needs_database: some table is named without its schema. */
int ddl_session(struct db *d, const struct binlog_query *q, uint32_t timestamp, bool needs_database, struct err *e);
/* Back to what the applier's own statements want. */
int ddl_session_reset(struct db *d, struct err *e);
