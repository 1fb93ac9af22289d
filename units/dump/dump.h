#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "common/config/endpoint.h"
#include "common/db/db.h"
#include "common/proc/tally.h"
#include "common/proc/unit.h"
#include "units/dump/catalog.h"
#include "units/dump/csv.h"
#include "units/dump/pack.h"
#include "units/dump/spool.h"
#include "units/dump/stretch.h"

/*
 * The dump unit's one struct. The main thread (unit.h's callbacks) serves the load; a leader thread lists,
 * locks, opens the snapshots and starts the workers, one connection each. What several threads touch is under
 * `lock`, atomic, or in the spool.
 */
enum consistency { CONSISTENCY_AUTO, CONSISTENCY_FLUSH, CONSISTENCY_LOCK, CONSISTENCY_NONE };
enum dump_phase { DUMP_LOCK, DUMP_SNAPSHOT, DUMP_DUMP, DUMP_SERVE, DUMP_DONE };

struct dump_options {
	unsigned threads;
	enum consistency consistency;
	size_t statement_size;
	uint64_t chunk_bytes, spool_bytes;
	bool routines; /* they are wanted, with the plan */
	bool follows;  /* mode all: the position is used by a sync */
	const struct row_format *format;
	/* Into files (task-mode dump): a folder that stays, nobody claims a chunk. */
	bool to_files;
	char dir[256]; /* below FD_FILES; "": that folder itself */
	char id[40];   /* of this dump; a folder that holds another one is not ours */
	enum packing packing;
	bool csv;
	struct csv_form form; /* of CSV */
	unsigned objects;     /* OBJECT_BITs that are wanted in files, too */
};

struct snapshot {
	char file[256]; /* "": the upstream writes no binlog */
	uint64_t offset;
	char *gtid;
};

struct dump_table {
	struct stretches stretches;
	unsigned pending; /* stretches not ended; under ends */
};

struct dump {
	struct unit_env *env;
	struct dump_options o;
	struct endpoint upstream;
	struct rules *rules;
	char *source;   /* its id */
	char *job_name; /* task, source, rules, …: a spool of another job is not served */
	int dir;

	struct catalog catalog;
	struct snapshot snapshot;
	struct snapshot
		later;   /* of consistency none: behind the snapshots, where they are not of one moment */
	bool pending_xa; /* into files: what was prepared is in neither them nor the binlog behind them (T12)
			  */
	struct server server;
	char identity[64]; /* which server it is, whatever its address */
	char copy_id[40];
	struct spool spool;
	char started[24];

	pthread_t leader;
	bool has_leader;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct db_turns giant; /* a row of many MiB is in our buffers: one at a time (T28) */
	pthread_mutex_t ends;  /* held while a stretch ends: its table's last chunk must be the last one */
	struct err fail;       /* the first error of any thread */
	/* What the load tells before anything is planned; under lock, but for `incoming`, the main thread's.
	 */
	bool snapshot_ready;    /* open, named, and its info is made: the load may be told */
	struct buf info;        /* JSON */
	enum flavor target;     /* of the downstream */
	bool wants_known;       /* the load has said what it wants: all of it, or wanted_text */
	struct buf wanted_text; /* as it came; "": everything */
	char wanted_from[40];   /* the copy that is recorded downstream, where not everything is wanted */
	struct buf incoming;    /* pieces of another wanted_text */
	unsigned npieces;
	bool plan_ready;
	struct buf plan; /* the JSON that goes to the load; fixed once plan_ready */
	json_t *wanted;  /* what a copy that goes on still needs (plan.h); NULL: everything */
	struct dump_table *tables;
	unsigned planned;            /* tables that a worker has begun to plan */
	const struct stretch **jobs; /* all stretches, in the order of reading */
	unsigned njobs, begun;
	unsigned locked_pending; /* tables without a snapshot, not yet copied */
	struct db *keeper;       /* holds those; used under `ends` */
	struct db **conns;       /* every open connection, to cut them off */
	unsigned nconns;

	atomic_bool stop;
	atomic_bool disk_full;
	_Atomic int phase; /* enum dump_phase */
	_Atomic uint64_t lock_ms;
	uint64_t waited_ms;      /* for our last try others waited; the leader alone */
	struct tally *tally;     /* made before plan_ready; then it stays */
	uint64_t told;           /* progress already reported to the skeleton */
	struct waiting *waiting; /* requests not yet answered; main thread only */
};

/* Keeps the first error, tells every thread to end; from any thread. */
void dump_fail(struct dump *d, const struct err *e);
void dump_stop(struct dump *d);
static inline bool dump_stopping(struct dump *d)
{
	return atomic_load(&d->stop) || unit_leaving(d->env);
}
/* Sleeps, less if told to end. False: ending. */
bool dump_pause(struct dump *d, unsigned ms);
/* Twice as long each time, up to a second, but no longer than what leaves ten times held_ms (for so long
 * others have waited for us, in ms) to others; *ms begins as 0. */
bool dump_pause_longer(struct dump *d, unsigned *ms, uint64_t held_ms);
/* A connection that dump_stop can cut off. */
struct db *dump_connect(struct dump *d, enum db_session session, struct err *e);
void dump_disconnect(struct dump *d, struct db **c);
/* What a failed statement means to a dump: structure changed, connection lost, or the server's refusal. */
int dump_sql_error(struct err *e);
