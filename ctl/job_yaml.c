/*
 * `tidegate run` with DM's YAML files: they become the master's words (operate-source, start-task). Called by
 * job_parse.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config/json.h"
#include "common/config/mode.h"
#include "common/config/yaml.h"
#include "ctl/job_part.h"

static int add_source(struct job *j, json_t *source, const char *file, struct err *e)
{
	const char *id = json_text(source, "source-id", "");

	if (j->nsources == sizeof(j->sources) / sizeof(j->sources[0])) {
		json_decref(source);
		return err_set(e, ERR_usage, "%s: more than %u sources", file, j->nsources);
	}
	snprintf(j->sources[j->nsources].id, sizeof(j->sources[0].id), "%s", id);
	j->sources[j->nsources++].source = source;
	return 0;
}

/* Keys without effect here, deprecated ones: nothing is silently ignored. */
void job_tell_warnings(json_t *o)
{
	const json_t *warnings = json_object_get(o, "warnings"), *w;
	size_t i;

	json_array_foreach(warnings, i, w)
		fprintf(stderr, "tidegate: note: %s\n", json_string_value(w));
	json_object_del(o, "warnings");
}

static int load_file(struct job *j, const char *file, struct err *e)
{
	enum config_kind kind;
	json_t *o;

	if (config_kind(file, &kind, e) < 0)
		return -1;
	if (kind == CONFIG_SOURCE) {
		o = config_load_source(file, e);
		if (!o)
			return -1;
		job_tell_warnings(o);
		return add_source(j, o, file, e);
	}
	if (j->task)
		return err_set(e, ERR_usage, "%s: a second task file; run takes one", file);
	j->task = config_load_task(file, e);
	if (!j->task)
		return -1;
	job_tell_warnings(j->task);
	return 0;
}

/* A mistake seen early is a mistake with a name: each source of the task must have its file, and the other
 * way round. */
static int match_sources(const struct job *j, struct err *e)
{
	const json_t *wanted = json_object_get(j->task, "sources");
	const json_t *id;
	size_t i;

	json_array_foreach(wanted, i, id) {
		bool found = false;

		for (unsigned k = 0; k < j->nsources; k++)
			found |= strcmp(j->sources[k].id, json_string_value(id)) == 0;
		if (!found)
			return err_set(e, ERR_source_unknown,
				"the task names source '%s', but no source file given has that source-id",
				json_string_value(id));
	}
	if (json_array_size(wanted) != j->nsources)
		return err_set(e, ERR_usage, "%u source files for %zu sources in the task", j->nsources,
			json_array_size(wanted));
	return 0;
}

/*
 * A relay that is kept on (enable-relay) starts as soon as its source is known, before the task is. Told no
 * beginning, it would take the upstream's present file, which may be behind the one where the task begins.
 */
static void begin_where_task_does(const struct job *j, json_t *source, const char *id)
{
	const json_t *instance = json_object_get(json_object_get(j->task, "instances"), id);
	const json_t *start = json_object_get(instance, "start");
	json_t *relay = json_object_get(source, "relay");

	if (!json_flag(source, "enable_relay", false) || json_text(relay, "start_file", "")[0])
		return;
	if (json_text(start, "file", "")[0]) {
		json_object_set(relay, "start_file", json_object_get(start, "file"));
		json_object_set_new(relay, "start_offset", json_integer(4));
	} else if (json_text(start, "gtid", "")[0]) {
		json_object_set_new(relay, "start_gtids", json_pack("[O]", json_object_get(start, "gtid")));
	}
}

/*
 * Where a task dumps into files or loads them: DM's `dir`. One folder for one source; several get one each in
 * it, as they would be on hosts of their own in DM.
 */
