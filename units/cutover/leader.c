/*
 * The course of a cutover, in one thread beside the main one. Looks first and makes last: as long as one
 * finding fails, nothing is made. Every step may be the one after a crash. Started by main.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/position.h"
#include "common/base/xalloc.h"
#include "common/binlog/gtid.h"
#include "common/sql/quote.h"
#include "units/cutover/compare.h"
#include "units/cutover/counters.h"
#include "units/cutover/cutover.h"
#include "units/cutover/make.h"
#include "units/cutover/objects.h"
#include "units/cutover/source.h"

static void set_phase(struct cutover *c, enum cutover_phase p)
{
	atomic_store(&c->phase, (int)p);
	unit_wake(c->env);
}

static int open_upstream(struct cutover *c, struct err *e)
{
	c->up = cutover_connect(c, true, DB_PLAIN, e);
	if (c->up)
		c->from = *db_server(c->up);
	return c->up ? 0 : -1;
}

/* What makes something does it as the task's owner: older ones are ended first, newer ones end us (T3). */
static int open_downstream(struct cutover *c, struct err *e)
{
	c->down = cutover_connect(c, false, DB_DDL, e);
	if (!c->down || meta_setup(c->down, c->meta_schema, e) < 0)
		return -1;
	c->to = *db_server(c->down);
	if (c->op != CUTOVER_FINISH)
		return 0;
	return meta_take_over(c->down, &c->id, e) < 0 ||
			       meta_note_connection(c->down, &c->id, db_connection_id(c->down), e) < 0
		       ? -1
		       : 0;
}

/* --- is everything applied? --- */

/* What is applied: the highest position of all slots, and its GTID set ("" where the task has none); free().
 */
struct applied {
	struct position at;
	char *gtid;
};

static void take_higher(struct applied *best, const struct str *v)
{
	struct position at;

	if (position_load(v[0], &at, NULL) < 0 || position_cmp(at, best->at) <= 0)
		return;
	best->at = at;
	free(best->gtid);
	best->gtid = xstrndup(v[1].p ? v[1].p : "", v[1].p ? v[1].n : 0);
}

static int read_applied(struct cutover *c, struct applied *best, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *r;
	const struct str *v;
	int got = -1;

	buf_puts(&sql, "SELECT `position`,`gtid` FROM ");
	sql_put_table(&sql, str_of(c->meta_schema), str_of("tidegate_slot"));
	buf_puts(&sql, " WHERE `slot`>0 AND `task`=_utf8mb4");
	sql_put_string(&sql, str_of(c->task));
	buf_puts(&sql, " AND `source`=_utf8mb4");
	sql_put_string(&sql, str_of(c->source));
	r = db_query(c->down, buf_str(&sql), e);
	buf_free(&sql);
	while (r && (got = db_fetch(r, &v, e)) > 0)
		take_higher(best, v);
	db_rows_close(&r);
	return got;
}

/*
 * Files and offsets are of one server: that they are applied up to there says nothing of another one that has
 * taken its place. So where both sides have sets, these decide. 1: what of the source's set is missing is in
 * lacks ("": nothing); 0: there are no sets.
 */
static int compare_sets(const struct cutover *c, const struct applied *best, struct buf *lacks, struct err *e)
{
	enum flavor f = c->from.flavor;
	struct gtid_set *theirs, *ours;
	int r = -1;

	if (!c->at.gtid || !c->at.gtid[0] || !best->gtid || !best->gtid[0])
		return 0;
	theirs = gtid_set_parse(f, str_of(c->at.gtid), e);
	ours = theirs ? gtid_set_parse(f, str_of(best->gtid), e) : NULL;
	if (ours) {
		gtid_set_subtract_text(theirs, ours, lacks);
		r = 1;
	}
	gtid_set_free(&theirs);
	gtid_set_free(&ours);
	return r;
}

static bool is_behind(const struct cutover *c, struct position at)
{
	char base[256];
	uint64_t file;

	if (binlog_name_split(str_of(c->at.file), base, sizeof(base), &file, NULL) < 0)
		return true;
	return at.file < file || (at.file == file && at.offset < c->at.offset);
}

