#pragma once
#include "common/binlog/payload.h"
#include "common/binlog/row.h"
#include "units/sync/trx.h"

/*
 * A transaction's TABLE_MAP and rows events in their order, one at a time, wherever they are: in its memory
 * or, for a large one, coming from the relay log. Events that a ROLLBACK TO took back are left out.
 */
struct walk {
	const struct trx *t;
	struct binlog_format outer, inner;
	struct buf chunk; /* of a large one: the events in hand */
	struct str left;
	struct binlog_payload *payload;
	uint64_t nth;
	size_t cut;
};

/* From its first event, also where it has been walked before. */
void walk_begin(struct walk *w, const struct trx *t);
/* 1: an event, borrowed until the next call, to be read with *f; 0: the end; -1: e. May wait. */
int walk_next(struct walk *w, struct str *event, const struct binlog_format **f, struct err *e);
void walk_end(struct walk *w);
