/*
 * Where a task begins that has no progress yet. Asks the relay, and reads the first file up to the start
 * where its GTID set is not known for certain. What it decides is durable before anything is applied.
 */
#include "units/sync/first.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"

enum { ANSWER_MS = 10000, PAUSE_MS = 100 };

void first_read(struct first *f, const json_t *start)
{
	snprintf(f->file, sizeof(f->file), "%s", json_text(start, "file", ""));
	f->offset = (uint64_t)json_num(start, "offset", 0);
	f->gtid = xstrdup(json_text(start, "gtid", ""));
	f->server = xstrdup(json_text(start, "server", ""));
	f->from_dm = json_flag(start, "dm", false);
	f->by_gtid = !f->file[0];
	f->opened_us = clock_us();
}

int first_open(struct first *f, struct err *e)
{
	int r;

	if (!f->from_dm)
		return 0;
	r = dm_checkpoint_read(f->apply->ddl, &f->apply->id, &f->dm, e);
	if (r < 0)
		return -1;
	if (r == 0)
		return err_set(e, ERR_relay_gone,
			"the checkpoint of DM's task %s, which was to be taken over, is gone",
			f->apply->id.task);
	snprintf(f->file, sizeof(f->file), "%s", f->dm.at.file);
	f->offset = f->dm.at.offset;
	return 0;
}

void first_fini(struct first *f)
{
	dm_checkpoint_fini(&f->dm);
	free(f->gtid);
	free(f->server);
	free(f->head_gtid);
	free(f->upstream_gtid);
}

/* --- the relay's answers --- */

/* In the first generation file and offset count: of the server that the copy was made from. */
static int check_server(const struct first *f, const struct msg_located *m, struct err *e)
{
	if (m->at.generation > 1 || !f->file[0] || !*f->server || str_eq(m->server, str_of(f->server)))
		return 0;
	return err_set(e, ERR_relay_other,
		"the copy was made from the server %s, and the relay log is of %.*s, whose files are others: "
		"lead both to one server (a name or proxy that stands for several?), then resume-task; where "
		"the copy's server is gone, copy again",
		f->server, STR_ARG(m->server));
}

/* What upstreams had before their binlogs began must be in the set: nobody would get it. DM's set may be of
 * long before its position. */
static int check_unlogged(const struct first *f, const struct msg_located *m, struct err *e)
{
	struct gtid_set *ours, *theirs;
	struct buf more = {0};

	if (!f->by_gtid || f->from_dm || m->unlogged.n == 0)
		return 0;
	ours = apply_parse_gtid(f->gtid, e);
	theirs = ours ? gtid_set_parse(FLAVOR_MYSQL, m->unlogged, e) : NULL;
	if (theirs && gtid_set_flavor(ours) == FLAVOR_MYSQL)
		gtid_set_subtract_text(theirs, ours, &more);
	if (more.n > 0)
		err_set(e, ERR_relay_gone,
			"the upstream has executed transactions that are not in its binlog, and this task's "
			"GTID set %s lacks them: %s",
			f->gtid, buf_cstr(&more));
	gtid_set_free(&ours);
	gtid_set_free(&theirs);
	buf_free(&more);
	return e->code ? -1 : 0;
}

static int take_located(struct first *f, struct str reply, struct err *e)
{
	struct msg_located m;
	struct str body;

	if (msg_expect(reply, MSG_located, &body, e) < 0 || msg_get_located(body, &m, e) < 0)
		return -1;
	/* Behind a switch the file may be the copy's server's, or another one's of the same name. */
	if (m.at.generation > 1 && !f->by_gtid)
		return err_set(e, ERR_relay_gone,
			"the start is %s:%" PRIu64 ", but the relay has followed more than one server, and "
			"no GTIDs say which one is meant (an incremental task: binlog-gtid in `meta`)",
			f->file, f->offset);
	if (check_server(f, &m, e) < 0 || check_unlogged(f, &m, e) < 0)
		return -1;
	f->head = m.at;
	free(f->head_gtid);
	f->head_gtid = xstrndup(m.gtid.p, m.gtid.n);
	return 0;
}

static void on_located(void *arg, const struct err *e, struct str reply)
{
	struct first *f = arg;
	bool gone;

	f->asking = false;
	if (e)
		f->trouble = *e;
	else
		take_located(f, reply, &f->trouble);
	/* DM's set may be of long before its position. */
	gone = f->trouble.code == ERR_relay_gone || f->trouble.code == ERR_relay_other;
	if (gone && !f->by_gtid && *f->gtid && !f->from_dm) {
		f->by_gtid = true;
		err_clear(&f->trouble);
	}
}

/* Where file and offset are in the relay log; behind a switch of the upstream, where the set is. */
static void ask_place(struct first *f)
{
	struct buf out = {0};

	if (f->by_gtid)
		msg_put_locate(&out, link_request_id(), &(struct msg_locate){.gtid = str_of(f->gtid)});
	else
		msg_put_resolve(&out, link_request_id(),
			&(struct msg_resolve){
				.file = str_of(f->file), .offset = f->offset, .server = str_of(f->server)});
	link_call(f->relay, &out, ANSWER_MS, on_located, f);
	buf_free(&out);
}