static int judge_applied(struct cutover *c, const struct applied *best, struct err *e)
{
	struct buf lacks = {0};
	int sets = compare_sets(c, best, &lacks, e);

	if (sets > 0 && lacks.n > 0)
		cutover_found(c, "applied", "fail", "resume-task, then ask again",
			"the downstream lacks %s of the source, which stands at %s:%" PRIu64,
			buf_cstr(&lacks), c->at.file, c->at.offset);
	else if (sets == 0 && is_behind(c, best->at))
		cutover_found(c, "applied", "fail", "resume-task, then ask again",
			"the downstream has everything up to file %" PRIu64 ", offset %" PRIu64
			"; the source stands at %s:%" PRIu64,
			best->at.file, best->at.offset, c->at.file, c->at.offset);
	else if (sets >= 0)
		cutover_found(c, "applied", "success", "", "everything up to %s:%" PRIu64 " is applied",
			c->at.file, c->at.offset);
	buf_free(&lacks);
	return sets < 0 ? -1 : 0;
}

/* A sync that left has recorded all that it applied as one position. */
static int look_applied(struct cutover *c, struct err *e)
{
	struct applied best = {0};
	int r;

	if (!c->follows || !c->at.file[0] || c->op != CUTOVER_FINISH)
		return 0;
	r = read_applied(c, &best, e);
	if (r == 0)
		r = judge_applied(c, &best, e);
	free(best.gtid);
	return r;
}

/* --- the course --- */

static bool any_shared(const struct cutover *c)
{
	for (unsigned i = 0; i < c->ntables; i++)
		if (c->tables[i].shared)
			return true;
	return false;
}

static void compare(struct cutover *c, const struct plan *p)
{
	if (!c->compare)
		return;
	c->begun = c->op == CUTOVER_FINISH && p->begun;
	if (c->begun)
		cutover_found(c, "tables", "success", "",
			"the tables were compared at this very position, by a run that has begun to make "
			"objects");
	if (c->begun && !any_shared(c))
		return;
	set_phase(c, CUTOVER_IN_COMPARE);
	compare_all(c);
	source_look_again(c, "while the tables were compared");
}

static int make(struct cutover *c, const struct plan *p, struct err *e)
{
	set_phase(c, CUTOVER_IN_MAKE);
	atomic_store(&c->made, true);
	if (counters_set(c, e) < 0 || make_objects(c, p, e) < 0)
		return -1;
	/* What did not come to be speaks against letting the rest run. */
	if (cutover_no_go(c))
		return 0;
	if (make_enable_events(c, p, e) < 0)
		return -1;
	source_look_again(c, "meanwhile");
	return 0;
}

static int course(struct cutover *c, struct plan *p, struct err *e)
{
	if (open_upstream(c, e) < 0)
		return -1;
	source_look(c);
	if (c->op == CUTOVER_SOURCE)
		return 0;
	set_phase(c, CUTOVER_IN_OBJECTS);
	if (source_list(c, e) < 0 || open_downstream(c, e) < 0 || source_find_merged(c, e) < 0 ||
		source_find_shared(c, e) < 0 || look_applied(c, e) < 0 || objects_plan(c, p, e) < 0)
		return -1;
	compare(c, p);
	/* What is there of several sources is judged where all of them are heard; then comes a step that only
	 * makes.
	 */
	if (c->op != CUTOVER_FINISH || cutover_no_go(c) || (c->compare && any_shared(c)))
		return 0;
	return make(c, p, e);
}

void *leader_main(void *arg)
{
	struct cutover *c = arg;
	struct plan p = {0};
	struct err e = {0};

	if (course(c, &p, &e) < 0 && !cutover_stopping(c))
		cutover_failed(c, "cutover", NULL, &e);
	/* The findings are not all: without this they would read as a go. */
	if (cutover_stopping(c))
		cutover_found(c, "cutover", "fail", "ask again", "the cutover was stopped before its end");
	if (c->down && c->op == CUTOVER_FINISH && !cutover_stopping(c))
		meta_forget_connection(c->down, &c->id, db_connection_id(c->down), NULL);
	objects_plan_fini(&p);
	cutover_disconnect(c, &c->up);
	cutover_disconnect(c, &c->down);
	set_phase(c, CUTOVER_DONE);
	atomic_store(&c->done, true);
	unit_wake(c->env);
	return NULL;
}
