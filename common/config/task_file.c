/*
 * DM's task.yaml to what start-task takes: each instance's names are looked up, its settings become the
 * units' options. Called by ctl. Nothing is left out silently: what the table config.def can't see is an
 * error or a warning here.
 */
#include <stdio.h>
#include <string.h>

#include "common/base/position.h"
#include "common/config/checked.h"
#include "common/config/files.h"
#include "common/config/json.h"
#include "common/config/keys.h"
#include "common/config/mode.h"
#include "common/config/scalar.h"
#include "common/config/yaml.h"
#include "common/sql/objects.h"
#include "common/sql/rules.h"

struct task_file {
	const char *name;
	const json_t *o; /* the checked file */
	json_t *warnings;
	json_t *used; /* names of entries that an instance took: {"mydumpers.x": true} */
	struct err *e;
};

/* A setting that an instance names or writes out, in DM's three spellings. */
static const struct part {
	const char *map, *config_name, *inlined;
} parts[] = {
	{"mydumpers", "mydumper-config-name", "mydumper"},
	{"loaders", "loader-config-name", "loader"},
	{"syncers", "syncer-config-name", "syncer"},
};
enum { DUMPER, LOADER, SYNCER, NPARTS };

/* Of a unit, to one server (units/dump/options.c, units/load/main.c, units/sync/depend.h). */
enum { CONNECTIONS_MAX = 64 };

static const struct mode *mode_of(const struct task_file *f)
{
	return mode_find(json_text(f->o, "task-mode", ""));
}

static void mark_used(struct task_file *f, const char *map, const char *name)
{
	char key[400];

	snprintf(key, sizeof(key), "%s.%.300s", map, name);
	json_object_set_new(f->used, key, json_true());
}

static bool is_used(const struct task_file *f, const char *map, const char *name)
{
	char key[400];

	snprintf(key, sizeof(key), "%s.%.300s", map, name);
	return json_object_get(f->used, key) != NULL;
}

/* The entry of a named map that the instance's key names; NULL with the error. */
static const json_t *look_up_name(
	struct task_file *f, const json_t *instance, const char *key, const char *map, const char *wanted)
{
	const char *names[64], *near, *name;
	const json_t *all = json_object_get(f->o, map), *entry = json_object_get(all, wanted);
	json_t *v;
	size_t n = 0;

	if (entry && !checked_hidden(wanted)) {
		mark_used(f, map, wanted);
		return entry;
	}
	json_object_foreach((json_t *)(uintptr_t)all, name, v)
		if (!checked_hidden(name) && n < 64)
			names[n++] = name;
	near = words_nearest(str_of(wanted), names, n);
	checked_error(f->name, instance, key, f->e, "`%s: %.100s` names nothing in %s%s%s%s", key, wanted,
		map, near ? "; did you mean `" : "", near ? near : "", near ? "`?" : "");
	return NULL;
}

static const json_t *look_up(struct task_file *f, const json_t *instance, const char *key, const char *map)
{
	return look_up_name(f, instance, key, map, json_text(instance, key, ""));
}

/* The instance's settings of one part: by name, inline, or none (NULL). -1 with the error. */
static int find_part(struct task_file *f, const json_t *instance, const struct part *p, const json_t **out)
{
	const json_t *inlined = json_object_get(instance, p->inlined), *all = json_object_get(f->o, p->map);
	bool named = json_text(instance, p->config_name, "")[0] != '\0';

	*out = inlined;
	if (named && inlined)
		return checked_error(f->name, instance, p->inlined, f->e,
			"`%s` and `%s` together: give one of them", p->config_name, p->inlined);
	if (named) {
		*out = look_up(f, instance, p->config_name, p->map);
		return *out ? 0 : -1;
	}
	if (!inlined && json_object_size(all) > 0)
		checked_warn(f->warnings, f->name, instance, NULL,
			"no `%s` here, so none of %s is used for this source, but the defaults",
			p->config_name, p->map);
	return 0;
}

static json_t *copy_list(const json_t *list)
{
	return list ? json_deep_copy(list) : json_array();
}

/* Tables without the hidden keys. */
static json_t *copy_tables(const json_t *list)
{
	json_t *out = json_array();
	const json_t *t;
	size_t i;

	json_array_foreach(list, i, t)
		json_array_append_new(out, json_pack("{s:s, s:s}", "db-name", json_text(t, "db-name", ""),
						   "tbl-name", json_text(t, "tbl-name", "")));
	return out;
}

