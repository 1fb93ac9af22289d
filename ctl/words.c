/*
 * The commands that ask a master and print its answer: dmctl's words. JSON in DM's shapes with --json or
 * where the output is no terminal; a readable table else (print.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/xalloc.h"
#include "common/config/endpoint.h"
#include "common/config/json.h"
#include "common/config/yaml.h"
#include "common/sql/split.h"
#include "ctl/ask.h"
#include "ctl/check.h"
#include "ctl/job.h"
#include "ctl/print.h"
#include "ctl/watch.h"
#include "ctl/words.h"

enum { ASK_UNIT_MS = 70000, FILE_MAX = 1 << 20 }; /* what a unit must do takes a minute at most */

struct ask *words_open(const struct args *a, struct err *e)
{
	char run[4096];

	return ask_find(a, run, sizeof(run), e) < 0 ? NULL : ask_open(run, a, e);
}

/* Takes words. */
static int send_with(struct ask *k, const struct args *a, const char *word, json_t *words,
	unsigned timeout_ms, struct err *e)
{
	json_t *answer = k ? ask_command(k, word, words, timeout_ms, e) : NULL;
	int code = answer ? EXIT_DONE : e->code == ERR_usage ? EXIT_USAGE : EXIT_FAILED;

	json_decref(words);
	if (answer && (a->json || !isatty(STDOUT_FILENO)))
		print_json(answer);
	else if (answer)
		print_answer(word, answer);
	json_decref(answer);
	return code;
}

int words_send(struct ask *k, const struct args *a, const char *word, json_t *args, struct err *e)
{
	return send_with(k, a, word, args, ASK_MS, e);
}

static int send_slow(
	const struct args *a, const char *word, json_t *words, unsigned timeout_ms, struct err *e)
{
	struct ask *k = words_open(a, e);
	int code = send_with(k, a, word, words, timeout_ms, e);

	ask_close(&k);
	return code;
}

static int send_word(const struct args *a, const char *word, json_t *words, struct err *e)
{
	return send_slow(a, word, words, ASK_MS, e);
}

/* A word that changes nothing: may be asked again and again. */
static int look(const struct args *a, const char *word, json_t *words, struct err *e)
{
	return a->watch ? watch_send(a, word, words, e) : send_word(a, word, words, e);
}

static json_t *sources_of(const struct args *a)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < a->nsources; i++)
		json_array_append_new(list, json_string(a->sources[i]));
	return list;
}

static int add_statement(void *list, struct str sql, struct err *e)
{
	json_t *text = json_stringn(sql.p, sql.n);

	if (!text)
		return err_set(e, ERR_usage, "a statement that is no UTF-8");
	json_array_append_new(list, text);
	return 0;
}

static int wrong(struct err *e, const char *text)
{
	err_set(e, ERR_usage, "%s", text);
	return EXIT_USAGE;
}

static const char *rest(const struct args *a, int i)
{
	return i < a->nrest ? a->rest[i] : "";
}

/* A file is no folder that is called like a source or task. */
static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool ends_in(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n > m && strcmp(text + n - m, end) == 0;
}

/*
 * A task's name, or as in DM its file: the name in it. What is no task file may be called like a task; one
 * that is called .yaml is not. New reference, NULL with e.
 */
static json_t *task_name(const char *what, struct err *e)
{
	json_t *task = is_file(what) ? config_load_task(what, e) : NULL;
	json_t *name = json_string(json_text(task, "name", what));

	json_wipe(json_object_get(task, "downstream"), "password");
	json_decref(task);
	if (e->code && (ends_in(what, ".yaml") || ends_in(what, ".yml"))) {
		json_decref(name);
		return NULL;
	}
	err_clear(e);
	return name;
}

int cmd_query_status(const struct args *a, struct err *e)
{
	json_t *task;

	if (a->nrest > 1)
		return wrong(e, "query-status takes one task at most");
	task = task_name(a->nrest ? a->rest[0] : "", e);
	if (!task)
		return EXIT_FAILED;
	return look(a, "query-status",
		json_pack("{s:o, s:o, s:b}", "task", task, "sources", sources_of(a), "more", a->more != NULL),
		e);
}

