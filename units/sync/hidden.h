#pragma once
#include "units/sync/table.h"

/* Are the columns behind those of the structure (binlog_table_hidden) surely hidden ones? ERR_sync_columns
 * where they may be the table's own. After up, logged and down are known. */
int hidden_check(const struct table *t, const struct binlog_table *map, struct err *e);