/* Of a task or source file: without the hidden keys. A rule that can't be meant so is a note. */
json_t *file_filter(const char *name, const json_t *rule, json_t *warnings)
{
	static const char *const keys[] = {
		"schema-pattern", "table-pattern", "events", "sql-pattern", "action"};
	json_t *out = json_object();

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (json_object_get(rule, keys[i]))
			json_object_set(out, keys[i], json_object_get(rule, keys[i]));
	if (filter_doubt(out))
		checked_warn(warnings, name, rule, NULL, "%s", filter_doubt(out));
	return out;
}

/* The entry of filters of that name; NULL with the error. */
static const json_t *find_filter(struct task_file *f, const json_t *instance, const char *wanted)
{
	const json_t *all = json_object_get(f->o, "filters"), *entry = json_object_get(all, wanted);

	if (entry && !checked_hidden(wanted)) {
		mark_used(f, "filters", wanted);
		return entry;
	}
	checked_error(f->name, instance, "filter-rules", f->e,
		"`filter-rules: %.100s` names nothing in filters", wanted);
	return NULL;
}

/* Those that the instance names, in its order. */
static int put_filters(struct task_file *f, const json_t *instance, json_t *rules)
{
	json_t *list = json_array();
	const json_t *name, *entry;
	size_t i;

	json_array_foreach(json_object_get(instance, "filter-rules"), i, name) {
		entry = find_filter(f, instance, json_string_value(name));
		if (!entry) {
			json_decref(list);
			return -1;
		}
		json_array_append_new(list, file_filter(f->name, entry, f->warnings));
	}
	if (json_array_size(list) > 0)
		json_object_set(rules, "filters", list);
	json_decref(list);
	return 0;
}

static json_t *make_rules(const struct task_file *f, const json_t *list)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:b}", "do_dbs", copy_list(json_object_get(list, "do-dbs")),
		"ignore_dbs", copy_list(json_object_get(list, "ignore-dbs")), "do_tables",
		copy_tables(json_object_get(list, "do-tables")), "ignore_tables",
		copy_tables(json_object_get(list, "ignore-tables")), "case_sensitive",
		json_flag(f->o, "case-sensitive", false));
}

/* A route, without the hidden keys. */
static json_t *copy_route(struct task_file *f, const char *name, const json_t *o)
{
	static const char *const extracts[][2] = {{"extract-table", "table-regexp"},
		{"extract-schema", "schema-regexp"}, {"extract-source", "source-regexp"}};
	json_t *out = json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", name, "schema-pattern",
		json_text(o, "schema-pattern", ""), "table-pattern", json_text(o, "table-pattern", ""),
		"target-schema", json_text(o, "target-schema", ""), "target-table",
		json_text(o, "target-table", ""));
	struct err why = {0};
	const char *key = NULL;

	for (size_t i = 0; i < sizeof(extracts) / sizeof(extracts[0]); i++) {
		const json_t *x = json_object_get(o, extracts[i][0]);

		if (x)
			json_object_set_new(out, extracts[i][0],
				json_pack("{s:s, s:s}", extracts[i][1], json_text(x, extracts[i][1], ""),
					"target-column", json_text(x, "target-column", "")));
	}
	if (route_check(out, &key, &why) == 0)
		return out;
	checked_error(f->name, o, json_object_get(o, key) ? key : NULL, f->e, "%s", why.text);
	json_decref(out);
	return NULL;
}

/* The instance's route-rules, into its rules of tables. */
static int read_routes(struct task_file *f, const json_t *instance, json_t *rules)
{
	const json_t *names = json_object_get(instance, "route-rules"), *name;
	unsigned objects = 0;
	json_t *list;
	size_t i;

	if (json_array_size(names) == 0)
		return 0;
	if (mode_of(f)->to == MODE_FILES)
		checked_warn(f->warnings, f->name, instance, "route-rules",
			"`route-rules` have no effect here: files hold the upstream's names, the task that "
			"loads them routes");
	else if (objects_parse(json_text(f->o, "objects", ""), &objects, NULL) == 0 && objects)
		return checked_error(f->name, instance, "route-rules", f->e,
			"`route-rules` and `objects` together are not supported: routines, triggers and "
			"events name tables in their text");
	list = json_array();
	json_object_set_new(rules, "routes", list);
	json_array_foreach(names, i, name) {
		const char *text = json_string_value(name);
		const json_t *entry = look_up_name(f, instance, "route-rules", "routes", text);
		json_t *route = entry ? copy_route(f, text, entry) : NULL;

		for (size_t k = 0; route && k < i; k++)
			if (json_equal(json_array_get(names, k), name))
				return checked_error(f->name, instance, "route-rules", f->e,
					"`%.100s` is twice in `route-rules`", text);
		if (!route)
			return -1;
		json_array_append_new(list, route);
	}
	return 0;
}

