/*
 * `binlog skip|replace|inject|revert|list`: what is to be done with a DDL statement of the stream, by its
 * position. Kept in the subtask's document: durable in the store before the answer, given to the sync with
 * its slice, which obeys once, as the position moves behind the statement with what was done
 * (docs/design/apply.md). Called by the command table.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/position.h"
#include "common/config/json.h"
#include "common/config/mode.h"
#include "master/answer.h"
#include "master/command.h"
#include "master/pause.h"
#include "master/report.h"

enum { OPERATORS_MAX = 1000, SQLS_MAX = 100 };

/* DM's numbers. */
enum op { OP_NONE, OP_SKIP, OP_REPLACE, OP_REVERT, OP_INJECT, OP_LIST, OP_COUNT };
static const char *const ops[OP_COUNT] = {"", "skip", "replace", "revert", "inject", "list"};

struct call {
	enum op op;
	const char *pos;
	const json_t *sqls;
};

/* A position as it is kept: the file's name, without a relay's generation. */
struct place {
	char file[256], base[256];
	struct position at; /* generation 0: any */
};

static enum op op_of(const char *word)
{
	for (int i = OP_SKIP; i < OP_COUNT; i++)
		if (strcmp(ops[i], word) == 0)
			return (enum op)i;
	return OP_NONE;
}

/* The generation in front of a position as errors print it; *text moves behind it. -1: it is no number. */
static int take_generation(const char **text, uint32_t *generation)
{
	const char *first = strchr(*text, ':');
	char *end;

	if (!first || first == strrchr(*text, ':'))
		return 0;
	*generation = (uint32_t)strtoul(*text, &end, 10);
	if (end != first || *generation == 0)
		return -1;
	*text = first + 1;
	return 0;
}

/* "mysql-bin.000003:4711", also as errors have it, "1:mysql-bin.000003:4711", and as DM spells a relay's:
 * "mysql-bin|000001.000003:4711". */
static int read_place(const char *given, struct place *p, struct err *e)
{
	const char *text = given, *colon, *bar, *dot;
	char *end = NULL;
	char name[256];
	bool bad;

	*p = (struct place){0};
	bad = take_generation(&text, &p->at.generation) < 0;
	colon = strrchr(text, ':');
	bar = strchr(text, '|');
	snprintf(name, sizeof(name), "%.*s", (int)(colon ? colon - text : 0), text);
	if (bar && colon && bar < colon && (dot = strchr(bar, '.')) != NULL) {
		p->at.generation = (uint32_t)strtoul(bar + 1, NULL, 10);
		snprintf(name, sizeof(name), "%.*s%.*s", (int)(bar - text), text, (int)(colon - dot), dot);
	}
	if (colon)
		p->at.offset = strtoull(colon + 1, &end, 10);
	if (bad || !colon || end == colon + 1 || *end || p->at.offset < 4 ||
		binlog_name_split(str_of(name), p->base, sizeof(p->base), &p->at.file, NULL) < 0)
		return err_set(e, ERR_usage, "`%.100s` is no binlog position (mysql-bin.000003:4711)", given);
	snprintf(p->file, sizeof(p->file), "%s", name);
	return 0;
}

static int read_operator(const json_t *o, struct place *p)
{
	*p = (struct place){.at.generation = (uint32_t)json_num(o, "generation", 0),
		.at.offset = (uint64_t)json_num(o, "offset", 0)};
	snprintf(p->file, sizeof(p->file), "%s", json_text(o, "file", ""));
	return binlog_name_split(str_of(p->file), p->base, sizeof(p->base), &p->at.file, NULL);
}

/* Where the sync is; false: not known. */
static bool watermark(struct master *m, const json_t *s, struct position *at)
{
	const json_t *report = report_subtask(m, json_text(s, "task", ""), json_text(s, "source", ""));
	const char *text = json_text(json_object_get(report, "sync"), "position", "");

	return *text && position_load(str_of(text), at, NULL) == 0;
}

static bool is_before(struct position a, struct position b)
{
	if (a.generation == 0 || b.generation == 0)
		a.generation = b.generation = 0;
	return position_cmp(a, b) < 0;
}

