#pragma once
#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/map.h"
#include "common/binlog/event.h"

/*
 * Row changes that are logged as statements, in a database that is not wanted and without another one's name
 * in the text. By a trigger, a view or a function of that database they may change wanted rows all the same.
 */
struct apply;
struct trx;

/* Names in statements of one transaction, each once. Beyond STRAY_LIMIT: "*", any name. */
struct stray_notes {
	struct map *words; /* database NUL folded name -> head of the first statement with it */
	struct arena *heads;
	size_t weight; /* bytes held, about */
};
enum { STRAY_LIMIT = 64 << 10 };

struct stray {
	struct map *databases; /* those that were told of: name -> struct told */
	uint64_t not_before_ms;
};

/* Pure: keeps the statement's names, to be judged by stray_check. */
void stray_note(struct stray_notes **notes, const struct binlog_query *q, const struct server *from);
/* Of one that may give databases triggers, views or functions, or take them: which it may be about. */
void stray_note_made(struct stray_notes **notes, const struct binlog_query *q, const struct server *from);
size_t stray_weight(const struct stray_notes *notes);
void stray_notes_free(struct stray_notes **notes);
/* Scheduler's thread, before the transaction counts. -1: ERR_sync_statement_dml. */
int stray_check(struct apply *a, const struct trx *t, struct err *e);
void stray_fini(struct stray *s);
