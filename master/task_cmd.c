/*
 * start-task, stop-task, pause-task, resume-task. Called by the command table. Each is all or nothing: one
 * change set. Said twice they change nothing the second time (T39).
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/log.h"
#include "common/config/json.h"
#include "common/config/mode.h"
#include "common/config/others.h"
#include "master/answer.h"
#include "master/bind.h"
#include "master/command.h"
#include "master/pause.h"
#include "master/place.h"
#include "master/report.h"
#include "master/speed.h"
#include "master/valid.h"

static const char *const parts[] = {"rules", "dump", "load", "sync", "start"};
enum { RULES, DUMP, LOAD, SYNC, START, NPARTS };

static const char *worker_of(struct master *m, const char *source)
{
	return json_text(model_get(&m->model, STORE_SOURCE, source), "agent", "");
}

/* What the task wants of one source: its own entry, else what is written for all. Borrowed; NULL: nothing. */
static const json_t *part(const json_t *task, const char *source, int which)
{
	return task_part(task, source, parts[which]);
}

static json_t *copy_part(const json_t *task, const char *source, int which)
{
	const json_t *p = part(task, source, which);

	return json_is_object(p) ? json_deep_copy(p) : json_object();
}

static bool is_incremental(const json_t *task)
{
	return strcmp(json_text(task, "mode", ""), "incremental") == 0;
}

/* NULL only of a task that is not checked yet. */
static const struct mode *mode_of(const json_t *task)
{
	return mode_find(json_text(task, "mode", ""));
}

static int validate_source(struct master *m, const json_t *task, const char *source, struct err *e)
{
	const json_t *doc = model_get(&m->model, STORE_SOURCE, source);

	if (!doc)
		return err_set(e, ERR_source_unknown, "there is no source `%.60s`", source);
	if (mode_has_upstream(mode_of(task)) && !json_text(json_object_get(doc, "endpoint"), "host", "")[0])
		return err_set(e, ERR_config_bad,
			"source `%s` stands for files only: it has no server to be read from", source);
	if (valid_rules(part(task, source, RULES), json_text(task, "meta_schema", "dm_meta"), e) < 0 ||
		(is_incremental(task) && valid_start(part(task, source, START), e) < 0))
		return err_add(e, "source `%s`", source);
	return 0;
}

static int validate(struct master *m, const json_t *task, const json_t *args, struct err *e)
{
	const char *meta = json_text(task, "meta_schema", "dm_meta");
	const json_t *sources = json_object_get(task, "sources"), *name;
	size_t i;

	if (valid_name(json_text(task, "name", ""), MODEL_NAME, "task", e) < 0 ||
		valid_mode(json_text(task, "mode", ""), e) < 0)
		return -1;
	if (mode_has_downstream(mode_of(task)) &&
		valid_endpoint(json_object_get(task, "downstream"), "the downstream", e) < 0)
		return -1;
	if (strlen(meta) < 1 || strlen(meta) > 64)
		return err_set(e, ERR_config_bad, "a meta-schema's name has 1 to 64 bytes");
	if (json_array_size(sources) == 0)
		return err_set(e, ERR_config_bad, "a task without sources");
	json_array_foreach(sources, i, name) {
		if (!json_is_string(name))
			return err_set(e, ERR_source_unknown, "a source whose name is no text");
		if (command_wants(args, json_string_value(name)) &&
			validate_source(m, task, json_string_value(name), e) < 0)
			return -1;
	}
	return 0;
}

/* The documents of a task, out of start-task's arguments. */
static json_t *task_doc(const json_t *task)
{
	json_t *ignore = json_object_get(task, "ignore_checking_items"),
	       *yaml = json_object_get(task, "yaml"), *downstream = json_object_get(task, "downstream");

	return json_pack("{s:O*, s:O, s:s, s:s, s:s, s:o, s:o, s:o}", "yaml",
		json_is_string(yaml) ? yaml : NULL, "sources", json_object_get(task, "sources"), "name",
		json_text(task, "name", ""), "mode", json_text(task, "mode", ""), "meta_schema",
		json_text(task, "meta_schema", "dm_meta"), "downstream",
		json_is_object(downstream) ? json_deep_copy(downstream) : json_object(),
		"ignore_checking_items", json_is_array(ignore) ? json_deep_copy(ignore) : json_array(),
		"routes", task_routes(task));
}

