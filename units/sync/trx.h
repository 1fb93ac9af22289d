#pragma once
#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/position.h"
#include "common/binlog/event.h"
#include "common/binlog/gtid.h"
#include "common/sql/ddl.h"
#include "common/sql/rules.h"

struct change;
struct noted;
struct stray_notes;
struct table;

/* One upstream transaction, whole: what the assembler makes and the applier takes. */
enum trx_kind {
	TRX_ROWS, /* its TABLE_MAP and rows events (walk.h); may be none (nothing of it is ours, the position
		     still moves) */
	TRX_DDL,  /* raw: the QUERY event */
};

/* Its rows may be in the downstream already. */
enum safe_mode {
	SAFE_OFF,
	SAFE_WHERE_IT_CAN, /* the user's option: what can't be written twice is written as ever */
	SAFE_MUST,         /* ERR_sync_safe_mode where it can't */
};

/* What an XA transaction's part does to its record in dm_meta (xa.h). */
enum trx_xa {
	TRX_XA_NONE,
	TRX_XA_PREPARE,  /* no rows: they are held until the COMMIT */
	TRX_XA_COMMIT,   /* the rows of its PREPARE */
	TRX_XA_ROLLBACK, /* no rows */
};

/* An XA transaction's name: format id, lengths and bytes of both parts. */
struct xid {
	uint8_t n;
	char bytes[134];
};

/* Events taken back by ROLLBACK TO: [from, to) of the transaction's TABLE_MAP and rows events, by number. */
struct trx_cut {
	uint64_t from, to;
};

struct trx {
	struct trx *next;
	enum trx_kind kind;
	struct position start, end; /* end: the watermark once it is applied */
	bool inside; /* a DDL inside a transaction (T17): its rows follow, the watermark stays at start */
	struct position event; /* TRX_DDL: where its event is; names its doing/done record */
	uint32_t timestamp;    /* seconds, of its last event that has one; 0: none */
	uint64_t commit_us;    /* the upstream's clock at its COMMIT, where that is logged; 0: it is not */
	bool has_gtid;         /* false in a DDL inside, though gtid names it: its transaction's end counts */
	struct binlog_gtid_event gtid;
	struct binlog_format format; /* how raw is read */
	struct buf raw;
	size_t events;  /* rows events */
	uint64_t bytes; /* of all that raw holds, or would hold */

	/* Of decode.c. */
	struct table **tables; /* of its TABLE_MAPs, in their order */
	size_t ntables;
	struct arena *arena;    /* of changes; NULL: none, or they are walked where they are applied */
	struct change *changes; /* all of them, if decoded */
	size_t nchanges; /* of a large one, once its tables are found: about so many, 0: none is ours */
	bool decoded;
	uint64_t left_out; /* rows that the event filter leaves out, once it was walked */

	/* Of the scheduler. */
	bool begins_run;    /* it does not follow the one before it in its lane */
	uint64_t seq, prev; /* its number, and that of the last before it that was something to anybody */
	uint64_t *waits;    /* numbers of other lanes' transactions, to be committed before it begins */
	unsigned nwaits, lane;
	size_t weight; /* bytes held */

	enum safe_mode safe;
	bool apart;    /* shares its downstream transaction with no other: a large one, or one in parts */
	bool in_parts; /* … as split-transaction says */
	/* Too large for memory: raw is empty, its events are read again from the relay log, [from, to), and
	 * come in pieces. */
	bool large;
	struct pieces *pieces; /* owned; where a large one's events come from: made by reread.c */
	struct noted *noted;   /* owned; its tables (noted.h) */
	struct position from, to;
	uint64_t nth;    /* TABLE_MAP and rows events seen, with those taken back */
	struct buf cuts; /* struct trx_cut, ascending */
	enum trx_xa xa;
	struct xid xid;
	bool unknown; /* TRX_XA_COMMIT: its PREPARE was never seen */
	/* Of stray.h, owned; NULL: nothing. */
	struct stray_notes *notes; /* row changes logged as statements that may not be ours */
	struct stray_notes *made;  /* statements that may have made or dropped a trigger, a view, a routine */
};

/* Its GTID names it, wherever its log is: that of its transaction for a DDL inside. */
static inline bool trx_is_named(const struct trx *t)
{
	return t->has_gtid || (t->inside && !t->gtid.anonymous);
}

void trx_free(struct trx **t);
/* When the upstream committed it, by its clock, as exactly as is logged. 0: not known. */
uint64_t trx_commit_us(const struct trx *t);
/* It is applied: its events and changes are gone, the rest stays. */
void trx_shed(struct trx *t);
/* Its rows were applied before: what is left is its end, and an XA transaction's record, which is written
 * once more. */
void trx_empty(struct trx *t);
/* Its statements' names are not needed any more. */
void trx_judged(struct trx *t);
/* It is a large one from here on: of its events only the tables are kept. */
void trx_let_go(struct trx *t);
/* None of a large one's rows is ours: it need not be read again. */
void trx_forgo(struct trx *t);

/* Events in, transactions out. Pure: no network, no clock. */
struct assemble;

/* rules (or NULL: nothing is known to be unwanted) are kept. A transaction with more than keep bytes of
 * events is a large one. */
struct assemble *assemble_new(const struct rules *rules, size_t keep);
void assemble_free(struct assemble **a);
/*
 * One whole event that stands at `at`. *out: a transaction that ended with it (owned), else NULL. -1: an
 * event that can't be skipped safely (ERR_sync_event_unknown, _statement_dml, _binlog_incident, _ddl_parse,
 * _binlog).
 */
int assemble_event(struct assemble *a, struct str event, struct position at, struct trx **out, struct err *e);
/* Behind the last event that is no part of an unfinished transaction: a watermark may stand there. {0,0,0} at
 * first. */
struct position assemble_safe(const struct assemble *a);
/*
 * The beginning of the oldest XA transaction whose rows may still be wanted, once everything before the
 * watermark is applied: from here the relay must keep its log. Zero: none.
 */
struct position assemble_pin(struct assemble *a, struct position watermark);
/* Held of a transaction whose end is not there yet. */
size_t assemble_held(const struct assemble *a);
/* A FORMAT event has been seen: others can be read. */
bool assemble_ready(const struct assemble *a);
