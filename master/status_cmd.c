/*
 * query-status and list-member, in DM's shapes, with the units' own words in a `tidegate` object beside them.
 * Called by the command table; changes nothing.
 */
#include <stdio.h>
#include <string.h>

#include "common/config/json.h"
#include "common/config/mode.h"
#include "master/answer.h"
#include "master/bind.h"
#include "master/command.h"
#include "master/masters.h"
#include "master/report.h"
#include "master/shape.h"

#define MORE ". Please run `query-status <task>` to get more details."

/* What is shown as the subtask's stage: the agent's word, unless it has not yet heard of a pause by an error
 * from before. */
static const char *stage_of(const json_t *doc, const json_t *report)
{
	const char *wanted = json_text(doc, "stage", "Paused"), *stage = json_text(report, "stage", "");

	if (stage[0])
		return stage;
	return strcmp(wanted, "Running") == 0 ? "New" : wanted;
}

static const char *mode_of(struct master *m, const json_t *doc)
{
	return json_text(model_get(&m->model, STORE_TASK, json_text(doc, "task", "")), "mode", "all");
}

static const char *unit_of(struct master *m, const json_t *doc, const json_t *report)
{
	const struct mode *mode = mode_find(mode_of(m, doc));
	const char *unit = json_text(report, "unit", "");
	bool copied = json_flag(doc, "copied", false);

	if (unit[0])
		return unit;
	if (mode && mode->sync && (copied || mode->from == MODE_NONE))
		return "Sync";
	if (mode && !mode->dump)
		return "Load";
	return copied && (!mode || mode->load) ? "Load" : "Dump";
}

/* The error that counts now: of the pause, else the one that is being tried again. Borrowed; NULL: none. */
static const json_t *error_of(const json_t *doc, const json_t *report)
{
	const json_t *live = json_object_get(report, "error"), *kept = json_object_get(doc, "error");

	if (json_num(live, "code", 0) != 0)
		return live;
	return json_num(kept, "code", 0) != 0 ? kept : NULL;
}

/* Paused by a word is what DM calls canceled. */
static json_t *result_of(const char *stage, const json_t *error)
{
	if (strcmp(stage, "Paused") != 0)
		return json_null();
	if (error)
		return answer_process_result(error);
	return json_pack("{s:b, s:[], s:n}", "isCanceled", 1, "errors", "detail");
}

static json_t *object_or_empty(const json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	return json_is_object(v) ? json_incref(v) : json_object();
}

static json_t *raw_of(const json_t *doc, const json_t *report, const json_t *error)
{
	const json_t *snapshot = json_object_get(report, "snapshot");
	json_t *operators = json_object_get(doc, "operators");

	return json_pack("{s:o, s:o, s:o, s:o, s:b, s:O, s:I, s:s, s:I, s:o}", "dump",
		object_or_empty(report, "dump"), "load", object_or_empty(report, "load"), "sync",
		object_or_empty(report, "sync"), "error",
		error ? json_deep_copy(error) : json_pack("{s:i, s:s}", "code", 0, "text", ""), "copied",
		json_flag(doc, "copied", false) || json_flag(report, "copied", false), "snapshot",
		json_is_object(snapshot) ? snapshot : json_object_get(doc, "snapshot"), "restarts",
		(json_int_t)json_num(report, "restarts", 0), "wanted", json_text(doc, "stage", ""), "sub",
		(json_int_t)json_num(doc, "sub", 0), "operators",
		json_is_array(operators) ? json_incref(operators) : json_array());
}

static json_t *subtask_status(struct master *m, const json_t *doc, const json_t *source_report)
{
	const char *task = json_text(doc, "task", ""), *source = json_text(doc, "source", "");
	const json_t *report = report_subtask(m, task, source), *error = error_of(doc, report);
	const json_t *relay = json_object_get(json_object_get(source_report, "relay"), "status");
	const char *stage = stage_of(doc, report), *unit = unit_of(m, doc, report);
	const struct speed *sp = speed_get(m, task, source);
	const json_t *dump = json_object_get(report, "dump");
	struct copy_now copy;
	json_t *o = json_pack("{s:s, s:s, s:s, s:o, s:s}", "name", task, "stage", stage, "unit", unit,
		"result", result_of(stage, error), "unresolvedDDLLockID", "");

	if (strcmp(unit, "Dump") == 0)
		json_object_set_new(o, "dump", shape_dump(dump, sp));
	else if (strcmp(unit, "Load") == 0)
		json_object_set_new(o, "load", shape_load(report, sp));
	else if (strcmp(unit, "Sync") == 0)
		json_object_set_new(
			o, "sync", shape_sync(json_object_get(report, "sync"), relay, sp, m->now_ms));
	else
		json_object_set_new(o, "msg", json_string(""));
	json_object_set_new(o, "validation", json_null());
	json_object_set_new(o, "tidegate", raw_of(doc, report, error));
	copy_read(report, &copy);
	if (copy.counts || strcmp(unit, "Sync") != 0)
		json_object_set_new(
			json_object_get(o, "tidegate"), "copy", copy_to_json(report, sp ? &sp->copy : NULL));
	return o;
}

