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
#include "common/sql/objects.h"
#include "common/sql/rules.h"
#include "ctl/job_part.h"
#include "ctl/plain.h"

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

/* It goes on as JSON, which has no other text than UTF-8: it would be none at all. */
int job_find_password(struct endpoint *ep, const char *file, const char *variable, bool ask, struct err *e)
{
	if (find_password(ep, file, variable, ask, e) < 0)
		return -1;
	return plain_is_utf8(ep->password) ? 0 : err_set(e, ERR_usage, "the password is no UTF-8");
}

void job_source_name(const struct endpoint *ep, char *out, size_t size)
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

int job_parse_copy(const struct args *a, long *threads, struct err *e)
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

int job_check_objects(const json_t *task, struct err *e)
{
	const json_t *load = json_object_get(task, "load"), *dump = json_object_get(task, "dump");
	struct definer definer;
	unsigned set;

	if (objects_parse(json_text(load, "objects", ""), &set, e) < 0 ||
		objects_parse(json_text(dump, "objects", ""), &set, e) < 0)
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
	int64_t spool;
	json_t *task;

	parse_until(a, &mode, NULL);
	task = json_pack("{s:s, s:s, s:[s], s:o, s:s, s:o, s:{s:i, s:s}, s:{s:i, s:s}, s:{s:s}}", "name",
		"run", "mode", mode, "sources", j->sources[0].id, "downstream", endpoint_to_json(to),
		"meta_schema", "dm_meta", "rules", rules, "dump", "threads", (int)threads, "consistency",
		a->consistency ? a->consistency : "auto", "load", "threads", (int)threads, "collations",
		collations, "sync", "collations", collations);
	job_parse_size("spool-size", a->spool_size, &spool, NULL);
	if (spool)
		json_object_set_new(json_object_get(task, "dump"), "spool_bytes", json_integer(spool));
	return task;
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
	int64_t spool;
	long threads;
	int r = -1;

	if (parse_until(a, &mode, e) < 0 || job_parse_copy(a, &threads, e) < 0 ||
		job_parse_size("spool-size", a->spool_size, &spool, e) < 0)
		return -1;
	if (endpoint_parse_url(a->from, &from, e) < 0)
		return err_add(e, "--from");
	if (endpoint_parse_url(a->to, &to, e) < 0)
		return err_add(e, "--to");
	if (job_find_password(
		    &from, a->from_password_file, "TIDEGATE_FROM_PASSWORD", a->ask_password != NULL, e) < 0 ||
		job_find_password(
			&to, a->to_password_file, "TIDEGATE_TO_PASSWORD", a->ask_password != NULL, e) < 0)
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
	job_source_name(&from, j->sources[0].id, sizeof(j->sources[0].id));
	j->sources[0].source =
		json_pack("{s:s, s:o}", "source-id", j->sources[0].id, "endpoint", endpoint_to_json(&from));
	j->identity = make_identity(&from, &to, rules);
	j->task = make_task(a, j, &to, rules, threads);
	put_objects(a, j->task);
	r = job_check_objects(j->task, e);
out:
	endpoint_wipe(&from);
	endpoint_wipe(&to);
	return r;
}

/* What is a key of the files, and would be passed by in silence. */
static int no_keys_of_files(const struct args *a, struct err *e)
{
	const char *option = a->threads            ? "--threads"
			     : a->consistency      ? "--consistency"
			     : a->collation_policy ? "--collation-policy"
			     : a->objects          ? "--objects"
			     : a->definer          ? "--definer"
			     : a->spool_size       ? "--spool-size"
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
	if (strcmp(a->word, "run") != 0 && (a->nrest > 0 || a->until))
		return err_set(
			e, ERR_usage, "%s takes no '%s'", a->word, a->nrest > 0 ? a->rest[0] : "--until");
	if (a->nrest > 0 && (a->from || a->to || a->tables))
		return err_set(
			e, ERR_usage, "either --from and --to, or YAML files ('%s'), not both", a->rest[0]);
	if (no_keys_of_files(a, e) < 0 || parse_until(a, &mode, e) < 0)
		return -1;
	if (a->nrest > 0)
		return job_parse_files(a, j, e);
	if (strcmp(a->word, "dump") == 0)
		return job_parse_dump(a, j, e);
	if (strcmp(a->word, "load") == 0)
		return job_parse_load(a, j, e);
	if (!a->from || !a->to)
		return err_set(e, ERR_usage,
			"run wants --from URL and --to URL, or a task file and its source files");
	return parse_urls(a, j, e);
}
