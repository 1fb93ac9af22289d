#pragma once
#include "common/binlog/event.h"
#include "common/db/db.h"
#include "common/sql/ddl.h"
#include "common/sql/structure.h"

/* What a statement takes from its session's time zone. */
enum ddl_zone {
	DDL_ZONE_NONE,
	DDL_ZONE_NOW,    /* its own moment, told in that zone */
	DDL_ZONE_ANY,    /* times of any year: values that change their type, written ones */
	DDL_ZONE_BOUNDS, /* such times that count in a table without rows, too: bounds of partitions */
};

/* Of an ALTER TABLE that fills or converts the rows that are there; else NONE. was: the table before it, NULL
 * where nobody knows: then a column that becomes a temporal one may have been a TIMESTAMP, or become one. */
enum ddl_zone ddl_zone_of(const struct binlog_query *q, const struct sql_ddl *ddl, const struct server *from,
	const struct structure *was);
/*
 * The zone (SYSTEM, or a name that the downstream lacks) as "+02:00" of that moment, asked from the upstream.
 * any: it must have been the same in all years. -1: it can't be said so; e says what to do.
 */
int ddl_zone_offset(struct db *upstream, struct str zone, uint32_t timestamp, enum ddl_zone any, char out[8],
	struct err *e);
