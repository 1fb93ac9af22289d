#pragma once
#include "common/base/position.h"
#include "common/binlog/gtid.h"

/*
 * Transactions that are applied although something before them is not: runs of neighbours in the stream, each
 * with its positions and, where there are any, the GTIDs in it (positions differ on another host, GTIDs
 * don't). Kept in dm_meta as text, a line for each run: "start end gtids", docs/design/meta.md.
 */
struct runs {
	struct run *list;
	size_t n, room;
};

void runs_fini(struct runs *r);
void runs_clear(struct runs *r);
/* One more transaction, behind all that are there. neighbour: nothing of ours lies between it and the last
 * one added. gtid may be NULL. */
void runs_add(struct runs *r, struct position start, struct position end,
	const struct binlog_gtid_event *gtid, bool neighbour);
void runs_append(struct runs *to, const struct runs *more, bool neighbour);
/* How much of a row they take, as a number of runs: one that goes over transactions which are nothing to us
 * has many spans of GTIDs. */
size_t runs_weight(const struct runs *r);
/* Those that end at the watermark or before it have served. */
void runs_cut(struct runs *r, struct position watermark);
/*
 * The same for those that an earlier process has left. On another host the relay log may begin in a later
 * generation, behind a switch of the upstream: what was applied comes there, at other positions, behind the
 * watermark. So those of an earlier generation have served when the set at the watermark has all of them; set
 * NULL: the task knows of no GTIDs, so nothing of them can come.
 */
void runs_cut_by(struct runs *r, struct position watermark, const struct gtid_set *set);
/* Only those of the watermark's own generation. */
void runs_cut_same(struct runs *r, struct position watermark);
void runs_text(const struct runs *r, struct buf *out);
/* Adds what the text says. ERR_internal where it is none of ours. */
int runs_parse(struct runs *r, struct str text, struct err *e);
/* Was this transaction applied? By position, where both are of one relay generation, else by GTID. */
bool runs_have(const struct runs *r, struct position start, struct position end,
	const struct binlog_gtid_event *gtid);
