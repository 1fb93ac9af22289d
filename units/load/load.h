#pragma once
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "common/config/endpoint.h"
#include "common/db/db.h"
#include "common/db/meta.h"
#include "common/proc/tally.h"
#include "common/proc/unit.h"
#include "common/sql/dialect.h"
#include "common/sql/objects.h"
#include "common/sql/rules.h"
#include "units/load/places.h"
#include "units/load/plan.h"

/*
 * The load unit's one struct. The main thread (unit.h's callbacks) only tells the status; a leader thread
 * owns the course of the copy and the meta tables; workers apply chunks, one connection each.
 */
enum load_phase { LOAD_WAIT, LOAD_SCHEMA, LOAD_LOAD, LOAD_DONE };

/* How rows get into the downstream (docs/design/copy.md, "Ways to load"). */
enum load_by { LOAD_BY_AUTO, LOAD_BY_INSERT, LOAD_BY_BULK, LOAD_BY_LOAD_DATA, LOAD_BYS };
/* A row that meets another with one of its keys. */
enum on_duplicate { DUPLICATE_ERROR, DUPLICATE_REPLACE, DUPLICATE_IGNORE, ON_DUPLICATES };

/* When plain secondary keys are made. */
enum load_keys { KEYS_AUTO, KEYS_BEFORE, KEYS_AFTER, LOAD_KEYS };
struct folder;

/* Which chunks of this copy are recorded downstream. */
struct recorded {
	uint64_t *bits;
	uint64_t n; /* numbers below this have a bit */
	uint64_t chunks, rows, bytes;
};

struct load {
	struct unit_env *env;
	unsigned threads;
	struct endpoint downstream;
	struct meta_id id;
	char *meta_schema, *task, *source;
	bool remove_meta;
	bool look; /* nothing is to be loaded: only, whether that is done or DM's to take over */
	struct server to;
	enum collation_policy collations;
	enum load_by by;
	enum on_duplicate on_duplicate;
	enum load_keys keys;
	struct definer definer;
	bool follows; /* a sync comes after: the relay has the binlog behind the snapshot */
	struct rules *rules;
	struct link_peer *dump, *relay; /* dump is NULL: out of files */
	struct folder *folder;          /* NULL: from a dump that runs */

	struct plan plan;
	struct recorded recorded; /* as read at start; fixed while workers run */

	struct late_table *late; /* of each table of the plan; NULL: no key waits. Under lock */
	json_t *late_keys;
	json_t *left_out; /* what was not made, a text each; NULL: nothing. Under lock */

	pthread_t leader;
	bool has_leader;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct err fail;               /* the first error of any thread */
	bool finished, found, taken;   /* found: by look; taken: the snapshot is where DM was */
	struct plan_snapshot snapshot; /* of the copy that is being loaded, or is done */
	struct db **conns;             /* every open connection, to cut them off */
	unsigned nconns;

	pthread_mutex_t giant;      /* held while a row of many MiB is in our buffers: one at a time (T28) */
	pthread_mutex_t claim_lock; /* one worker at a time asks the dump */
	uint64_t claimed;           /* the last number handed out */
	struct places places;       /* where the chunks behind those begin */
	bool end_seen;
	uint64_t end_rows, end_bytes; /* the dump's sums */

	atomic_bool stop, way_told;
	_Atomic int phase; /* enum load_phase */
	_Atomic uint64_t chunks_done;
	struct tally *tally; /* made with the plan, under lock; then it stays */
	uint64_t told;       /* progress already reported to the skeleton */
};

/* Keeps the first error, tells every thread to end; from any thread. */
void load_fail(struct load *l, const struct err *e);
void load_stop(struct load *l);
/* What is not made downstream though it is wanted, as a warning in the log and for the status. */
void load_leave_out(struct load *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline bool load_stopping(struct load *l)
{
	return atomic_load(&l->stop) || unit_leaving(l->env);
}
/* Sleeps, less if told to end. False: ending. */
bool load_pause(struct load *l, unsigned ms);
/* TiDB takes no transaction, or no row, of that size: which is a matter of its settings (ERR_load_too_large).
 */
bool load_is_too_large(const struct err *e);
/*
 * A connection that load_stop can cut off; noted: recorded in tidegate_connection before anything else is
 * done with it (T3), which the first one, before the take-over, can't be.
 */
struct db *load_connect(struct load *l, enum db_session session, bool noted, struct err *e);
void load_disconnect(struct load *l, struct db **c);
/* After a lost connection: ends it for certain, and forgets it (T2). c is the new one. */
int load_end_old(struct load *l, struct db *c, uint64_t old, struct err *e);
