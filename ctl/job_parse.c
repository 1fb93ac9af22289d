/*
 * What `tidegate run` is asked to do: two URLs, or DM's YAML files, become the master's words
 * (operate-source, start-task). Passwords are collected here and stay in plain only until job_open encrypts
 * them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <termios.h>
#include <unistd.h>

#include "common/config/endpoint.h"
#include "common/config/json.h"
#include "common/config/yaml.h"
#include "common/sql/objects.h"
#include "common/sql/rules.h"
#include "ctl/job.h"

static int read_password_file(const char *file, char *out, size_t size, struct err *e)
{
	FILE *f = fopen(file, "re");

	if (!f)
		return err_sys(e, ERR_usage, "password file %s", file);
	if (!fgets(out, (int)size, f))
		out[0] = '\0';
	out[strcspn(out, "\r\n")] = '\0';
	fclose(f);
	return 0;
}

/* Asks on the terminal, without echo. */
static int ask_password(const struct endpoint *ep, char *out, size_t size, struct err *e)
{
	struct termios was, quiet;
	char where[400];

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &was) < 0)
		return err_set(e, ERR_usage, "--ask-password wants a terminal");
	endpoint_show(ep, where, sizeof(where));
	fprintf(stderr, "Password of %s: ", where);
	quiet = was;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	if (!fgets(out, (int)size, stdin))
		out[0] = '\0';
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
	fputc('\n', stderr);
	out[strcspn(out, "\r\n")] = '\0';
	return 0;
}

/* File, then environment, then prompt; one in the URL stands. */
static int find_password(struct endpoint *ep, const char *file, const char *variable, bool ask, struct err *e)
{
	const char *env = getenv(variable);

	if (file)
		return read_password_file(file, ep->password, sizeof(ep->password), e);
	if (ep->password[0])
		return 0;
	if (env && strlen(env) < sizeof(ep->password)) {
		strcpy(ep->password, env);
		return 0;
	}
	return ask ? ask_password(ep, ep->password, sizeof(ep->password), e) : 0;
}

