#pragma once
#include "units/check/check.h"

/*
 * What the rows of check.def do, each tells what it finds under the row's name. The connections that the row
 * asks for are there, and the list of tables is filled.
 */
typedef void check_item(struct check *c, const char *item);

/* servers.c: of one server, or of both, whatever the tables are. */
check_item check_version, check_server_id, check_log_updates, check_clocks, check_prepared_xa;
/* room.c: sizes, numbers and times that may not be enough. */
check_item check_expiry, check_packets, check_connections, check_space;
/* names.c: of schemas and tables. */
check_item check_binlog_db, check_case;
/* dialect.c, columns.c, merged.c, merged_rows.c, target.c, keys.c, online.c, foreign.c: of the tables. */
check_item check_types, check_columns, check_merged, check_merged_rows, check_triggers, check_empty,
	check_read_only, check_keys, check_online, check_foreign;
/* locks.c: of the copy's snapshot. */
check_item check_locks;
/* place.c: where the binlog is read from. optional.c: grant.def's OPTIONAL rows. */
check_item check_position, check_optional;
