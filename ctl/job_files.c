/*
 * `tidegate dump` and `tidegate load`: one side of the copy is a folder of files. They become the same words
 * to the master as a task file with task-mode dump, load or load&sync. Called by job_parse.c.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/config/json.h"
#include "common/config/scalar.h"
#include "common/sql/rules.h"
#include "ctl/job_part.h"

int job_parse_size(const char *option, const char *value, int64_t *bytes, struct err *e)
{
	*bytes = 0;
	if (value && (!scalar_size(str_of(value), "B", bytes) || *bytes <= 0))
		return err_set(e, ERR_usage, "--%s '%s': a size as 64MiB or 4GiB", option, value);
	return 0;
}

int job_open_folder(struct job *j, const char *path, bool make, struct err *e)
{
	char *real;

	if (make && mkdir(path, 0750) < 0 && errno != EEXIST)
		return err_sys(e, ERR_usage, "making the folder %s", path);
	real = realpath(path, NULL);
	if (!real)
		return err_sys(e, ERR_usage, "the folder %s", path);
	if (strlen(real) >= sizeof(j->files)) {
		free(real);
		return err_set(e, ERR_usage, "the path of the folder is too long: %.100s…", path);
	}
	strcpy(j->files, real);
	free(real);
	return 0;
}

/*
 * The dump itself looks again; but here it is said at once, and of a folder that root's dump could not even
 * enter. What an unfinished dump has left may stay.
 */
static int check_empty(const char *path, struct err *e)
{
	DIR *list = opendir(path);
	char first[260] = "";
	bool complete = false, unfinished = false;
	struct dirent *f;

	if (!list)
		return err_sys(e, ERR_usage, "the folder %s", path);
	while ((f = readdir(list))) {
		if (strcmp(f->d_name, ".") == 0 || strcmp(f->d_name, "..") == 0)
			continue;
		complete |= strcmp(f->d_name, "metadata") == 0;
		unfinished |= strcmp(f->d_name, "metadata.partial") == 0;
		if (!first[0])
			snprintf(first, sizeof(first), "%s", f->d_name);
	}
	closedir(list);
	if (complete)
		return err_set(e, ERR_dump_folder, "%s holds a complete dump already", path);
	if (first[0] && !unfinished)
		return err_set(e, ERR_dump_folder, "%s is not empty: there is `%s`", path, first);
	return 0;
}

static int one_of(const char *option, const char *value, const char *a, const char *b, struct err *e)
{
	if (!value || strcmp(value, a) == 0 || strcmp(value, b) == 0)
		return 0;
	return err_set(e, ERR_usage, "--%s '%s': %s or %s", option, value, a, b);
}

/* How CSV is written, the same words on both sides. */
static void put_csv(const struct args *a, json_t *options)
{
	if (a->csv_separator)
		json_object_set_new(options, "csv_separator", json_string(a->csv_separator));
	if (a->csv_delimiter)
		json_object_set_new(options, "csv_delimiter", json_string(a->csv_delimiter));
	if (a->csv_null_value)
		json_object_set_new(options, "csv_null_value", json_string(a->csv_null_value));
	if (a->no_header)
		json_object_set_new(options, "csv_header", json_false());
	if (a->no_escape)
		json_object_set_new(options, "csv_escape", json_false());
}

static json_t *dump_options(const struct args *a, long threads, struct err *e)
{
	json_t *o = json_pack("{s:i, s:s, s:s, s:s, s:s}", "threads", (int)threads, "consistency",
		a->consistency ? a->consistency : "auto", "dir", "", "filetype",
		a->filetype ? a->filetype : "sql", "compress", a->compress ? a->compress : "");
	int64_t file, statement;

	if (one_of("filetype", a->filetype, "sql", "csv", e) < 0 ||
		one_of("compress", a->compress, "gzip", "zstd", e) < 0 ||
		job_parse_size("filesize", a->filesize, &file, e) < 0 ||
		job_parse_size("statement-size", a->statement_size, &statement, e) < 0) {
		json_decref(o);
		return NULL;
	}
	json_object_set_new(o, "chunk_bytes", json_integer(file ? file : 64 << 20));
	if (statement)
		json_object_set_new(o, "statement_size", json_integer(statement));
	if (a->objects)
		json_object_set_new(o, "objects", json_string(a->objects));
	put_csv(a, o);
	return o;
}

static json_t *parse_rules(const struct args *a, struct err *e)
{
	json_t *rules = a->tables ? rules_parse_list(a->tables, e) : json_object();

	if (!rules)
		err_add(e, "--tables");
	return rules;
}

