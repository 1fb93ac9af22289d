/*
 * operate-source create, update, stop, show. Called by the command table. A source is its server (host and
 * port): the account, the password and options may change under the same name, the server may not, as
 * positions are of one server only (T5).
 */
#include <string.h>

#include "common/base/log.h"
#include "common/config/json.h"
#include "master/answer.h"
#include "master/bind.h"
#include "master/command.h"
#include "master/place.h"
#include "master/valid.h"

static bool same_server(const json_t *a, const json_t *b)
{
	return strcmp(json_text(a, "host", ""), json_text(b, "host", "")) == 0 &&
	       json_num(a, "port", 0) == json_num(b, "port", 0);
}

static bool same_password(const json_t *a, const json_t *b)
{
	return strcmp(json_text(json_object_get(a, "endpoint"), "password", ""),
		       json_text(json_object_get(b, "endpoint"), "password", "")) == 0;
}

/* A source without a server stands for the files of a task that only loads. */
static bool has_server(const json_t *source)
{
	return !json_flag(source, "files", false);
}

/* The settings that a file or the command line gives, onto a source that is new or has others. */
static void put_settings(json_t *doc, const json_t *args)
{
	json_t *relay = json_object_get(args, "relay"), *own_case = json_object_get(args, "case_sensitive");

	json_object_set_new(doc, "endpoint",
		has_server(args) ? json_deep_copy(json_object_get(args, "endpoint")) : json_object());
	json_object_set_new(doc, "enable_relay", json_boolean(json_flag(args, "enable_relay", false)));
	json_object_set_new(doc, "relay", json_is_object(relay) ? json_deep_copy(relay) : json_object());
	if (json_is_string(json_object_get(args, "yaml")))
		json_object_set(doc, "yaml", json_object_get(args, "yaml"));
	else
		json_object_del(doc, "yaml");
	if (json_is_object(json_object_get(args, "checker")))
		json_object_set(doc, "checker", json_object_get(args, "checker"));
	else
		json_object_del(doc, "checker");
	if (json_is_boolean(own_case))
		json_object_set(doc, "case_sensitive", own_case);
	else
		json_object_del(doc, "case_sensitive");
	if (json_is_array(json_object_get(args, "filters")))
		json_object_set(doc, "filters", json_object_get(args, "filters"));
	else
		json_object_del(doc, "filters");
}

static const char *worker_of(struct master *m, const char *source)
{
	return json_text(model_get(&m->model, STORE_SOURCE, source), "agent", "");
}

static int update(
	struct master *m, const json_t *args, const json_t *was, struct command_call *c, struct err *e)
{
	const char *id = json_text(args, "source-id", ""); /* was is gone after the commit */
	json_t *doc;

	if (!same_server(json_object_get(was, "endpoint"), json_object_get(args, "endpoint")))
		return err_set(e, ERR_source_exists, "source `%s` is there already, it is %s:%lld", id,
			json_text(json_object_get(was, "endpoint"), "host", ""),
			(long long)json_num(json_object_get(was, "endpoint"), "port", 0));
	doc = json_deep_copy(was);
	put_settings(doc, args);
	/* Who could not decrypt the old one may have the new one's key, or it was no agent's fault. */
	if (!same_password(was, doc))
		json_object_del(doc, "keyless");
	if (json_equal(doc, was)) {
		json_decref(doc);
		answer_source(c->answer, id, worker_of(m, id), "already there");
		return 0;
	}
	model_set(&m->model, STORE_SOURCE, id, doc);
	if (model_commit(&m->model, e) < 0)
		return -1;
	answer_source(c->answer, id, worker_of(m, id), "already there, settings changed");
	return 0;
}

static int check_filters(const json_t *args, struct err *e)
{
	json_t *rules = json_object();
	int r;

	if (json_object_get(args, "filters"))
		json_object_set(rules, "filters", json_object_get(args, "filters"));
	r = valid_rules(rules, "dm_meta", e);
	json_decref(rules);
	return r;
}

/* DM's word for what create does too; the source must be there. */
static int change(struct master *m, const json_t *args, struct command_call *c, struct err *e)
{
	const char *id = json_text(args, "source-id", "");
	const json_t *was = model_get(&m->model, STORE_SOURCE, id);

	if (!was)
		return err_set(e, ERR_source_unknown, "there is no source `%.60s`", id);
	if (valid_endpoint(json_object_get(args, "endpoint"), "the upstream", e) < 0 ||
		check_filters(args, e) < 0)
		return -1;
	return update(m, args, was, c, e);
}