/* The instance's block-allow-list, in its new or old spelling, of the new or old map. */
static json_t *read_rules(struct task_file *f, const json_t *instance)
{
	const char *key = "block-allow-list";
	const json_t *list;

	if (json_object_get(f->o, "black-white-list") && json_object_get(f->o, key)) {
		checked_error(f->name, f->o, "black-white-list", f->e,
			"`black-white-list` and `block-allow-list` together: the first is only the old name");
		return NULL;
	}
	if (json_object_get(instance, "black-white-list") && json_object_get(instance, key)) {
		checked_error(f->name, instance, "black-white-list", f->e,
			"`black-white-list` and `block-allow-list` together: the first is only the old name");
		return NULL;
	}
	if (json_object_get(instance, "black-white-list"))
		key = "black-white-list";
	if (json_text(instance, key, "")[0] == '\0')
		return make_rules(f, NULL);
	list = look_up(f, instance, key,
		json_object_get(f->o, "black-white-list") ? "black-white-list" : "block-allow-list");
	return list ? make_rules(f, list) : NULL;
}

/* The filters that the instance names, into its rules. */
static int read_expressions(struct task_file *f, const json_t *instance, json_t *rules)
{
	static const char key[] = "expression-filters", map[] = "expression-filter";
	bool incremental = strcmp(json_text(f->o, "task-mode", ""), "incremental") == 0;
	json_t *out = json_array(), *one;
	const json_t *entry, *name;
	size_t i;

	json_array_foreach(json_object_get(instance, key), i, name) {
		entry = look_up_name(f, instance, key, map, json_string_value(name));
		one = entry ? file_expression(f->name, json_string_value(name), entry, f->e) : NULL;
		if (one && json_flag(one, "across", false) && !incremental) {
			checked_error(f->name, entry, "update-across", f->e,
				"`update-across` wants task-mode incremental: a full copy copies all rows");
			json_decref(one);
			one = NULL;
		}
		if (!one) {
			json_decref(out);
			return -1;
		}
		json_array_append_new(out, one);
	}
	if (json_array_size(out) > 0)
		json_object_set(rules, "expressions", out);
	json_decref(out);
	return 0;
}

static void copy_number(json_t *to, const char *name, const json_t *from, const char *key)
{
	if (json_num(from, key, 0) > 0)
		json_object_set_new(to, name, json_integer(json_num(from, key, 0)));
}

/* How many connections: what a unit can't have is cut, as DM's users may have asked for more, and said. */
static void copy_connections(
	struct task_file *f, json_t *to, const char *name, const json_t *from, const char *key)
{
	int64_t n = json_num(from, key, 0);

	if (n > CONNECTIONS_MAX)
		checked_warn(f->warnings, f->name, from, key, "`%s: %lld` is taken for %d, there are no more",
			key, (long long)n, CONNECTIONS_MAX);
	if (n > 0)
		json_object_set_new(to, name, json_integer(n > CONNECTIONS_MAX ? CONNECTIONS_MAX : n));
}

static void copy_text(json_t *to, const char *name, const json_t *from, const char *key)
{
	const char *text = json_text(from, key, "");

	if (text[0])
		json_object_set_new(to, name, json_string(text));
}

/* The next word of extra-args, outer quotes and an '=' taken as a blank. */
static bool next_arg(const char **at, char *out, size_t size)
{
	size_t n;

	*at += strspn(*at, " \"'=");
	n = strcspn(*at, " \"'=");
	snprintf(out, size, "%.*s", (int)n, *at);
	*at += n;
	return n > 0;
}