static json_t *relay_raw(const json_t *report)
{
	const json_t *relay = json_object_get(report, "relay");

	return json_pack("{s:o, s:s, s:I, s:o}", "relay", object_or_empty(relay, "status"), "relay_stage",
		json_text(relay, "stage", ""), "relay_restarts", (json_int_t)json_num(relay, "restarts", 0),
		"relay_error", object_or_empty(relay, "error"));
}

static json_t *relay_status(const json_t *report)
{
	const json_t *relay = json_object_get(report, "relay");
	json_t *o = shape_relay(relay);

	if (json_is_object(o) && strcmp(json_text(relay, "stage", ""), "Paused") == 0)
		json_object_set_new(o, "result",
			result_of("Paused", json_num(json_object_get(relay, "error"), "code", 0)
						    ? json_object_get(relay, "error")
						    : NULL));
	return o;
}

/* One source with its subtasks (of one task, or all). */
static json_t *source_status(struct master *m, const json_t *source, const char *task)
{
	const char *id = json_text(source, "id", ""), *worker = json_text(source, "agent", ""), *key;
	const json_t *report = report_source(m, id);
	bool online = bind_online(m, bind_find(m, worker));
	json_t *list = json_array(), *s, *o, *msg = json_string("");

	model_foreach(&m->model, STORE_SUBTASK, key, s)
		if (strcmp(json_text(s, "source", ""), id) == 0 &&
			(!task[0] || strcmp(json_text(s, "task", ""), task) == 0))
			json_array_append_new(list, subtask_status(m, s, report));
	if (!online) {
		json_decref(msg);
		msg = json_sprintf("source %s relative worker-client not found", id);
	} else if (json_array_size(list) == 0) {
		json_decref(msg);
		msg = json_string("no sub task started");
	}
	o = json_pack("{s:b, s:o, s:{s:s, s:s, s:n, s:o}, s:o, s:o}", "result", online, "msg", msg,
		"sourceStatus", "source", id, "worker", worker, "result", "relayStatus", relay_status(report),
		"subTaskStatus", list, "tidegate", relay_raw(report));
	return o;
}

static int detail(struct master *m, struct command_call *c, struct err *e)
{
	const char *task = json_text(c->args, "task", ""), *id;
	const json_t *name;
	json_t *list = json_array(), *source;
	size_t i;

	json_object_set_new(c->answer, "sources", list);
	if (task[0] && command_check_task(m, c->args, e) < 0)
		return -1;
	json_array_foreach(json_object_get(c->args, "sources"), i, name)
		if (!json_is_string(name) || !model_get(&m->model, STORE_SOURCE, json_string_value(name)))
			return err_set(e, ERR_source_unknown, "there is no source `%.60s`",
				json_is_string(name) ? json_string_value(name) : "");
	model_foreach(&m->model, STORE_SOURCE, id, source)
		if (command_wants(c->args, id) && (!task[0] || model_subtask(&m->model, task, id)))
			json_array_append_new(list, source_status(m, source, task));
	return 0;
}

/* What DM says of a task in one line, from all its subtasks. */
struct summary {
	size_t n, paused, failed, bad_relay, as_new, finished, stopped;
	const char *relay_stage;
	json_t *sources;
};

static void add_subtask(struct master *m, const json_t *doc, struct summary *sum)
{
	const char *source = json_text(doc, "source", "");
	const json_t *report = report_subtask(m, json_text(doc, "task", ""), source);
	const char *stage = stage_of(doc, report);
	const char *relay = json_text(json_object_get(report_source(m, source), "relay"), "stage", "");
	bool bad = strcmp(relay, "Paused") == 0 || strcmp(relay, "Stopped") == 0;

	sum->n++;
	json_array_append_new(sum->sources, json_string(source));
	sum->paused += strcmp(stage, "Paused") == 0;
	sum->failed += strcmp(stage, "Paused") == 0 && error_of(doc, report);
	sum->as_new += strcmp(stage, "New") == 0;
	sum->finished += strcmp(stage, "Finished") == 0;
	sum->stopped += strcmp(stage, "Stopped") == 0;
	if (bad && strcmp(stage, "Running") == 0 && strcmp(unit_of(m, doc, report), "Sync") == 0) {
		sum->bad_relay++;
		sum->relay_stage = relay;
	}
}

static json_t *say(const struct summary *sum)
{
	if (sum->failed)
		return json_string("Error - Some error occurred in subtask" MORE);
	if (sum->bad_relay)
		return json_sprintf("Error - Relay status is %s" MORE, sum->relay_stage);
	if (sum->paused)
		return json_string("Paused");
	if (sum->n && sum->as_new == sum->n)
		return json_string("New");
	if (sum->n && sum->finished == sum->n)
		return json_string("Finished");
	if (sum->n && sum->stopped == sum->n)
		return json_string("Stopped");
	return json_string("Running");
}

