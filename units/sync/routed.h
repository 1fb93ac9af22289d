#pragma once
#include "common/sql/route.h"
#include "units/sync/apply.h"

/* Is one table the other's target? Names that some servers take for one are one. */
bool routed_same(const char *schema_a, const char *name_a, const char *schema_b, const char *name_b);
/*
 * A statement of the upstream: ERR_route_merged where it is about a table whose target is another one's too,
 * or will be by it, ERR_route_statement where it is about a database that does not stand for one of the
 * upstream alone, or would drop what is not known as its. told: an operator's, who knows what is merged.
 * Asks nobody where the task has no routes.
 */
int routed_check(struct apply *a, const struct sql_ddl *ddl, struct str schema, bool told, struct err *e);
/*
 * CREATE DATABASE: 1 where a route leads it to another name, or `to` may be what another database's tables go
 * to; 0: only its own, -1 with e. Behind routed_check.
 */
int routed_database_shared(struct apply *a, const struct sql_ddl *ddl, const char *to, struct err *e);
/* Names downstream (route_key) -> struct route_name, the upstream's, of all tables that are wanted:
 * those of the upstream now, and those that are recorded; to be freed with free. NULL with e. */
struct map *routed_targets(struct tables *ts, struct err *e);
struct followed_list;
/* The tables whose structures are on record. */
int routed_recorded(struct tables *ts, struct followed_list *out, struct err *e);
/* Whether its target is another one's too: enum table_merged (table.h), or -1 with e. */
int routed_merged(struct tables *ts, const char *schema, const char *name, struct err *e);
/* Before rows of a table that was not met since the start: whether it is merged. Its structure is recorded
 * where none is (an incremental task's), so that it is seen behind a restart too. */
int routed_meet(struct tables *ts, struct table *t, struct err *e);
/* When all is known of it: ERR_route_shared where its rows could be taken for another one's. */
int routed_check_merged(const struct table *t, struct err *e);
/* Structures on record are others now. */
void routed_forget(struct tables *ts);
