/*
 * config: the files that sources and tasks were made by, as they were said last. Called by the command table.
 */
#include <string.h>

#include "common/base/buf.h"
#include "common/config/json.h"
#include "master/answer.h"
#include "master/bind.h"
#include "master/command.h"
#include "master/masters.h"

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

/* --- daemons: in the form of their own files, which stay where they are --- */

static void put_line(struct buf *b, const char *key, const char *value)
{
	if (value[0])
		buf_putf(b, "%s = %s\n", key, value);
}

/* The one that answers is the one that leads: of another one's settings it knows name and address. */
static void write_master(const struct master *m, const json_t *who, struct buf *b)
{
	bool leads = json_flag(who, "leads", false);

	buf_puts(b,
		leads ? "# what the master that leads works by; the rest of tidegate-master.conf is on its "
			"host\n"
		      : "# a master that does not lead; the rest of its tidegate-master.conf is on its "
			"host\n");
	put_line(b, "name", json_text(who, "name", ""));
	put_line(b, "address", leads && m->address ? m->address : json_text(who, "address", ""));
	if (leads)
		buf_putf(b, "lease = %llu\n", (unsigned long long)(m->lease_ms / 1000));
}

static int put_master(struct master *m, const char *name, struct buf *b, struct err *e)
{
	json_t *all = masters_list(m), *v;
	bool found = false;
	size_t i;

	json_array_foreach(all, i, v)
		if (strcmp(json_text(v, "name", ""), name) == 0) {
			write_master(m, v, b);
			found = true;
		}
	json_decref(all);
	return found ? 0 : err_set(e, ERR_member_unknown, "there is no master `%.100s`", name);
}

static void name_masters(struct master *m, struct command_call *c)
{
	json_t *all = masters_list(m), *names = json_array(), *v;
	size_t i;

	json_array_foreach(all, i, v)
		json_array_append(names, json_object_get(v, "name"));
	json_object_set_new(c->answer, "names", names);
	json_decref(all);
}

static void write_worker(struct master *m, const char *name, const json_t *doc, struct buf *b)
{
	const struct agent *a = bind_find(m, name);

	buf_puts(b, "# what the agent said of itself last; the rest of tidegate-agent.conf is on its host\n");
	put_line(b, "name", name);
	put_line(b, "host", a ? a->host : "");
	buf_putf(b, "capacity = %lld\nstandby = %s\n", (long long)json_num(doc, "slots", 0),
		json_flag(doc, "standby", false) ? "yes" : "no");
}

static int put_worker(struct master *m, const char *name, struct buf *b, struct err *e)
{
	const json_t *doc = model_get(&m->model, STORE_AGENT, name);

	if (!doc)
		return err_set(e, ERR_member_unknown, "there is no agent `%.100s`", name);
	write_worker(m, name, doc, b);
	return 0;
}

static int put_daemon(struct master *m, struct command_call *c, bool worker, struct err *e)
{
	const char *name = json_text(c->args, "name", "");
	struct buf b = {0};
	int r;

	if (!name[0] && worker)
		return list(m, STORE_AGENT, c);
	if (!name[0]) {
		name_masters(m, c);
		return 0;
	}
	r = worker ? put_worker(m, name, &b, e) : put_master(m, name, &b, e);
	if (r == 0)
		json_object_set_new(c->answer, "cfg", json_string(buf_cstr(&b)));
	buf_free(&b);
	return r;
}

int command_config(struct master *m, struct command_call *c, struct err *e)
{
	const char *kind = json_text(c->args, "kind", ""), *name = json_text(c->args, "name", "");
	bool task = strcmp(kind, "task") == 0, worker = strcmp(kind, "worker") == 0;
	enum store_table t = task ? STORE_TASK : STORE_SOURCE;
	const json_t *doc;

	if (worker || strcmp(kind, "master") == 0)
		return put_daemon(m, c, worker, e);
	if (!task && strcmp(kind, "source") != 0)
		return err_set(
			e, ERR_usage, "config knows source, task, master and worker, not `%.40s`", kind);
	if (!name[0])
		return list(m, t, c);
	doc = model_get(&m->model, t, name);
	if (!doc)
		return err_set(e, task ? ERR_task_unknown : ERR_source_unknown, "there is no %s `%.100s`",
			kind, name);
	if (!json_text(doc, "yaml", "")[0])
		return err_set(e, ERR_bad_stage, "%s `%s` was not made by a file", kind, name);
	json_object_set_new(c->answer, "cfg", json_string(json_text(doc, "yaml", "")));
	if (json_flag(c->args, "secret", false))
		put_secret(c->answer, doc, t);
	return 0;
}