static int list_tasks(struct master *m, struct command_call *c)
{
	json_t *list = json_array(), *task, *s;
	const char *name, *key;

	json_object_set_new(c->answer, "tasks", list);
	model_foreach(&m->model, STORE_TASK, name, task) {
		struct summary sum = {.sources = json_array(), .relay_stage = ""};

		model_foreach(&m->model, STORE_SUBTASK, key, s)
			if (strcmp(json_text(s, "task", ""), name) == 0)
				add_subtask(m, s, &sum);
		json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "taskName", name, "taskStatus",
						    say(&sum), "sources", sum.sources));
	}
	return 0;
}

int command_query_status(struct master *m, struct command_call *c, struct err *e)
{
	bool all = !json_text(c->args, "task", "")[0] && !json_flag(c->args, "more", false) &&
		   json_array_size(json_object_get(c->args, "sources")) == 0;

	return all ? list_tasks(m, c) : detail(m, c, e);
}

static json_t *worker(struct master *m, const char *name)
{
	const struct agent *a = bind_find(m, name);
	bool online = bind_online(m, a);
	char first[MODEL_SOURCE + 1] = "";
	json_t *list = json_array(), *s;
	const json_t *doc = model_get(&m->model, STORE_AGENT, name);
	const char *id;

	model_foreach(&m->model, STORE_SOURCE, id, s)
		if (strcmp(json_text(s, "agent", ""), name) == 0) {
			if (!first[0])
				snprintf(first, sizeof(first), "%s", id);
			json_array_append_new(list, json_string(id));
		}
	return json_pack("{s:s, s:s, s:s, s:s, s:{s:o, s:s, s:I, s:b}}", "name", name, "addr",
		a ? a->host : "", "stage",
		!online                             ? "offline"
		: json_flag(doc, "draining", false) ? "draining"
		: json_array_size(list)             ? "bound"
						    : "free",
		"source", first, "tidegate", "sources", list, "version", json_text(doc, "version", ""),
		"capacity", (json_int_t)json_num(doc, "slots", 0), "standby",
		json_flag(doc, "standby", false));
}

/* args: "kinds" and "names" choose, where they are there. */
static bool member_wanted(const json_t *args, const char *kind, const char *name)
{
	const char *const lists[] = {"kinds", "names"}, *const is[] = {kind, name};

	for (size_t k = 0; k < 2; k++) {
		const json_t *list = json_object_get(args, lists[k]);

		if (json_array_size(list) > 0 && !json_among(list, is[k]))
			return false;
	}
	return true;
}

static json_t *masters(struct master *m, const json_t *args)
{
	json_t *list = json_array(), *all = masters_list(m), *v;
	const char *id = m->model.store ? store_cluster(m->model.store) : "";
	char url[STORE_NAME + 8];
	size_t i;

	json_array_foreach(all, i, v) {
		const char *name = json_text(v, "name", "");

		if (!member_wanted(args, "master", name))
			continue;
		masters_url(json_text(v, "address", ""), url);
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:O, s:[], s:[s], s:{s:b, s:b}}", "name", name,
				      "memberID", id, "alive", json_object_get(v, "alive"), "peerURLs",
				      "clientURLs", url, "tidegate", "leader", json_flag(v, "leads", false),
				      "stands", json_flag(v, "stands", false)));
	}
	json_decref(all);
	return list;
}

static json_t *workers(struct master *m, const json_t *args)
{
	json_t *list = json_array(), *doc;
	const char *name;

	model_foreach(&m->model, STORE_AGENT, name, doc)
		if (member_wanted(args, "worker", name))
			json_array_append_new(list, worker(m, name));
	return list;
}

static bool kind_wanted(const json_t *args, const char *kind)
{
	json_t *only = json_pack("{s:O*}", "kinds", json_object_get(args, "kinds"));
	bool wanted = member_wanted(only, kind, "");

	json_decref(only);
	return wanted;
}

int command_list_member(struct master *m, struct command_call *c, struct err *e)
{
	json_t *members = json_array();
	struct store_leader who;
	char addr[STORE_NAME + 8];

	(void)e;
	masters_leader(m, &who);
	masters_url(who.address, addr);
	if (kind_wanted(c->args, "leader"))
		json_array_append_new(members, json_pack("{s:{s:s, s:s, s:s}}", "leader", "msg", "", "name",
						       who.name, "addr", addr));
	if (kind_wanted(c->args, "master"))
		json_array_append_new(members,
			json_pack("{s:{s:s, s:o}}", "master", "msg", "", "masters", masters(m, c->args)));
	if (kind_wanted(c->args, "worker"))
		json_array_append_new(members,
			json_pack("{s:{s:s, s:o}}", "worker", "msg", "", "workers", workers(m, c->args)));
	json_object_set_new(c->answer, "members", members);
	return 0;
}