/* dumpling's arguments about files, where files are what is wanted. 1: it was one, and is taken. */
static int take_file_arg(
	struct task_file *f, const json_t *dumper, const char *arg, const char **at, json_t *dump)
{
	static const char *const texts[][2] = {{"--filetype", "filetype"}, {"--compress", "compress"},
		{"--csv-separator", "csv_separator"}, {"--csv-delimiter", "csv_delimiter"},
		{"--csv-null-value", "csv_null_value"}};
	char value[100];

	if (mode_of(f)->to != MODE_FILES)
		return 0;
	if (strcmp(arg, "--no-header") == 0) {
		json_object_set_new(dump, "csv_header", json_false());
		return 1;
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (strcmp(arg, texts[i][0]) != 0)
			continue;
		if (!next_arg(at, value, sizeof(value)))
			return checked_error(
				f->name, dumper, "extra-args", f->e, "%s in extra-args wants a value", arg);
		json_object_set_new(dump, texts[i][1], json_string(value));
		return 1;
	}
	return 0;
}

/* mydumper's arguments: those that say how the snapshot is made, and of a dump into files how these are. */
static int read_extra_args(struct task_file *f, const json_t *dumper, json_t *dump)
{
	const char *at = json_text(dumper, "extra-args", "");
	char arg[100], value[100];

	while (next_arg(&at, arg, sizeof(arg))) {
		int taken = take_file_arg(f, dumper, arg, &at, dump);

		if (taken < 0)
			return -1;
		if (taken)
			continue;
		if (strcmp(arg, "--no-locks") == 0) {
			snprintf(value, sizeof(value), "none");
		} else if (strcmp(arg, "--consistency") != 0) {
			checked_error(f->name, dumper, "extra-args", f->e,
				"`%s` in extra-args is not supported (only --consistency is); tables are "
				"chosen by block-allow-list",
				arg);
			if (f->e)
				f->e->code = ERR_config_unsupported;
			return -1;
		} else if (!next_arg(&at, value, sizeof(value)) ||
			   (strcmp(value, "auto") && strcmp(value, "flush") && strcmp(value, "lock") &&
				   strcmp(value, "none"))) {
			return checked_error(f->name, dumper, "extra-args", f->e,
				"--consistency in extra-args wants auto, flush, lock or none");
		}
		json_object_set_new(dump, "consistency", json_string(value));
	}
	return 0;
}

static int read_dump(struct task_file *f, const json_t *instance, json_t *dump)
{
	const json_t *dumper;

	if (find_part(f, instance, &parts[DUMPER], &dumper) < 0)
		return -1;
	copy_connections(f, dump, "threads", dumper, "threads");
	copy_connections(f, dump, "threads", instance, "mydumper-thread");
	copy_number(dump, "chunk_bytes", dumper, "chunk-filesize");
	copy_number(dump, "statement_size", dumper, "statement-size");
	copy_text(dump, "objects", f->o, "objects");
	return dumper ? read_extra_args(f, dumper, dump) : 0;
}

/* DM has two words for it. */
static void put_collations(const struct task_file *f, json_t *options)
{
	if (strcmp(json_text(f->o, "collation_compatible", ""), "strict") == 0)
		json_object_set_new(options, "collations", json_string("exact"));
	copy_text(options, "collations", f->o, "collation-policy");
}

/* As in DM: a dump's folder carries the task's name, that of a load is the one that is named. */
static void put_folder(struct task_file *f, const json_t *loader, json_t *dump, json_t *load)
{
	const char *dir = json_text(loader, "dir", "./dumped_data");

	if (mode_of(f)->to != MODE_FILES && mode_of(f)->from != MODE_FILES) {
		if (json_object_get(loader, "dir"))
			checked_warn(f->warnings, f->name, loader, "dir",
				"`dir` has no effect here: the spool of this task-mode is in the state "
				"folder");
		return;
	}
	if (strncmp(dir, "./", 2) == 0)
		dir += 2;
	if (mode_of(f)->to == MODE_FILES)
		json_object_set_new(dump, "dir", json_sprintf("%s.%s", dir, json_text(f->o, "name", "")));
	if (mode_of(f)->from == MODE_FILES)
		json_object_set_new(load, "dir", json_string(dir));
}

