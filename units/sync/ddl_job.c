/*
 * What became of a DDL statement in TiDB, by its list of jobs. Called by ddl_do.c at the start of a process
 * that finds a statement begun; the former owner's connections are gone by then, so no new job of it can
 * come.
 */
#include "units/sync/ddl_job.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "units/sync/ddl_fence.h"

enum { PAUSE_MS = 500, SAY_MS = 30000 };

/* Letters, digits and signs that mean nothing to LIKE: '_', which tags of GTIDs may have, becomes one that
 * they can't have. "+2" of an operator's second statement follows. */
static void put_token(
	const struct apply *a, const struct trx *t, const struct ddl_place *place, struct buf *out)
{
	char gtid[128];

	buf_putf(out, "tidegate-%016" PRIx64 "-", ddl_fence_hash(a));
	if (!trx_is_named(t)) {
		buf_puts(out, place->key);
		return;
	}
	gtid_event_text(&t->gtid, gtid, sizeof(gtid));
	for (char *p = gtid; (p = strchr(p, '_'));)
		*p = '.';
	buf_puts(out, gtid);
	buf_puts(out, place->key + strlen(place->event));
}

void ddl_job_mark(const struct apply *a, const struct trx *t, const struct ddl_place *place, struct buf *text)
{
	struct buf marked = {0};

	buf_puts(&marked, "/*");
	put_token(a, t, place, &marked);
	buf_puts(&marked, "*/ ");
	buf_put(&marked, text->p, text->n);
	buf_free(text);
	*text = marked;
}

static bool is_in(const char *state, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(state, *list) == 0)
			return true;
	return false;
}

int ddl_job_was_executed(struct apply *a, const struct trx *t, const struct ddl_place *place, struct err *e)
{
	static const char *const done[] = {"synced", "done", NULL};
	static const char *const undone[] = {"cancelled", "rollback done", NULL};
	uint64_t said = clock_ms();
	struct buf sql = {0};
	char state[64];
	bool found;
	int r = 2;

	buf_puts(&sql, "SELECT STATE FROM information_schema.DDL_JOBS WHERE QUERY LIKE '%");
	put_token(a, t, place, &sql);
	buf_puts(&sql, "*/%' ORDER BY JOB_ID DESC LIMIT 1");
	while (r == 2) {
		if (db_value(a->ddl, buf_cstr(&sql), state, sizeof(state), &found, e) < 0)
			r = err_add(e, "looking for the DDL job");
		else if (!found || is_in(state, undone))
			r = 0;
		else if (is_in(state, done))
			r = 1;
		else if (queue_leaving(a->queue))
			r = err_set(e, ERR_db_lost, "asked to leave while a DDL job is %s", state);
		else
			clock_sleep_ms(PAUSE_MS);
		if (r == 2 && clock_ms() - said > SAY_MS) {
			log_info("waiting for the DDL job of an earlier run, which is %s", state);
			said = clock_ms();
		}
	}
	buf_free(&sql);
	return r;
}
