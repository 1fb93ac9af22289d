/*
 * Checks before a start. Called by the `check` command, by reports and by the clock. A check lives in memory
 * only: whoever asked asks again after a restart of the master.
 */
#include "master/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "master/answer.h"
#include "master/bind.h"
#include "master/valid.h"

static void free_check(struct check **c)
{
	json_wipe(json_object_get((*c)->order, "endpoint"), "password");
	json_decref((*c)->order);
	json_decref((*c)->ignore);
	free(*c);
	*c = NULL;
}

void check_free_all(struct master *m)
{
	for (int i = 0; i < MASTER_CHECKS; i++)
		if (m->checks[i])
			free_check(&m->checks[i]);
}

/* The agent that has the source, or any living one for a source that is not there yet. */
static const struct agent *choose(struct master *m, const json_t *source)
{
	const struct agent *a = bind_find(m, json_text(source, "agent", ""));

	if (bind_online(m, a))
		return a;
	for (unsigned i = 0; i < m->nagents; i++)
		if (bind_online(m, &m->agents[i]))
			return &m->agents[i];
	return NULL;
}

static json_t *copy_or(const json_t *o, const char *key, json_t *fallback)
{
	json_t *v = json_object_get(o, key);

	if (!v)
		return fallback;
	json_decref(fallback);
	return json_deep_copy(v);
}

/* A number that no check has now, and none had a moment ago: the agent may still be busy with the one before.
 */
static unsigned next_sub(struct master *m)
{
	bool taken;

	do {
		m->last_check_sub = m->last_check_sub % MASTER_CHECK_SUBS + 1;
		taken = false;
		for (int i = 0; i < MASTER_CHECKS; i++)
			taken |= m->checks[i] && json_num(m->checks[i]->order, "sub", 0) ==
							 MASTER_CHECK_SUB + m->last_check_sub - 1;
	} while (taken);
	return MASTER_CHECK_SUB + m->last_check_sub - 1;
}

static json_t *make_order(struct master *m, const json_t *args, uint64_t id)
{
	const char *name = json_text(args, "source", "");
	const json_t *source = model_get(&m->model, STORE_SOURCE, name);
	json_int_t slot = (json_int_t)json_num(source, "slot", bind_free_slot(m));

	return json_pack("{s:I, s:s, s:I, s:i, s:s, s:o, s:o, s:s, s:s, s:o, s:o}", "id", (json_int_t)id,
		"source", name, "slot", slot, "sub", (int)next_sub(m), "task", json_text(args, "task", ""),
		"endpoint", copy_or(args, "endpoint", json_object()), "downstream",
		copy_or(args, "downstream", json_object()), "mode", json_text(args, "mode", "all"),
		"meta_schema", json_text(args, "meta_schema", "dm_meta"), "rules",
		copy_or(args, "rules", json_object()), "options", copy_or(args, "options", json_object()));
}

static int validate(const json_t *args, struct err *e)
{
	if (valid_name(json_text(args, "source", ""), MODEL_SOURCE, "source", e) < 0 ||
		valid_endpoint(json_object_get(args, "endpoint"), "the upstream", e) < 0 ||
		valid_mode(json_text(args, "mode", "all"), e) < 0)
		return -1;
	return valid_endpoint(json_object_get(args, "downstream"), "the downstream", e);
}

int check_start(struct master *m, const json_t *args, struct link_req **req, struct err *e)
{
	const json_t *source = model_get(&m->model, STORE_SOURCE, json_text(args, "source", ""));
	const struct agent *a = choose(m, source);
	struct check *c;
	int i = 0;

	if (validate(args, e) < 0)
		return -1;
	if (!a)
		return err_set(e, ERR_source_unbound, "no agent is there to check with");
	while (i < MASTER_CHECKS && m->checks[i])
		i++;
	if (i == MASTER_CHECKS)
		return err_set(
			e, ERR_bad_stage, "%d checks are under way already: ask again later", MASTER_CHECKS);
	c = xcalloc(1, sizeof(*c));
	/* Greater than any of an earlier run of the master, whose findings may still come in. */
	m->last_check = m->last_check >= m->now_ms ? m->last_check + 1 : m->now_ms;
	c->id = m->last_check;
	snprintf(c->agent, sizeof(c->agent), "%s", a->name);
	c->until_ms = m->now_ms + MASTER_CHECK_MS;
	c->order = make_order(m, args, c->id);
	c->ignore = copy_or(args, "ignore", json_array());
	m->checks[i] = c;
	if (model_commit(&m->model, e) < 0) {
		free_check(&m->checks[i]);
		return -1;
	}
	c->req = *req;
	*req = NULL;
	return 0;
}

static bool ignored(const json_t *ignore, const char *item)
{
	const json_t *name;
	size_t i;

	json_array_foreach(ignore, i, name)
		if (json_is_string(name) && (strcmp(json_string_value(name), item) == 0 ||
						    strcmp(json_string_value(name), "all") == 0))
			return true;
	return false;
}

static json_t *make_answer(const struct check *c, const json_t *done)
{
	json_t *findings = copy_or(done, "findings", json_array()), *f;
	const json_t *error = json_object_get(done, "error");
	struct err e = {0};
	size_t i;

	json_array_foreach(findings, i, f)
		if (strcmp(json_text(f, "state", ""), "fail") == 0 &&
			ignored(c->ignore, json_text(f, "item", "")))
			json_object_set_new(f, "state", json_string("warn"));
	if (json_num(error, "code", 0) == 0) {
		json_t *answer = answer_ok();

		json_object_set_new(answer, "findings", findings);
		return answer;
	}
	json_decref(findings);
	err_set(&e, (enum err_code)json_num(error, "code", 0), "%s", json_text(error, "text", ""));
	return answer_error(&e);
}

static void finish(struct check **c, json_t *answer, check_answer_fn *send)
{
	send(&(*c)->req, answer);
	free_check(c);
}

bool check_report(struct master *m, const json_t *report, check_answer_fn *answer)
{
	const json_t *done;
	bool any = false;
	size_t k;

	json_array_foreach(json_object_get(report, "checks"), k, done)
		for (int i = 0; i < MASTER_CHECKS; i++) {
			struct check *c = m->checks[i];

			if (!c || (int64_t)c->id != json_num(done, "id", -1) ||
				!json_flag(done, "done", false))
				continue;
			finish(&m->checks[i], make_answer(c, done), answer);
			any = true;
		}
	return any;
}

bool check_expire(struct master *m, check_answer_fn *answer)
{
	struct err e = {0};
	bool any = false;

	for (int i = 0; i < MASTER_CHECKS; i++) {
		struct check *c = m->checks[i];

		if (!c || m->now_ms < c->until_ms)
			continue;
		err_set(&e, ERR_check_failed, "no findings for source %s within %d s",
			json_text(c->order, "source", ""), MASTER_CHECK_MS / 1000);
		finish(&m->checks[i], answer_error(&e), answer);
		any = true;
	}
	return any;
}