static int read_load(struct task_file *f, const json_t *instance, json_t *dump, json_t *load)
{
	const json_t *loader;

	if (find_part(f, instance, &parts[LOADER], &loader) < 0)
		return -1;
	copy_connections(f, load, "threads", loader, "pool-size");
	copy_connections(f, load, "threads", instance, "loader-thread");
	copy_text(load, "on_duplicate", loader, "on-duplicate-logical");
	copy_text(load, "by", loader, "load-by");
	copy_text(load, "keys", loader, "secondary-keys");
	copy_text(load, "objects", f->o, "objects");
	copy_text(load, "definer", f->o, "definer");
	put_collations(f, load);
	put_folder(f, loader, dump, load);
	copy_number(dump, "spool_bytes", loader, "disk-quota-physical");
	return 0;
}

/* As in DM: without its safe mode after a start, but always in it, makes no sense. */
static int check_safe_mode(struct task_file *f, const json_t *syncer)
{
	int64_t ms = 1;

	if (!json_flag(syncer, "safe-mode", false) ||
		!scalar_time(str_of(json_text(syncer, "safe-mode-duration", "")), &ms) || ms > 0)
		return 0;
	return checked_error(f->name, syncer, "safe-mode-duration", f->e,
		"`safe-mode-duration: %s` contradicts `safe-mode: true`",
		json_text(syncer, "safe-mode-duration", ""));
}

static int read_sync(struct task_file *f, const json_t *instance, json_t *sync)
{
	const json_t *syncer;

	if (find_part(f, instance, &parts[SYNCER], &syncer) < 0 || check_safe_mode(f, syncer) < 0)
		return -1;
	copy_number(sync, "batch_rows", syncer, "batch");
	copy_connections(f, sync, "workers", syncer, "worker-count");
	copy_connections(f, sync, "workers", instance, "syncer-thread");
	if (json_flag(syncer, "preserve-commit-order", false))
		json_object_set_new(sync, "preserve_commit_order", json_true());
	copy_number(sync, "split_transaction", syncer, "split-transaction");
	copy_text(sync, "missing_row", syncer, "missing-row");
	put_collations(f, sync);
	if (json_flag(syncer, "safe-mode", false))
		json_object_set_new(sync, "safe_mode", json_true());
	return 0;
}

/* Its mode can only be none (config.def), but its name must be right. */
static int read_validator(struct task_file *f, const json_t *instance)
{
	static const char key[] = "validator-config-name";

	if (!json_text(instance, key, "")[0])
		return 0;
	return look_up(f, instance, key, "validators") ? 0 : -1;
}

/* Where an incremental task begins; of the other modes the dump's snapshot says it. */
static int read_start(struct task_file *f, const json_t *instance, json_t *start)
{
	const json_t *meta = json_object_get(instance, "meta");
	const char *file = json_text(meta, "binlog-name", "");
	bool incremental = strcmp(json_text(f->o, "task-mode", ""), "incremental") == 0;
	int64_t offset = json_num(meta, "binlog-pos", 4);
	uint64_t number;
	char base[256];

	if (!incremental) {
		if (meta)
			checked_warn(f->warnings, f->name, instance, "meta",
				"`meta` has no effect here: a full copy brings its own position");
		return 0;
	}
	if (!meta || (!file[0] && !json_text(meta, "binlog-gtid", "")[0]))
		return checked_error(f->name, instance, meta ? "meta" : NULL, f->e,
			"an incremental task wants `meta` with binlog-name and binlog-pos, or binlog-gtid, "
			"for each source");
	if (file[0] && binlog_name_split(str_of(file), base, sizeof(base), &number, NULL) < 0)
		return checked_error(f->name, meta, "binlog-name", f->e,
			"`%.100s` is no binlog file's name (mysql-bin.000003)", file);
	if (!file[0] && json_object_get(meta, "binlog-pos"))
		checked_warn(f->warnings, f->name, meta, "binlog-pos",
			"`binlog-pos` has no effect here: there is no `binlog-name` beside it");
	json_object_set_new(start, "file", json_string(file));
	json_object_set_new(start, "offset", json_integer(offset < 4 ? 4 : offset));
	json_object_set_new(start, "gtid", json_string(json_text(meta, "binlog-gtid", "")));
	return 0;
}

static const struct {
	const char *name, *key;
} online_lists[] = {{"shadow", "shadow-table-rules"}, {"trash", "trash-table-rules"}};
enum { ONLINE_LISTS = sizeof(online_lists) / sizeof(online_lists[0]) };

