/*
 * `tidegate cutover`: which step comes when. The source is looked at, the task drains, pauses, and only then
 * both sides are compared and triggers made, so that none fires for a row that is applied. What was only
 * looked at goes on as before; what was made stays, and the same command goes on with it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/config/json.h"
#include "ctl/ask.h"
#include "ctl/cutover_parts.h"
#include "ctl/plain.h"
#include "ctl/print.h"
#include "ctl/progress.h"
#include "ctl/status.h"

enum { ASK_MS = 30000, POLL_MS = 200, PAUSE_MS = 120000, AWAKE_MS = 15000, WAIT_S = 60, WAIT_MAX_S = 86400 };

struct cut {
	const struct args *a;
	struct ask *ask;
	const char *task;
	unsigned wait_s;
	bool running;    /* some source of the task is not paused */
	bool finishing;  /* the step in hand may change something downstream */
	bool made;       /* something was changed there, or may have been */
	bool terminal;   /* of progress */
	json_t *sources; /* what the last step found: [{"source","findings":[…]}] */
	unsigned fails;  /* of it */
	unsigned parts;  /* tables of several sources that it has compared */
};

static json_t *words_of(const struct cut *c)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < c->a->nsources; i++)
		json_array_append_new(list, json_string(c->a->sources[i]));
	return json_pack("{s:s, s:o}", "task", c->task, "sources", list);
}

static json_t *tell(struct cut *c, const char *word, json_t *args, struct err *e)
{
	json_t *answer = ask_command(c->ask, word, args, ASK_MS, e);

	json_decref(args);
	return answer;
}

/* --- one step of the unit --- */

static void show(struct cut *c, const char *text)
{
	if (c->terminal)
		fprintf(stderr, "\r%-78s\r", text);
}

static void show_progress(struct cut *c, const json_t *sources)
{
	double done = 0, total = 0, rows = 0;
	char text[120], count[24];
	const json_t *s;
	size_t i;

	json_array_foreach(sources, i, s) {
		const json_t *p = json_object_get(s, "progress");

		done += (double)json_num(p, "tables_done", 0);
		total += (double)json_num(p, "tables_total", 0);
		rows += (double)json_num(p, "rows_done", 0);
	}
	progress_count(rows, count, sizeof(count));
	snprintf(text, sizeof(text), "cutover: %.0f of %.0f tables, %s rows compared", done, total, count);
	show(c, text);
}

/* A unit that died is a finding too. True: one did. */
static bool take_error(json_t *source)
{
	const json_t *error = json_object_get(source, "error");

	if (json_num(error, "code", 0) == 0)
		return false;
	json_array_append_new(json_object_get(source, "findings"),
		json_pack("{s:s, s:s, s:s, s:s}", "item", "cutover", "state", "fail", "what",
			json_text(error, "text", ""), "mend", "ask again"));
	return true;
}

static void take(struct cut *c, json_t *sources)
{
	const json_t *f;
	json_t *s;
	size_t i, k;

	json_decref(c->sources);
	c->sources = json_deep_copy(sources);
	c->parts = cutover_parts_judge(c->sources);
	c->fails = 0;
	json_array_foreach(c->sources, i, s) {
		/* What a dead one has made is not known, and a trigger may be among it: rows must not be
		 * applied. */
		c->made |= take_error(s) && c->finishing;
		c->made |= json_flag(json_object_get(s, "progress"), "made", false);
		json_array_foreach(json_object_get(s, "findings"), k, f)
			c->fails += strcmp(json_text(f, "state", ""), "fail") == 0;
	}
}

static int step(struct cut *c, const char *op, bool compare, struct err *e)
{
	json_t *args = words_of(c), *answer;
	int64_t run;

	c->finishing = strcmp(op, "finish") == 0;
	json_object_set_new(args, "op", json_string(op));
	json_object_set_new(args, "compare", json_boolean(compare));
	answer = tell(c, "cutover", args, e);
	run = json_num(answer, "run", 0);
	while (answer && !json_flag(answer, "done", false)) {
		show_progress(c, json_object_get(answer, "sources"));
		json_decref(answer);
		clock_sleep_ms(POLL_MS);
		answer = tell(c, "cutover", json_pack("{s:s, s:I}", "op", "poll", "run", (json_int_t)run), e);
	}
	show(c, "");
	if (!answer)
		return -1;
	take(c, json_object_get(answer, "sources"));
	json_decref(answer);
	return 0;
}

/* --- the task --- */

static void add_finding(struct cut *c, const char *item, const char *mend, const char *what)
{
	json_t *first = json_array_get(c->sources, 0);

	json_array_append_new(json_object_get(first, "findings"),
		json_pack("{s:s, s:s, s:s, s:s}", "item", item, "state", "fail", "what", what, "mend", mend));
	c->fails++;
}

