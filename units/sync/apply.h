#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "common/db/db.h"
#include "common/db/meta.h"
#include "units/sync/ddl_handle.h"
#include "units/sync/queue.h"
#include "units/sync/table.h"
#include "units/sync/write.h"

/* What the applier has done so far; read by the status while it works. */
struct apply_counts {
	_Atomic uint64_t transactions, inserts, updates, deletes, ddls, bytes;
	_Atomic uint32_t last_timestamp; /* seconds, of the newest transaction applied */
};

/*
 * One applier: takes whole transactions from the queue, merges neighbours into one downstream transaction
 * that begins with the guard of its progress row, and checks every count before COMMIT (T1-T5, T7). Runs in a
 * thread of its own; its state is its own.
 */
struct apply {
	struct meta_id id;
	const struct endpoint *upstream, *downstream;
	const struct rules *rules;
	struct ddl_handles handles; /* what an operator said about DDL statements */
	struct queue *queue;
	uint64_t batch_rows, batch_bytes;
	void (*wake)(void *arg); /* something happened that the main thread must see */
	void *wake_arg;

	struct db *db;  /* rows */
	struct db *ddl; /* structures, and questions */
	struct meta_slot slot;
	struct gtid_set *gtid; /* at the watermark; NULL where the upstream has none */
	char *gtid_text;
	char base[256]; /* of the stream's binlog files; set before the thread starts */
	struct tables tables;
	struct writer writer;
	struct arena *scratch; /* of the transaction in hand */
	uint64_t max_packet;   /* the downstream's max_allowed_packet */
	bool cascades_known, cascades_logged;
	uint64_t last_move_ms;

	pthread_t thread;
	bool started;
	pthread_mutex_t lock; /* guards the rest */
	struct position watermark;
	char *watermark_gtid;
	bool failed;
	struct position failed_ddl; /* the error is that of the DDL statement there; {0,0,0}: it is not */
	struct err error;
	struct apply_counts counts;
};

/* Takes the task over (T3), loads or makes the slot's progress. Main thread, boxed, before apply_start. */
int apply_open(struct apply *a, struct err *e);
/* The first start of a task: where to begin, with which GTID set. Durable. */
int apply_begin_at(struct apply *a, struct position at, const char *base, const char *gtid, struct err *e);
void apply_start(struct apply *a);
/* Asks the thread to end after the batch in hand, and joins it. */
void apply_stop(struct apply *a);
void apply_close(struct apply *a);
/* The watermark and (into gtid, owned by the caller, may be NULL) its set. */
struct position apply_watermark(struct apply *a, char **gtid);
/* True and the error, once the thread has ended by one. */
bool apply_failed(struct apply *a, struct err *e);

/* In ddl.c: one DDL transaction, alone. */
int apply_ddl(struct apply *a, const struct trx *t, struct err *e);
/* In commit.c: sends "BEGIN; guard", and says whether the guard passed. */
int apply_guard(struct apply *a, struct db *d, struct position watermark, const char *gtid, struct err *e);
/* COMMIT after all counts are read; the slot moves to what its guard was given. */
int apply_commit(struct apply *a, struct db *d, struct position watermark, const char *gtid, struct err *e);
/* -1: the connection may not be used again: the next BEGIN would commit what is open. */
int apply_rollback(struct db *d, struct err *e);
/* The GTID set moves over t; apply_write_gtid makes its text of it. */
int apply_add_gtid(struct apply *a, const struct trx *t, struct err *e);
void apply_write_gtid(struct apply *a);