/* The DDL statement that it is paused on. */
static int failed_place(struct master *m, const json_t *s, struct place *p, struct err *e)
{
	const char *source = json_text(s, "source", "");
	const json_t *report = report_subtask(m, json_text(s, "task", ""), source);
	const json_t *failed = json_object_get(s, "failed_ddl"), *error = json_object_get(report, "error");
	bool paused = strcmp(json_text(s, "stage", ""), "Paused") == 0 ||
		      strcmp(json_text(report, "stage", ""), "Paused") == 0;

	if (!json_is_object(failed))
		failed = json_object_get(json_object_get(report, "sync"), "failed_ddl");
	if (!paused ||
		(json_num(json_object_get(s, "error"), "code", 0) == 0 && json_num(error, "code", 0) == 0))
		return err_set(e, ERR_bad_stage,
			"source `%s` has no error: give the statement's position with -b", source);
	if (!json_is_object(failed) || read_operator(failed, p) < 0)
		return err_set(e, ERR_bad_stage,
			"only DDL statements can be handled, and the error of source `%s` is of another "
			"kind: see query-status",
			source);
	return 0;
}

static int find_place(struct master *m, const json_t *s, const struct call *c, struct place *p, struct err *e)
{
	struct position now;

	if (!*c->pos)
		return failed_place(m, s, p, e);
	if (read_place(c->pos, p, e) < 0)
		return -1;
	if (!watermark(m, s, &now))
		return 0;
	if (p->at.generation == 0)
		p->at.generation = now.generation;
	if (c->op != OP_LIST && is_before(p->at, now))
		return err_set(e, ERR_bad_stage, "source `%s` is behind %s already",
			json_text(s, "source", ""), c->pos);
	return 0;
}

static bool is_same(const struct place *a, const struct place *b)
{
	return strcmp(a->base, b->base) == 0 && a->at.file == b->at.file && a->at.offset == b->at.offset &&
	       (a->at.generation == b->at.generation || a->at.generation == 0 || b->at.generation == 0);
}

/* A copy without what has been passed, and without the one at this place; *had: there was one. */
static json_t *others(struct master *m, const json_t *s, const struct place *p, bool *had)
{
	json_t *list = json_array(), *o;
	struct position now;
	bool known = watermark(m, s, &now);
	struct place q;
	size_t i;

	*had = false;
	json_array_foreach(json_object_get(s, "operators"), i, o) {
		if (read_operator(o, &q) < 0)
			continue;
		if (is_same(&q, p))
			*had = true;
		else if (!known || !is_before(q.at, now))
			json_array_append(list, o);
	}
	return list;
}

static json_t *make_operator(const struct call *c, const struct place *p)
{
	json_t *sqls = json_is_array(c->sqls) ? json_deep_copy(c->sqls) : json_array();

	return json_pack("{s:s, s:s, s:I, s:I, s:o}", "op", ops[c->op], "file", p->file, "offset",
		(json_int_t)p->at.offset, "generation", (json_int_t)p->at.generation, "sqls", sqls);
}

/* It goes on by itself, as in DM. */
static void resume(struct master *m, json_t *doc, const json_t *report)
{
	if (strcmp(json_text(doc, "stage", ""), "Paused") == 0 ||
		strcmp(json_text(report, "stage", ""), "Paused") == 0)
		pause_go_on(&m->model, doc);
}

static int change(struct master *m, const char *key, const json_t *s, const struct call *c, struct err *e)
{
	const char *source = json_text(s, "source", ""), *task = json_text(s, "task", "");
	struct place p;
	json_t *list, *doc;
	bool had;

	if (find_place(m, s, c, &p, e) < 0)
		return -1;
	list = others(m, s, &p, &had);
	if ((c->op == OP_REVERT && !had) || json_array_size(list) >= OPERATORS_MAX) {
		json_decref(list);
		return err_set(e, ERR_bad_stage,
			had || c->op != OP_REVERT ? "source `%s`: more than 1000 operators"
						  : "source `%s` has no operator at %s:%" PRIu64,
			source, p.file, p.at.offset);
	}
	if (c->op != OP_REVERT)
		json_array_append_new(list, make_operator(c, &p));
	log_info("binlog %s at %s:%" PRIu64 " task=%s source=%s", ops[c->op], p.file, p.at.offset, task,
		source);
	doc = model_edit(&m->model, STORE_SUBTASK, key);
	json_object_set_new(doc, "operators", list);
	resume(m, doc, report_subtask(m, task, source));
	model_set(&m->model, STORE_SUBTASK, key, doc);
	return 0;
}

