#pragma once
#include "common/proc/unit.h"
#include "units/sync/apply.h"
#include "units/sync/overlap.h"

struct reread;

/* Bytes of a transaction's events that are kept in memory; a larger one is read twice. */
enum { FETCH_KEEP = 24 << 20, FETCH_PAUSE_MS = 200 };

/*
 * The reader: asks the relay for events by position, with the next request under way while the last answer is
 * read, and hands whole transactions to the queue. Main thread only.
 */
struct fetch {
	struct unit_env *env;
	struct link_peer *relay;
	struct queue *queue;
	struct apply *apply; /* for its watermark, which the relay keeps the log from */
	struct assemble *assemble;
	struct overlap overlap;
	const char *reader;        /* the task's name */
	struct position next;      /* to be asked for */
	struct position skip;      /* events before it are read but not applied */
	struct position end;       /* of the relay log, as last told */
	struct position watermark; /* where the work was */
	uint64_t head;             /* of the watermark's file, as recorded with it; 0: not known */
	struct position resume;    /* where to go once the FORMAT event of its file is read; zero: nowhere */
	char base[256];
	struct buf event;       /* pieces of a huge one */
	size_t keep;            /* FETCH_KEEP, or as configured */
	struct buf again;       /* struct position: XA transactions to be read again first, in their order */
	size_t nagain;          /* how many are done */
	bool rereading;         /* one of them is under way */
	struct reread *rereads; /* large transactions, read a second time (reread.h) */
	bool placed;            /* the place to resume at was found in the relay log */
	bool moving; /* it is being looked for by GTIDs: the log is another host's, and begins behind a switch
		      */
	bool others; /* as it is of other servers under the same numbers */
	bool other;  /* that place is in a file of the same name, but of another server */
	const char *start_gtid; /* the set that the task began with; NULL or "": none. Borrowed */
	bool heading; /* behind a restart: the head of the file where that set led is asked for first */
	bool by_gtid; /* the task began with a set: what is in it may come, in the first generation too */
	/* Before the first start: GTIDs up to a place. */
	struct {
		bool on, done;
		struct gtid_set *set; /* NULL: none so far */
		struct binlog_format format;
	} scan;
	bool asking, failed;
	bool rests;        /* nothing comes: an empty answer may take longer */
	uint64_t again_ms; /* not before; 0: at once */
	struct err error;
	uint64_t bytes;
};

/* Resumes at a watermark: first the head of its file, for the FORMAT event. f->again: what is to be read
 * before that. */
void fetch_resume(struct fetch *f, struct position watermark);
/* The first start: from a file's head, skipping what is before `skip`. */
void fetch_begin(struct fetch *f, struct position head, struct position skip);
/* Behind fetch_begin, where a set said so: the set at that file's head (overlap_located). */
int fetch_located(struct fetch *f, struct position head, const char *gtid, struct err *e);
/* Reads from a file's head up to `to` for nothing but the GTIDs, added to those of the head: scan.set, when
 * scan.done. */
int fetch_scan(struct fetch *f, struct position head, struct position to, const char *gtid, struct err *e);
/* Keeps one request under way while the queue has room; -1 once something is wrong. */
int fetch_step(struct fetch *f, struct err *e);
/* All threads are asked to leave; appliers that wait for events of a large transaction wait no more. */
void fetch_leave(struct fetch *f);
void fetch_fini(struct fetch *f);

/* What a relay on another host would have to begin with: the oldest place that is needed, and how its file is
 * known again (binlog_format_id; 0: not read yet). gtid: the set at the recorded watermark, owned by the
 * caller.
 */
struct position fetch_need(struct fetch *f, uint64_t *head, char **gtid);
/* It has failed, as this relay's log is of other servers: of no use to us. */
bool fetch_is_lost(const struct fetch *f);

/* For reread.c. Asks the relay for events at a place, or only for those of a file's head. */
void fetch_ask(struct fetch *f, struct position at, bool head,
	void (*done)(void *arg, const struct err *e, struct str reply), void *arg);
/* A piece of an event larger than a message: the event is whole once it has m->piece bytes. */
int fetch_add_piece(struct buf *event, const struct msg_events *m, struct err *e);
/* The reader ends by this error. */
void fetch_fail(struct fetch *f, const struct err *e);
/* fetch_step is to be called again then, if nothing does so before. */
void fetch_again_at(struct fetch *f, uint64_t ms);
