/*
 * An upstream that is away may come back in a moment, or never: a backlog is to be followed to its end
 * without it, and no statement may have another outcome because it restarts. So it is waited for before
 * anything is done without it. Called by ddl_session.c and ddl_record.c, in the scheduler's thread.
 */
#include "units/sync/away.h"

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"

enum { TRIES = 12, PAUSES = 10, PAUSE_MS = 500 };

/* False: all must leave. */
static bool pause(struct apply *a)
{
	for (int i = 0; i < PAUSES && !queue_leaving(a->queue); i++)
		clock_sleep_ms(PAUSE_MS);
	return !queue_leaving(a->queue);
}

struct db *away_upstream(struct apply *a, const char *why, struct err *e)
{
	struct db *up = tables_upstream(&a->tables, e);

	for (int i = 0; i < TRIES && !up && !a->tables.away; i++) {
		if (err_act(e->code) != ERR_ACT_RETRY)
			return NULL;
		log_warn("a statement waits for the upstream, %s: %s", why, e->text);
		if (FAILPOINT_HIT(away_ddl))
			break;
		if (!pause(a))
			return NULL;
		err_clear(e);
		up = tables_upstream(&a->tables, e);
	}
	a->tables.away = !up && err_act(e->code) == ERR_ACT_RETRY;
	return up;
}
