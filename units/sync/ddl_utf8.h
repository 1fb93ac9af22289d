/* The text of a DDL statement in UTF-8. */
#pragma once

#include "units/sync/apply.h"

/*
 * Text written in another charset than UTF-8 becomes UTF-8 (in scratch memory), and the event's client
 * charset with it. made: the server's own words, of a CREATE TABLE ... SELECT.
 */
int ddl_to_utf8(struct apply *a, struct binlog_query *q, bool made, struct err *e);
/* What dm_meta's text columns can hold: bytes that are no UTF-8 (MariaDB prints binary defaults as they are)
 * become letters. */
void ddl_put_utf8(struct buf *out, struct str s);
