/*
 * The frame of every downstream transaction: guard first, COMMIT last, and only after the guard's count is
 * known (T1, T2). A connection that breaks in here ends the unit: at its next start the take-over ends the
 * old session before progress is read.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/xalloc.h"
#include "units/sync/apply.h"

void commit_put_opening(
	struct buf *sql, const struct meta_id *id, const struct meta_slot *s, const struct meta_progress *p)
{
	buf_puts(sql, "BEGIN;");
	meta_slot_guard(sql, id, s, p);
}

int commit_fenced(struct db *d, const struct meta_id *id, const struct meta_slot *s, struct err *e)
{
	struct err ignored = {0};

	apply_rollback(d, &ignored);
	return err_set(e, ERR_sync_fenced, "slot %u of task %s is not at epoch %llu, version %llu any more",
		s->slot, id->task, (unsigned long long)id->epoch, (unsigned long long)s->version);
}

int commit_guard(struct db *d, const struct meta_id *id, const struct meta_slot *s,
	const struct meta_progress *p, struct err *e)
{
	uint64_t affected[2], matched[2];
	struct db_multi m = {.affected = affected, .matched = matched, .count = 2};
	struct buf sql = {0};
	int r;

	commit_put_opening(&sql, id, s, p);
	r = db_exec_multi(d, buf_str(&sql), &m, e);
	buf_free(&sql);
	if (r < 0)
		return err_add(e, "the guard of slot %u", s->slot);
	if (m.done != 2 || affected[1] != 1)
		return commit_fenced(d, id, s, e);
	return FAILPOINT_HIT(sync_after_guard) ? err_set(e, ERR_db_lost, "failpoint") : 0;
}

int commit_end(struct db *d, struct meta_slot *s, struct err *e)
{
	if (FAILPOINT_HIT(sync_before_commit))
		return err_set(e, ERR_db_lost, "failpoint");
	if (db_exec(d, STR_LIT("COMMIT"), e) < 0)
		return err_add(e, "COMMIT");
	if (FAILPOINT_HIT(sync_after_commit))
		return err_set(e, ERR_db_lost, "failpoint");
	s->version++;
	return 0;
}

int apply_guard(struct apply *a, struct db *d, struct position watermark, const char *gtid, struct err *e)
{
	struct buf applied = {0};
	struct meta_progress p = {watermark, a->base, gtid ? gtid : "", "", heads_of(&a->heads, watermark)};
	int r;

	/* What others left above it stays on record here, whatever lanes write. */
	runs_cut_same(&a->recorded, watermark);
	runs_text(&a->recorded, &applied);
	part_text(&a->part, &applied);
	p.applied = buf_cstr(&applied);
	r = commit_guard(d, &a->id, &a->slot, &p, e);
	buf_free(&applied);
	return r;
}

int apply_commit(struct apply *a, struct db *d, struct position watermark, const char *gtid, struct err *e)
{
	if (commit_end(d, &a->slot, e) < 0)
		return -1;
	apply_moved(a, watermark, gtid);
	return 0;
}

void apply_moved(struct apply *a, struct position watermark, const char *gtid)
{
	char *text, *durable;

	a->slot.watermark = watermark;
	text = gtid ? xstrdup(gtid) : NULL; /* it may be the one that goes */
	durable = gtid ? xstrdup(gtid) : NULL;
	pthread_mutex_lock(&a->lock);
	a->watermark = a->durable = watermark;
	free(a->watermark_gtid);
	free(a->durable_gtid);
	a->durable_gtid = durable;
	a->watermark_gtid = text;
	a->gtid_moved = false;
	pthread_mutex_unlock(&a->lock);
}

int apply_rollback(struct db *d, struct err *e)
{
	return db_exec(d, STR_LIT("ROLLBACK"), e);
}

int apply_add_gtid(struct apply *a, const struct trx *t, struct err *e)
{
	return t->has_gtid && a->gtid ? gtid_set_add(a->gtid, &t->gtid, e) : 0;
}

void apply_write_gtid(struct apply *a)
{
	struct buf text = {0};

	if (!a->gtid)
		return;
	gtid_set_text(a->gtid, &text);
	free(a->gtid_text);
	a->gtid_text = xstrdup(buf_cstr(&text));
	buf_free(&text);
}