int job_parse_dump(const struct args *a, struct job *j, struct err *e)
{
	struct endpoint from;
	json_t *rules, *options;
	long threads;
	int r = -1;

	if (!a->from || !a->dir || a->to)
		return err_set(e, ERR_usage, "dump wants --from URL and --dir DIR");
	if (endpoint_parse_url(a->from, &from, e) < 0)
		return err_add(e, "--from");
	if (job_parse_copy(a, &threads, e) == 0 &&
		job_find_password(&from, a->from_password_file, "TIDEGATE_FROM_PASSWORD",
			a->ask_password != NULL, e) == 0 &&
		(rules = parse_rules(a, e))) {
		options = dump_options(a, threads, e);
		if (options && job_open_folder(j, a->dir, true, e) == 0 && check_empty(j->files, e) == 0) {
			j->nsources = 1;
			job_source_name(&from, j->sources[0].id, sizeof(j->sources[0].id));
			j->sources[0].source = json_pack("{s:s, s:o}", "source-id", j->sources[0].id,
				"endpoint", endpoint_to_json(&from));
			j->identity = json_pack("{s:o, s:s, s:O}", "from",
				json_sprintf("%s:%u", from.host, from.port), "dir", j->files, "tables",
				rules);
			j->task = json_pack("{s:s, s:s, s:[s], s:s, s:O, s:O}", "name", "run", "mode", "dump",
				"sources", j->sources[0].id, "meta_schema", "dm_meta", "rules", rules, "dump",
				options);
			r = job_check_objects(j->task, e);
		}
		json_decref(options);
		json_decref(rules);
	}
	endpoint_wipe(&from);
	return r;
}

/* --- load --- */

static json_t *load_options(const struct args *a, long threads)
{
	json_t *o = json_pack("{s:i, s:s, s:s}", "threads", (int)threads, "collations",
		a->collation_policy ? a->collation_policy : "nearest", "dir", "");

	if (a->server)
		json_object_set_new(o, "server", json_string(a->server));
	if (a->objects)
		json_object_set_new(o, "objects", json_string(a->objects));
	if (a->definer)
		json_object_set_new(o, "definer", json_string(a->definer));
	put_csv(a, o);
	return o;
}

/* FNV-1a: tells one folder's records downstream from another's. */
static unsigned long long hash(const char *text)
{
	unsigned long long h = 0xcbf29ce484222325ULL;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3ULL;
	return h;
}

/* A source for the files; the server that they are of, where it is to be followed. */
static int load_source(const struct args *a, struct job *j, struct err *e)
{
	struct endpoint from;

	j->nsources = 1;
	if (!a->from) {
		snprintf(j->sources[0].id, sizeof(j->sources[0].id), "files-%016llx", hash(j->files));
		j->sources[0].source = json_pack("{s:s, s:b}", "source-id", j->sources[0].id, "files", 1);
		return 0;
	}
	if (endpoint_parse_url(a->from, &from, e) < 0)
		return err_add(e, "--from");
	if (job_find_password(
		    &from, a->from_password_file, "TIDEGATE_FROM_PASSWORD", a->ask_password != NULL, e) < 0)
		return -1;
	job_source_name(&from, j->sources[0].id, sizeof(j->sources[0].id));
	j->sources[0].source =
		json_pack("{s:s, s:o}", "source-id", j->sources[0].id, "endpoint", endpoint_to_json(&from));
	endpoint_wipe(&from);
	return 0;
}

static void load_task(
	const struct args *a, struct job *j, const struct endpoint *to, json_t *rules, json_t *options)
{
	j->identity =
		json_pack("{s:s, s:s, s:o, s:O}", "dir", j->files, "from", a->from ? j->sources[0].id : "",
			"to", json_sprintf("%s:%u", to->host, to->port), "tables", rules);
	j->task = json_pack("{s:s, s:s, s:[s], s:o, s:s, s:O, s:O, s:{s:s}}", "name", "run", "mode",
		a->from ? "load&sync" : "load", "sources", j->sources[0].id, "downstream",
		endpoint_to_json(to), "meta_schema", "dm_meta", "rules", rules, "load", options, "sync",
		"collations", json_text(options, "collations", "nearest"));
}

int job_parse_load(const struct args *a, struct job *j, struct err *e)
{
	json_t *rules = NULL, *options = NULL;
	struct endpoint to;
	long threads;
	int r = -1;

	if (!a->to || !a->dir)
		return err_set(e, ERR_usage, "load wants --dir DIR and --to URL");
	if (endpoint_parse_url(a->to, &to, e) < 0)
		return err_add(e, "--to");
	if (job_parse_copy(a, &threads, e) == 0 &&
		job_find_password(
			&to, a->to_password_file, "TIDEGATE_TO_PASSWORD", a->ask_password != NULL, e) == 0 &&
		job_open_folder(j, a->dir, false, e) == 0 && load_source(a, j, e) == 0 &&
		(rules = parse_rules(a, e)) && (options = load_options(a, threads))) {
		load_task(a, j, &to, rules, options);
		r = job_check_objects(j->task, e);
	}
	json_decref(options);
	json_decref(rules);
	endpoint_wipe(&to);
	return r;
}
