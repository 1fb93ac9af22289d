/*
 * Agents' reports. Kept in memory but for what must outlive a restart: that a copy is done, and at which
 * snapshot it began, that a subtask was paused by an error, that its old progress is removed. Called by
 * serve.c.
 */
#include "master/report.h"

#include <string.h>

#include "common/base/log.h"
#include "common/config/json.h"
#include "master/bind.h"
#include "master/pause.h"
#include "master/place.h"
#include "master/speed.h"

const json_t *report_source(const struct master *m, const char *source)
{
	const char *owner = json_text(model_get(&m->model, STORE_SOURCE, source), "agent", "");
	const json_t *s;
	size_t i;

	for (unsigned a = 0; a < m->nagents; a++) {
		if (strcmp(m->agents[a].name, owner) != 0)
			continue;
		json_array_foreach(json_object_get(m->agents[a].report, "sources"), i, s)
			if (strcmp(json_text(s, "source", ""), source) == 0)
				return s;
	}
	return NULL;
}

const json_t *report_subtask(const struct master *m, const char *task, const char *source)
{
	const json_t *list = json_object_get(report_source(m, source), "subtasks"), *s;
	const json_t *doc = model_subtask(&m->model, task, source);
	size_t i;

	json_array_foreach(list, i, s)
		if (strcmp(json_text(s, "task", ""), task) == 0 && bind_same_sub(s, json_num(doc, "sub", 0)))
			return s;
	return NULL;
}

/* A load that only looks, as it does before files are loaded, is done too, and has removed nothing. */
static bool is_loading(const json_t *load)
{
	const char *phase = json_text(load, "phase", "");

	return !json_object_get(load, "found") && (strcmp(phase, "load") == 0 || strcmp(phase, "done") == 0);
}

/* The old progress is gone, at the latest when new progress is made: a unit that starts again must not remove
 * that. */
static bool has_begun(const json_t *s)
{
	return json_flag(s, "meta_removed", false) || is_loading(json_object_get(s, "load")) ||
	       json_text(json_object_get(s, "sync"), "phase", "")[0] != '\0';
}

static bool is_paused_by_error(const json_t *doc, const json_t *s)
{
	return strcmp(json_text(s, "stage", ""), "Paused") == 0 &&
	       strcmp(json_text(doc, "stage", ""), "Running") == 0 &&
	       json_num(json_object_get(s, "error"), "code", 0) != 0;
}

/* An agent without the key of the source's password is of no use to it; another one may have it. */
static bool goes_elsewhere(struct master *m, const char *source, const json_t *s)
{
	const json_t *doc = model_get(&m->model, STORE_SOURCE, source);

	if (json_num(json_object_get(s, "error"), "code", 0) != ERR_secret_bad)
		return false;
	return place_going_to(doc)[0] || place_keyless(m, source, json_text(doc, "agent", ""));
}

static void take_pause(struct master *m, json_t *doc, const json_t *s)
{
	const json_t *error = json_object_get(s, "error");
	const json_t *failed = json_object_get(json_object_get(s, "sync"), "failed_ddl");

	log_warn("task %s on source %s is paused: %s code=%lld", json_text(doc, "task", ""),
		json_text(doc, "source", ""), json_text(error, "text", ""),
		(long long)json_num(error, "code", 0));
	pause_set_stage(&m->model, doc, "Paused");
	json_object_set_new(doc, "error", json_deep_copy(error));
	if (json_is_object(failed))
		json_object_set_new(doc, "failed_ddl", json_deep_copy(failed));
}

/* Where a copy that is under way began: should the agent be lost, another one's relay must begin there. */
static bool has_moved(const json_t *was, const json_t *s)
{
	const json_t *now = json_object_get(s, "snapshot");

	return json_text(now, "file", "")[0] && !json_flag(was, "copied", false) &&
	       !json_equal(json_object_get(was, "snapshot"), now);
}

/*
 * What another agent's relay would have to begin with: a lower bound is enough, so it is kept once a file of
 * the upstream's, and when the work rests.
 */
