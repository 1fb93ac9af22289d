/*
 * Answers for people: a line a task, a source or a member. What has no table of its own is printed as its
 * message or as JSON.
 */
#include "ctl/print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/json.h"
#include "ctl/plain.h"
#include "ctl/progress.h"
#include "ctl/status.h"

void print_json(const json_t *answer)
{
	char *text = json_dumps(answer, JSON_INDENT(4) | JSON_PRESERVE_ORDER);
	struct buf escaped = {0};

	if (text) {
		plain_escape(text, &escaped);
		puts(buf_cstr(&escaped));
	}
	buf_free(&escaped);
	free(text);
}

/* Only a terminal comes here at all; NO_COLOR is everybody's way to have none. */
static bool has_colours(void)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

	return !(no && *no) && term && *term && strcmp(term, "dumb") != 0;
}

enum colour { RED = 31, GREEN = 32, YELLOW = 33, BLUE = 34 };

/* text, padded to width, in the colour. */
static void put_coloured(enum colour c, int width, const char *text)
{
	if (has_colours())
		printf("\033[%dm%-*s\033[0m", (int)c, width, text);
	else
		printf("%-*s", width, text);
}

static void put_head(const char *text)
{
	printf(has_colours() ? "\033[1m%s\033[0m\n" : "%s\n", text);
}

