#pragma once
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/map.h"
#include "common/binlog/event.h"

/*
 * Row changes that are logged as statements, in a database that is not wanted and without another one's name
 * in the text. By a trigger, a view or a function of that database they may change wanted rows all the same.
 */
struct apply;
struct trx;

struct stray {
	struct map *databases; /* asked about: name -> map of names (in small letters) -> what it is */
};

/* Pure: keeps the statement's names, to be judged by stray_check. */
void stray_note(struct buf *notes, const struct binlog_query *q, const struct server *from);
/* Scheduler's thread, before the transaction counts. -1: ERR_sync_statement_dml. */
int stray_check(struct apply *a, const struct trx *t, struct err *e);
void stray_fini(struct stray *s);
