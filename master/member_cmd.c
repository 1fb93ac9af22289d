/*
 * Words about members and relay logs: offline-member, drain-member, transfer-source, start-relay, stop-relay;
 * and DM's words for what is not there. Called by the command table.
 */
#include <string.h>

#include "common/base/log.h"
#include "common/config/json.h"
#include "master/answer.h"
#include "master/bind.h"
#include "master/command.h"
#include "master/masters.h"
#include "master/place.h"

/* --- relay logs that are kept without a task --- */

/* DM names workers too; here a relay log is where its source is bound, and nowhere else. */
static int check_workers(const json_t *args, const char *source, const char *worker, struct err *e)
{
	const json_t *list = json_object_get(args, "workers"), *name;
	size_t i;

	json_array_foreach(list, i, name)
		if (!json_is_string(name) || strcmp(json_string_value(name), worker) != 0)
			return err_set(e, ERR_bad_stage,
				"the relay log of source `%s` is where the source is bound: %s%s", source,
				worker[0] ? "agent " : "nowhere yet", worker);
	return 0;
}

static const char *say_relay(struct master *m, const char *source, bool was, bool on)
{
	if (was == on)
		return on ? "already kept" : "already not kept without tasks";
	return !on && model_count(&m->model, NULL, source) > 0 ? "it goes on for the source's tasks" : "";
}

static int set_relay(struct master *m, struct command_call *c, const char *id, bool on, struct err *e)
{
	const json_t *source = model_get(&m->model, STORE_SOURCE, id);
	bool was = json_flag(source, "enable_relay", false);
	json_t *doc;

	if (!source)
		return err_set(e, ERR_source_unknown, "there is no source `%.60s`", id);
	if (check_workers(c->args, id, json_text(source, "agent", ""), e) < 0)
		return -1;
	answer_source(c->answer, id, json_text(source, "agent", ""), say_relay(m, id, was, on));
	if (was == on)
		return 0;
	doc = model_edit(&m->model, STORE_SOURCE, id);
	json_object_set_new(doc, "enable_relay", json_boolean(on));
	model_set(&m->model, STORE_SOURCE, id, doc);
	return 0;
}

static int relay_word(struct master *m, struct command_call *c, bool on, struct err *e)
{
	const json_t *list = json_object_get(c->args, "sources"), *name;
	uint64_t changes = m->model.nchanges;
	size_t i;

	if (json_array_size(list) == 0)
		return err_set(e, ERR_usage, "name the source: -s source");
	json_array_foreach(list, i, name)
		if (set_relay(m, c, json_is_string(name) ? json_string_value(name) : "", on, e) < 0)
			return -1;
	return m->model.nchanges > changes ? model_commit(&m->model, e) : 0;
}

int command_start_relay(struct master *m, struct command_call *c, struct err *e)
{
	return relay_word(m, c, true, e);
}

int command_stop_relay(struct master *m, struct command_call *c, struct err *e)
{
	return relay_word(m, c, false, e);
}

/* --- members --- */

static void unbind(struct master *m, const char *agent)
{
	const char *key;
	json_t *s;
	void *next;

	json_object_foreach_safe(m->model.tables[STORE_SOURCE], next, key, s) {
		json_t *doc;

		if (strcmp(json_text(s, "agent", ""), agent) != 0)
			continue;
		doc = model_edit(&m->model, STORE_SOURCE, key);
		json_object_set_new(doc, "agent", json_string(""));
		model_set(&m->model, STORE_SOURCE, key, doc);
	}
}

int command_offline_member(struct master *m, struct command_call *c, struct err *e)
{
	const char *name = json_text(c->args, "name", "");
	struct agent *a = bind_find(m, name);

	if (strcmp(json_text(c->args, "kind", ""), "worker") != 0)
		return masters_forget(m, name, e) < 0 ? -1 : model_commit(&m->model, e);
	if (!model_get(&m->model, STORE_AGENT, name))
		return err_set(e, ERR_member_unknown, "there is no agent `%.100s`", name);
	if (bind_online(m, a))
		return err_set(e, ERR_member_online, "agent `%s` is there: it was heard within %u s", name,
			(unsigned)(m->lease_ms / 1000));
	unbind(m, name);
	model_set(&m->model, STORE_AGENT, name, NULL);
	bind_sources(m);
	if (model_commit(&m->model, e) < 0)
		return -1;
	if (a)
		a->session = 0; /* what it may still say is no longer heard: it has to say hello again */
	log_info("agent %s is off the list", name);
	return 0;
}