int cmd_list_member(const struct args *a, struct err *e)
{
	json_t *kinds = json_array(), *names = json_array();

	if (a->nrest) {
		json_decref(kinds);
		json_decref(names);
		return wrong(e, "list-member takes options only: -l -m -w -n name");
	}
	if (a->leader)
		json_array_append_new(kinds, json_string("leader"));
	if (a->masters)
		json_array_append_new(kinds, json_string("master"));
	if (a->worker)
		json_array_append_new(kinds, json_string("worker"));
	for (unsigned i = 0; i < a->nnames; i++)
		json_array_append_new(names, json_string(a->names[i]));
	return look(a, "list-member", json_pack("{s:o, s:o}", "kinds", kinds, "names", names), e);
}

int cmd_offline_member(const struct args *a, struct err *e)
{
	if (a->nrest || !a->name || !a->masters == !a->worker)
		return wrong(e, "offline-member -w|-m -n name");
	return send_word(a, "offline-member",
		json_pack("{s:s, s:s}", "kind", a->worker ? "worker" : "master", "name", a->name), e);
}

int cmd_drain_member(const struct args *a, struct err *e)
{
	if (a->nrest || !a->name || a->masters)
		return wrong(e, "drain-member -n name [--cancel]");
	return send_word(
		a, "drain-member", json_pack("{s:s, s:b}", "name", a->name, "cancel", a->cancel != NULL), e);
}

int cmd_transfer_source(const struct args *a, struct err *e)
{
	if (a->nrest != 2)
		return wrong(e, "transfer-source source agent");
	return send_word(
		a, "transfer-source", json_pack("{s:s, s:s}", "source", a->rest[0], "worker", a->rest[1]), e);
}

int cmd_operate_leader(const struct args *a, struct err *e)
{
	if (a->nrest != 1)
		return wrong(e, "operate-leader evict, or operate-leader cancel-evict");
	/* The one word that is not passed on: of several it would reach whichever answers first. */
	if (strcmp(a->rest[0], "cancel-evict") == 0 && a->master && ask_is_list(a->master))
		return err_set(e, ERR_usage,
			"operate-leader cancel-evict is for the master that was evicted: give its address "
			"alone");
	return send_word(a, "operate-leader", json_pack("{s:s}", "op", a->rest[0]), e);
}

int cmd_relay_word(const struct args *a, struct err *e)
{
	json_t *agents = json_array();

	for (int i = 0; i < a->nrest; i++)
		json_array_append_new(agents, json_string(a->rest[i]));
	return send_word(a, a->word, json_pack("{s:o, s:o}", "sources", sources_of(a), "workers", agents), e);
}

int cmd_relay_stage(const struct args *a, struct err *e)
{
	if (a->nrest || !a->nsources)
		return wrong(e, "name the source: -s source");
	return send_word(a, a->word, json_pack("{s:o}", "sources", sources_of(a)), e);
}

int cmd_purge_relay(const struct args *a, struct err *e)
{
	if (a->nrest || a->nsources != 1 || !a->filename)
		return wrong(e, "purge-relay -s source -f mysql-bin.000003 [--sub-dir NAME]");
	return send_slow(a, "purge-relay",
		json_pack("{s:o, s:s, s:s, s:b}", "sources", sources_of(a), "file", a->filename, "sub_dir",
			a->sub_dir ? a->sub_dir : "", "force", a->force != NULL),
		ASK_UNIT_MS, e);
}

int cmd_shard_ddl_lock(const struct args *a, struct err *e)
{
	bool old = strcmp(a->word, "unlock-ddl-lock") == 0;
	bool unlock = old || (a->nrest > 0 && strcmp(a->rest[0], "unlock") == 0);
	int at = unlock && !old ? 1 : 0;

	if (a->nrest > at + 1 || (unlock && a->nrest != at + 1))
		return wrong(e, "shard-ddl-lock [task], or shard-ddl-lock unlock lock-id");
	return send_word(a, "shard-ddl-lock", json_pack("{s:s}", "unlock", unlock ? a->rest[at] : ""), e);
}

int cmd_validation(const struct args *a, struct err *e)
{
	if (a->nrest < 1)
		return wrong(e, "validation status [task]");
	return send_word(a, "validation", json_pack("{s:s, s:s}", "op", a->rest[0], "task", rest(a, 1)), e);
}

int cmd_accept_store(const struct args *a, struct err *e)
{
	return send_word(a, "accept-store", json_object(), e);
}

int cmd_accept_key(const struct args *a, struct err *e)
{
	if (a->nrest || !a->name)
		return wrong(e, "accept-key -n name");
	return send_word(a, "accept-key", json_pack("{s:s}", "name", a->name), e);
}

