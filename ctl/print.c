/*
 * Answers for people: a line a task, a source or a member. What has no table of its own is printed as its
 * message or as JSON.
 */
#include "ctl/print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/json.h"
#include "ctl/progress.h"
#include "ctl/status.h"

void print_json(const json_t *answer)
{
	char *text = json_dumps(answer, JSON_INDENT(4) | JSON_PRESERVE_ORDER);

	if (text)
		puts(text);
	free(text);
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
	const char *unit = json_text(s, "unit", "");

	printf("%-20s %-20s %-9s %-5s", json_text(s, "name", ""), source, json_text(s, "stage", ""), unit);
	if (strcmp(unit, "Sync") == 0)
		put_sync(s, json_object_get(raw, "sync"));
	else
		put_copy(raw);
	putchar('\n');
	if (strcmp(unit, "Sync") != 0)
		put_tables(json_object_get(json_object_get(raw, "copy"), "tables"));
	put_keys(json_object_get(json_object_get(raw, "copy"), "keys"));
	error = json_object_get(raw, "error");
	if (json_num(error, "code", 0))
		printf("    error %lld: %s; %s\n", (long long)json_num(error, "code", 0),
			json_text(error, "text", ""),
			err_info((enum err_code)json_num(error, "code", 0))->workaround);
}

static void put_sources(const json_t *sources)
{
	const json_t *source, *subtask;
	size_t i, k;

	printf("%-20s %-20s %-9s %-5s\n", "TASK", "SOURCE", "STAGE", "UNIT");
	json_array_foreach(sources, i, source)
		json_array_foreach(json_object_get(source, "subTaskStatus"), k, subtask)
			put_subtask(
				json_text(json_object_get(source, "sourceStatus"), "source", ""), subtask);
}

static void put_tasks(const json_t *tasks)
{
	const json_t *task;
	size_t i;

	printf("%-24s %s\n", "TASK", "STATUS");
	json_array_foreach(tasks, i, task)
		printf("%-24s %s\n", json_text(task, "taskName", ""), json_text(task, "taskStatus", ""));
}

static void put_results(const json_t *sources)
{
	const json_t *s;
	size_t i;

	json_array_foreach(sources, i, s)
		printf("%-20s %s %s\n", json_text(s, "source", ""),
			json_flag(s, "result", false) ? "ok" : "failed", json_text(s, "msg", ""));
}

void print_answer(const char *word, const json_t *answer)
{
	const json_t *sources = json_object_get(answer, "sources"), *tasks = json_object_get(answer, "tasks");

	if (strcmp(word, "query-status") == 0 && tasks)
		put_tasks(tasks);
	else if (strcmp(word, "query-status") == 0 && sources)
		put_sources(sources);
	else if (strcmp(word, "list-member") == 0)
		print_json(answer);
	else if (json_array_size(sources) > 0)
		put_results(sources);
	else
		puts(*json_text(answer, "msg", "") ? json_text(answer, "msg", "") : "ok");
}
