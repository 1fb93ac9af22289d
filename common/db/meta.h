#pragma once
#include <stdint.h>

#include "common/base/position.h"
#include "common/db/db.h"

/*
 * dm_meta: Tidegate's own tables in the downstream (tidegate_version, _slot, _connection, _plan, _chunk,
 * _ddl, _structure, _xa). DM's tables there are never written. Contracts of each table: docs/design/meta.md.
 */
struct meta_id {
	const char *schema; /* "dm_meta" */
	const char *task, *source;
	uint64_t epoch; /* of the owner; a smaller one is fenced */
};

/* Makes schema and tables where they are missing, brings older ones up to date, refuses a newer version of
 * them. */
int meta_setup(struct db *d, const char *schema, struct err *e);
/*
 * In a transaction: whoever decides what of a task may be made, dropped or emptied downstream, or puts on
 * record that rows come there, is alone until it ends. All tasks of a meta schema have the one lock, its
 * version's row.
 */
int meta_lock(struct db *d, const char *schema, struct err *e);
/* Of tidegate_structure: under which names a table stands downstream, two columns. */
#define META_TARGETS                                             \
	"IF(`target_schema`='',`table_schema`,`target_schema`)," \
	"IF(`target_schema`='',`table_name`,`target_table`)"

/* Names the task and source where a name of them must be short and plain. The text of each DDL of theirs in
 * TiDB holds "tidegate-<hash in 16 digits>-". */
uint64_t meta_hash(const struct meta_id *id);
/*
 * Takes the task over for this epoch (T3): raises the epoch of all slots in one transaction, KILLs the
 * connections recorded under older epochs and waits until they are gone. ERR_sync_fenced where a greater
 * epoch is there.
 */
int meta_take_over(struct db *d, const struct meta_id *id, struct err *e);
/* Records a connection before its use; the row goes with meta_forget_connection or the next take-over. */
int meta_note_connection(struct db *d, const struct meta_id *id, uint64_t connection, struct err *e);
/* Is that connection of that account still on the server? A server that was restarted gives the same numbers
 * to others. */
int meta_is_there(struct db *d, uint64_t connection, const char *account, bool *there, struct err *e);
int meta_forget_connection(struct db *d, const struct meta_id *id, uint64_t connection, struct err *e);

/* An applier's progress (T1, T2, T4). */
struct meta_slot {
	unsigned slot;
	uint64_t version;          /* of the row; grows by one with each transaction */
	struct position watermark; /* everything before it is applied; {0,0,0}: nothing yet */
	char *gtid;                /* the set at the watermark, "" without; owned, free() */
	char *base;                /* binlog base name at the watermark; owned */
	char *applied;             /* what is applied above the watermark, in its owner's words; owned */
	uint64_t head;             /* of the watermark's file (binlog_format_id); 0: not known */
};
/* Reads (or makes, at zero) the slot's row under this epoch. ERR_sync_fenced. */
int meta_slot_load(struct db *d, const struct meta_id *id, unsigned slot, struct meta_slot *s, struct err *e);
void meta_slot_fini(struct meta_slot *s);
/*
 * Those of slot 1 to count, made where they are missing, and all beyond that are there, in the order of their
 * numbers, all of one moment. *list: *n of them, owned (meta_slot_fini each, free). ERR_sync_fenced.
 */
int meta_slots_load(struct db *d, const struct meta_id *id, unsigned count, struct meta_slot **list,
	size_t *n, struct err *e);
/* What a transaction writes into its slot's row. */
struct meta_progress {
	struct position watermark;
	const char *base, *gtid, *applied;
	uint64_t head;
};
/*
 * The guard: the UPDATE that must change exactly one row, else the transaction may not go on (T1). Appended
 * to sql without ';'. It sets version s->version+1 and the progress.
 */
void meta_slot_guard(
	struct buf *sql, const struct meta_id *id, const struct meta_slot *s, const struct meta_progress *p);
/* Behind the guard, in the same transaction: another progress in its place. */
int meta_slot_again(struct db *d, const struct meta_id *id, const struct meta_slot *s,
	const struct meta_progress *p, struct err *e);
