/*
 * `binlog-schema list|update|delete`: what is recorded of a table's structure. It is in the downstream, where
 * no process of a paused task is: a one-shot tidegate-check is sent for it, one a source, with the source's
 * epoch, so that it writes nothing where another has taken over. Called by the command table.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "master/answer.h"
#include "master/check.h"
#include "master/command.h"
#include "master/orders.h"
#include "master/report.h"

enum { TEXT_MAX = 1 << 20 };

static bool is_op(const json_t *args, const char *op)
{
	return strcmp(json_text(args, "op", ""), op) == 0;
}

static int read_call(const json_t *args, struct err *e)
{
	bool list = is_op(args, "list"), update = is_op(args, "update");
	const char *from = json_text(args, "from", ""), *text = json_text(args, "text", "");
	bool named = json_text(args, "schema", "")[0] && json_text(args, "table", "")[0];
	int ways = (strcmp(from, "source") == 0 || strcmp(from, "target") == 0) + (*text != '\0');

	if (!list && !update && !is_op(args, "delete"))
		return err_set(e, ERR_usage, "binlog-schema list, update or delete");
	if (!list && !named)
		return err_set(e, ERR_usage, "binlog-schema %s wants a database and a table",
			json_text(args, "op", ""));
	if (update ? ways != 1 : ways != 0 || *from)
		return err_set(e, ERR_usage,
			update ? "update wants one of: a file, --from-source, --from-target"
			       : "a file, --from-source and --from-target are for update alone");
	if (strlen(text) > TEXT_MAX)
		return err_set(e, ERR_usage, "a statement of more than 1 MiB");
	return 0;
}

/* A sync that runs has read the structures already, and writes them with each DDL. */
static int may(struct master *m, const json_t *s, const json_t *args, struct err *e)
{
	const char *source = json_text(s, "source", "");
	const json_t *report = report_subtask(m, json_text(s, "task", ""), source);

	if (is_op(args, "list"))
		return 0;
	if (!command_follows(m, s))
		return err_set(e, ERR_bad_stage,
			"source `%s` does not follow the binlog yet: see query-status", source);
	if (strcmp(json_text(report, "stage", ""), "Paused") != 0)
		return err_set(
			e, ERR_bad_stage, "the task is not paused on source `%s`: pause-task first", source);
	return 0;
}

static json_t *make_order(struct master *m, const json_t *s, const json_t *args)
{
	const char *name = json_text(s, "source", ""), *task = json_text(s, "task", "");
	const json_t *source = model_get(&m->model, STORE_SOURCE, name),
		     *doc = model_get(&m->model, STORE_TASK, task);

	return json_pack("{s:s, s:I, s:I, s:s, s:o, s:o, s:s, s:s, s:o, s:{s:s, s:s, s:s, s:s, s:s}}",
		"source", name, "slot", (json_int_t)json_num(source, "slot", 0), "epoch",
		(json_int_t)json_num(source, "epoch", 0), "task", task, "endpoint",
		orders_part(source, "endpoint"), "downstream", orders_part(doc, "downstream"), "mode",
		json_text(doc, "mode", "all"), "meta_schema", json_text(doc, "meta_schema", "dm_meta"),
		"rules", orders_rules(m, source, s), "schema", "op", json_text(args, "op", ""), "schema",
		json_text(args, "schema", ""), "table", json_text(args, "table", ""), "text",
		json_text(args, "text", ""), "from", json_text(args, "from", ""));
}

static void ask(struct master *m, struct check_group *g, const json_t *s, const json_t *args)
{
	const char *source = json_text(s, "source", "");
	struct err e = {0};

	if (may(m, s, args, &e) < 0 || !check_join(m, g, source, make_order(m, s, args), &e))
		check_group_put(g, m, source, "", &e);
}

int command_binlog_schema(struct master *m, struct command_call *c, struct err *e)
{
	const char *task = json_text(c->args, "task", ""), *key;
	struct check_group *g;
	json_t *s;

	if (read_call(c->args, e) < 0 || command_check_task(m, c->args, e) < 0)
		return -1;
	g = xcalloc(1, sizeof(*g));
	g->answer = answer_ok();
	model_foreach(&m->model, STORE_SUBTASK, key, s)
		if (strcmp(json_text(s, "task", ""), task) == 0 &&
			command_wants(c->args, json_text(s, "source", "")))
			ask(m, g, s, c->args);
	if (g->waiting == 0) {
		*e = g->first;
		check_group_free(&g);
		return -1;
	}
	return check_begin_group(m, g, c, e);
}