static void on_upstream(void *arg, const struct err *e, struct str reply)
{
	struct first *f = arg;
	struct msg_upstream_at m;
	struct str body;

	f->asking = false;
	if (e)
		f->trouble = *e;
	else if (msg_expect(reply, MSG_upstream_at, &body, &f->trouble) == 0 &&
		 msg_get_upstream_at(body, &m, &f->trouble) == 0 && m.asked_us >= f->opened_us &&
		 m.at.generation == f->head.generation) {
		f->heard = true;
		f->upstream = m.at;
		free(f->upstream_gtid);
		f->upstream_gtid = xstrndup(m.gtid.p, m.gtid.n);
	}
}

static void ask_upstream(struct first *f)
{
	struct buf out = {0};

	msg_put_upstream(&out, link_request_id(), &(struct msg_upstream){0});
	link_call(f->relay, &out, ANSWER_MS, on_upstream, f);
	buf_free(&out);
}

/* 0: it goes on; -1: a person must look. */
static int ask(struct first *f, void (*fn)(struct first *f), struct err *e)
{
	if (f->trouble.code && f->trouble.code != ERR_link && f->trouble.code != ERR_relay_not_there) {
		*e = f->trouble;
		return -1;
	}
	/* An answer that is of no use yet comes at once, and wakes us. */
	if (f->asking)
		return 0;
	if (clock_ms() < f->again_ms) {
		f->fetch->env->again_ms = f->again_ms;
		return 0;
	}
	f->asking = true;
	f->again_ms = clock_ms() + PAUSE_MS;
	err_clear(&f->trouble);
	fn(f);
	return 0;
}

/* --- beginning --- */

static struct position place(const struct first *f)
{
	struct position at = f->head;
	char base[256];
	uint64_t number;

	/* By the set alone, and in a later generation, the file's head: what the copy has already is known by
	 * its GTIDs. In the first one file and offset are the copy's own, however they were found: no later
	 * one begins within its set. */
	if (at.generation == 1 && f->file[0] &&
		binlog_name_split(str_of(f->file), base, sizeof(base), &number, NULL) == 0) {
		at.file = number;
		at.offset = f->offset;
	}
	return at;
}

/* What DM says that it has applied lies before the place where we begin, or that is not the place. */
static int check_set(const struct first *f, const struct gtid_set *ours, struct err *e)
{
	struct buf more = {0};
	struct gtid_set *dm;

	if (!ours || !*f->dm.gtid)
		return 0;
	dm = gtid_set_parse(gtid_set_flavor(ours), str_of(f->dm.gtid), e);
	if (!dm)
		return err_add(e, "DM's checkpoint");
	gtid_set_subtract_text(dm, ours, &more);
	gtid_set_free(&dm);
	if (more.n > 0)
		err_set(e, ERR_relay_gone,
			"DM's checkpoint is %s:%" PRIu64 ", and it has applied %s, which the upstream has "
			"behind that: its files are not those that DM read",
			f->file, f->offset, buf_cstr(&more));
	buf_free(&more);
	return e->code ? -1 : 0;
}

static int begin_as_dm(struct first *f, struct position at, struct err *e)
{
	struct apply *a = f->apply;
	struct buf text = {0};
	char until[300];

	err_clear(e);
	if (check_set(f, f->fetch->scan.set, e) < 0 ||
		takeover_plan(&a->takeover, &f->dm, at, f->heard ? f->upstream : at,
			f->heard ? f->upstream_gtid : "", e) < 0)
		return -1;
	free(f->gtid);
	if (f->fetch->scan.set)
		gtid_set_text(f->fetch->scan.set, &text);
	f->gtid = xstrdup(buf_cstr(&text));
	buf_free(&text);
	position_text(a->takeover.until, f->fetch->base, until, sizeof(until));
	log_info("taking over from DM at %s:%" PRIu64 ", in safe mode until %s", f->file, f->offset, until);
	return 0;
}

static int begin(struct first *f, struct err *e)
{
	struct position at = place(f);
	char base[256];
	uint64_t number;

	if (!f->file[0])
		snprintf(base, sizeof(base), "%s", f->fetch->base);
	else if (binlog_name_split(str_of(f->file), base, sizeof(base), &number, e) < 0)
		return -1;
	if (f->from_dm && begin_as_dm(f, at, e) < 0)
		return -1;
	if (apply_begin_at(f->apply, at, base, f->gtid, e) < 0)
		return -1;
	fetch_begin(f->fetch, f->head, at);
	return f->by_gtid && fetch_located(f->fetch, f->head, f->head_gtid, e) < 0 ? -1 : 1;
}

/* DM's own set is not to be relied on, and the set alone does not say how files are named. */
static int scan(struct first *f, struct err *e)
{
	struct position to = place(f);

	if (!f->scanning) {
		if (position_cmp(to, f->head) <= 0)
			to.offset = f->head.offset + 1;
		if (fetch_scan(f->fetch, f->head, to, f->head_gtid, e) < 0)
			return -1;
		f->scanning = true;
	}
	if (fetch_step(f->fetch, e) < 0)
		return -1;
	return f->fetch->scan.done;
}

int first_step(struct first *f, struct err *e)
{
	if (!f->file[0] && !*f->gtid)
		return err_set(e, ERR_relay_gone,
			"task %s has no progress in the downstream and no position to start from",
			f->apply->id.task);
	if (position_is_zero(f->head))
		return ask(f, ask_place, e);
	if (f->from_dm && !f->heard && !f->dm.exit.file[0])
		return ask(f, ask_upstream, e);
	if (f->from_dm || !f->file[0]) {
		int r = scan(f, e);

		if (r <= 0)
			return r;
	}
	return begin(f, e);
}
