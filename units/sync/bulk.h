#pragma once
#include "common/db/db.h"
#include "units/sync/statement.h"

/*
 * Rows of one table written by a prepared statement, many in one packet, where the downstream can do that
 * (MariaDB): inserts, and updates, as upserts where those are right (T7). One thread; borrows the changes'
 * bytes until bulk_run.
 */
struct bulk;

/*
 * From how many rows of one table and kind on a run is quicker by a statement of its own than as text in the
 * packet that goes anyway: inserts and upserts, and updates, which save more. rtt_us: how long an answer
 * takes, microseconds. Measured (docs/design/apply.md).
 */
uint64_t bulk_worth(uint64_t rtt_us);
uint64_t bulk_worth_update(uint64_t rtt_us);
/* NULL: this downstream can't. max_packet: its max_allowed_packet. */
struct bulk *bulk_new(struct db *d, uint64_t max_packet);
void bulk_free(struct bulk **b);
/* May this table's rows be written so? Every column that is written must be of a kind that a value in the
 * protocol says exactly as its literal does. */
bool bulk_can(const struct table *t);
/* What a run's rows become. BULK_NOT: this row needs a statement of its own (statement.h). */
enum bulk_form { BULK_NOT, BULK_INSERT, BULK_UPSERT, BULK_UPDATE };
enum bulk_form bulk_form(const struct table *t, enum binlog_change kind, const struct binlog_value *before,
	const struct binlog_value *after);
/* form: what bulk_form says of it. Rows that are written in another way than those before are sent by another
 * statement: these go first. As bulk_run. */
int bulk_add(struct bulk *b, const struct table *t, enum bulk_form form, const struct binlog_value *before,
	const struct binlog_value *after, struct err *e);
bool bulk_full(const struct bulk *b);
bool bulk_empty(const struct bulk *b);
/* Sends what was added, if anything. 1: the count is wrong (e says which); -1 with e
 * (ERR_sync_too_large: not in one packet). */
int bulk_run(struct bulk *b, struct err *e);
/* Forgets what was added. */
void bulk_clear(struct bulk *b);