static const json_t *new_need(const json_t *was, const json_t *s)
{
	const json_t *need = json_object_get(json_object_get(s, "sync"), "need"),
		     *kept = json_object_get(was, "at");
	bool rests = strcmp(json_text(s, "stage", ""), "Running") != 0;

	if (!json_text(need, "file", "")[0] || json_equal(need, kept))
		return NULL;
	if (!rests && json_num(kept, "generation", 0) == json_num(need, "generation", 0) &&
		strcmp(json_text(kept, "file", ""), json_text(need, "file", "")) == 0)
		return NULL;
	return need;
}

/* Into the change set what must last of one subtask. True where there is something. */
static bool take_subtask(struct master *m, const char *source, const json_t *was, const json_t *s)
{
	const char *task = json_text(s, "task", "");
	bool copied = json_flag(s, "copied", false) && !json_flag(was, "copied", false);
	bool begun = json_flag(was, "remove_meta", false) && has_begun(s), paused, moved;
	/* Where the old progress was removed there was nothing to be looked at, and is nothing from now on.
	 */
	bool looked = (begun || json_flag(s, "looked", false)) && !json_flag(was, "looked", false);
	const json_t *need = new_need(was, s);
	char key[MODEL_KEY];
	json_t *doc;

	paused = is_paused_by_error(was, s) && !goes_elsewhere(m, source, s);
	moved = has_moved(was, s);
	if (!copied && !looked && !begun && !paused && !moved && !need)
		return false;
	model_subtask_key(task, source, key);
	doc = model_edit(&m->model, STORE_SUBTASK, key);
	if (copied)
		json_object_set_new(doc, "copied", json_true());
	if ((copied || moved) && json_is_object(json_object_get(s, "snapshot")))
		json_object_set_new(doc, "snapshot", json_deep_copy(json_object_get(s, "snapshot")));
	if (looked)
		json_object_set_new(doc, "looked", json_true());
	if (begun)
		json_object_set_new(doc, "remove_meta", json_false());
	if (need)
		json_object_set_new(doc, "at", json_deep_copy(need));
	if (paused)
		take_pause(m, doc, s);
	model_set(&m->model, STORE_SUBTASK, key, doc);
	return true;
}

/*
 * A task that was stopped and started again is another one of the same name, under another number while units
 * of the one before are still leaving: what that one had done is not this one's. And what is told by orders
 * of before the last change, of a pause that was ended since, say, is told again by newer ones.
 */
static bool take_told(struct master *m, const char *source, const json_t *s, uint64_t revision)
{
	const char *task = json_text(s, "task", "");
	const json_t *doc = model_subtask(&m->model, task, source);
	bool any;

	if (!doc || !bind_same_sub(s, json_num(doc, "sub", 0)))
		return false;
	any = revision >= (uint64_t)json_num(doc, "since", 0) && take_subtask(m, source, doc, s);
	speed_take(m, task, source, s);
	return any;
}

static bool take_source(struct master *m, const struct agent *a, const json_t *s, uint64_t revision)
{
	const char *name = json_text(s, "source", "");
	const json_t *doc = model_get(&m->model, STORE_SOURCE, name), *sub;
	bool any = false;
	size_t i;

	/* A source that went to another agent is no longer this one's to speak of; one that came back is not
	 * before it knows: until then it tells of the time when it was cut off. */
	if (!doc || strcmp(json_text(doc, "agent", ""), a->name) != 0 ||
		revision < (uint64_t)json_num(doc, "placed", 0))
		return false;
	if (json_flag(s, "unserved", false))
		return place_slotless(m, name, a->name);
	json_array_foreach(json_object_get(s, "subtasks"), i, sub)
		any |= take_told(m, name, sub, revision);
	return any;
}

int report_take(struct master *m, struct agent *a, json_t *report, check_answer_fn *answer, struct err *e)
{
	uint64_t revision = (uint64_t)json_num(report, "revision", 0);
	const json_t *s;
	bool changed;
	size_t i;

	m->dirty |= check_report(m, a->name, report, answer);
	changed = m->dirty;
	json_decref(a->report);
	a->report = report;
	a->report_ms = m->now_ms;
	json_array_foreach(json_object_get(report, "sources"), i, s)
		changed |= take_source(m, a, s, revision);
	bind_reap(m, a, revision);
	if (!changed && m->model.nchanges == 0)
		return 0;
	if (model_commit(&m->model, e) < 0)
		return -1;
	m->dirty = false;
	return 0;
}
