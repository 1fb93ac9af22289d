#pragma once
#include "common/base/err.h"
#include "common/base/map.h"
#include "common/base/position.h"

/*
 * Foreign keys that change rows of wanted tables in the upstream, which its binlog does not hold (T13), while
 * the downstream has none that does the same: its rows would stay for ever.
 */
struct apply;

struct acting {
	bool known;             /* the upstream was asked, and nothing came since that could make another */
	struct map *missing;    /* what it has more than the downstream; NULL: nothing */
	struct position until;  /* behind this, no statement can still come that makes them */
	uint64_t not_before_ms; /* a server could not be asked: not at once again … */
	bool said;              /* … which the log has */
	bool by_log;            /* known as nothing had to be asked: the upstream logged what they do */
};

/* Where upstream does not log cascades: before rows of a transaction that begins at `at`, or with everything
 * applied up to there. Asks only where something is due. -1: ERR_sync_cascade_missing. */
int acting_check(struct apply *a, struct position at, struct err *e);
/* The same while nothing comes, also before the first rows. */
int acting_check_idle(struct apply *a, struct position at, struct err *e);
void acting_fini(struct acting *x);
