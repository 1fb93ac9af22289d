#pragma once
#include "common/binlog/row.h"
#include "common/sql/structure.h"

/* An ENUM or SET whose target is a text, or the other of the two: what counts there is the member's name. */
bool members_go_as_text(const struct column *up, const struct column *down);
/* ERR_sync_columns where the downstream's column would make others of the numbers, or of the names. */
int members_check(const struct column *up, const struct column *down, struct err *e);
/* The name of an ENUM's member, those of a SET, as a literal in utf8mb4; '' is an ENUM's invalid value. */
int members_put(struct buf *sql, const struct binlog_value *v, const struct column *c, struct err *e);