/* Every subtask that is meant: how many are not in this stage. */
static unsigned not_in(const json_t *answer, const char *stage)
{
	const json_t *source, *subtask;
	unsigned n = 0;
	size_t i, k;

	json_array_foreach(json_object_get(answer, "sources"), i, source)
		json_array_foreach(json_object_get(source, "subTaskStatus"), k, subtask)
			n += strcmp(json_text(subtask, "stage", ""), stage) != 0;
	return n;
}

/* 1: done; 0: not yet. */
typedef int look_fn(struct cut *c, const json_t *answer, void *arg);

static int wait_until(struct cut *c, look_fn *look, void *arg, uint64_t ms, struct err *e)
{
	uint64_t deadline = clock_ms() + ms;
	int r = 0;

	while (r == 0) {
		json_t *answer = tell(c, "query-status", words_of(c), e);

		if (!answer)
			return -1;
		r = look(c, answer, arg);
		json_decref(answer);
		if (r == 0 && clock_ms() >= deadline)
			return 0;
		if (r == 0)
			clock_sleep_ms(POLL_MS);
	}
	return r;
}

/* The agent's word may be of a pause that was ended since: who is told to run runs, or is about to. */
static unsigned awaking(const json_t *answer)
{
	const json_t *source, *subtask;
	unsigned n = 0;
	size_t i, k;

	json_array_foreach(json_object_get(answer, "sources"), i, source)
		json_array_foreach(json_object_get(source, "subTaskStatus"), k, subtask)
			n += strcmp(json_text(subtask, "stage", ""), "Paused") == 0 &&
			     strcmp(json_text(json_object_get(subtask, "tidegate"), "wanted", ""),
				     "Running") == 0;
	return n;
}

static int look_running(struct cut *c, const json_t *answer, void *arg)
{
	unsigned woken = awaking(answer);

	(void)arg;
	c->running = not_in(answer, "Paused") + woken > 0 && not_in(answer, "Finished") > 0;
	return woken == 0;
}

static int look_paused(struct cut *c, const json_t *answer, void *arg)
{
	(void)c;
	(void)arg;
	return not_in(answer, "Paused") == 0;
}

static int look_drained(struct cut *c, const json_t *answer, void *arg)
{
	struct status_now now;
	char text[120], lag[64];

	status_read(answer, &now);
	progress_lag(now.show.lag_ms, now.show.lag_unknown, now.show.silent_ms, lag, sizeof(lag));
	snprintf(text, sizeof(text), "cutover: the task drains, lag %s", lag);
	show(c, text);
	return status_reached(&now, arg);
}

static int drain(struct cut *c, struct err *e)
{
	struct status_end end = {0};
	char what[160];
	int r = wait_until(c, look_drained, &end, (uint64_t)c->wait_s * 1000, e);

	status_end_free(&end);
	show(c, "");
	if (r == 0) {
		snprintf(what, sizeof(what),
			"the downstream did not reach the source's position within %u s: see query-status",
			c->wait_s);
		add_finding(c, "applied", "see what it waits for, or give it more time with --wait", what);
	}
	return r < 0 ? -1 : 0;
}

static int pause_task(struct cut *c, struct err *e)
{
	json_t *answer = tell(c, "pause-task", words_of(c), e);
	int r;

	if (!answer)
		return -1;
	json_decref(answer);
	r = wait_until(c, look_paused, NULL, PAUSE_MS, e);
	if (r == 0)
		add_finding(c, "applied", "see query-status", "the task does not come to a pause");
	return r < 0 ? -1 : 0;
}

static json_t *findings_of(json_t *sources, const char *source)
{
	json_t *s;
	size_t i;

	json_array_foreach(sources, i, s)
		if (strcmp(json_text(s, "source", ""), source) == 0)
			return json_object_get(s, "findings");
	return NULL;
}

/* What was found by the step before stands in front of what the last one has. */
static void put_before(json_t *before, json_t *sources)
{
	json_t *s, *all;
	size_t i;

	json_array_foreach(sources, i, s) {
		all = json_deep_copy(findings_of(before, json_text(s, "source", "")));
		if (!all)
			continue;
		json_array_extend(all, json_object_get(s, "findings"));
		json_object_set_new(s, "findings", all);
	}
}

/* Where tables of several sources are equal, what was held back by it is made. */
static int make_rest(struct cut *c, struct err *e)
{
	json_t *before = json_incref(c->sources);
	int r = step(c, "finish", false, e);

	if (r == 0)
		put_before(before, c->sources);
	json_decref(before);
	return r;
}