/* Only for what follows the binlog: a copy alone has no swap to see, so it leaves no table out. */
static void put_online(const struct task_file *f, json_t *rules)
{
	json_t *online;

	if (!json_flag(f->o, "online-ddl", true) || !mode_of(f)->sync)
		return;
	online = json_object();
	for (size_t i = 0; i < ONLINE_LISTS; i++)
		if (json_array_size(json_object_get(f->o, online_lists[i].key)) > 0)
			json_object_set(
				online, online_lists[i].name, json_object_get(f->o, online_lists[i].key));
	json_object_set_new(rules, "online", online);
}

static json_t *read_instance(struct task_file *f, const json_t *instance)
{
	json_t *dump = json_object(), *load = json_object(), *sync = json_object(), *start = json_object();
	json_t *rules = read_rules(f, instance);

	if (rules)
		put_online(f, rules);
	if (rules && put_filters(f, instance, rules) == 0 && read_expressions(f, instance, rules) == 0 &&
		read_routes(f, instance, rules) == 0 &&
		file_check_name(f->name, instance, "source-id", f->e) == 0 &&
		read_dump(f, instance, dump) == 0 && read_load(f, instance, dump, load) == 0 &&
		read_sync(f, instance, sync) == 0 && read_validator(f, instance) == 0 &&
		read_start(f, instance, start) == 0)
		return json_pack("{s:o, s:o, s:o, s:o, s:o}", "rules", rules, "dump", dump, "load", load,
			"sync", sync, "start", start);
	json_decref(rules);
	json_decref(dump);
	json_decref(load);
	json_decref(sync);
	json_decref(start);
	return NULL;
}

static int read_instances(struct task_file *f, json_t *task)
{
	json_t *sources = json_object_get(task, "sources"), *instances = json_object_get(task, "instances");
	const json_t *instance;
	size_t i;

	json_array_foreach(json_object_get(f->o, "mysql-instances"), i, instance) {
		const char *id = json_text(instance, "source-id", "");
		json_t *one = read_instance(f, instance);

		if (!one)
			return -1;
		if (json_object_get(instances, id)) {
			json_decref(one);
			return checked_error(f->name, instance, "source-id", f->e,
				"source `%s` is twice in mysql-instances", id);
		}
		json_object_set_new(instances, id, one);
		json_array_append_new(sources, json_string(id));
		if (i > 0)
			continue;
		json_object_set(task, "rules", json_object_get(one, "rules"));
		json_object_set(task, "dump", json_object_get(one, "dump"));
		json_object_set(task, "load", json_object_get(one, "load"));
		json_object_set(task, "sync", json_object_get(one, "sync"));
	}
	return 0;
}

/* The first entry of the named map, behind `from` (NULL: from its beginning), that no instance names; NULL.
 */
static const char *next_unused(const struct task_file *f, const char *map, const char *from)
{
	json_t *all = json_object_get(f->o, map);
	void *at = json_object_iter(all);

	if (from)
		at = json_object_iter_next(all, json_object_key_to_iter(from));
	for (; at; at = json_object_iter_next(all, at)) {
		const char *name = json_object_iter_key(at);

		if (!checked_hidden(name) && !is_used(f, map, name))
			return name;
	}
	return NULL;
}

/* As in DM: settings that no instance names are a mistake; of lists of tables it is only said. */
static int check_unused(struct task_file *f)
{
	static const char *const maps[] = {"mydumpers", "loaders", "syncers", "validators"};
	static const char *const lists[] = {"block-allow-list", "black-white-list", "expression-filter"};
	const char *name;

	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		name = next_unused(f, maps[i], NULL);
		if (name)
			return checked_error(f->name, json_object_get(f->o, maps[i]), name, f->e,
				"`%.100s` in %s is used by no instance (%.*s-config-name)", name, maps[i],
				(int)strlen(maps[i]) - 1, maps[i]);
	}
	name = next_unused(f, "filters", NULL);
	if (name)
		return checked_error(f->name, json_object_get(f->o, "filters"), name, f->e,
			"`%.100s` in filters is used by no instance (filter-rules)", name);
	name = next_unused(f, "routes", NULL);
	if (name)
		return checked_error(f->name, json_object_get(f->o, "routes"), name, f->e,
			"`%.100s` in routes is used by no instance (route-rules)", name);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (name = next_unused(f, lists[i], NULL); name; name = next_unused(f, lists[i], name))
			checked_warn(f->warnings, f->name, json_object_get(f->o, lists[i]), name,
				"`%.100s` in %s is used by no instance", name, lists[i]);
	return 0;
}

