#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "common/sql/dialect.h"
#include "units/sync/acting.h"
#include "units/sync/copied.h"
#include "units/sync/ddl_handle.h"
#include "units/sync/depend.h"
#include "units/sync/heads.h"
#include "units/sync/part.h"
#include "units/sync/queue.h"
#include "units/sync/runs.h"
#include "units/sync/stray.h"
#include "units/sync/table.h"
#include "units/sync/takeover.h"
#include "units/sync/turn.h"
#include "units/sync/window.h"
#include "units/sync/write.h"

/* What the appliers have done so far; read by the status while they work. */
struct apply_counts {
	_Atomic uint64_t split, parts; /* transactions applied in parts, and these */
	_Atomic uint64_t transactions, inserts, updates, deletes, ddls, bytes;
	_Atomic uint64_t filtered_rows, filtered_ddls; /* left out by the event filter; of DDL also in part */
	_Atomic uint64_t batches, waits, retries; /* downstream transactions; those that waited for a lane */
	_Atomic uint64_t commit_us; /* of the last transaction before the watermark: trx_commit_us */
};

/*
 * The appliers of one task: a scheduler thread (schedule.c), which owns all that is known of tables and
 * executes DDL, and lanes (lane.c), which write rows. Progress is a row of dm_meta for each: slot 1 is the
 * scheduler's, lanes count from 2 (T1-T5).
 */
struct apply {
	struct meta_id id;
	const struct endpoint *upstream, *downstream;
	const struct rules *rules;
	struct ddl_handles handles; /* what an operator said about DDL statements */
	struct queue *queue;
	unsigned workers; /* lanes */
	uint64_t batch_rows, batch_bytes, join_rows, runs_max /* intervals of a row */, bulk_rows;
	/* bulk_rows 0 before apply_open: by how far away the downstream is (bulk_worth) */
	uint64_t split_rows; /* more changes than this: applied in parts; 0: never */
	uint64_t idle_ms;    /* so long unused, a connection of a lane, or to the upstream, is closed */
	bool ordered;        /* commits are in the upstream's order */
	bool count_missing;  /* rows that are not there are counted, not an error */
	enum collation_policy collations;
	bool no_upserts, safe_mode; /* for tests: updates go by joins with values; the option */
	struct takeover takeover;
	struct copied copied;
	void (*wake)(void *arg); /* something happened that the main thread must see */
	void *wake_arg;

	/* The scheduler's own. */
	struct db *db;         /* progress, and what goes with a DDL */
	struct db *ddl;        /* structures, and questions */
	struct meta_slot slot; /* 1 */
	char *gtid_text;       /* of gtid, for a guard */
	char base[256];        /* of the stream's binlog files; set before the threads start */
	struct tables tables;
	struct arena *scratch; /* of the transaction in hand */
	struct writer writer;  /* over db, of the rest of one in parts */
	struct touch touch;
	struct part part;        /* of the transaction that it applies in parts, or has still to */
	struct runs recorded;    /* applied above the watermark by those before this process */
	struct db_limits limits; /* of the downstream */
	bool cascades_known, cascades_logged;
	struct position cascades_at; /* of the transaction before which that was asked */
	struct acting acting;
	struct stray stray;
	uint64_t last_move_ms;
	pthread_t thread;
	bool started, ddl_steps, ddl_utf8mb4; /* the last two: of ddl_session.c, to be set back */
	struct lane *lanes[LANES_MAX];
	pthread_mutex_t lock;   /* guards the rest */
	pthread_cond_t changed; /* something was committed, or all must leave */
	struct depend *depend;
	struct turns turns;
	struct window window;
	uint64_t last_seq;         /* of the last that was something to anybody */
	size_t bytes;              /* held by those that are not committed */
	struct gtid_set *gtid;     /* at the watermark; NULL where the upstream has none */
	struct position watermark; /* everything before is committed */
	struct position durable;   /* and this is recorded: a start may begin here */
	char *durable_gtid;        /* NULL or "": none */
	struct position tail;      /* nothing of ours between the last transaction and here */
	char *watermark_gtid;      /* text of gtid, unless gtid_moved */
	bool gtid_moved, leaving, failed;
	struct position failed_ddl; /* the error is that of the DDL statement there; {0,0,0}: it is not */
	struct err error;
	struct apply_counts counts;
	struct missing_log missing; /* has a lock of its own */
	struct heads heads;         /* of files that were read; so have they */
};