static int find_folder(struct job *j, struct err *e)
{
	const struct mode *mode = mode_find(json_text(j->task, "mode", ""));
	const char *part = mode && mode->to == MODE_FILES ? "dump" : "load";
	const char *dir = json_text(json_object_get(j->task, part), "dir", "");

	if (!mode || (mode->from != MODE_FILES && mode->to != MODE_FILES))
		return 0;
	/* Its folder can be given to one of them only, each being a user of its own. */
	if (mode->to == MODE_FILES && j->nsources > 1 && geteuid() == 0)
		return err_set(e, ERR_usage,
			"as root, run dumps one source at a time into files: give one source file, or run it "
			"as another user");
	if (job_open_folder(j, dir, mode->to == MODE_FILES, e) < 0)
		return -1;
	for (unsigned i = 0; i < j->nsources; i++) {
		const char *id = j->sources[i].id;
		json_t *instance = json_object_get(json_object_get(j->task, "instances"), id);
		json_t *options = json_object_get(instance, part);

		if (strcmp(json_text(options, "dir", ""), dir) != 0)
			return err_set(e, ERR_usage, "run wants one `dir` for all sources of the task");
		json_object_set_new(options, "dir", json_string(j->nsources > 1 ? id : ""));
	}
	json_object_set_new(json_object_get(j->task, part), "dir", json_string(""));
	return 0;
}

/* Where a password of one of both sides may come from, beside the files. */
struct side {
	const char *file, *variable; /* option's value; the environment's name */
	bool ask;
};

static int use_password(json_t *server, const struct side *side, struct err *e)
{
	struct endpoint ep;
	int r;

	if (endpoint_from_json(server, &ep, e) < 0)
		return -1;
	r = job_find_password(&ep, side->file, side->variable, side->ask, e);
	if (r == 0) {
		json_wipe(server, "password");
		json_object_set_new(server, "password", json_string(ep.password));
	}
	endpoint_wipe(&ep);
	return r;
}

/* One password is of one server: whose it is of several is not guessed. */
static int check_upstreams(const struct job *j, const struct side *side, struct err *e)
{
	const char *set = getenv(side->variable);

	if (j->nsources == 1)
		return 0;
	if (side->file)
		return err_set(e, ERR_usage,
			"--from-password-file is for one source: of %u each has its password in its file",
			j->nsources);
	for (unsigned i = 0; set && *set && i < j->nsources; i++)
		if (!json_text(json_object_get(j->sources[i].source, "endpoint"), "password", "")[0])
			return err_set(e, ERR_usage,
				"%s is for one source: of %u, '%s' has no password in its file",
				side->variable, j->nsources, j->sources[i].id);
	return 0;
}

/* The same ways as beside URLs. */
static int use_passwords(const struct args *a, struct job *j, struct err *e)
{
	const struct side from = {a->from_password_file, "TIDEGATE_FROM_PASSWORD", a->ask_password != NULL};
	const struct side to = {a->to_password_file, "TIDEGATE_TO_PASSWORD", a->ask_password != NULL};

	if (check_upstreams(j, &from, e) < 0)
		return -1;
	for (unsigned i = 0; i < j->nsources; i++)
		if (use_password(json_object_get(j->sources[i].source, "endpoint"), &from, e) < 0)
			return err_add(e, "source '%s'", j->sources[i].id);
	return use_password(json_object_get(j->task, "downstream"), &to, e);
}

int job_parse_files(const struct args *a, struct job *j, struct err *e)
{
	const json_t *to;
	json_t *from;

	for (int i = 0; i < a->nrest; i++)
		if (load_file(j, a->rest[i], e) < 0)
			return -1;
	if (!j->task)
		return err_set(e, ERR_usage, "no task file among the arguments");
	if (match_sources(j, e) < 0 || use_passwords(a, j, e) < 0)
		return -1;
	if (a->until && strcmp(a->until, "full") == 0)
		json_object_set_new(j->task, "mode", json_string("full"));
	from = json_array();
	for (unsigned i = 0; i < j->nsources; i++) {
		const json_t *ep = json_object_get(j->sources[i].source, "endpoint");

		begin_where_task_does(j, j->sources[i].source, j->sources[i].id);
		json_array_append_new(from, json_sprintf("%s=%s:%d", j->sources[i].id,
						    json_text(ep, "host", ""), (int)json_num(ep, "port", 0)));
	}
	if (find_folder(j, e) < 0)
		return -1;
	to = json_object_get(j->task, "downstream");
	j->identity = json_pack("{s:o, s:o, s:s}", "from", from, "to",
		json_sprintf("%s:%d", json_text(to, "host", ""), (int)json_num(to, "port", 0)), "task",
		json_text(j->task, "name", ""));
	return 0;
}