/* DM's form: a JSON text in msg. */
static int list_text(struct master *m, const json_t *s, const struct call *c, char **text, struct err *e)
{
	json_t *all = json_array(), *o;
	struct position now;
	struct place p = {0}, q;
	size_t i;

	if (*c->pos) {
		if (find_place(m, s, c, &p, e) < 0) {
			json_decref(all);
			return -1;
		}
	} else if (watermark(m, s, &now)) {
		p.at = now;
	}
	json_array_foreach(json_object_get(s, "operators"), i, o) {
		char at[300];

		if (read_operator(o, &q) < 0 || is_before(q.at, p.at))
			continue;
		snprintf(at, sizeof(at), "%s:%" PRIu64, q.file, q.at.offset);
		json_array_append_new(
			all, json_pack("{s:i, s:s, s:s, s:O}", "op", (int)op_of(json_text(o, "op", "")),
				     "operator", json_text(o, "op", ""), "binlogPos", at, "sqls",
				     json_object_get(o, "sqls")));
	}
	*text = json_dumps(all, JSON_COMPACT | JSON_PRESERVE_ORDER);
	json_decref(all);
	return 0;
}

bool command_follows(struct master *m, const json_t *s)
{
	const json_t *report = report_subtask(m, json_text(s, "task", ""), json_text(s, "source", ""));
	const struct mode *mode = mode_find(
		json_text(model_get(&m->model, STORE_TASK, json_text(s, "task", "")), "mode", "all"));

	return strcmp(json_text(report, "unit", ""), "Sync") == 0 ||
	       (mode && mode->sync && (mode->from == MODE_NONE || json_flag(s, "copied", false)));
}

static int one(
	struct master *m, const char *key, const json_t *s, const struct call *c, char **text, struct err *e)
{
	if (!command_follows(m, s))
		return err_set(e, ERR_bad_stage,
			"source `%s` does not follow the binlog yet: see query-status",
			json_text(s, "source", ""));
	return c->op == OP_LIST ? list_text(m, s, c, text, e) : change(m, key, s, c, e);
}

static int read_call(const json_t *args, struct call *c, struct err *e)
{
	struct place ignored;
	size_t n;

	*c = (struct call){.op = op_of(json_text(args, "op", "")),
		.pos = json_text(args, "pos", ""),
		.sqls = json_object_get(args, "sqls")};
	n = json_array_size(c->sqls);
	if (c->op == OP_NONE)
		return err_set(e, ERR_usage, "binlog skip, replace, inject, revert or list");
	if ((n > 0) != (c->op == OP_REPLACE || c->op == OP_INJECT))
		return err_set(e, ERR_usage,
			n ? "binlog %s takes no statement" : "binlog %s wants statements", ops[c->op]);
	if (n > SQLS_MAX)
		return err_set(e, ERR_usage, "more than %d statements", SQLS_MAX);
	for (size_t i = 0; i < n; i++)
		if (!json_is_string(json_array_get(c->sqls, i)))
			return err_set(e, ERR_usage, "a statement that is no text");
	return *c->pos ? read_place(c->pos, &ignored, e) : 0;
}

static void add_result(
	json_t *answer, const char *source, const char *worker, const struct err *e, char *text)
{
	answer_source(answer, source, worker, e->code ? e->text : text ? text : "");
	if (e->code) {
		json_t *list = json_object_get(answer, "sources");

		json_object_set_new(json_array_get(list, json_array_size(list) - 1), "result", json_false());
	}
	free(text);
}

/* Sources that have no such error are told so; the others are done. Where none is done, it is an error. */
int command_binlog(struct master *m, struct command_call *c, struct err *e)
{
	const char *task = json_text(c->args, "task", ""), *key;
	struct err first = {0};
	struct call call;
	json_t *s;
	void *next;
	bool any = false;

	if (read_call(c->args, &call, e) < 0 || command_check_task(m, c->args, e) < 0)
		return -1;
	json_object_foreach_safe(m->model.tables[STORE_SUBTASK], next, key, s) {
		const char *source = json_text(s, "source", "");
		struct err mine = {0};
		char *text = NULL;

		if (strcmp(json_text(s, "task", ""), task) != 0 || !command_wants(c->args, source))
			continue;
		if (one(m, key, s, &call, &text, &mine) == 0)
			any = true;
		else if (!first.code)
			first = mine;
		add_result(c->answer, source,
			json_text(model_get(&m->model, STORE_SOURCE, source), "agent", ""), &mine, text);
	}
	if (!any) {
		*e = first;
		return -1;
	}
	return m->model.nchanges ? model_commit(&m->model, e) : 0;
}