/* Takes the task over (T3), loads or makes the progress rows. Main thread, boxed, before apply_start. */
int apply_open(struct apply *a, struct err *e);
/* Goes on where the rows say; what they hold above the watermark is kept on record. */
int apply_resume(struct apply *a, struct err *e);
/* The first start of a task: where to begin, with which GTID set. Durable. */
int apply_begin_at(struct apply *a, struct position at, const char *base, const char *gtid, struct err *e);
/* Text of a set of either family, not empty; NULL with e. */
struct gtid_set *apply_parse_gtid(const char *text, struct err *e);
void apply_start(struct apply *a);
/* All threads end after the batches in hand; save: then progress is one position, if it can be written. */
void apply_stop(struct apply *a, bool save);
void apply_close(struct apply *a);
/* The watermark and (into gtid, owned by the caller, may be NULL) its set. */
struct position apply_watermark(struct apply *a, char **gtid);
/* Where a start would begin to read: what the relay must keep; and its set ("": none), owned by the caller */
struct position apply_durable(struct apply *a);
char *apply_durable_gtid(struct apply *a);
/* What waits between the queue and the downstream, and the lanes at work. */
void apply_load(struct apply *a, size_t *bytes, unsigned *busy);
/* True and the error, once a thread has ended by one. */
bool apply_failed(struct apply *a, struct err *e);
/* From any thread: the unit ends by this error. */
void apply_fail(struct apply *a, const struct err *e);

/* In schedule.c: the scheduler's thread. */
void *schedule_main(void *arg);
/* Under the lock: transactions at the head that are committed leave, the watermark follows. */
void schedule_advance(struct apply *a);
/* Under the lock: how far all would be committed with those that the lane took, and the set there (owned). */
struct position schedule_reach(struct apply *a, const struct lane *l, char **gtid);

/* In rest.c: what is left of one that a start found applied in part; all lanes are empty. 1: all leave. */
int apply_rest(struct apply *a, struct trx *t, struct err *e);
/* In ddl.c: one DDL transaction, alone. */
int apply_ddl(struct apply *a, const struct trx *t, struct err *e);
/* In commit.c: sends "BEGIN; guard", and says whether the guard passed. */
int commit_guard(struct db *d, const struct meta_id *id, const struct meta_slot *s,
	const struct meta_progress *p, struct err *e);
/* The same for a writer, sent with its first rows; where its guard did not pass: -1, ERR_sync_fenced. */
void commit_put_opening(
	struct buf *sql, const struct meta_id *id, const struct meta_slot *s, const struct meta_progress *p);
int commit_fenced(struct db *d, const struct meta_id *id, const struct meta_slot *s, struct err *e);
/* COMMIT after all counts are read; the slot's version moves. */
int commit_end(struct db *d, struct meta_slot *s, struct err *e);
/* Both for the scheduler's slot; its commit moves the watermark. */
int apply_guard(struct apply *a, struct db *d, struct position watermark, const char *gtid, struct err *e);
int apply_commit(struct apply *a, struct db *d, struct position watermark, const char *gtid, struct err *e);
/* The scheduler's slot has this watermark now. */
void apply_moved(struct apply *a, struct position watermark, const char *gtid);
/* -1: the connection may not be used again: the next BEGIN would commit what is open. */
int apply_rollback(struct db *d, struct err *e);
/* The GTID set moves over t; apply_write_gtid makes its text of it. Nothing may be under way. */
int apply_add_gtid(struct apply *a, const struct trx *t, struct err *e);
void apply_write_gtid(struct apply *a);