/*
 * Each start of a task that dumps into files is one dump, with a name of its own: so a folder that holds a
 * complete one is this one's, after a crash in the last moment, or another's, which is not to be taken for
 * it.
 */
static json_t *dump_part(const json_t *task, const char *source)
{
	json_t *part = copy_part(task, source, DUMP);
	unsigned char r[16];
	char name[2 * sizeof(r) + 1];

	if (mode_of(task)->to != MODE_FILES || getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return part;
	for (size_t i = 0; i < sizeof(r); i++)
		snprintf(name + 2 * i, 3, "%02x", (unsigned)r[i]);
	json_object_set_new(part, "id", json_string(name));
	return part;
}

static int create_subtask(
	struct master *m, const json_t *task, const char *source, bool remove_meta, struct err *e)
{
	unsigned sub = bind_free_sub(m, source);
	const char *name = json_text(task, "name", "");
	char key[MODEL_KEY];

	if (!sub)
		return err_set(
			e, ERR_bad_stage, "source `%s` has %d tasks already", source, MASTER_CHECK_SUB - 1);
	model_subtask_key(name, source, key);
	if (model_get(&m->model, STORE_SUBTASK, key))
		return err_set(e, ERR_config_bad, "source `%s` is twice in the task", source);
	model_set(&m->model, STORE_SUBTASK, key,
		json_pack("{s:s, s:s, s:i, s:s, s:I, s:i, s:o, s:o, s:o, s:o, s:o, s:b, s:{}, s:b}", "task",
			name, "source", source, "sub", (int)sub, "stage", "Running", "since",
			(json_int_t)m->model.revision + 1, "resume", 0, "rules",
			copy_part(task, source, RULES), "dump", dump_part(task, source), "load",
			copy_part(task, source, LOAD), "sync", copy_part(task, source, SYNC), "start",
			is_incremental(task) ? copy_part(task, source, START) : json_object(), "copied", 0,
			"snapshot", "remove_meta", remove_meta));
	return 0;
}

static int start_one(struct master *m, const json_t *task, const char *source, bool remove_meta,
	struct command_call *c, struct err *e)
{
	if (create_subtask(m, task, source, remove_meta, e) < 0)
		return -1;
	answer_source(c->answer, source, worker_of(m, source),
		worker_of(m, source)[0] ? "" : "no agent serves this source yet");
	return 0;
}

static int create(
	struct master *m, const json_t *task, bool remove_meta, struct command_call *c, struct err *e)
{
	const json_t *name;
	size_t i;

	model_set(&m->model, STORE_TASK, json_text(task, "name", ""), task_doc(task));
	json_array_foreach(json_object_get(task, "sources"), i, name)
		if (command_wants(c->args, json_string_value(name)) &&
			start_one(m, task, json_string_value(name), remove_meta, c, e) < 0)
			return -1;
	log_info("task %s made, %zu sources", json_text(task, "name", ""),
		json_array_size(json_object_get(c->answer, "sources")));
	return model_commit(&m->model, e);
}

static bool same_text(const json_t *a, const json_t *b, const char *key, const char *fallback)
{
	return strcmp(json_text(a, key, fallback), json_text(b, key, fallback)) == 0;
}

static bool same_part(const json_t *a, const json_t *b)
{
	json_t *empty = json_object();
	bool same = json_equal(a ? a : empty, b ? b : empty) == 1;

	json_decref(empty);
	return same;
}

/*
 * What of the task's data differs from the one that is there: NULL for nothing (settings of the work don't
 * count, nor one of its sources that was stopped). rules: other rules don't count either.
 */
static const char *difference(struct master *m, const json_t *was, const json_t *task, bool rules)
{
	const json_t *a = json_object_get(was, "downstream"), *b = json_object_get(task, "downstream"), *name;
	const char *id = json_text(was, "name", "");
	size_t i, there = 0;

	if (!same_text(a, b, "host", "") || json_num(a, "port", 3306) != json_num(b, "port", 3306))
		return "another downstream";
	if (!same_text(was, task, "meta_schema", "dm_meta"))
		return "another meta-schema";
	/* From full to all and back is no other task; from a server to files is. */
	if (mode_of(was) &&
		(mode_of(was)->from != mode_of(task)->from || mode_of(was)->to != mode_of(task)->to))
		return "another task-mode";
	json_array_foreach(json_object_get(task, "sources"), i, name) {
		const char *source = json_string_value(name);
		const json_t *s = model_subtask(&m->model, id, source);

		if (!s && !json_among(json_object_get(was, "sources"), source))
			return "other sources";
		if (!s)
			continue;
		there++;
		if (!rules && !same_part(json_object_get(s, "rules"), part(task, source, RULES)))
			return "other rules";
		if (is_incremental(was) && !same_part(json_object_get(s, "start"), part(task, source, START)))
			return "another start position";
	}
	return there == model_count(&m->model, id, NULL) ? NULL : "other sources";
}

/* Settings that change how, not what: threads and sizes. */
static bool update_subtask(struct master *m, const json_t *task, const char *source, bool rules)
{
	const json_t *old = model_subtask(&m->model, json_text(task, "name", ""), source);
	char key[MODEL_KEY];
	json_t *doc = json_deep_copy(old);

	json_t *dump = copy_part(task, source, DUMP),
	       *id = json_object_get(json_object_get(old, "dump"), "id");

	if (id)
		json_object_set(dump, "id", id);
	json_object_set_new(doc, "dump", dump);
	json_object_set_new(doc, "load", copy_part(task, source, LOAD));
	json_object_set_new(doc, "sync", copy_part(task, source, SYNC));
	if (rules)
		json_object_set_new(doc, "rules", copy_part(task, source, RULES));
	if (json_equal(doc, old)) {
		json_decref(doc);
		return false;
	}
	model_subtask_key(json_text(task, "name", ""), source, key);
	model_set(&m->model, STORE_SUBTASK, key, doc);
	return true;
}

static const char *already(const json_t *subtask, bool changed)
{
	if (strcmp(json_text(subtask, "stage", ""), "Running") != 0)
		return changed ? "already there, settings changed; paused: see resume-task"
			       : "already there, paused: see resume-task";
	return changed ? "already running, settings changed" : "already running";
}

/*
 * What the others know of a source: of those that the words are about as the task has it now, of the rest,
 * and of one that was stopped, as it was.
 */
static void put_routes(
	struct master *m, const json_t *was, const json_t *task, struct command_call *c, json_t *doc)
{
	json_t *old = json_object_get(was, "routes"), *routes = old ? json_deep_copy(old) : json_object(),
	       *now = task_routes(task);
	const json_t *name;
	size_t i;

	json_array_foreach(json_object_get(task, "sources"), i, name) {
		const char *source = json_string_value(name);

		if (!command_wants(c->args, source) ||
			!model_subtask(&m->model, json_text(was, "name", ""), source))
			continue;
		json_object_del(routes, source);
		if (json_object_get(now, source))
			json_object_set(routes, source, json_object_get(now, source));
	}
	json_decref(now);
	json_object_set_new(doc, "routes", routes);
}

/* A source that a file leaves out, being stopped, can be started again by one that has it. */
static void put_sources(const json_t *was, json_t *doc)
{
	json_t *all = json_deep_copy(json_object_get(doc, "sources"));
	json_t *name;
	size_t i;

	json_array_foreach(json_object_get(was, "sources"), i, name)
		if (!json_among(all, json_string_value(name)))
			json_array_append(all, name);
	json_object_set_new(doc, "sources", all);
}

/* Which agents can't decrypt it is kept with the sources, and is about the old one. */
static void note_password(struct master *m, const json_t *was, const json_t *doc)
{
	const json_t *a = json_object_get(was, "downstream"), *b = json_object_get(doc, "downstream"), *s;
	const char *key;

	if (same_text(a, b, "password", ""))
		return;
	model_foreach(&m->model, STORE_SUBTASK, key, s)
		if (strcmp(json_text(s, "task", ""), json_text(was, "name", "")) == 0)
			place_try_all(m, json_text(s, "source", ""));
}

/* The wanted sources of a task that is there; how many that were stopped start again, -1 with e. */
static int update_started(struct master *m, const char *id, const json_t *task, bool *any,
	struct command_call *c, struct err *e)
{
	bool afresh = json_flag(c->args, "remove_meta", false);
	const json_t *name;
	size_t i;
	int started = 0;

	json_array_foreach(json_object_get(task, "sources"), i, name) {
		const char *source = json_string_value(name);
		bool there = model_subtask(&m->model, id, source) != NULL;

		if (!command_wants(c->args, source))
			continue;
		if (there && afresh)
			return err_set(e, ERR_task_exists,
				"task `%s`: its progress on source `%s` can be removed only after stop-task",
				id, source);
		if (there)
			*any |= update_subtask(m, task, source, false);
		else
			started++;
		if (!there && start_one(m, task, source, afresh, c, e) < 0)
			return -1;
		if (there)
			answer_source(c->answer, source, worker_of(m, source),
				already(model_subtask(&m->model, id, source), *any));
	}
	return started;
}

/* What `config task` shows of the task's own document changes only with all its sources. */
static json_t *changed_doc(struct master *m, const json_t *was, const json_t *task, struct command_call *c)
{
	json_t *doc = json_array_size(json_object_get(c->args, "sources")) == 0 ? task_doc(task)
										: json_deep_copy(was);

	put_sources(was, doc);
	put_routes(m, was, task, c, doc);
	return doc;
}

/*
 * Of the whole task, so it does not change with some of its sources: what, where the file has it otherwise.
 * Passwords are encrypted, each time to another text, and can't be compared.
 */
static const char *difference_of_some(const json_t *was, const json_t *task, const json_t *args)
{
	static const char *const account[] = {"user", "tls", "ssl_ca", "ssl_cert", "ssl_key"};
	const json_t *a = json_object_get(was, "downstream"), *b = json_object_get(task, "downstream");

	if (json_array_size(json_object_get(args, "sources")) == 0)
		return NULL;
	if (!same_text(was, task, "mode", ""))
		return "another task-mode";
	for (size_t i = 0; i < sizeof(account) / sizeof(account[0]); i++)
		if (!same_text(a, b, account[i], ""))
			return "another user or TLS of the downstream, which only a command without -s "
			       "changes";
	return NULL;
}

static int update(
	struct master *m, const json_t *was, const json_t *task, struct command_call *c, struct err *e)
{
	const char *id = json_text(task, "name", ""), *what = difference(m, was, task, false);
	bool any;
	int started;
	json_t *doc;

	if (!what)
		what = difference_of_some(was, task, c->args);
	if (what)
		return err_set(e, ERR_task_exists, "task `%s` is there already, with %s", id, what);
	doc = changed_doc(m, was, task, c);
	any = !json_equal(doc, was);
	json_decref(doc);
	started = update_started(m, id, task, &any, c, e);
	if (started < 0)
		return -1;
	json_object_set_new(c->answer, "msg",
		json_string(started ? "already there, sources that were stopped are started"
			    : any   ? "already there, settings changed"
				    : "already there"));
	doc = changed_doc(m, was, task, c); /* with the routes of those that have come */
	note_password(m, was, doc);
	model_set(&m->model, STORE_TASK, id, doc);
	if (any || started)
		return model_commit(&m->model, e);
	model_abort(&m->model);
	return 0;
}

/* A name that is none of the file's sources would be passed by. */
static int check_named(const json_t *task, const json_t *args, struct err *e)
{
	const json_t *name;
	size_t i;

	json_array_foreach(json_object_get(args, "sources"), i, name)
		if (!json_is_string(name) ||
			!json_among(json_object_get(task, "sources"), json_string_value(name)))
			return err_set(e, ERR_source_unknown,
				"`%.100s` is no source of the file's task `%.64s`",
				json_is_string(name) ? json_string_value(name) : "",
				json_text(task, "name", ""));
	return 0;
}

int command_start_task(struct master *m, struct command_call *c, struct err *e)
{
	const json_t *task = json_object_get(c->args, "task"), *was;

	if (validate(m, task, c->args, e) < 0 || check_named(task, c->args, e) < 0)
		return -1;
	json_object_set_new(c->answer, "checkResult", json_string(""));
	was = model_get(&m->model, STORE_TASK, json_text(task, "name", ""));
	return was ? update(m, was, task, c, e)
		   : create(m, task, json_flag(c->args, "remove_meta", false), c, e);
}

/* Calls one() for each wanted subtask of the task; the first error ends it. */
static int each_subtask(struct master *m, struct command_call *c,
	int (*one)(struct master *m, const char *key, const json_t *s, struct command_call *c, struct err *e),
	struct err *e)
{
	const char *task = json_text(c->args, "task", ""), *key;
	json_t *s;
	void *next;

	json_object_foreach_safe(m->model.tables[STORE_SUBTASK], next, key, s) {
		if (strcmp(json_text(s, "task", ""), task) != 0 ||
			!command_wants(c->args, json_text(s, "source", "")))
			continue;
		if (one(m, key, s, c, e) < 0)
			return -1;
	}
	return 0;
}

static int stop_one(struct master *m, const char *key, const json_t *s, struct command_call *c, struct err *e)
{
	const char *task = json_text(s, "task", ""), *source = json_text(s, "source", "");

	(void)e;
	answer_source(c->answer, source, worker_of(m, source), "");
	bind_retire(m, source, task);
	place_try_all(m, source); /* it may be this task's password that nobody could decrypt */
	speed_drop(m, task, source);
	model_set(&m->model, STORE_SUBTASK, key, NULL);
	return 0;
}

int command_stop_task(struct master *m, struct command_call *c, struct err *e)
{
	const char *task = json_text(c->args, "task", "");

	if (command_check_task(m, c->args, e) < 0)
		return -1;
	json_object_set_new(c->answer, "op", json_string("Stop"));
	if (each_subtask(m, c, stop_one, e) < 0)
		return -1;
	if (model_count(&m->model, task, NULL) == 0)
		model_set(&m->model, STORE_TASK, task, NULL);
	return model_commit(&m->model, e);
}

static const char *reported_stage(struct master *m, const json_t *s)
{
	return json_text(
		report_subtask(m, json_text(s, "task", ""), json_text(s, "source", "")), "stage", "");
}

static int refuse_finished(struct master *m, const json_t *s, const char *what, struct err *e)
{
	if (strcmp(reported_stage(m, s), "Finished") != 0)
		return 0;
	return err_set(e, ERR_bad_stage, "task `%s` on source `%s` is Finished and can't be %s",
		json_text(s, "task", ""), json_text(s, "source", ""), what);
}

/*
 * Rules may change only where the copy is over and nothing runs that goes by the old ones: what is under way
 * would be half of each.
 */
static int may_update(struct master *m, const json_t *s, struct err *e)
{
	const char *task = json_text(s, "task", ""), *source = json_text(s, "source", "");

	bool wanted = strcmp(json_text(s, "stage", ""), "Paused") == 0;

	if (!wanted || strcmp(reported_stage(m, s), "Paused") != 0)
		return err_set(e, ERR_bad_stage, "task `%s` is %s on source `%s`: %s", task,
			wanted ? "still pausing" : "not paused", source,
			wanted ? "try again in a moment" : "pause-task first");
	if (!command_follows(m, s))
		return err_set(e, ERR_bad_stage,
			"task `%s` does not follow source `%s` yet: stop-task, then start it anew", task,
			source);
	return 0;
}

static int update_sources(struct master *m, const json_t *task, struct command_call *c, struct err *e)
{
	const char *id = json_text(task, "name", "");
	const json_t *name;
	size_t i;

	json_array_foreach(json_object_get(task, "sources"), i, name) {
		const char *source = json_string_value(name);
		const json_t *s = model_subtask(&m->model, id, source);
		bool changed;

		if (!command_wants(c->args, source))
			continue;
		if (!s && json_array_size(json_object_get(c->args, "sources")) > 0)
			return err_set(e, ERR_source_unknown,
				"source `%.100s` is not in task `%.64s` now: it was stopped there", source,
				id);
		if (!s)
			continue;
		if (may_update(m, s, e) < 0)
			return -1;
		changed = update_subtask(m, task, source, true);
		answer_source(c->answer, source, worker_of(m, source),
			changed ? "settings changed; see resume-task" : "nothing to change");
	}
	return 0;
}

int command_update_task(struct master *m, struct command_call *c, struct err *e)
{
	const json_t *task = json_object_get(c->args, "task"), *was;
	const char *id = json_text(task, "name", ""), *what;
	json_t *doc;

	if (validate(m, task, c->args, e) < 0 || check_named(task, c->args, e) < 0)
		return -1;
	was = model_get(&m->model, STORE_TASK, id);
	if (!was)
		return err_set(e, ERR_task_unknown, "there is no task `%.100s`", id);
	what = same_text(was, task, "mode", "") ? difference(m, was, task, true) : "another task-mode";
	if (!what)
		what = difference_of_some(was, task, c->args);
	if (what)
		return err_set(e, ERR_task_exists,
			"the file's task `%s` is one with %s: that can't be updated", id, what);
	json_object_set_new(c->answer, "checkResult", json_string(""));
	if (update_sources(m, task, c, e) < 0)
		return -1;
	if (json_array_size(json_object_get(c->answer, "sources")) == 0)
		return err_set(e, ERR_source_unknown, "none of the named sources is one of task `%s`", id);
	doc = changed_doc(m, was, task, c);
	note_password(m, was, doc);
	model_set(&m->model, STORE_TASK, id, doc);
	return model_commit(&m->model, e);
}

static int pause_one(
	struct master *m, const char *key, const json_t *s, struct command_call *c, struct err *e)
{
	const char *source = json_text(s, "source", "");
	bool running = strcmp(json_text(s, "stage", ""), "Running") == 0;
	json_t *doc;

	if (refuse_finished(m, s, "paused", e) < 0)
		return -1;
	answer_source(c->answer, source, worker_of(m, source), running ? "" : "already paused");
	if (!running)
		return 0;
	doc = json_deep_copy(s);
	pause_set_stage(&m->model, doc, "Paused");
	model_set(&m->model, STORE_SUBTASK, key, doc);
	return 0;
}

/* Also where it is wanted Running but its agent has paused it: the count tells the agent to try again. */
static int resume_one(
	struct master *m, const char *key, const json_t *s, struct command_call *c, struct err *e)
{
	const char *source = json_text(s, "source", "");
	bool paused = strcmp(json_text(s, "stage", ""), "Paused") == 0 ||
		      strcmp(reported_stage(m, s), "Paused") == 0;
	json_t *doc;

	if (refuse_finished(m, s, "resumed", e) < 0)
		return -1;
	answer_source(c->answer, source, worker_of(m, source), paused ? "" : "already running");
	if (!paused)
		return 0;
	doc = json_deep_copy(s);
	pause_go_on(&m->model, doc);
	model_set(&m->model, STORE_SUBTASK, key, doc);
	return 0;
}

int command_pause_task(struct master *m, struct command_call *c, struct err *e)
{
	json_object_set_new(c->answer, "op", json_string("Pause"));
	if (command_check_task(m, c->args, e) < 0 || each_subtask(m, c, pause_one, e) < 0)
		return -1;
	return m->model.nchanges ? model_commit(&m->model, e) : 0;
}

int command_resume_task(struct master *m, struct command_call *c, struct err *e)
{
	json_object_set_new(c->answer, "op", json_string("Resume"));
	if (command_check_task(m, c->args, e) < 0 || each_subtask(m, c, resume_one, e) < 0)
		return -1;
	return m->model.nchanges ? model_commit(&m->model, e) : 0;
}
