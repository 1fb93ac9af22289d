#pragma once
#include "common/proc/unit.h"
#include "units/sync/apply.h"
#include "units/sync/overlap.h"

/* Bytes of a transaction's events that are kept in memory; a larger one is read twice. */
enum { FETCH_KEEP = 24 << 20 };

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
	struct position resume;    /* where to go once the FORMAT event of its file is read; zero: nowhere */
	char base[256];
	struct buf event; /* pieces of a huge one */
	size_t keep;      /* FETCH_KEEP, or as configured */
	struct buf again; /* struct position: XA transactions to be read again first, in their order */
	size_t nagain;    /* how many are done */
	bool rereading;   /* one of them is under way */
	/* A large transaction that the applier takes, read a second time. */
	struct {
		struct pieces *pieces; /* NULL: none */
		struct position from, to, next;
		bool head; /* the FORMAT event of its file is sent */
	} large;
	bool by_gtid; /* the task began with a set: what is in it may come, in the first generation too */
	/* Before the first start: GTIDs up to a place. */
	struct {
		bool on, done;
		struct gtid_set *set; /* NULL: none so far */
		struct binlog_format format;
	} scan;
	bool asking, failed;
	uint64_t again_ms; /* not before; 0: at once */
	struct err error;
	uint64_t bytes;
};

/* Resumes at a watermark: first the head of its file, for the FORMAT event. f->again: what is to be read
 * before that. */
void fetch_resume(struct fetch *f, struct position watermark);
/* The first start: from a file's head, skipping what is before `skip`. */
void fetch_begin(struct fetch *f, struct position head, struct position skip);
/* Reads from a file's head up to `to` for nothing but the GTIDs, added to those of the head: scan.set, when
 * scan.done. */
int fetch_scan(struct fetch *f, struct position head, struct position to, const char *gtid, struct err *e);
/* Keeps one request under way while the queue has room; -1 once something is wrong. */
int fetch_step(struct fetch *f, struct err *e);
/* An applier that waits for events of a large transaction need not wait any more. */
void fetch_leave(struct fetch *f);
void fetch_fini(struct fetch *f);