int command_transfer_source(struct master *m, struct command_call *c, struct err *e)
{
	const char *source = json_text(c->args, "source", ""), *agent = json_text(c->args, "worker", "");
	const json_t *doc = model_get(&m->model, STORE_SOURCE, source);
	const char *going, *owner;

	if (!doc)
		return err_set(e, ERR_source_unknown, "there is no source `%.60s`", source);
	going = place_going_to(doc);
	owner = json_text(doc, "agent", "");
	if (strcmp(going[0] ? going : owner, agent) == 0) {
		json_object_set_new(c->answer, "msg",
			json_sprintf("source %s is %s agent %s already", source,
				going[0] ? "on its way to" : "at", agent));
		return 0;
	}
	if (place_check(m, source, agent, e) < 0)
		return -1;
	place_move(m, source, agent);
	return model_commit(&m->model, e);
}

static const char *say_drained(const json_t *source)
{
	if (place_going_to(source)[0])
		return "";
	if (!json_text(json_object_get(source, "endpoint"), "host", "")[0])
		return "its files are there: it stays; see transfer-source";
	return "no other agent has room for it: it stays until one has";
}

/* Which of its sources go where. */
static void answer_drained(struct master *m, struct command_call *c, const char *agent)
{
	const char *key;
	json_t *s;

	json_object_set_new(c->answer, "sources", json_array());
	model_foreach(&m->model, STORE_SOURCE, key, s) {
		const char *to = place_going_to(s);

		if (strcmp(json_text(s, "agent", ""), agent) == 0)
			answer_source(c->answer, key, to[0] ? to : agent, say_drained(s));
	}
}

int command_drain_member(struct master *m, struct command_call *c, struct err *e)
{
	const char *name = json_text(c->args, "name", "");
	bool drain = !json_flag(c->args, "cancel", false);
	json_t *doc = model_edit(&m->model, STORE_AGENT, name);

	if (!doc)
		return err_set(e, ERR_member_unknown, "there is no agent `%.100s`", name);
	json_object_set_new(doc, "draining", json_boolean(drain));
	model_set(&m->model, STORE_AGENT, name, doc);
	if (drain)
		bind_sources(m);
	if (model_commit(&m->model, e) < 0)
		return -1;
	if (drain)
		answer_drained(m, c, name);
	log_info(drain ? "agent %s is being drained" : "agent %s takes sources again", name);
	return 0;
}

/* --- DM's words for what is not there --- */

int command_shard_ddl_lock(struct master *m, struct command_call *c, struct err *e)
{
	const char *unlock = json_text(c->args, "unlock", "");

	(void)m;
	if (unlock[0])
		return err_set(e, ERR_bad_stage, "no DDL lock `%.100s`: DDL of merged tables makes none here",
			unlock);
	json_object_set_new(c->answer, "msg", json_string("no DDL lock exists"));
	json_object_set_new(c->answer, "locks", json_array());
	return 0;
}

int command_validation(struct master *m, struct command_call *c, struct err *e)
{
	const char *op = json_text(c->args, "op", "");

	(void)m;
	if (strcmp(op, "status") == 0) {
		json_object_set_new(c->answer, "validators", json_array());
		json_object_set_new(c->answer, "tableStatuses", json_array());
		return 0;
	}
	if (strcmp(op, "show-error") == 0) {
		json_object_set_new(c->answer, "error", json_array());
		return 0;
	}
	return err_set(e, ERR_bad_stage,
		"no continuous validation is there yet, so nothing to %.40s; `cutover --check` compares all "
		"rows",
		op[0] ? op : "do");
}
