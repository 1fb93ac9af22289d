#pragma once
#include "common/proc/unit.h"
#include "units/sync/apply.h"
#include "units/sync/overlap.h"

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
	const char *reader;     /* the task's name */
	struct position next;   /* to be asked for */
	struct position skip;   /* events before it are read but not applied */
	struct position end;    /* of the relay log, as last told */
	struct position resume; /* where to go once the FORMAT event of its file is read; zero: nowhere */
	char base[256];
	struct buf event; /* pieces of a huge one */
	bool asking, failed;
	uint64_t again_ms; /* not before; 0: at once */
	struct err error;
	uint64_t bytes;
};

/* Resumes at a watermark: first the head of its file, for the FORMAT event. */
void fetch_resume(struct fetch *f, struct position watermark);
/* The first start: from a file's head, skipping what is before `skip`. */
void fetch_begin(struct fetch *f, struct position head, struct position skip);
/* Keeps one request under way while the queue has room; -1 once something is wrong. */
int fetch_step(struct fetch *f, struct err *e);
void fetch_fini(struct fetch *f);
