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
#include "common/config/mode.h"
#include "common/proc/unit.h"
#include "units/sync/first.h"
#include "units/sync/status.h"
#include "units/sync/xa.h"

struct sync {
	struct endpoint upstream, downstream;
	char task[256], source[64], meta_schema[65];
	struct rules *rules;
	struct queue queue;
	struct apply apply;
	struct fetch fetch;
	struct status status;
	struct link_peer *relay;
	uint64_t opened_us;   /* CLOCK_BOOTTIME */
	bool opened, running; /* running: the first position is known, reader and applier are at work */
	bool copies;          /* it begins with a full copy */
	uint64_t rest_after_ms;
	struct first first;
};

enum { REST_AFTER_MS = 10000, REST_MS = 10000, IDLE_MS = 60000 };

static int read_collations(struct sync *s, const json_t *options, struct err *e)
{
	int policy = collation_policy_of(json_text(options, "collations", "nearest"));

	if (policy < 0)
		return err_set(e, ERR_config_bad, "collations: nearest, fail or exact");
	s->apply.collations = (enum collation_policy)policy;
	return 0;
}

/* What a full copy brings, such a filter would take for gone. */
static int check_filters(struct sync *s, struct err *e)
{
	const char *name = row_filters_across(rules_row_filters(s->rules));

	if (!s->copies || !name)
		return 0;
	return err_set(e, ERR_config_bad,
		"expression-filter `%s`: update-across wants task-mode incremental, as a full copy copies "
		"all rows",
		name);
}

static int read_slice(struct sync *s, struct unit_env *env, struct err *e)
{
	const json_t *options = json_object_get(env->config, "options"),
		     *start = json_object_get(options, "start");
	const struct mode *mode = mode_find(json_text(env->config, "mode", "all"));

	if (endpoint_from_json(json_object_get(env->config, "upstream"), &s->upstream, e) < 0 ||
		endpoint_from_json(json_object_get(env->config, "downstream"), &s->downstream, e) < 0)
		return -1;
	snprintf(s->task, sizeof(s->task), "%s", json_text(env->config, "task", ""));
	snprintf(s->source, sizeof(s->source), "%s", json_text(env->config, "source", ""));
	snprintf(s->meta_schema, sizeof(s->meta_schema), "%s",
		json_text(env->config, "meta_schema", "dm_meta"));
	s->copies = mode && mode->load;
	first_read(&s->first, start);
	s->apply.workers = (unsigned)json_num(options, "workers", 4);
	s->apply.batch_rows = (uint64_t)json_num(options, "batch_rows", 2000);
	s->apply.batch_bytes = (uint64_t)json_num(options, "batch_bytes", 1 << 20);
	s->apply.ordered = json_flag(options, "preserve_commit_order", false);
	s->apply.split_rows = (uint64_t)json_num(options, "split_transaction", 0);
	s->apply.count_missing = strcmp(json_text(options, "missing_row", "stop"), "count") == 0;
	if (read_collations(s, options, e) < 0)
		return -1;
	s->apply.safe_mode = json_flag(options, "safe_mode", false);
	s->apply.bulk_rows = (uint64_t)json_num(options, "bulk_rows", 0);
	s->apply.no_upserts = json_flag(options, "no_upserts", false);
	s->apply.runs_max = (uint64_t)json_num(options, "runs_max", 512);
	s->apply.join_rows = (uint64_t)json_num(options, "join_rows", 8);
	s->apply.idle_ms = (uint64_t)json_num(options, "idle_ms", IDLE_MS);
	s->rest_after_ms = (uint64_t)json_num(options, "rest_after_ms", REST_AFTER_MS);
	if (ddl_handles_read(&s->apply.handles, json_object_get(options, "operators"), e) < 0)
		return -1;
	s->fetch.keep = (size_t)json_num(options, "large_transaction", FETCH_KEEP);
	s->rules = rules_new(json_object_get(env->config, "rules"), s->meta_schema, e);
	return s->rules ? check_filters(s, e) : -1;
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
	unit_wake(s->fetch.env); /* the first request goes out now, not with the next second */
}

/*
 * The sync of a task that copies is started when the copy is done, which its record says. Where that is gone
 * (somebody dropped the meta schema) the progress is, too: what was applied behind the copy would be again.
 */
static int look_copied(struct sync *s, struct err *e)
{
	int r = s->copies ? copied_load(&s->apply.copied, s->apply.ddl, &s->apply.id, e) : 1;

	if (r != 0 || s->first.from_dm || !position_is_zero(s->apply.slot.watermark))
		return r < 0 ? -1 : 0;
	return err_set(e, ERR_sync_no_record,
		"`%s` has no record of task %s on source %s, whose copy is done: what was applied since then "
		"is not known",
		s->meta_schema, s->task, s->source);
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
	s->first.relay = s->relay;
	s->first.apply = &s->apply;
	s->first.fetch = &s->fetch;
	s->fetch.by_gtid = !s->first.file[0] && *s->first.gtid;
	s->fetch.start_gtid = s->first.gtid;
	if (look_copied(s, e) < 0)
		return -1;
	if (position_is_zero(s->apply.slot.watermark))
		return first_open(&s->first, e); /* the first start, step by step */
	if (apply_resume(&s->apply, e) < 0 || takeover_load(&s->apply, e) < 0)
		return -1;
	if (xa_pending(&s->apply, &s->fetch.again, e) < 0)
		return -1;
	fetch_resume(&s->fetch, s->apply.slot.watermark);
	start_work(s);
	return 0;
}

/* Nothing goes on: all that is done by the clock is done rarely. What comes is answered to the fetch that
 * waits, and wakes us. */
static void look_idle(struct sync *s, struct unit_env *env)
{
	bool idle = status_idle(&s->status, s->rest_after_ms);

	s->fetch.rests = s->status.rests = idle;
	env->rest_ms = idle ? REST_MS : 0;
	env->tell |= idle && s->status.heard;
	s->status.heard = false;
}

static int sync_step(void *self, struct unit_env *env, struct err *e)
{
	struct sync *s = self;

	if (!s->running) {
		int r = first_step(&s->first, e);

		if (r > 0)
			start_work(s);
		return r < 0 ? -1 : UNIT_GO_ON;
	}
	if (apply_failed(&s->apply, e))
		return -1;
	missing_tick(&s->apply.missing, clock_ms());
	env->progress = atomic_load(&s->apply.counts.transactions) + atomic_load(&s->apply.counts.ddls);
	look_idle(s, env);
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
	first_fini(&s->first);
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