int cmd_task_word(const struct args *a, struct err *e)
{
	json_t *task;

	if (a->nrest != 1) {
		err_set(e, ERR_usage, "%s wants the name of one task", a->word);
		return EXIT_USAGE;
	}
	task = task_name(a->rest[0], e);
	if (!task)
		return EXIT_FAILED;
	return send_word(a, a->word, json_pack("{s:o, s:o}", "task", task, "sources", sources_of(a)), e);
}

/* "a; b" as it is, and each further word: the statements of replace and inject. */
static int split_statements(const struct args *a, int from, json_t *list, struct err *e)
{
	for (int i = from; i < a->nrest; i++)
		if (sql_split_ddl(str_of(a->rest[i]), add_statement, list, e) < 0)
			return -1;
	return 0;
}

/* handle-error is DM's older word, with the task first. */
int cmd_binlog(const struct args *a, struct err *e)
{
	bool old = strcmp(a->word, "handle-error") == 0;
	const char *op = a->nrest > 1 ? a->rest[old] : "";
	json_t *sqls = json_array();

	if (a->nrest < 2 || split_statements(a, 2, sqls, e) < 0) {
		json_decref(sqls);
		return a->nrest < 2 ? wrong(e, "binlog skip|replace|inject|revert|list task [\"sql; …\"]")
				    : EXIT_USAGE;
	}
	return send_word(a, "binlog",
		json_pack("{s:s, s:s, s:s, s:o, s:o}", "op", op, "task", a->rest[!old], "pos",
			a->binlog_pos ? a->binlog_pos : "", "sqls", sqls, "sources", sources_of(a)),
		e);
}

/* The text of a file; NULL: an error. */
static json_t *read_text(const char *path, struct err *e)
{
	FILE *f = fopen(path, "re");
	char *text = xcalloc(FILE_MAX + 1, 1);
	size_t n = f ? fread(text, 1, FILE_MAX + 1, f) : 0;
	json_t *o = NULL;

	if (!f || ferror(f))
		err_sys(e, ERR_usage, "%s", path);
	else if (n == 0 || n > FILE_MAX)
		err_set(e, ERR_usage, n ? "%s: more than 1 MiB" : "%s is empty", path);
	else if (!(o = json_stringn(text, n)))
		err_set(e, ERR_usage, "%s is no UTF-8", path);
	if (f)
		fclose(f);
	free(text);
	return o;
}

struct schema_call {
	const char *op, *task, *schema, *table, *file;
};

static int send_schema(const struct args *a, const struct schema_call *s, struct err *e)
{
	json_t *text = s->file ? read_text(s->file, e) : json_string("");

	if (!text)
		return EXIT_USAGE;
	if ((a->flush && strcasecmp(a->flush, "false") == 0) || (a->from_source && a->from_target)) {
		json_decref(text);
		return wrong(e, a->from_source && a->from_target
					? "--from-source or --from-target, not both"
					: "--flush=false: what is changed is always durable at once");
	}
	return send_slow(a, "binlog-schema",
		json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:o}", "op", s->op, "task", s->task, "schema",
			s->schema, "table", s->table, "text", text, "from",
			a->from_source   ? "source"
			: a->from_target ? "target"
					 : "",
			"sources", sources_of(a)),
		ASK_UNIT_MS, e);
}

int cmd_binlog_schema(const struct args *a, struct err *e)
{
	struct schema_call s = {.op = rest(a, 0),
		.task = rest(a, 1),
		.schema = rest(a, 2),
		.table = rest(a, 3),
		.file = a->nrest > 4 ? a->rest[4] : NULL};

	if (a->nrest < 2 || a->nrest > 5)
		return wrong(e, "binlog-schema list|update|delete task database table [file]");
	return send_schema(a, &s, e);
}

int cmd_operate_schema(const struct args *a, struct err *e)
{
	static const char *const words[][2] = {{"get", "list"}, {"set", "update"}, {"remove", "delete"}};
	struct schema_call s = {.op = "",
		.task = rest(a, 1),
		.schema = a->database ? a->database : "",
		.table = a->table ? a->table : "",
		.file = a->nrest > 2 ? a->rest[2] : NULL};

	for (size_t i = 0; i < 3; i++)
		if (strcmp(words[i][0], rest(a, 0)) == 0)
			s.op = words[i][1];
	if (!*s.op || a->nrest < 2 || a->nrest > 3)
		return wrong(e, "operate-schema get|set|remove task -d database -t table [file]");
	return send_schema(a, &s, e);
}

