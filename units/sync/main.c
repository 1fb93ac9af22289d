/*
 * tidegate-sync: follows the relay's binlog into the downstream, exactly once. The main thread reads and
 * assembles (fetch.c, assemble.c), a scheduler thread and its lanes write (apply.c). It touches no file; the
 * upstream is asked only for table structures.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/config/endpoint.h"
#include "common/config/json.h"
#include "common/proc/unit.h"
#include "units/sync/fetch.h"
#include "units/sync/status.h"
#include "units/sync/xa.h"

enum { RESOLVE_MS = 10000, BUSY_SLEEP_MS = 1000 };

struct sync {
	struct endpoint upstream, downstream;
	char task[256], source[64], meta_schema[65];
	char start_file[256], *start_gtid;
	uint64_t start_offset;
	struct rules *rules;
	struct queue queue;
	struct apply apply;
	struct fetch fetch;
	struct status status;
	struct link_peer *relay;
	uint64_t opened_us;   /* CLOCK_BOOTTIME */
	bool opened, running; /* running: the first position is known, reader and applier are at work */
	bool resolving;
	bool by_gtid; /* the upstream is another server than at the copy's time: its files say nothing, the
			 set does */
	struct position resolved;
	struct err resolve_error;
	char resolved_base[256];
};

static int read_slice(struct sync *s, struct unit_env *env, struct err *e)
{
	const json_t *options = json_object_get(env->config, "options"),
		     *start = json_object_get(options, "start");

	if (endpoint_from_json(json_object_get(env->config, "upstream"), &s->upstream, e) < 0 ||
		endpoint_from_json(json_object_get(env->config, "downstream"), &s->downstream, e) < 0)
		return -1;
	snprintf(s->task, sizeof(s->task), "%s", json_text(env->config, "task", ""));
	snprintf(s->source, sizeof(s->source), "%s", json_text(env->config, "source", ""));
	snprintf(s->meta_schema, sizeof(s->meta_schema), "%s",
		json_text(env->config, "meta_schema", "dm_meta"));
	snprintf(s->start_file, sizeof(s->start_file), "%s", json_text(start, "file", ""));
	s->start_offset = (uint64_t)json_num(start, "offset", 0);
	s->start_gtid = xstrdup(json_text(start, "gtid", ""));
	s->apply.workers = (unsigned)json_num(options, "workers", 4);
	s->apply.batch_rows = (uint64_t)json_num(options, "batch_rows", 2000);
	s->apply.batch_bytes = (uint64_t)json_num(options, "batch_bytes", 1 << 20);
	s->apply.ordered = json_flag(options, "preserve_commit_order", false);
	s->apply.count_missing = strcmp(json_text(options, "missing_row", "stop"), "count") == 0;
	s->apply.safe_mode = json_flag(options, "safe_mode", false);
	s->apply.bulk_rows = (uint64_t)json_num(options, "bulk_rows", 64);
	if (ddl_handles_read(&s->apply.handles, json_object_get(options, "operators"), e) < 0)
		return -1;
	s->fetch.keep = (size_t)json_num(options, "large_transaction", FETCH_KEEP);
	s->rules = rules_new(json_object_get(env->config, "rules"), s->meta_schema, e);
	return s->rules ? 0 : -1;
}

static void wake(void *arg)
{
	unit_wake(arg);
}

static int sync_open(void *self, struct unit_env *env, struct err *e)
{
	struct sync *s = self;

	queue_init(&s->queue, wake, env);
	s->opened = true;
	s->opened_us = clock_us();
	if (read_slice(s, env, e) < 0)
		return -1;
	s->apply.id = (struct meta_id){
		s->meta_schema, s->task, s->source, (uint64_t)json_num(env->config, "epoch", 0)};
	s->apply.upstream = &s->upstream;
	s->apply.downstream = &s->downstream;
	s->apply.rules = s->rules;
	s->apply.queue = &s->queue;
	s->apply.wake = wake;
	s->apply.wake_arg = env;
	return 0;
}

static void start_work(struct sync *s)
{
	char at[300];

	position_text(s->apply.slot.watermark, s->apply.base, at, sizeof(at));
	log_info("following from %s", at);
	status_begin(&s->status, &s->apply, &s->fetch, s->relay);
	apply_start(&s->apply);
	s->running = true;
}

static int sync_ready(void *self, struct unit_env *env, struct err *e)
{
	struct sync *s = self;

	if (apply_open(&s->apply, e) < 0)
		return -1;
	s->relay = link_dial(env->link, "relay.sock");
	s->fetch.env = env;
	s->fetch.relay = s->relay;
	s->fetch.queue = &s->queue;
	s->fetch.apply = &s->apply;
	s->fetch.reader = s->task;
	if (position_is_zero(s->apply.slot.watermark))
		return 0; /* the first start: step() asks the relay where the copy's position is */
	if (apply_resume(&s->apply, e) < 0)
		return -1;
	if (xa_pending(&s->apply, &s->fetch.again, e) < 0)
		return -1;
	fetch_resume(&s->fetch, s->apply.slot.watermark);
	start_work(s);
	return 0;
}

