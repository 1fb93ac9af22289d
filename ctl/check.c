/*
 * The checks before a start: asked source by source, judged for the terminal, or said in DM's shape. Called
 * by run, start-task and check-task; the looking is done by tidegate-check on the agent's host.
 */
#include "ctl/check.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/json.h"
#include "common/config/others.h"
#include "ctl/plain.h"

enum { TRIES = 3, CHECK_MS = 70000 };

static json_t *part(const json_t *task, const char *source, const char *key)
{
	return (json_t *)(uintptr_t)task_part(task, source, key);
}

static json_t *rules_of(const json_t *task, const char *source)
{
	json_t *rules = json_copy(part(task, source, "rules")), *routes = task_routes(task),
	       *others = others_of(routes, source);

	if (others)
		json_object_set_new(rules, "others", others);
	json_decref(routes);
	return rules;
}

static json_t *check_args(const json_t *task, const char *source, json_t *endpoint, bool afresh)
{
	json_t *args =
		json_pack("{s:s, s:O, s:o, s:O}", "source", source, "mode", json_object_get(task, "mode"),
			"rules", rules_of(task, source), "meta_schema", json_object_get(task, "meta_schema"));
	json_t *ignore = json_object_get(task, "ignore_checking_items"),
	       *downstream = json_object_get(task, "downstream");

	if (args && json_object_get(task, "name"))
		json_object_set(args, "task", json_object_get(task, "name"));
	/* A task of files has one side only. */
	if (args && endpoint)
		json_object_set(args, "endpoint", endpoint);
	if (args && downstream)
		json_object_set(args, "downstream", downstream);
	if (args && ignore)
		json_object_set(args, "ignore", ignore);
	if (args)
		json_object_set_new(args, "parts",
			json_pack("{s:O*, s:O*, s:O*, s:O*, s:b}", "dump", part(task, source, "dump"), "load",
				part(task, source, "load"), "sync", part(task, source, "sync"), "start",
				part(task, source, "start"), "remove_meta", afresh));
	return args;
}

/* The text may name the place, and the code's own advice comes at the end anyway. */
struct said {
	const char *what, *where, *mend;
	enum err_code code;
};

static struct said say(const json_t *f)
{
	struct said s = {json_text(f, "what", ""), json_text(f, "where", ""), json_text(f, "mend", ""),
		(enum err_code)json_num(f, "code", ERR_check_failed)};

	if (strstr(s.what, s.where))
		s.where = "";
	if (strcmp(s.mend, err_info(s.code)->workaround) == 0)
		s.mend = "";
	return s;
}

/* What goes on as an error is made plain, or escaped, where errors are. */
static void warn(const json_t *f)
{
	json_t *plain = plain_json(f);
	struct said s = say(plain);

	fprintf(stderr, "tidegate: warning: %s%s%s; %s\n", s.where, *s.where ? ": " : "", s.what, s.mend);
	json_decref(plain);
}

int check_judge(const json_t *answer, struct err *e)
{
	const json_t *findings = json_object_get(answer, "findings");
	const json_t *f;
	size_t i;

	json_array_foreach(findings, i, f) {
		const char *state = json_text(f, "state", "");
		struct said s = say(f);

		if (strcmp(state, "warn") == 0)
			warn(f);
		if (strcmp(state, "fail") == 0)
			return err_set(e, s.code, "%s%s%s%s%s", s.where, *s.where ? ": " : "", s.what,
				*s.mend ? "; " : "", s.mend);
	}
	return 0;
}

json_t *check_one(struct ask *k, const json_t *task, const char *source, json_t *endpoint, bool afresh,
	const volatile sig_atomic_t *interrupts, struct err *e)
{
	json_t *answer = NULL;

	for (int tries = 0; !answer && tries < TRIES && !(interrupts && *interrupts); tries++) {
		json_t *args;

		if (tries > 0 && err_act(e->code) != ERR_ACT_RETRY)
			break;
		err_clear(e);
		args = check_args(task, source, endpoint, afresh);
		answer = ask_command(k, "check", args, CHECK_MS, e);
		json_decref(args);
	}
	return answer;
}

int check_all(
	struct ask *k, const json_t *task, const json_t *sources, bool afresh, json_t *list, struct err *e)
{
	const json_t *name;
	json_t *f;
	size_t i, n;

	json_array_foreach(sources, i, name) {
		const char *source = json_string_value(name) ? json_string_value(name) : "";
		json_t *answer = check_one(k, task, source, NULL, afresh, NULL, e);

		if (!answer)
			return -1;
		json_array_foreach(json_object_get(answer, "findings"), n, f) {
			json_object_set_new(f, "source", json_string(source));
			json_array_append(list, f);
		}
		json_decref(answer);
	}
	return 0;
}

struct counts {
	unsigned all, ok, failed, warned;
};

/* A finding as DM's result; NULL: passed, or enough of its kind are told. */
static json_t *result_of(const json_t *f, struct counts *n, unsigned errors, unsigned warnings)
{
	const char *state = json_text(f, "state", "");
	bool failed = strcmp(state, "fail") == 0, warned = strcmp(state, "warn") == 0;

	n->all++;
	n->ok += !failed && !warned;
	if ((!failed && !warned) || (failed && n->failed++ >= errors) || (warned && n->warned++ >= warnings))
		return NULL;
	return json_pack("{s:i, s:s, s:s, s:s, s:[{s:s, s:s}], s:s, s:s}", "id", (int)n->all - 1, "name",
		json_text(f, "item", ""), "desc", json_text(f, "source", ""), "state", state, "errors",
		"severity", state, "short_error", json_text(f, "what", ""), "instruction",
		json_text(f, "mend", ""), "extra", json_text(f, "where", ""));
}

json_t *check_detail(const json_t *list, unsigned errors, unsigned warnings)
{
	json_t *results = json_array(), *detail, *answer, *f;
	struct counts n = {0};
	char *text;
	size_t i;

	json_array_foreach(list, i, f) {
		json_t *r = result_of(f, &n, errors, warnings);

		if (r)
			json_array_append_new(results, r);
	}
	if (!n.failed && !n.warned) {
		json_decref(results);
		return json_pack("{s:b, s:s}", "result", 1, "msg", "pre-check is passed.");
	}
	detail = json_pack("{s:o, s:{s:b, s:i, s:i, s:i, s:i}}", "results", results, "summary", "passed",
		n.failed == 0, "total", (int)n.all, "successful", (int)n.ok, "failed", (int)n.failed,
		"warning", (int)n.warned);
	text = json_dumps(detail, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	answer = json_pack("{s:b, s:s}", "result", n.failed == 0, "msg", text ? text : "");
	free(text);
	json_decref(detail);
	return answer;
}