/* How many are told: 10 without a word about it. */
static int most(const char *option, const char *text, unsigned *out, struct err *e)
{
	char *end = NULL;
	unsigned long n = text ? strtoul(text, &end, 10) : 10;

	if (text && (*text < '0' || *text > '9' || *end || n > 1000))
		return err_set(e, ERR_usage, "--%s wants a number from 0 to 1000", option);
	*out = (unsigned)n;
	return 0;
}

/* The key of the state folder encrypts what the master may see only as cipher text. */
static json_t *made_ready(const struct args *a, json_t *o, const char *endpoint, struct err *e)
{
	if (o)
		job_tell_warnings(o);
	if (o && job_encrypt(a, json_object_get(o, endpoint), NULL, e) < 0) {
		json_decref(o);
		o = NULL;
	}
	return o;
}

json_t *words_load_task(const struct args *a, const char *file, struct err *e)
{
	return made_ready(a, config_load_task(file, e), "downstream", e);
}

json_t *words_load_source(const struct args *a, const char *file, struct err *e)
{
	return made_ready(a, config_load_source(file, e), "endpoint", e);
}

struct told {
	unsigned errors, warnings;
};

static int tell_checks(const struct args *a, const json_t *list, struct told n, struct err *e)
{
	json_t *answer = check_detail(list, n.errors, n.warnings);
	bool passed = json_flag(answer, "result", false);

	if (a->json || !isatty(STDOUT_FILENO))
		print_json(answer);
	else
		print_answer("check-task", answer);
	json_decref(answer);
	if (!passed)
		err_set(e, ERR_check_failed, "the task can't start");
	return passed ? EXIT_DONE : EXIT_FAILED;
}

/* The sources of a task file that are meant: those of -s, or all. New reference, NULL with e. */
static json_t *wanted_sources(const struct args *a, const json_t *task, struct err *e)
{
	json_t *all = json_object_get(task, "sources");

	for (unsigned i = 0; i < a->nsources; i++)
		if (!json_among(all, a->sources[i])) {
			err_set(e, ERR_source_unknown, "`%.100s` is no source of the file's task `%.64s`",
				a->sources[i], json_text(task, "name", ""));
			return NULL;
		}
	return a->nsources ? sources_of(a) : json_incref(all);
}

int cmd_check_task(const struct args *a, struct err *e)
{
	json_t *task, *sources, *list = json_array();
	struct ask *k;
	struct told n;
	int code = EXIT_FAILED;

	if (a->nrest != 1 || most("error", a->error, &n.errors, e) < 0 ||
		most("warn", a->warn, &n.warnings, e) < 0) {
		json_decref(list);
		return a->nrest != 1 ? wrong(e, "check-task wants one task file") : EXIT_USAGE;
	}
	task = words_load_task(a, a->rest[0], e);
	sources = task ? wanted_sources(a, task, e) : NULL;
	k = sources ? words_open(a, e) : NULL;
	if (k && check_all(k, task, sources, false, list, e) == 0)
		code = tell_checks(a, list, n, e);
	ask_close(&k);
	json_decref(sources);
	json_decref(task);
	json_decref(list);
	return code;
}

/* The sources that the task is there on, as it was checked when it was made; its words go on as they are. */
static json_t *sources_there(struct ask *k, const json_t *task)
{
	json_t *args = json_pack("{s:s}", "task", json_text(task, "name", "")), *list = json_array();
	struct err e = {0};
	json_t *answer = ask_command(k, "query-status", args, ASK_MS, &e);
	const json_t *s;
	size_t i;

	json_array_foreach(json_object_get(answer, "sources"), i, s)
		if (json_array_size(json_object_get(s, "subTaskStatus")) > 0)
			json_array_append_new(list,
				json_string(json_text(json_object_get(s, "sourceStatus"), "source", "")));
	json_decref(args);
	json_decref(answer);
	return list;
}

/* Takes wanted: those of it where the task is to be made. */
static json_t *without_there(struct ask *k, const json_t *task, json_t *wanted)
{
	json_t *there = sources_there(k, task), *list = json_array(), *v;
	size_t i;

	json_array_foreach(wanted, i, v)
		if (!json_among(there, json_string_value(v)))
			json_array_append(list, v);
	json_decref(there);
	json_decref(wanted);
	return list;
}