/* One that is there stays where it is: transfer-source says how it goes, and when it is there. */
static int check_place(struct master *m, const char *id, const char *worker, struct err *e)
{
	const char *now = worker_of(m, id);

	if (!worker[0] || strcmp(now, worker) == 0)
		return 0;
	return err_set(e, ERR_bad_stage, "source `%s` is there already, %s%s: transfer-source moves it", id,
		now[0] ? "at agent " : "nowhere yet", now);
}

static int create(struct master *m, const json_t *args, struct command_call *c, struct err *e)
{
	const char *id = json_text(args, "source-id", "");
	const char *worker = json_text(c->args, "worker", "");
	const json_t *was = model_get(&m->model, STORE_SOURCE, id);
	unsigned slot;
	json_t *doc;

	if (valid_name(id, MODEL_SOURCE, "source", e) < 0 ||
		(has_server(args) &&
			valid_endpoint(json_object_get(args, "endpoint"), "the upstream", e) < 0) ||
		check_filters(args, e) < 0)
		return -1;
	if (was)
		return check_place(m, id, worker, e) < 0 ? -1 : update(m, args, was, c, e);
	slot = bind_free_slot(m);
	if (!slot)
		return err_set(e, ERR_bad_stage, "there are %d sources already", MASTER_SLOTS);
	doc = json_pack("{s:s, s:i, s:I, s:s}", "id", id, "slot", (int)slot, "epoch",
		(json_int_t)bind_first_epoch(m), "agent", "");
	put_settings(doc, args);
	model_set(&m->model, STORE_SOURCE, id, doc);
	if (worker[0] && place_check(m, id, worker, e) < 0)
		return -1;
	if (worker[0])
		place_move(m, id, worker);
	bind_sources(m);
	if (model_commit(&m->model, e) < 0)
		return -1;
	log_info("source %s made, slot %u", id, slot);
	answer_source(c->answer, id, worker_of(m, id),
		worker_of(m, id)[0] ? "" : "source is added but there is no free worker to bound");
	return 0;
}

static int stop(struct master *m, const json_t *args, struct command_call *c, struct err *e)
{
	const char *id = json_text(args, "source-id", "");
	size_t tasks = model_count(&m->model, NULL, id);

	if (!model_get(&m->model, STORE_SOURCE, id))
		return err_set(e, ERR_source_unknown, "there is no source `%.60s`", id);
	if (tasks > 0)
		return err_set(e, ERR_source_has_tasks, "source `%s` has %zu task%s", id, tasks,
			tasks == 1 ? "" : "s");
	answer_source(c->answer, id, worker_of(m, id), "");
	bind_retire(m, id, NULL);
	bind_keep_epoch(m, id);
	model_set(&m->model, STORE_SOURCE, id, NULL);
	return model_commit(&m->model, e);
}

static int show(struct master *m, struct command_call *c)
{
	const char *id;
	json_t *doc;

	json_object_set_new(c->answer, "sources", json_array());
	model_foreach(&m->model, STORE_SOURCE, id, doc) {
		const char *worker = json_text(doc, "agent", "");

		answer_source(c->answer, id, worker,
			worker[0] ? "" : "source is added but there is no free worker to bound");
		json_object_set_new(json_array_get(json_object_get(c->answer, "sources"),
					    json_array_size(json_object_get(c->answer, "sources")) - 1),
			"tidegate",
			json_pack("{s:o, s:I, s:I}", "endpoint",
				answer_endpoint(json_object_get(doc, "endpoint")), "slot",
				(json_int_t)json_num(doc, "slot", 0), "epoch",
				(json_int_t)json_num(doc, "epoch", 0)));
	}
	return 0;
}

int command_operate_source(struct master *m, struct command_call *c, struct err *e)
{
	const char *op = json_text(c->args, "op", "");
	const json_t *source = json_object_get(c->args, "source");

	if (strcmp(op, "create") == 0)
		return create(m, source, c, e);
	if (strcmp(op, "update") == 0)
		return change(m, source, c, e);
	if (strcmp(op, "stop") == 0)
		return stop(m, source, c, e);
	if (strcmp(op, "show") == 0)
		return show(m, c);
	return err_set(e, ERR_usage, "operate-source can create, update, stop and show, not `%.40s`", op);
}