/* DM's word for it says more than the default: what is written beside it must not say less. */
static int check_collations(struct task_file *f)
{
	const char *policy = json_text(f->o, "collation-policy", "exact");

	if (strcmp(json_text(f->o, "collation_compatible", ""), "strict") != 0 || !strcmp(policy, "exact"))
		return 0;
	return checked_error(f->name, f->o, "collation-policy", f->e,
		"`collation-policy: %s` contradicts `collation_compatible: strict`, which is exact", policy);
}

/* What the table can't check of them. */
static int check_objects(struct task_file *f)
{
	struct definer definer;
	struct err why = {0};
	unsigned set;

	if (objects_parse(json_text(f->o, "objects", ""), &set, &why) < 0)
		return checked_error(f->name, f->o, "objects", f->e, "%s", why.text);
	if (definer_parse(json_text(f->o, "definer", ""), &definer, &why) < 0)
		return checked_error(f->name, f->o, "definer", f->e, "%s", why.text);
	return 0;
}

static int check_online_list(struct task_file *f, const char *name, const char *key)
{
	json_t *one = json_object();
	struct online *tried = NULL;
	struct err why = {0};
	int r;

	json_object_set(one, name, json_object_get(f->o, key));
	r = online_new(&tried, one, &why);
	online_free(&tried);
	json_decref(one);
	return r < 0 ? checked_error(f->name, f->o, key, f->e, "%s", why.text) : 0;
}

/* Tables of gh-ost and pt-osc. */
static int check_online(struct task_file *f)
{
	bool on = json_flag(f->o, "online-ddl", true);

	if (!on && json_text(f->o, "online-ddl-scheme", "")[0])
		return checked_error(f->name, f->o, "online-ddl", f->e,
			"`online-ddl: false` contradicts `online-ddl-scheme`");
	for (size_t i = 0; i < ONLINE_LISTS; i++) {
		const char *key = online_lists[i].key;

		if (!json_object_get(f->o, key))
			continue;
		if (check_online_list(f, online_lists[i].name, key) < 0)
			return -1;
		if (!on || !mode_of(f)->sync)
			checked_warn(f->warnings, f->name, f->o, key, "`%s` has no effect %s", key,
				on ? "in this task-mode, which has no sync" : "with `online-ddl: false`");
	}
	return 0;
}

static json_t *convert(struct task_file *f)
{
	json_t *downstream, *task;

	if (file_check_name(f->name, f->o, "name", f->e) < 0 || check_objects(f) < 0 ||
		check_collations(f) < 0 || check_online(f) < 0)
		return NULL;
	downstream = file_endpoint(f->name, f->o, "target-database", f->e);
	if (!downstream)
		return NULL;
	task = json_pack("{s:s, s:s, s:s, s:[], s:o, s:o, s:{}}", "name", json_text(f->o, "name", ""), "mode",
		json_text(f->o, "task-mode", ""), "meta_schema", json_text(f->o, "meta-schema", "dm_meta"),
		"sources", "downstream", downstream, "ignore_checking_items",
		copy_list(json_object_get(f->o, "ignore-checking-items")), "instances");
	json_object_set(task, "yaml", checked_text(f->o));
	if (read_instances(f, task) == 0 && check_unused(f) == 0) {
		json_object_set(task, "warnings", f->warnings);
		return task;
	}
	json_wipe(downstream, "password");
	json_decref(task);
	return NULL;
}

json_t *config_load_task(const char *file, struct err *e)
{
	struct task_file f = {
		.name = file_name(file), .warnings = json_array(), .used = json_object(), .e = e};
	json_t *o = file_read(file, "task", f.warnings, e), *task = NULL;

	f.o = o;
	if (o)
		task = convert(&f);
	json_wipe(json_object_get(o, "target-database"), "password");
	json_decref(o);
	json_decref(f.warnings);
	json_decref(f.used);
	return task;
}

int config_with_password(const char *yaml, const char *password, struct buf *out, struct err *e)
{
	return checked_print("configuration", str_of(yaml), password, out, e);
}
