/*
 * pause-relay, resume-relay, purge-relay. A pause is kept in the store; a purge lives in memory only, as one
 * of the checks, which the source's relay answers by way of its agent. Called by the command table.
 */
#include <string.h>

#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "master/answer.h"
#include "master/bind.h"
#include "master/check.h"
#include "master/command.h"

enum { FILE_NAME_MAX = 200, SUB_DIR_MAX = 300 };

/* One source's part. resume-relay of one that is not paused makes a relay that has failed try again. */
static int set_stage(struct master *m, struct command_call *c, const char *id, bool pause, struct err *e)
{
	const json_t *source = model_get(&m->model, STORE_SOURCE, id);
	bool was = strcmp(json_text(source, "relay_stage", ""), "Paused") == 0;
	json_t *doc;

	if (!source)
		return err_set(e, ERR_source_unknown, "there is no source `%.60s`", id);
	answer_source(c->answer, id, json_text(source, "agent", ""), was && pause ? "already paused" : "");
	if (was && pause)
		return 0;
	doc = model_edit(&m->model, STORE_SOURCE, id);
	json_object_set_new(doc, "relay_stage", json_string(pause ? "Paused" : "Running"));
	if (!pause)
		json_object_set_new(
			doc, "relay_resumes", json_integer(json_num(doc, "relay_resumes", 0) + 1));
	model_set(&m->model, STORE_SOURCE, id, doc);
	return 0;
}

static int stage_word(struct master *m, struct command_call *c, bool pause, struct err *e)
{
	const json_t *list = json_object_get(c->args, "sources"), *name;
	size_t i;

	if (json_array_size(list) == 0)
		return err_set(e, ERR_usage, "name the source: -s source");
	json_object_set_new(c->answer, "op", json_string(pause ? "PauseRelay" : "ResumeRelay"));
	json_array_foreach(list, i, name)
		if (set_stage(m, c, json_is_string(name) ? json_string_value(name) : "", pause, e) < 0)
			return -1;
	return m->model.nchanges > 0 ? model_commit(&m->model, e) : 0;
}

int command_pause_relay(struct master *m, struct command_call *c, struct err *e)
{
	return stage_word(m, c, true, e);
}

int command_resume_relay(struct master *m, struct command_call *c, struct err *e)
{
	return stage_word(m, c, false, e);
}

/* --- purge-relay --- */

/* The one source that is named; NULL: an error. */
static const json_t *purge_source(struct master *m, const json_t *args, struct err *e)
{
	const json_t *list = json_object_get(args, "sources"), *source;
	const char *id = json_string_value(json_array_get(list, 0)), *file = json_text(args, "file", "");

	if (json_array_size(list) != 1 || !id) {
		err_set(e, ERR_usage, "purge-relay wants one source: -s source");
		return NULL;
	}
	if (!file[0] || strlen(file) > FILE_NAME_MAX ||
		strlen(json_text(args, "sub_dir", "")) > SUB_DIR_MAX) {
		err_set(e, ERR_usage, "purge-relay wants the name of a relay log file: -f mysql-bin.000003");
		return NULL;
	}
	source = model_get(&m->model, STORE_SOURCE, id);
	if (!source)
		err_set(e, ERR_source_unknown, "there is no source `%.60s`", id);
	return source;
}

static json_t *purge_order(const json_t *source, const json_t *args)
{
	return json_pack("{s:s, s:I, s:{s:s, s:s, s:b}}", "source", json_text(source, "id", ""), "slot",
		(json_int_t)json_num(source, "slot", 0), "purge", "file", json_text(args, "file", ""),
		"sub_dir", json_text(args, "sub_dir", ""), "force", json_flag(args, "force", false));
}

int command_purge_relay(struct master *m, struct command_call *c, struct err *e)
{
	const json_t *source = purge_source(m, c->args, e);
	const char *agent = json_text(source, "agent", "");
	struct check_group *g;

	if (!source)
		return -1;
	if (!agent[0])
		return err_set(e, ERR_source_unbound, "source `%s`", json_text(source, "id", ""));
	/* Another one has no relay log of it. */
	if (!bind_online(m, bind_find(m, agent)))
		return err_set(e, ERR_source_unbound,
			"source `%s`: its agent `%s` is away, ask again when it is back",
			json_text(source, "id", ""), agent);
	g = xcalloc(1, sizeof(*g));
	g->answer = answer_ok();
	if (!check_join(m, g, json_text(source, "id", ""), purge_order(source, c->args), e)) {
		check_group_free(&g);
		return -1;
	}
	return check_begin_group(m, g, c, e);
}