/* DM's words for how something is. */
static enum colour colour_of(const char *word)
{
	static const char *const good[] = {"Running", "bound", "ok"}, *const ended[] = {"Finished", "free"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (strcmp(word, good[i]) == 0)
			return GREEN;
	for (size_t i = 0; i < sizeof(ended) / sizeof(ended[0]); i++)
		if (strcmp(word, ended[i]) == 0)
			return BLUE;
	return strncmp(word, "Error", 5) == 0 || strcmp(word, "offline") == 0 || strcmp(word, "failed") == 0
		       ? RED
		       : YELLOW;
}

static void put_word(int width, const char *word)
{
	put_coloured(colour_of(word), width, word);
}

static void put_copy(const json_t *raw)
{
	struct progress_now n = {.phase = "load"};
	char line[256];

	status_add_copy(&n, json_object_get(raw, "copy"));
	progress_copy(&n, line, sizeof(line));
	printf("  %s", line);
}

/* Those under way. */
static void put_tables(const json_t *tables)
{
	const json_t *t;
	size_t i;

	json_array_foreach(tables, i, t) {
		char rows[24], all_rows[24], bytes[24], all_bytes[24];

		progress_count((double)json_num(t, "rows_done", 0), rows, sizeof(rows));
		progress_count((double)json_num(t, "rows_estimated", 0), all_rows, sizeof(all_rows));
		progress_bytes((double)json_num(t, "bytes_done", 0), bytes, sizeof(bytes));
		progress_bytes((double)json_num(t, "bytes_estimated", 0), all_bytes, sizeof(all_bytes));
		printf("    %s  %.0f %%  %s/%s rows  %s/%s\n", json_text(t, "table", ""),
			json_number_value(json_object_get(t, "percent")), rows, all_rows, bytes, all_bytes);
	}
}

/* An ALTER tells nothing of how far it is. */
static void put_keys(const json_t *keys)
{
	const json_t *k;
	char time[24];
	size_t i;

	json_array_foreach(keys, i, k) {
		progress_time((double)json_num(k, "seconds", 0), time, sizeof(time));
		printf("    %s  its keys are being made, for %s\n", json_text(k, "table", ""), time);
	}
}

static void put_left_out(const json_t *texts)
{
	const json_t *t;
	size_t i;

	json_array_foreach(texts, i, t)
		printf("    note: %s\n", json_string_value(t) ? json_string_value(t) : "");
}

static void put_lag(const json_t *s, const json_t *sync, bool running)
{
	char lag[64];

	if (running)
		progress_lag((double)json_num(sync, "lag_ms", 0), !json_flag(sync, "lag_known", true),
			(double)json_num(sync, "upstream_ms", 0), lag, sizeof(lag));
	else /* DM's word goes on while nothing runs */
		snprintf(lag, sizeof(lag), "%s s",
			json_text(json_object_get(s, "sync"), "secondsBehindMaster", "0"));
	printf("  lag %s", lag);
}

static void put_sync(const json_t *s, const json_t *sync)
{
	bool running = strcmp(json_text(s, "stage", ""), "Running") == 0;
	char rows[24], bytes[24], queue[24];

	printf("  %s:%lld  %lld rows", json_text(sync, "file", ""), (long long)json_num(sync, "offset", 0),
		(long long)json_num(sync, "rows", 0));
	put_lag(s, sync, running);
	if (json_num(sync, "missing_rows", 0) > 0)
		printf("  %lld rows missing", (long long)json_num(sync, "missing_rows", 0));
	if (json_num(sync, "filtered_by_expression", 0) > 0)
		printf("  %lld rows filtered by expression",
			(long long)json_num(sync, "filtered_by_expression", 0));
	if (!running)
		return;
	progress_count((double)json_num(sync, "rows_s", 0), rows, sizeof(rows));
	progress_bytes((double)json_num(sync, "bytes_s", 0), bytes, sizeof(bytes));
	progress_bytes((double)json_num(sync, "queue_bytes", 0), queue, sizeof(queue));
	printf("  %s rows/s  %s/s  busy %lld/%lld  queue %s  waits %lld", rows, bytes,
		(long long)json_num(sync, "busy", 0), (long long)json_num(sync, "appliers", 0), queue,
		(long long)json_num(sync, "waits", 0));
}

static void put_subtask(const char *source, const json_t *s)
{
	const json_t *raw = json_object_get(s, "tidegate"), *error;
	char code[32];
	const char *unit = json_text(s, "unit", "");

	printf("%-20s %-20s ", json_text(s, "name", ""), source);
	put_word(9, json_text(s, "stage", ""));
	printf(" %-5s", unit);
	if (strcmp(unit, "Sync") == 0)
		put_sync(s, json_object_get(raw, "sync"));
	else
		put_copy(raw);
	putchar('\n');
	if (strcmp(unit, "Sync") != 0)
		put_tables(json_object_get(json_object_get(raw, "copy"), "tables"));
	put_keys(json_object_get(json_object_get(raw, "copy"), "keys"));
	put_left_out(json_object_get(json_object_get(raw, "copy"), "left_out"));
	error = json_object_get(raw, "error");
	if (!json_num(error, "code", 0))
		return;
	snprintf(code, sizeof(code), "error %lld", (long long)json_num(error, "code", 0));
	printf("    ");
	put_coloured(RED, 0, code);
	printf(": %s; %s\n", json_text(error, "text", ""),
		err_info((enum err_code)json_num(error, "code", 0))->workaround);
}

/* Where the relay log is, and how much of it there is. */
static void put_relay(const json_t *source)
{
	const json_t *status = json_object_get(source, "sourceStatus"),
		     *relay = json_object_get(status, "relayStatus"),
		     *raw = json_object_get(json_object_get(source, "tidegate"), "relay");
	char bytes[24], free_bytes[24];

	if (!json_is_object(relay))
		return;
	progress_bytes((double)json_num(raw, "log_bytes", 0), bytes, sizeof(bytes));
	progress_bytes((double)json_num(raw, "disk_free_bytes", 0), free_bytes, sizeof(free_bytes));
	printf("%-20s %-20s ", "(relay log)", json_text(status, "source", ""));
	put_word(9, json_text(relay, "stage", ""));
	printf("        %s of %s  %s in %lld files, %s free%s%s%s\n", json_text(relay, "relayBinlog", ""),
		json_text(relay, "masterBinlog", ""), bytes, (long long)json_num(raw, "files", 0), free_bytes,
		json_flag(raw, "full", false) ? "  full" : "",
		*json_text(raw, "kept_for", "") ? "  kept for " : "", json_text(raw, "kept_for", ""));
}

static void put_sources(const json_t *sources)
{
	const json_t *source, *subtask;
	size_t i, k;

	put_head("TASK                 SOURCE               STAGE     UNIT");
	json_array_foreach(sources, i, source) {
		put_relay(source);
		json_array_foreach(json_object_get(source, "subTaskStatus"), k, subtask)
			put_subtask(
				json_text(json_object_get(source, "sourceStatus"), "source", ""), subtask);
	}
}

static void put_tasks(const json_t *tasks)
{
	const json_t *task;
	size_t i;

	put_head("TASK                     STATUS");
	json_array_foreach(tasks, i, task) {
		printf("%-24s ", json_text(task, "taskName", ""));
		put_word(0, json_text(task, "taskStatus", ""));
		putchar('\n');
	}
}

static void put_list(const json_t *list)
{
	const json_t *name;
	size_t i;

	json_array_foreach(list, i, name)
		printf("%s%s", i ? ", " : "", json_string_value(name));
}

static void put_workers(const json_t *workers)
{
	const json_t *w, *raw;
	size_t i;

	json_array_foreach(workers, i, w) {
		raw = json_object_get(w, "tidegate");
		printf("agent   %-24s ", json_text(w, "name", ""));
		put_word(9, json_text(w, "stage", ""));
		printf(" %zu of %lld sources%s  ", json_array_size(json_object_get(raw, "sources")),
			(long long)json_num(raw, "capacity", 0),
			json_flag(raw, "standby", false) ? ", standby" : "");
		put_list(json_object_get(raw, "sources"));
		putchar('\n');
	}
}

static const char *stage_of_master(const json_t *m)
{
	if (json_is_null(json_object_get(m, "alive"))) /* just after a change of the leader */
		return "unknown";
	return json_flag(m, "alive", false) ? "alive" : "away";
}

/* {"leader":{…}}, {"master":{"masters":[…]}}, {"worker":{"workers":[…]}}: of those, what was asked for. */
static void put_members(const json_t *members)
{
	const json_t *member, *m;
	size_t i, k;

	put_head("MEMBER  NAME                     STAGE");
	json_array_foreach(members, i, member) {
		const json_t *leader = json_object_get(member, "leader");

		if (leader)
			printf("leader  %-24s %s\n", json_text(leader, "name", ""),
				json_text(leader, "addr", ""));
		json_array_foreach(json_object_get(json_object_get(member, "master"), "masters"), k, m)
			printf("master  %-24s %s\n", json_text(m, "name", ""), stage_of_master(m));
		put_workers(json_object_get(json_object_get(member, "worker"), "workers"));
	}
}

static void put_results(const json_t *sources)
{
	const json_t *s;
	size_t i;

	json_array_foreach(sources, i, s) {
		printf("%-20s ", json_text(s, "source", ""));
		put_word(6, json_flag(s, "result", false) ? "ok" : "failed");
		printf(" %s\n", json_text(s, "msg", ""));
	}
}

static void put_answer(const char *word, const json_t *answer)
{
	const json_t *sources = json_object_get(answer, "sources"), *tasks = json_object_get(answer, "tasks");

	if (strcmp(word, "query-status") == 0 && tasks)
		put_tasks(tasks);
	else if (strcmp(word, "query-status") == 0 && sources)
		put_sources(sources);
	else if (strcmp(word, "list-member") == 0)
		put_members(json_object_get(answer, "members"));
	else if (json_array_size(sources) > 0)
		put_results(sources);
	else
		puts(*json_text(answer, "msg", "") ? json_text(answer, "msg", "") : "ok");
}

void print_answer(const char *word, const json_t *answer)
{
	json_t *plain = plain_json(answer);

	put_answer(word, plain);
	json_decref(plain);
}