static int finish(struct cut *c, struct err *e)
{
	if (step(c, "finish", true, e) < 0)
		return -1;
	return c->fails == 0 && c->parts > 0 ? make_rest(c, e) : 0;
}

/* Nothing was made: it goes on as it was. */
static void go_on(struct cut *c)
{
	struct err ignored;

	json_decref(tell(c, "resume-task", words_of(c), &ignored));
}

/* --- the verdict --- */

static void print_findings(const struct cut *c)
{
	json_t *sources = plain_json(c->sources);
	const json_t *s, *f;
	size_t i, k;

	json_array_foreach(sources, i, s)
		json_array_foreach(json_object_get(s, "findings"), k, f) {
			const char *state = json_text(f, "state", ""), *mend = json_text(f, "mend", "");

			printf("%-6s ", strcmp(state, "fail") == 0   ? "no-go"
					: strcmp(state, "warn") == 0 ? "note"
								     : "ok");
			if (json_array_size(c->sources) > 1)
				printf("%s: ", json_text(s, "source", ""));
			printf("%s%s%s\n", json_text(f, "what", ""), *mend ? "; " : "", mend);
		}
	json_decref(sources);
}

static const char *verdict(const struct cut *c, char *out, size_t size)
{
	if (c->fails)
		snprintf(out, size, "no-go: %u findings; %s", c->fails,
			c->made ? "the task is left paused, the same command goes on"
				: "nothing was changed downstream");
	else if (c->a->check)
		snprintf(out, size, "go: nothing speaks against it; nothing was changed");
	else
		snprintf(out, size, "go: applications may move; the task is %s, stop-task ends it",
			c->running ? "paused" : "at rest");
	return out;
}

static void print_verdict(const struct cut *c)
{
	char text[200];
	json_t *o;

	verdict(c, text, sizeof(text));
	if (!c->a->json && isatty(STDOUT_FILENO)) {
		print_findings(c);
		puts(text);
		return;
	}
	o = json_pack("{s:b, s:s, s:O}", "result", c->fails == 0, "msg", text, "sources", c->sources);
	print_json(o);
	json_decref(o);
}

/* --- the course --- */

/* Of a source that is written to, or of a task that lags, every table would differ: then they are not
 * compared. */
static int rehearse(struct cut *c, struct err *e)
{
	bool late = false;

	if (c->fails == 0 && c->running) {
		if (drain(c, e) < 0)
			return -1;
		late = c->fails > 0;
	}
	if (step(c, "check", c->fails == 0, e) < 0)
		return -1;
	if (late)
		add_finding(c, "applied", "see what it waits for, or give it more time with --wait",
			"the downstream did not reach the source's position: the tables were not compared");
	return 0;
}

static int move(struct cut *c, struct err *e)
{
	bool was_running = c->running;

	if (c->fails == 0 && c->running && drain(c, e) < 0)
		return -1;
	if (c->fails)
		return 0;
	if (was_running && pause_task(c, e) < 0)
		return -1;
	/* How far it came is not known: what was made is met again by the next run. */
	if (c->fails == 0 && finish(c, e) < 0)
		return err_add(e, "task %s is paused; the same command goes on with its cutover", c->task);
	if (c->fails && was_running && !c->made)
		go_on(c);
	return 0;
}

static int course(struct cut *c, struct err *e)
{
	if (wait_until(c, look_running, NULL, AWAKE_MS, e) < 0 || step(c, "source", false, e) < 0)
		return -1;
	return c->a->check ? rehearse(c, e) : move(c, e);
}

static int read_wait(const struct args *a, unsigned *seconds, struct err *e)
{
	char *end = NULL;
	long n = a->wait ? strtol(a->wait, &end, 10) : WAIT_S;

	if (a->wait && (*end || n < 1 || n > WAIT_MAX_S))
		return err_set(e, ERR_usage, "--wait '%s': seconds, 1 to %d", a->wait, WAIT_MAX_S);
	*seconds = (unsigned)n;
	return 0;
}

int cmd_cutover(const struct args *a, struct err *e)
{
	struct cut c = {.a = a, .task = a->nrest ? a->rest[0] : "", .terminal = isatty(STDERR_FILENO)};
	char run[4096];
	int r;

	if (a->nrest != 1) {
		err_set(e, ERR_usage, "cutover wants the name of one task");
		return EXIT_USAGE;
	}
	if (read_wait(a, &c.wait_s, e) < 0)
		return EXIT_USAGE;
	c.ask = ask_find(a, run, sizeof(run), e) < 0 ? NULL : ask_open(run, a, e);
	r = c.ask ? course(&c, e) : -1;
	if (r == 0)
		print_verdict(&c);
	json_decref(c.sources);
	ask_close(&c.ask);
	return r < 0 || c.fails ? EXIT_FAILED : EXIT_DONE;
}
