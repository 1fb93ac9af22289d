/*
 * What an agent is to do, out of the model: nothing here decides, it only words. Called for each agent_next
 * that has something newer to hear.
 */
#include "master/orders.h"

#include "common/config/json.h"
#include "common/config/mode.h"
#include "common/config/others.h"
#include "master/check.h"
#include "master/place.h"

static const int64_t QUOTA_BUFFER = INT64_C(4) << 30, QUOTA_NONE = INT64_C(1) << 60;

static json_t *member(const json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	return v ? json_incref(v) : json_object();
}

static json_t *list_of(const json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	return v ? json_incref(v) : json_array();
}

static const struct mode *mode_of(const struct master *m, const json_t *subtask)
{
	const json_t *task = model_get(&m->model, STORE_TASK, json_text(subtask, "task", ""));
	const struct mode *mode = mode_find(json_text(task, "mode", ""));

	return mode ? mode : mode_find("all");
}

static bool follows(const struct master *m, const json_t *subtask)
{
	return mode_of(m, subtask)->sync;
}

/* Is there to be looked at the downstream, or at the files, before anything is done? */
static bool looks(const struct master *m, const json_t *s)
{
	bool afresh = json_flag(s, "remove_meta", false);

	return follows(m, s) && !json_flag(s, "looked", false) &&
	       (!afresh || mode_of(m, s)->from == MODE_FILES);
}

json_t *orders_part(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return v ? json_deep_copy(v) : json_object();
}

/* Those of the source stand behind those of the task. */
static void put_filters(const json_t *source, json_t *rules)
{
	const json_t *own = json_object_get(source, "filters");
	json_t *list;

	if (json_array_size(own) == 0)
		return;
	list = json_copy(json_object_get(rules, "filters"));
	if (!list)
		list = json_array();
	json_array_extend(list, (json_t *)(uintptr_t)own);
	json_object_set_new(rules, "filters", list);
}

/* The source's own case rule is stronger than the task's, as in DM: the server's names are what they are. */
static void put_case(const json_t *source, json_t *rules)
{
	json_t *own = json_object_get(source, "case_sensitive");

	if (json_is_boolean(own))
		json_object_set(rules, "case_sensitive", own);
}

void orders_put_source(const json_t *source, json_t *rules)
{
	put_case(source, rules);
	put_filters(source, rules);
}

/*
 * Of all sources that the task was made with, also of one that has been stopped since: its rows are there,
 * and nobody else need start anew for it.
 */
static void put_others(const struct master *m, const json_t *subtask, json_t *rules)
{
	const json_t *task = model_get(&m->model, STORE_TASK, json_text(subtask, "task", ""));
	json_t *others = others_of(json_object_get(task, "routes"), json_text(subtask, "source", ""));

	json_object_del(rules, "others");
	if (others)
		json_object_set_new(rules, "others", others);
}

json_t *orders_rules(const struct master *m, const json_t *source, const json_t *subtask)
{
	json_t *rules = json_copy(json_object_get(subtask, "rules"));

	if (!rules)
		rules = json_object();
	orders_put_source(source, rules);
	put_others(m, subtask, rules);
	return rules;
}

static json_t *subtask_order(const struct master *m, const json_t *source, const json_t *s)
{
	const json_t *task = model_get(&m->model, STORE_TASK, json_text(s, "task", ""));

	return json_pack(
		"{s:s, s:I, s:s, s:I, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:b, s:b, s:o, s:o}",
		"task", json_text(s, "task", ""), "sub", (json_int_t)json_num(s, "sub", 0), "stage",
		json_text(s, "stage", "Paused"), "resumes", (json_int_t)json_num(s, "resume", 0), "mode",
		json_text(task, "mode", "all"), "downstream", member(task, "downstream"), "meta_schema",
		json_text(task, "meta_schema", "dm_meta"), "rules", orders_rules(m, source, s), "dump",
		member(s, "dump"), "load", member(s, "load"), "sync", member(s, "sync"), "start",
		member(s, "start"), "copied", json_flag(s, "copied", false), "snapshot",
		member(s, "snapshot"), "remove_meta", json_flag(s, "remove_meta", false), "look", looks(m, s),
		"operators", list_of(s, "operators"), "at", member(s, "at"));
}

/*
 * enable-relay, or start-relay: the relay log is the operator's to keep, so the small quota of a mere buffer
 * does not hold; stop-relay brings it back, whatever the source was made with.
 */
static json_t *relay_options(const json_t *source)
{
	json_t *options = json_copy(json_object_get(source, "relay"));

	if (!options)
		options = json_object();
	json_object_set_new(options, "quota_bytes",
		json_integer(json_flag(source, "enable_relay", false) ? QUOTA_NONE : QUOTA_BUFFER));
	return options;
}

static json_t *relay_order(const json_t *source, bool wanted)
{
	return json_pack("{s:b, s:s, s:I, s:o}", "wanted", wanted, "stage",
		json_text(source, "relay_stage", "Running"), "resumes",
		(json_int_t)json_num(source, "relay_resumes", 0), "options", relay_options(source));
}

static json_t *source_order(const struct master *m, const json_t *source)
{
	bool wanted = json_flag(source, "enable_relay", false);
	json_t *subtasks = json_array(), *s;
	const char *key, *id = json_text(source, "id", "");

	model_foreach(&m->model, STORE_SUBTASK, key, s) {
		if (strcmp(json_text(s, "source", ""), id) != 0)
			continue;
		wanted |= follows(m, s);
		json_array_append_new(subtasks, subtask_order(m, source, s));
	}
	return json_pack("{s:s, s:I, s:I, s:o, s:o, s:O*, s:o}", "source", id, "slot",
		(json_int_t)json_num(source, "slot", 0), "epoch", (json_int_t)json_num(source, "epoch", 0),
		"endpoint", member(source, "endpoint"), "relay", relay_order(source, wanted), "checker",
		json_object_get(source, "checker"), "subtasks", subtasks);
}

json_t *orders_make(const struct master *m, const char *agent)
{
	json_t *sources = json_array(), *checks = json_array(), *s;
	const char *key;

	model_foreach(&m->model, STORE_SOURCE, key, s)
		/* What is on its way to another agent is to be let go. */
		if (strcmp(json_text(s, "agent", ""), agent) == 0 && !place_going_to(s)[0])
			json_array_append_new(sources, source_order(m, s));
	for (int i = 0; i < MASTER_CHECKS; i++)
		if (m->checks[i] && !m->checks[i]->told && strcmp(m->checks[i]->agent, agent) == 0)
			json_array_append(checks, m->checks[i]->order);
	return json_pack("{s:I, s:o, s:o}", "revision", (json_int_t)m->model.revision, "sources", sources,
		"checks", checks);
}
