/*
 * `cutover`: a one-shot tidegate-cutover a source looks, compares and makes (docs/protocol.md). That may take
 * hours, so the answer is a number, and whoever asks by that number is told how far it is; when nobody asks
 * any more for a minute, it ends. Called by the command table. Which step comes when is ctl's.
 */
#include <string.h>

#include "common/config/json.h"
#include "common/config/mode.h"
#include "master/answer.h"
#include "master/check.h"
#include "master/command.h"
#include "master/orders.h"
#include "master/report.h"

static bool is_op(const json_t *args, const char *op)
{
	return strcmp(json_text(args, "op", ""), op) == 0;
}

static int may(struct master *m, const json_t *s, const json_t *args, struct err *e)
{
	const char *task = json_text(s, "task", ""), *source = json_text(s, "source", "");
	const struct mode *mode = mode_find(json_text(model_get(&m->model, STORE_TASK, task), "mode", "all"));
	const char *stage = json_text(report_subtask(m, task, source), "stage", "");

	if (mode && (!mode_has_upstream(mode) || !mode_has_downstream(mode)))
		return err_set(e, ERR_bad_stage,
			"task `%s` has task-mode %s: there is no source and target to move between", task,
			mode->name);
	if (mode && !mode->sync) {
		if (strcmp(stage, "Finished") == 0)
			return 0;
		return err_set(e, ERR_bad_stage, "the copy of source `%s` is not complete: see query-status",
			source);
	}
	if (!command_follows(m, s))
		return err_set(e, ERR_bad_stage,
			"source `%s` does not follow the binlog yet: see query-status", source);
	if (is_op(args, "finish") &&
		(strcmp(stage, "Paused") != 0 || strcmp(json_text(s, "stage", ""), "Paused") != 0))
		return err_set(e, ERR_bad_stage,
			"the task is not paused on source `%s`: triggers must not be there while it applies "
			"rows",
			source);
	return 0;
}

static json_t *make_order(struct master *m, const json_t *s, const json_t *args)
{
	const char *name = json_text(s, "source", ""), *task = json_text(s, "task", "");
	const json_t *source = model_get(&m->model, STORE_SOURCE, name),
		     *doc = model_get(&m->model, STORE_TASK, task);

	return json_pack("{s:s, s:I, s:I, s:s, s:o, s:o, s:s, s:s, s:o, s:o, s:{s:s, s:b}}", "source", name,
		"slot", (json_int_t)json_num(source, "slot", 0), "epoch",
		(json_int_t)json_num(source, "epoch", 0), "task", task, "endpoint",
		orders_part(source, "endpoint"), "downstream", orders_part(doc, "downstream"), "mode",
		json_text(doc, "mode", "all"), "meta_schema", json_text(doc, "meta_schema", "dm_meta"),
		"rules", orders_rules(m, source, s), "options", orders_part(s, "load"), "cutover", "op",
		json_text(args, "op", ""), "compare", json_flag(args, "compare", true));
}

/* All sources or none. */
static int start(struct master *m, struct command_call *c, struct err *e)
{
	const char *task = json_text(c->args, "task", ""), *key;
	uint64_t run = m->last_check >= m->now_ms ? m->last_check + 1 : m->now_ms;
	json_t *s;

	if (command_check_task(m, c->args, e) < 0)
		return -1;
	model_foreach(&m->model, STORE_SUBTASK, key, s) {
		if (strcmp(json_text(s, "task", ""), task) != 0 ||
			!command_wants(c->args, json_text(s, "source", "")))
			continue;
		if (may(m, s, c->args, e) < 0 ||
			!check_of_run(m, run, json_text(s, "source", ""), make_order(m, s, c->args), e)) {
			check_drop_run(m, run);
			return -1;
		}
	}
	if (model_commit(&m->model, e) < 0) {
		check_drop_run(m, run);
		return -1;
	}
	json_object_set_new(c->answer, "run", json_integer((json_int_t)run));
	return 0;
}

static json_t *copy_or(const json_t *o, const char *key, json_t *fallback)
{
	const json_t *v = json_object_get(o, key);

	if (!v)
		return fallback;
	json_decref(fallback);
	return json_deep_copy(v);
}

static bool put_part(const struct check *c, json_t *sources)
{
	bool done = json_flag(c->report, "done", false);

	json_array_append_new(
		sources, json_pack("{s:s, s:s, s:b, s:o, s:o, s:o}", "source",
				 json_text(c->order, "source", ""), "worker", c->agent, "done", done,
				 "progress", copy_or(c->report, "progress", json_object()), "findings",
				 copy_or(c->report, "findings", json_array()), "error",
				 copy_or(c->report, "error", json_object())));
	return done;
}

/*
 * The last answer can be lost on its way, too, and hours of comparing with it: so it is there until its time
 * is up. That the agents may forget it is told by the next commit: this one must not fail for the store's
 * sake.
 */
static int poll(struct master *m, struct command_call *c, struct err *e)
{
	uint64_t run = (uint64_t)json_num(c->args, "run", 0);
	json_t *sources = json_array();
	bool done = true;

	for (int i = 0; i < MASTER_CHECKS; i++)
		if (run && m->checks[i] && m->checks[i]->run == run)
			done &= put_part(m->checks[i], sources);
	if (json_array_size(sources) == 0) {
		json_decref(sources);
		return err_set(e, ERR_request_stale, "no cutover of this number is under way");
	}
	if (check_run_agents(m, run, e) < 0) {
		check_drop_run(m, run);
		m->dirty = true; /* who still is at it leaves off */
		json_decref(sources);
		return -1;
	}
	json_object_set_new(c->answer, "done", json_boolean(done));
	json_object_set_new(c->answer, "sources", sources);
	check_keep_run(m, run);
	if (done)
		check_tell_run(m, run);
	return 0;
}

int command_cutover(struct master *m, struct command_call *c, struct err *e)
{
	if (is_op(c->args, "poll"))
		return poll(m, c, e);
	if (is_op(c->args, "source") || is_op(c->args, "check") || is_op(c->args, "finish"))
		return start(m, c, e);
	return err_set(e, ERR_usage, "cutover source, check, finish or poll");
}
