#pragma once
#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/config/endpoint.h"
#include "common/db/binlog_stream.h"
#include "common/db/db.h"
#include "common/db/status.h"
#include "common/proc/unit.h"
#include "units/relay/idle.h"
#include "units/relay/pins.h"
#include "units/relay/purge.h"
#include "units/relay/serve.h"
#include "units/relay/store.h"
#include "units/relay/writer.h"

/*
 * The relay's state. Three threads: main (serves, purges, reports), puller (reads the upstream, writes the
 * log), asker (asks the upstream how far it is). What two of them touch is in `shared`, under its lock; the
 * store has its own.
 */
struct relay_options {
	uint32_t server_id; /* 0: to be picked */
	bool sync_batches;
	char start_file[256];
	uint64_t start_offset;
	bool start_wish;     /* without that file: with the oldest there is */
	bool needed_comes;   /* an agent will tell who needs the log: before that nothing goes */
	json_t *start_gtids; /* texts of sets; NULL: none */
	/*
	 * Where the log of another host was needed from: that generation, proved by the id
	 * (binlog_format_id) of one of its files; where the upstream's file of that name is another one, the
	 * log begins by these sets, in the generation behind it. 0: nothing is known of another host.
	 */
	uint32_t start_generation;
	char proof_file[256];
	uint64_t proof_offset, proof_id; /* id 0: not known */
	json_t *start_else;
	/* [{gtid, wish, server}] of tasks that have applied nothing yet, and name a file: of that server, ""
	 * of any; where the upstream is another one, by these sets too. */
	json_t *start_copies;
	json_t *needs; /* [{generation, file, offset, head}] of all tasks; NULL: none */
	unsigned heartbeat_ms;
	uint64_t rest_after_ms;
};

enum relay_thread { RELAY_PULLER, RELAY_ASKER, RELAY_THREADS };

struct relay_shared {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* leaving, no longer full, or a connection is made */
	bool leaving;
	/* In db_open, which nobody can cut off; and left behind there at the end: it touches nothing any
	 * more. */
	bool connecting[RELAY_THREADS], abandoned[RELAY_THREADS];
	bool recovered; /* the log's end is known: it may be served */
	bool connected, pulling;
	bool paused;     /* pause-relay: nothing is pulled, what is there is served */
	uint64_t pauses; /* how often it was */
	bool full;       /* over the quota, and only the pins keep the files */
	uint64_t quota;  /* with full: which one that was, in bytes */
	bool waiting;    /* a reader waits for data */
	bool resting; /* nothing comes: the main thread looks rarely, and must be woken; so does the asker */
	struct err last;                           /* the puller's trouble, code 0: none */
	struct err fatal;                          /* a person must look, or the process must begin anew */
	struct db *puller_db, *head_db, *asker_db; /* to be cut off on leaving */
	struct binlog_stream *stream;
	uint64_t events, bytes;
	struct db_master_status master; /* the asker's last answer */
	char master_server[STORE_NAME]; /* whose answer it was */
	uint64_t master_asked_us;       /* CLOCK_BOOTTIME */
	uint64_t master_clock_us;       /* what its clock was then */
	bool ask_wanted;                /* somebody waits for a new one */
	uint64_t asks;                  /* how often it was asked, with success or not */
};

struct relay {
	struct unit_env *env;
	struct endpoint ep;
	struct relay_options o;
	struct store store;
	struct pins pins;
	struct purge purge;
	json_t *purge_wanted; /* of the last order; waits for the log's end to be known */
	struct serve serve;
	struct writer writer;   /* the puller's; its GTID set under shared.lock */
	char found[STORE_NAME]; /* the puller's: the server that it has found before its stream */
	struct relay_shared shared;
	pthread_t puller, asker;
	bool opened, threads, pins_failed;
	struct idle idle;
};

/* stale.c: a log of another source, or from before the source went to another host, is thrown away. */
int stale_drop(struct relay *r, struct err *e);

/* shared.c */
void relay_shared_init(struct relay *r);
void relay_shared_fini(struct relay *r);
bool relay_leaving(struct relay *r);
void relay_leave(struct relay *r); /* tells both threads, and cuts their connections */
/* After relay_leave: true when the thread may be joined; false: a server does not let it go, it is left
 * behind and the process must end without it. */
bool relay_let_go(struct relay *r, enum relay_thread t);
/* Waits; true when asked to leave meanwhile. */
bool relay_pause(struct relay *r, uint64_t ms);
/*
 * The same between two questions to the upstream: rest_ms where nothing comes and nobody wants to know, else
 * busy_ms, which counts from the call on too where that begins meanwhile.
 */
struct relay_ask_pauses {
	uint64_t busy_ms, rest_ms;
};
bool relay_ask_pause(struct relay *r, const struct relay_ask_pauses *p);
/* pause-relay and resume-relay: the puller's connections are cut off, and made again. */
void relay_set_paused(struct relay *r, bool paused);
/* Waits while it is paused; true when asked to leave meanwhile. *pauses: what relay_was_paused wants. */
bool relay_wait_resumed(struct relay *r, uint64_t *pauses);
/* Was it paused since, be it for a moment? */
bool relay_was_paused(struct relay *r, uint64_t pauses);
void relay_trouble(struct relay *r, const struct err *e); /* NULL: over; logged where it is new */
void relay_fatal(struct relay *r, const struct err *e);
/* A connection that may be cut off while it is used; NULL with e. slot: one of shared's. */
struct db *relay_connect(struct relay *r, enum db_session session, struct db **slot, struct err *e);
void relay_disconnect(struct relay *r, struct db **slot); /* closes it */
void relay_release(struct relay *r, struct db **slot);    /* only takes it out of the slot */

/* pull.c, ask.c: the threads' bodies */
void *relay_pull(void *relay);
void *relay_ask(void *relay);
