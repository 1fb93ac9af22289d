/*
 * Checks before a start. Called by the `check` command, by reports and by the clock. A check lives in memory
 * only: whoever asked asks again after a restart of the master.
 */
#include "master/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/config/mode.h"
#include "common/proc/link.h"
#include "master/answer.h"
#include "master/bind.h"
#include "master/command.h"
#include "master/orders.h"
#include "master/valid.h"

void check_group_free(struct check_group **g)
{
	json_decref((*g)->answer);
	free(*g);
	*g = NULL;
}

struct link_req **check_waiting(struct check *c)
{
	return c->group ? &c->group->req : &c->req;
}

struct check *check_of_run(struct master *m, uint64_t run, const char *source, json_t *order, struct err *e)
{
	const char *owner = json_text(model_get(&m->model, STORE_SOURCE, source), "agent", "");
	struct check *c;

	/* Another one would do it by an epoch that is not its own, and be no owner from the first question
	 * on.
	 */
	if (!bind_online(m, bind_find(m, owner))) {
		json_decref(order);
		err_set(e, ERR_source_unbound,
			owner[0] ? "source `%s`: its agent `%s` is offline" : "source `%s` has no agent%s",
			source, owner);
		return NULL;
	}
	c = check_join(m, NULL, source, order, e);
	if (c)
		c->run = run;
	return c;
}

/* Away for longer than the lease that it is given to be away at all: a moment's silence ends no hours of
 * work.
 */
static bool is_away(const struct master *m, const struct agent *a)
{
	return !a || m->now_ms - a->seen_ms > 2 * m->lease_ms;
}

/* 0, or -1 with e: who does it will never tell of it. */
static int check_agent(struct master *m, const struct check *c, struct err *e)
{
	const char *source = json_text(c->order, "source", "");
	const char *owner = json_text(model_get(&m->model, STORE_SOURCE, source), "agent", "");

	if (json_flag(c->report, "done", false))
		return 0;
	if (strcmp(owner, c->agent) != 0)
		return err_set(e, ERR_source_unbound,
			"source `%s` is agent `%s`'s now, and what agent `%s` was doing is lost: ask again",
			source, owner, c->agent);
	if (is_away(m, bind_find(m, c->agent)))
		return err_set(e, ERR_source_unbound,
			"agent `%s` of source `%s` is offline, and what it was doing is lost: ask again when "
			"it is back, or another one has the source",
			c->agent, source);
	return 0;
}

int check_run_agents(struct master *m, uint64_t run, struct err *e)
{
	for (int i = 0; i < MASTER_CHECKS; i++)
		if (m->checks[i] && m->checks[i]->run == run && check_agent(m, m->checks[i], e) < 0)
			return -1;
	return 0;
}

void check_keep_run(struct master *m, uint64_t run)
{
	for (int i = 0; i < MASTER_CHECKS; i++)
		if (m->checks[i] && m->checks[i]->run == run)
			m->checks[i]->until_ms = m->now_ms + MASTER_CHECK_MS;
}

void check_tell_run(struct master *m, uint64_t run)
{
	for (int i = 0; i < MASTER_CHECKS; i++)
		if (m->checks[i] && m->checks[i]->run == run && !m->checks[i]->told)
			m->dirty = m->checks[i]->told = true;
}

