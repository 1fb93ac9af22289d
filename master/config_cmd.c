/*
 * config: the files that sources and tasks were made by, as they were said last. Called by the command table.
 */
#include <string.h>

#include "common/config/json.h"
#include "master/answer.h"
#include "master/command.h"

static int list(struct master *m, enum store_table t, struct command_call *c)
{
	json_t *names = json_array(), *doc;
	const char *key;

	model_foreach(&m->model, t, key, doc)
		json_array_append_new(names, json_string(key));
	json_object_set_new(c->answer, "names", names);
	return 0;
}

/* What goes out as a file that can be given back: the password as it is kept, in cipher text. */
static void put_secret(json_t *answer, const json_t *doc, enum store_table t)
{
	const json_t *endpoint = json_object_get(doc, t == STORE_TASK ? "downstream" : "endpoint");

	json_object_set_new(answer, "password", json_string(json_text(endpoint, "password", "")));
	if (t != STORE_SOURCE)
		return;
	json_object_set_new(answer, "enable_relay", json_boolean(json_flag(doc, "enable_relay", false)));
	json_object_set_new(answer, "worker", json_string(json_text(doc, "agent", "")));
}

int command_config(struct master *m, struct command_call *c, struct err *e)
{
	const char *kind = json_text(c->args, "kind", ""), *name = json_text(c->args, "name", "");
	bool task = strcmp(kind, "task") == 0;
	enum store_table t = task ? STORE_TASK : STORE_SOURCE;
	const json_t *doc;

	if (!task && strcmp(kind, "source") != 0)
		return err_set(e, ERR_usage,
			"config knows source and task, not `%.40s`: daemons have their own files", kind);
	if (!name[0])
		return list(m, t, c);
	doc = model_get(&m->model, t, name);
	if (!doc)
		return err_set(e, task ? ERR_task_unknown : ERR_source_unknown, "%s `%.100s`", kind, name);
	if (!json_text(doc, "yaml", "")[0])
		return err_set(e, ERR_bad_stage, "%s `%s` was not made by a file", kind, name);
	json_object_set_new(c->answer, "cfg", json_string(json_text(doc, "yaml", "")));
	if (json_flag(c->args, "secret", false))
		put_secret(c->answer, doc, t);
	return 0;
}