static int take_located(struct sync *s, struct str reply, struct err *e)
{
	struct msg_located m;
	struct str body;

	if (msg_expect(reply, MSG_located, &body, e) < 0 || msg_get_located(body, &m, e) < 0)
		return -1;
	/* Behind a switch the file may be the copy's server's, or another one's of the same name. */
	if (m.at.generation > 1 && !s->by_gtid)
		return err_set(e, ERR_relay_gone,
			"the start is %s:%" PRIu64 ", but the relay has followed more than one server, and "
			"no GTIDs say which one is meant (an incremental task: binlog-gtid in `meta`)",
			s->start_file, s->start_offset);
	s->resolved = m.at;
	return 0;
}

static void on_resolved(void *arg, const struct err *e, struct str reply)
{
	struct sync *s = arg;

	s->resolving = false;
	if (e)
		s->resolve_error = *e;
	else
		take_located(s, reply, &s->resolve_error);
	if (s->resolve_error.code == ERR_relay_gone && !s->by_gtid && *s->start_gtid) {
		s->by_gtid = true;
		err_clear(&s->resolve_error);
	}
}

/* Where the copy's file and offset are in the relay log; behind a switch of the upstream, where its set is.
 */
static void resolve(struct sync *s)
{
	struct buf out = {0};

	s->resolving = true;
	err_clear(&s->resolve_error);
	if (s->by_gtid)
		msg_put_locate(&out, link_request_id(), &(struct msg_locate){.gtid = str_of(s->start_gtid)});
	else
		msg_put_resolve(&out, link_request_id(),
			&(struct msg_resolve){.file = str_of(s->start_file), .offset = s->start_offset});
	link_call(s->relay, &out, RESOLVE_MS, on_resolved, s);
	buf_free(&out);
}

static int begin(struct sync *s, struct err *e)
{
	struct position at = s->resolved;
	char base[256];
	uint64_t number;

	if (binlog_name_split(str_of(s->start_file), base, sizeof(base), &number, e) < 0)
		return -1;
	/* In a later generation the file's head: what the copy has already is known by its GTIDs. In the
	 * first one file and offset are the copy's own, however they were found: no later one begins within
	 * its set. */
	if (at.generation == 1) {
		at.file = number;
		at.offset = s->start_offset;
	}
	if (apply_begin_at(&s->apply, at, base, s->start_gtid, e) < 0)
		return -1;
	fetch_begin(&s->fetch, s->resolved, at);
	start_work(s);
	return 0;
}

static int first_start(struct sync *s, struct err *e)
{
	if (!s->start_file[0])
		return err_set(e, ERR_relay_gone,
			"task %s has no progress in the downstream and no position to start from", s->task);
	if (!position_is_zero(s->resolved))
		return begin(s, e);
	if (s->resolve_error.code && s->resolve_error.code != ERR_link &&
		s->resolve_error.code != ERR_relay_not_there) {
		*e = s->resolve_error;
		return -1;
	}
	if (!s->resolving)
		resolve(s);
	return 0;
}

static int sync_step(void *self, struct unit_env *env, struct err *e)
{
	struct sync *s = self;

	if (!s->running && first_start(s, e) < 0)
		return -1;
	if (!s->running)
		return UNIT_GO_ON;
	if (apply_failed(&s->apply, e))
		return -1;
	missing_tick(&s->apply.missing, clock_ms());
	env->progress = atomic_load(&s->apply.counts.transactions) + atomic_load(&s->apply.counts.ddls);
	if (fetch_step(&s->fetch, e) < 0)
		return -1;
	status_step(&s->status);
	if (s->fetch.base[0] && !s->apply.base[0])
		log_debug("base name %s", s->fetch.base);
	return UNIT_GO_ON;
}

static void sync_status(void *self, struct unit_env *env, json_t *out)
{
	struct sync *s = self;

	(void)env;
	if (s->running)
		status_put(&s->status, out);
	else
		status_put_start(s->opened_us, out);
}

/* Asked to leave: the batch in hand is committed, its progress with it. */
static int sync_save(void *self, struct unit_env *env, struct err *e)
{
	struct sync *s = self;

	(void)env;
	(void)e;
	fetch_leave(&s->fetch);
	apply_stop(&s->apply, true);
	return 0;
}

static void sync_close(void *self, struct unit_env *env)
{
	struct sync *s = self;

	(void)env;
	if (!s->opened)
		return;
	fetch_leave(&s->fetch);
	apply_stop(&s->apply, false);
	apply_close(&s->apply);
	ddl_handles_fini(&s->apply.handles);
	fetch_fini(&s->fetch);
	queue_fini(&s->queue);
	rules_free(&s->rules);
	free(s->start_gtid);
	endpoint_wipe(&s->upstream);
	endpoint_wipe(&s->downstream);
}

static const struct unit sync_unit = {
	.kind = UNIT_sync,
	.state = sizeof(struct sync),
	.open = sync_open,
	.ready = sync_ready,
	.step = sync_step,
	.status = sync_status,
	.save = sync_save,
	.close = sync_close,
};

int main(int argc, char **argv)
{
	return unit_run(&sync_unit, argc, argv);
}