static void free_check(struct check **c)
{
	json_wipe(json_object_get((*c)->order, "endpoint"), "password");
	json_decref((*c)->order);
	json_decref((*c)->ignore);
	json_decref((*c)->report);
	if ((*c)->group && --(*c)->group->waiting == 0)
		check_group_free(&(*c)->group);
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

static json_t *make_order(struct master *m, const json_t *args)
{
	const char *name = json_text(args, "source", "");
	const json_t *source = model_get(&m->model, STORE_SOURCE, name);
	json_int_t slot = (json_int_t)json_num(source, "slot", bind_free_slot(m));
	json_t *rules = copy_or(args, "rules", json_object());

	orders_put_source(source, rules);
	return json_pack("{s:s, s:I, s:i, s:s, s:o, s:o, s:s, s:s, s:o, s:o, s:o}", "source", name, "slot",
		slot, "sub", 0, "task", json_text(args, "task", ""), "endpoint",
		copy_or(args, "endpoint", json_object()), "downstream",
		copy_or(args, "downstream", json_object()), "mode", json_text(args, "mode", "all"),
		"meta_schema", json_text(args, "meta_schema", "dm_meta"), "rules", rules, "options",
		copy_or(args, "options", json_object()), "parts", copy_or(args, "parts", json_object()));
}

static int validate(const json_t *args, struct err *e)
{
	const struct mode *mode = mode_find(json_text(args, "mode", "all"));

	if (valid_name(json_text(args, "source", ""), MODEL_SOURCE, "source", e) < 0 ||
		valid_mode(json_text(args, "mode", "all"), e) < 0)
		return -1;
	if (mode_has_upstream(mode) &&
		valid_endpoint(json_object_get(args, "endpoint"), "the upstream", e) < 0)
		return -1;
	return mode_has_downstream(mode)
		       ? valid_endpoint(json_object_get(args, "downstream"), "the downstream", e)
		       : 0;
}

/* -1: there is none. Findings that were told already make way. */
static int free_place(struct master *m)
{
	for (int i = 0; i < MASTER_CHECKS; i++)
		if (!m->checks[i])
			return i;
	for (int i = 0; i < MASTER_CHECKS; i++)
		if (m->checks[i]->told) {
			/* Whole: some sources of a run alone would be taken for all. */
			check_drop_run(m, m->checks[i]->run);
			return i;
		}
	return -1;
}

/* Takes order; it gets its number. a: who does it; NULL: nobody is there yet. */
static struct check *add(struct master *m, const struct agent *a, json_t *order, struct err *e)
{
	int i = free_place(m);
	struct check *c;

	if (i < 0) {
		json_decref(order);
		err_set(e, ERR_bad_stage, "%d checks are under way already: ask again later", MASTER_CHECKS);
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	/* Greater than any of an earlier run of the master, whose findings may still come in. */
	m->last_check = m->last_check >= m->now_ms ? m->last_check + 1 : m->now_ms;
	c->id = m->last_check;
	snprintf(c->agent, sizeof(c->agent), "%s", a ? a->name : "");
	c->agent_by_ms = m->now_ms + MASTER_AGENT_MS;
	c->until_ms = m->now_ms + MASTER_CHECK_MS;
	c->order = order;
	json_object_set_new(order, "id", json_integer((json_int_t)c->id));
	json_object_set_new(order, "sub", json_integer((json_int_t)next_sub(m)));
	m->checks[i] = c;
	return c;
}

static void drop(struct master *m, struct check *c)
{
	for (int i = 0; i < MASTER_CHECKS; i++)
		if (m->checks[i] == c)
			free_check(&m->checks[i]);
}

/* Who names no server means the one that the source is known by. */
static json_t *with_endpoint(struct master *m, const json_t *given)
{
	const json_t *source = model_get(&m->model, STORE_SOURCE, json_text(given, "source", ""));
	json_t *args = json_copy((json_t *)given);

	if (source && !json_object_get(args, "endpoint"))
		json_object_set(args, "endpoint", json_object_get(source, "endpoint"));
	return args;
}

/*
 * Right after a host's first start the master answers before its agent has registered, and whoever sets up a
 * task there asks at once: so an agent that is not there is waited for, a moment.
 */
static struct check *begin(struct master *m, const json_t *args, struct err *e)
{
	const char *source = json_text(args, "source", "");
	struct check *c;

	if (validate(args, e) < 0)
		return NULL;
	c = add(m, choose(m, model_get(&m->model, STORE_SOURCE, source)), make_order(m, args), e);
	if (c)
		c->ignore = copy_or(args, "ignore", json_array());
	return c;
}

static bool asks_upstream(const json_t *args)
{
	const struct mode *mode = mode_find(json_text(args, "mode", "all"));

	return !mode || mode_has_upstream(mode);
}

int check_start(struct master *m, const json_t *given, struct link_req **req, struct err *e)
{
	const char *id = json_text(given, "source", "");
	struct check *c;
	json_t *args;

	if (asks_upstream(given) && !json_object_get(given, "endpoint") &&
		!model_get(&m->model, STORE_SOURCE, id))
		return err_set(e, ERR_source_unknown, "there is no source `%.60s`", id);
	args = with_endpoint(m, given);
	c = begin(m, args, e);
	json_decref(args);
	if (!c)
		return -1;
	if (model_commit(&m->model, e) < 0) {
		drop(m, c);
		return -1;
	}
	c->req = *req;
	*req = NULL;
	return 0;
}

void check_drop_run(struct master *m, uint64_t run)
{
	for (int i = 0; i < MASTER_CHECKS; i++)
		if (m->checks[i] && m->checks[i]->run == run)
			free_check(&m->checks[i]);
}

void check_drop_group(struct master *m, struct check_group *g)
{
	for (int i = 0; i < MASTER_CHECKS; i++)
		if (m->checks[i] && m->checks[i]->group == g)
			free_check(&m->checks[i]);
}

int check_begin_group(struct master *m, struct check_group *g, struct command_call *c, struct err *e)
{
	if (model_commit(&m->model, e) < 0) {
		check_drop_group(m, g);
		return -1;
	}
	g->req = *c->req;
	*c->req = NULL;
	return 0;
}

struct check *check_join(
	struct master *m, struct check_group *g, const char *source, json_t *order, struct err *e)
{
	const struct agent *a = choose(m, model_get(&m->model, STORE_SOURCE, source));
	struct check *c = a ? add(m, a, order, e) : NULL;

	if (!a) {
		json_decref(order);
		err_set(e, ERR_source_unbound, "source `%s`: no agent is there to ask", source);
	}
	if (c)
		c->ignore = json_array();
	if (c && g) {
		c->group = g;
		g->waiting++;
	}
	return c;
}

void check_group_put(
	struct check_group *g, struct master *m, const char *source, const char *text, const struct err *e)
{
	json_t *list;

	answer_source(g->answer, source, json_text(model_get(&m->model, STORE_SOURCE, source), "agent", ""),
		e->code ? e->text : text);
	if (!e->code) {
		g->done++;
		return;
	}
	if (!g->first.code)
		g->first = *e;
	list = json_object_get(g->answer, "sources");
	json_object_set_new(json_array_get(list, json_array_size(list) - 1), "result", json_false());
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

/* Its one finding is the source's part of the answer, which goes out with the last of them. */
static void put_part(struct master *m, struct check *c, json_t *answer, check_answer_fn *send)
{
	const json_t *f = json_array_get(json_object_get(answer, "findings"), 0);
	bool failed = !json_flag(answer, "result", false);
	struct check_group *g = c->group;
	struct err e = {0};

	if (failed)
		err_set(&e, (enum err_code)json_num(answer, "code", ERR_check_failed), "%s",
			json_text(answer, "msg", ""));
	else if (strcmp(json_text(f, "state", "fail"), "fail") == 0)
		err_set(&e, (enum err_code)json_num(f, "code", ERR_check_failed), "%s",
			json_text(f, "what", "the check found nothing"));
	check_group_put(g, m, json_text(c->order, "source", ""), json_text(f, "what", ""), &e);
	json_decref(answer);
	if (g->waiting == 1)
		send(m, &g->req, g->done ? json_incref(g->answer) : answer_error(&g->first));
}

/* The last words stay until they are asked for. */
static bool take_run(struct check *c, json_t *report)
{
	if (!c->run)
		return false;
	json_decref(c->report);
	c->report = json_incref(report);
	return true;
}

static void finish(struct master *m, struct check **c, json_t *answer, check_answer_fn *send)
{
	if ((*c)->group)
		put_part(m, *c, answer, send);
	else
		send(m, &(*c)->req, answer);
	free_check(c);
}

bool check_report(struct master *m, const char *agent, const json_t *report, check_answer_fn *answer)
{
	bool any = false;
	json_t *done;
	size_t k;

	json_array_foreach(json_object_get(report, "checks"), k, done)
		for (int i = 0; i < MASTER_CHECKS; i++) {
			struct check *c = m->checks[i];

			if (!c || (int64_t)c->id != json_num(done, "id", -1) ||
				strcmp(c->agent, agent) != 0 || take_run(c, done) ||
				!json_flag(done, "done", false))
				continue;
			finish(m, &m->checks[i], make_answer(c, done), answer);
			any = true;
		}
	return any;
}

/* Given to the agent that has come, or answered that none came; true: one of the two. */
static bool find_agent(struct master *m, struct check **c, check_answer_fn *answer)
{
	const char *source = json_text((*c)->order, "source", "");
	const struct agent *a = choose(m, model_get(&m->model, STORE_SOURCE, source));
	struct err e = {0};

	if (a) {
		snprintf((*c)->agent, sizeof((*c)->agent), "%s", a->name);
		return true;
	}
	if (m->now_ms < (*c)->agent_by_ms)
		return false;
	err_set(&e, ERR_source_unbound, "no agent is there to check with, none came within %d s",
		MASTER_AGENT_MS / 1000);
	finish(m, c, answer_error(&e), answer);
	return true;
}

static bool expire(struct master *m, struct check **c, check_answer_fn *answer)
{
	struct err e = {0};

	if (m->now_ms < (*c)->until_ms)
		return false;
	if ((*c)->run) { /* nobody asks any more */
		free_check(c);
		return true;
	}
	err_set(&e, ERR_check_failed, "no findings for source %s within %d s",
		json_text((*c)->order, "source", ""), MASTER_CHECK_MS / 1000);
	finish(m, c, answer_error(&e), answer);
	return true;
}

bool check_tick(struct master *m, check_answer_fn *answer)
{
	bool any = false;

	for (int i = 0; i < MASTER_CHECKS; i++)
		if (m->checks[i])
			any |= m->checks[i]->agent[0] ? expire(m, &m->checks[i], answer)
						      : find_agent(m, &m->checks[i], answer);
	return any;
}

/* Its unit is stopped by the next orders. */
static void cancel(struct master *m, struct check **c, check_answer_fn *answer)
{
	struct err e = {0};

	log_info("the check of source %s ends: nobody waits for it any more",
		json_text((*c)->order, "source", ""));
	err_set(&e, ERR_check_failed, "nobody waits for it any more");
	finish(m, c, answer_error(&e), answer);
}

bool check_cancel(struct master *m, bool (*there)(const struct link_req *req), check_answer_fn *answer)
{
	bool any = false;

	for (int i = 0; i < MASTER_CHECKS; i++) {
		struct link_req *req = m->checks[i] ? *check_waiting(m->checks[i]) : NULL;

		if (!req || there(req))
			continue;
		cancel(m, &m->checks[i], answer);
		any = true;
	}
	return any;
}

bool check_cancel_request(struct master *m, uint64_t request, check_answer_fn *answer)
{
	bool any = false;

	for (int i = 0; i < MASTER_CHECKS; i++) {
		struct link_req *req = m->checks[i] ? *check_waiting(m->checks[i]) : NULL;

		if (!req || req->head.request != request)
			continue;
		cancel(m, &m->checks[i], answer);
		any = true;
	}
	return any;
}
