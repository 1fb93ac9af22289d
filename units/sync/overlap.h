#pragma once
#include "units/sync/trx.h"

/*
 * After a switch of the upstream (a new relay generation) the first file begins before what was read: its
 * transactions come a second time, at other positions. They are known by their GTIDs and made empty: only the
 * position moves. Within one generation the position alone counts. The reader's, in the main thread.
 */
enum { OVERLAP_DOMAINS = 64 };

struct overlap {
	uint32_t generation;
	struct gtid_set *seen; /* of all that was handed on; NULL: the task knows of no GTIDs */
	struct gtid_set *
		before; /* `seen` when this generation began, or work went on in it; NULL: none comes twice */
	/* MariaDB: domains whose part of `before` is under way, or over. */
	struct overlap_domain {
		uint32_t domain;
		bool under_way, over;
	} domains[OVERLAP_DOMAINS];
	unsigned n;
	/* MariaDB: the set at the head of the file where a set alone said to begin, and its generation. */
	struct gtid_set *head;
	uint32_t head_generation;
	struct gtid_set *start; /* … what that set was, where work has gone on since; NULL: `seen` is it */
};

/* Begins at a watermark whose GTID set is `gtid` (copied; NULL: none). by_gtid: the set alone said where to
 * begin, so what is in it may come in the first generation too. */
void overlap_begin(struct overlap *o, struct position at, const struct gtid_set *gtid, bool by_gtid);
/*
 * A set alone said that the reading begins in that file, whose head has this set (both taken). So a domain
 * that is not in it must go on where `seen` ends. start: behind a restart the set that it began with, NULL
 * else.
 */
void overlap_located(struct overlap *o, struct position at, struct gtid_set *head, struct gtid_set *start);
/*
 * t, in the stream's order: emptied where it was seen before. -1: it can't be told (ERR_relay_gone), or what
 * comes does not go on where the old upstream ended (ERR_relay_ahead).
 */
int overlap_pass(struct overlap *o, struct trx *t, struct err *e);
void overlap_fini(struct overlap *o);