/* As in DM, before a task is made. */
static int check_first(struct ask *k, const struct args *a, const json_t *task, bool afresh, struct err *e)
{
	json_t *list = json_array(), *findings = json_pack("{s:o}", "findings", list);
	json_t *sources = wanted_sources(a, task, e);
	int r = -1;

	if (sources) {
		sources = without_there(k, task, sources);
		r = check_all(k, task, sources, afresh, list, e);
		json_decref(sources);
	}
	if (r == 0)
		r = check_judge(findings, e);
	json_decref(findings);
	return r;
}

int words_start_task(struct ask *k, const struct args *a, json_t *task, struct err *e)
{
	if (!a->no_check && check_first(k, a, task, a->remove_meta != NULL, e) < 0)
		return EXIT_FAILED;
	return words_send(k, a, "start-task",
		json_pack("{s:O, s:b, s:o}", "task", task, "remove_meta", a->remove_meta != NULL, "sources",
			sources_of(a)),
		e);
}

int cmd_update_task(const struct args *a, struct err *e)
{
	json_t *task;

	if (a->nrest != 1)
		return wrong(e, "update-task wants one task file");
	task = words_load_task(a, a->rest[0], e);
	if (!task)
		return EXIT_FAILED;
	return send_word(
		a, "update-task", json_pack("{s:o, s:o}", "task", task, "sources", sources_of(a)), e);
}

int cmd_start_task(const struct args *a, struct err *e)
{
	json_t *task;
	struct ask *k;
	int code = EXIT_FAILED;

	if (a->nrest != 1)
		return wrong(e, "start-task wants one task file");
	task = words_load_task(a, a->rest[0], e);
	k = task ? words_open(a, e) : NULL;
	if (k)
		code = words_start_task(k, a, task, e);
	ask_close(&k);
	json_decref(task);
	return code;
}

int words_put_source(struct ask *k, const struct args *a, const char *op, json_t *source, struct err *e)
{
	return words_send(k, a, "operate-source", json_pack("{s:s, s:O}", "op", op, "source", source), e);
}

/* A source's file, or its name where it is to be stopped. New reference, NULL with e. */
static json_t *find_source(const struct args *a, const char *op, const char *what, struct err *e)
{
	if (strcmp(op, "stop") != 0)
		return words_load_source(a, what, e);
	return is_file(what) ? config_load_source(what, e) : json_pack("{s:s}", "source-id", what);
}

/* Before the master is opened, which changes the current folder; and a mistake in the last file changes
 * nothing. */
static json_t *find_sources(const struct args *a, const char *op, struct err *e)
{
	json_t *list = json_array();

	for (int i = 1; i < a->nrest; i++) {
		json_t *source = find_source(a, op, a->rest[i], e);

		if (!source) {
			json_decref(list);
			return NULL;
		}
		json_array_append_new(list, source);
	}
	return list;
}

static int send_sources(const struct args *a, const char *op, const json_t *list, struct err *e)
{
	struct ask *k = words_open(a, e);
	int code = k ? EXIT_DONE : e->code == ERR_usage ? EXIT_USAGE : EXIT_FAILED;
	json_t *source;
	size_t i;

	json_array_foreach(list, i, source)
		if (code == EXIT_DONE)
			code = words_send(k, a, "operate-source",
				json_pack("{s:s, s:O, s:s*}", "op", op, "source", source, "worker",
					a->on_agent),
				e);
	ask_close(&k);
	return code;
}

int cmd_operate_source(const struct args *a, struct err *e)
{
	const char *op = a->nrest ? a->rest[0] : "";
	json_t *list;
	int code;

	if (strcmp(op, "show") == 0 && a->nrest == 1)
		return send_word(a, "operate-source", json_pack("{s:s}", "op", "show"), e);
	if ((strcmp(op, "create") != 0 && strcmp(op, "update") != 0 && strcmp(op, "stop") != 0) ||
		a->nrest < 2)
		return wrong(e, "operate-source create|update file …, stop file|name …, or show");
	if (a->on_agent && (strcmp(op, "create") != 0 || a->nrest != 2))
		return wrong(e, "-w agent is for operate-source create with one file");
	list = find_sources(a, op, e);
	code = list ? send_sources(a, op, list, e) : EXIT_FAILED;
	json_decref(list);
	return code;
}
