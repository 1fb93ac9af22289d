/*
 * accept-key: an agent's key was lost or made anew, and the operator says that this is right. Called by the
 * command table.
 */
#include "common/base/log.h"
#include "common/config/json.h"
#include "master/command.h"

int command_accept_key(struct master *m, struct command_call *c, struct err *e)
{
	const char *name = json_text(c->args, "name", "");
	json_t *doc = model_edit(&m->model, STORE_AGENT, name);

	if (!doc)
		return err_set(e, ERR_member_unknown, "there is no agent `%.100s`", name);
	if (!json_text(doc, "key", "")[0]) { /* also where it is said twice (T39) */
		json_decref(doc);
		json_object_set_new(c->answer, "msg",
			json_string("no key is known of it: the next one that it shows counts"));
		return 0;
	}
	json_object_del(doc, "key");
	model_set(&m->model, STORE_AGENT, name, doc);
	if (model_commit(&m->model, e) < 0)
		return -1;
	log_info("agent %s may come with another key", name);
	return 0;
}