/* "10.0.0.1:3306" -> "10.0.0.1-3306": a source's name, at most 32 characters as DM has it. */
static void source_name(const struct endpoint *ep, char *out, size_t size)
{
	char host[24];

	snprintf(host, sizeof(host), "%.23s", ep->host);
	for (char *p = host; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_", *p))
			*p = '-';
	snprintf(out, size, "%s-%u", host, ep->port);
}

static int parse_until(const struct args *a, const char **mode, struct err *e)
{
	*mode = "all";
	if (!a->until || strcmp(a->until, "synced") == 0)
		return 0;
	if (strcmp(a->until, "full") != 0)
		return err_set(e, ERR_usage, "--until '%s': full or synced", a->until);
	*mode = "full";
	return 0;
}

static int parse_threads(const struct args *a, long *threads, struct err *e)
{
	char *end;

	*threads = a->threads ? strtol(a->threads, &end, 10) : 4;
	if (a->threads && (*end || *threads < 1 || *threads > 64))
		return err_set(e, ERR_usage, "--threads '%s': a number from 1 to 64", a->threads);
	if (a->consistency && strcmp(a->consistency, "auto") != 0 && strcmp(a->consistency, "flush") != 0 &&
		strcmp(a->consistency, "lock") != 0 && strcmp(a->consistency, "none") != 0)
		return err_set(e, ERR_usage, "--consistency '%s': auto, flush, lock or none", a->consistency);
	if (a->collation_policy && strcmp(a->collation_policy, "nearest") != 0 &&
		strcmp(a->collation_policy, "fail") != 0 && strcmp(a->collation_policy, "exact") != 0)
		return err_set(
			e, ERR_usage, "--collation-policy '%s': nearest, fail or exact", a->collation_policy);
	return 0;
}

/* --objects and --definer; of a task file its reader has checked them. */
static int check_objects(const json_t *task, struct err *e)
{
	const json_t *load = json_object_get(task, "load");
	struct definer definer;
	unsigned set;

	if (objects_parse(json_text(load, "objects", ""), &set, e) < 0)
		return -1;
	return definer_parse(json_text(load, "definer", ""), &definer, e);
}

static void put_objects(const struct args *a, json_t *task)
{
	json_t *dump = json_object_get(task, "dump"), *load = json_object_get(task, "load");

	if (a->objects) {
		json_object_set_new(dump, "objects", json_string(a->objects));
		json_object_set_new(load, "objects", json_string(a->objects));
	}
	if (a->definer)
		json_object_set_new(load, "definer", json_string(a->definer));
}

static json_t *make_task(
	const struct args *a, const struct job *j, const struct endpoint *to, json_t *rules, long threads)
{
	const char *mode, *collations = a->collation_policy ? a->collation_policy : "nearest";

	parse_until(a, &mode, NULL);
	return json_pack("{s:s, s:s, s:[s], s:o, s:s, s:o, s:{s:i, s:s}, s:{s:i, s:s}, s:{s:s}}", "name",
		"run", "mode", mode, "sources", j->sources[0].id, "downstream", endpoint_to_json(to),
		"meta_schema", "dm_meta", "rules", rules, "dump", "threads", (int)threads, "consistency",
		a->consistency ? a->consistency : "auto", "load", "threads", (int)threads, "collations",
		collations, "sync", "collations", collations);
}

/* Servers by host and port, not by user: a changed password or account is the same job. */
static json_t *make_identity(const struct endpoint *from, const struct endpoint *to, const json_t *rules)
{
	return json_pack("{s:o, s:o, s:O}", "from", json_sprintf("%s:%u", from->host, from->port), "to",
		json_sprintf("%s:%u", to->host, to->port), "tables", rules);
}

static int parse_urls(const struct args *a, struct job *j, struct err *e)
{
	struct endpoint from, to;
	const char *mode;
	json_t *rules;
	long threads;
	int r = -1;

	if (parse_until(a, &mode, e) < 0 || parse_threads(a, &threads, e) < 0)
		return -1;
	if (endpoint_parse_url(a->from, &from, e) < 0)
		return err_add(e, "--from");
	if (endpoint_parse_url(a->to, &to, e) < 0)
		return err_add(e, "--to");
	if (find_password(
		    &from, a->from_password_file, "TIDEGATE_FROM_PASSWORD", a->ask_password != NULL, e) < 0 ||
		find_password(&to, a->to_password_file, "TIDEGATE_TO_PASSWORD", a->ask_password != NULL, e) <
			0)
		goto out;
	if (strcasecmp(from.host, to.host) == 0 && from.port == to.port) {
		err_set(e, ERR_usage, "--from and --to are the same server, %s:%u", from.host, from.port);
		goto out;
	}
	rules = a->tables ? rules_parse_list(a->tables, e) : json_object();
	if (!rules) {
		err_add(e, "--tables");
		goto out;
	}
	j->nsources = 1;
	source_name(&from, j->sources[0].id, sizeof(j->sources[0].id));
	j->sources[0].source =
		json_pack("{s:s, s:o}", "source-id", j->sources[0].id, "endpoint", endpoint_to_json(&from));
	j->identity = make_identity(&from, &to, rules);
	j->task = make_task(a, j, &to, rules, threads);
	put_objects(a, j->task);
	r = check_objects(j->task, e);
out:
	endpoint_wipe(&from);
	endpoint_wipe(&to);
	return r;
}

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

static int parse_files(const struct args *a, struct job *j, struct err *e)
{
	const json_t *to;
	json_t *from;

	for (int i = 0; i < a->nrest; i++)
		if (load_file(j, a->rest[i], e) < 0)
			return -1;
	if (!j->task)
		return err_set(e, ERR_usage, "no task file among the arguments");
	if (match_sources(j, e) < 0)
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
	to = json_object_get(j->task, "downstream");
	j->identity = json_pack("{s:o, s:o, s:s}", "from", from, "to",
		json_sprintf("%s:%d", json_text(to, "host", ""), (int)json_num(to, "port", 0)), "task",
		json_text(j->task, "name", ""));
	return 0;
}

/* What is a key of the files, and would be passed by in silence. */
static int no_keys_of_files(const struct args *a, struct err *e)
{
	const char *option = a->threads            ? "--threads"
			     : a->consistency      ? "--consistency"
			     : a->collation_policy ? "--collation-policy"
			     : a->objects          ? "--objects"
			     : a->definer          ? "--definer"
						   : NULL;

	if (!option || a->nrest == 0)
		return 0;
	return err_set(e, ERR_usage, "%s is for --from and --to: beside '%s' it is a key of the task file",
		option, a->rest[0]);
}

int job_parse(const struct args *a, struct job *j, struct err *e)
{
	const char *mode;

	*j = (struct job){.state_fd = -1, .lock_fd = -1};
	if (a->nrest > 0 && (a->from || a->to || a->tables))
		return err_set(
			e, ERR_usage, "either --from and --to, or YAML files ('%s'), not both", a->rest[0]);
	if (no_keys_of_files(a, e) < 0 || parse_until(a, &mode, e) < 0)
		return -1;
	if (a->nrest > 0)
		return parse_files(a, j, e);
	if (!a->from || !a->to)
		return err_set(e, ERR_usage,
			"run wants --from URL and --to URL, or a task file and its source files");
	return parse_urls(a, j, e);
}
