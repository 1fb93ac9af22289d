/*
 * Commands by table. Called by serve.c. A word without a row is refused; a handler's error becomes DM's
 * {"result":false} with our code beside it.
 */
#include "master/command.h"

#include <string.h>

#include "common/base/log.h"
#include "common/config/json.h"
#include "master/answer.h"
#include "master/bind.h"
#include "master/check.h"
#include "master/report.h"

static const struct {
	const char *word;
	int (*fn)(struct master *m, struct command_call *c, struct err *e);
	const char *reads;
} commands[] = {
#define ALWAYS ""
#define CHANGES NULL
#define COMMAND(word, fn, reads, usage, help) {word, fn, reads},
#include "command.def"
#undef COMMAND
#undef CHANGES
#undef ALWAYS
};

/* What changes nothing (and the one that ends it) an older copy of a store answers too. */
static int check_store(const struct master *m, const char *reads, const json_t *args, struct err *e)
{
	if (reads && (!reads[0] || strcmp(json_text(args, "op", ""), reads) == 0))
		return 0;
	return bind_refuse_old(m, e);
}

json_t *command_run(
	struct master *m, const char *word, const json_t *args, struct link_req **req, bool *changed)
{
	struct command_call c = {.args = args, .answer = answer_ok(), .req = req};
	uint64_t revision = m->model.revision;
	struct err e = {0};
	int r = 1;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]) && r > 0; i++) {
		if (strcmp(commands[i].word, word) != 0)
			continue;
		r = check_store(m, commands[i].reads, args, &e);
		if (r == 0)
			r = commands[i].fn(m, &c, &e);
	}
	if (r > 0)
		r = err_set(&e, ERR_usage, "the master does not know the command `%.60s`", word);
	model_abort(&m->model); /* what a handler left uncommitted never was */
	*changed = m->model.revision != revision;
	if (r == 0 && !*req) {
		json_decref(c.answer);
		return NULL;
	}
	if (r < 0) {
		json_decref(c.answer);
		c.answer = answer_error(&e);
	}
	return c.answer;
}

bool command_wants(const json_t *args, const char *source)
{
	const json_t *list = json_object_get(args, "sources");

	return json_array_size(list) == 0 || json_among(list, source);
}

int command_check_task(struct master *m, const json_t *args, struct err *e)
{
	const char *task = json_text(args, "task", "");
	const json_t *name;
	size_t i;

	if (!model_get(&m->model, STORE_TASK, task))
		return err_set(e, ERR_task_unknown, "there is no task `%.100s`", task);
	json_array_foreach(json_object_get(args, "sources"), i, name)
		if (!json_is_string(name) || !model_subtask(&m->model, task, json_string_value(name)))
			return err_set(e, ERR_source_unknown, "`%.100s` is no source of task `%.64s`",
				json_is_string(name) ? json_string_value(name) : "", task);
	return 0;
}

int command_check(struct master *m, struct command_call *c, struct err *e)
{
	return check_start(m, c->args, c->req, e);
}

/* The answer goes out before the next tick sees that the term is over. */
int command_operate_leader(struct master *m, struct command_call *c, struct err *e)
{
	const char *op = json_text(c->args, "op", "");
	bool away = strcmp(op, "evict") == 0;

	if (!away && strcmp(op, "cancel-evict") != 0)
		return err_set(e, ERR_usage, "operate-leader can evict and cancel-evict, not `%.40s`", op);
	if (!m->model.store)
		return err_set(e, ERR_bad_stage, "this master has no store");
	if (store_evict(m->model.store, away, e) < 0)
		return -1;
	if (away)
		log_warn("operate-leader evict: another master is to lead");
	return 0;
}

/* No agent remembers more than the store: their memory may have been set back with it, which only tasks that
 * their downstream refuses can tell. Else there is nothing to accept, or no more: it may be said twice (T39).
 */
static int accept_fenced(struct master *m, struct command_call *c, struct err *e)
{
	const char *source;
	json_t *s;
	void *next;

	json_object_foreach_safe(m->model.tables[STORE_SOURCE], next, source, s)
		if (bind_accept_fenced(m, source))
			answer_source(c->answer, source, json_text(s, "agent", ""), "under a new epoch");
	if (m->model.nchanges)
		return model_commit(&m->model, e);
	json_object_set_new(c->answer, "msg",
		json_string("nothing to accept: no agent has seen a newer store, and no task is paused by "
			    "a greater epoch in its downstream"));
	return 0;
}

int command_accept_store(struct master *m, struct command_call *c, struct err *e)
{
	uint64_t revision;

	if (m->newer == 0)
		return accept_fenced(m, c, e);
	bind_accept_store(m, &revision);
	if (model_commit_at(&m->model, revision, e) < 0)
		return -1;
	m->newer = 0;
	return 0;
}
