/*
 * tidegate-check: one shot. Asks both servers whether a task can work, in the same box and from the same host
 * as the units that will do it, and leaves. It changes nothing but to make Tidegate's own tables in the meta
 * schema (and a TEMPORARY one for a moment), and what `binlog-schema` says of them.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "common/config/json.h"
#include "common/config/mode.h"
#include "common/proc/unit.h"
#include "units/check/check.h"

struct state {
	struct check check;
	struct unit_env *env;
	pthread_t thread;
	bool started;
	_Atomic bool done;
};

static int check_open(void *self, struct unit_env *env, struct err *e)
{
	struct state *s = self;
	struct check *c = &s->check;
	const struct mode *mode = mode_find(json_text(env->config, "mode", "all"));
	const json_t *parts;

	s->env = env;
	c->findings = json_array();
	c->schemas = json_array();
	snprintf(c->mode, sizeof(c->mode), "%s", json_text(env->config, "mode", "all"));
	snprintf(c->meta_schema, sizeof(c->meta_schema), "%s",
		json_text(env->config, "meta_schema", "dm_meta"));
	c->ask = json_object_get(env->config, "schema");
	c->task = json_text(env->config, "task", "");
	c->source = json_text(env->config, "source", "");
	c->epoch = (uint64_t)json_num(env->config, "epoch", 0);
	c->has_upstream = !mode || mode_has_upstream(mode);
	c->has_downstream = !mode || mode_has_downstream(mode);
	if (c->has_upstream &&
		endpoint_from_json(json_object_get(env->config, "upstream"), &c->upstream, e) < 0)
		return -1;
	if (c->has_downstream &&
		endpoint_from_json(json_object_get(env->config, "downstream"), &c->downstream, e) < 0)
		return -1;
	parts = json_object_get(env->config, "parts");
	c->dump = json_object_get(parts, "dump");
	c->load = json_object_get(parts, "load");
	c->sync = json_object_get(parts, "sync");
	c->start = json_object_get(parts, "start");
	c->afresh = json_flag(parts, "remove_meta", false);
	c->free_bytes = (uint64_t)json_num(env->config, "free_bytes", 0);
	c->tables = tables_new();
	c->rules = rules_new(json_object_get(env->config, "rules"), c->meta_schema, e);
	return c->rules ? 0 : -1;
}

static void *check_main(void *arg)
{
	struct state *s = arg;

	if (s->check.ask) {
		check_tracked(&s->check);
	} else {
		if (s->check.has_upstream)
			check_upstream(&s->check);
		if (s->check.has_downstream)
			check_downstream(&s->check);
		check_items(&s->check);
	}
	atomic_store(&s->done, true);
	unit_wake(s->env);
	return NULL;
}

static int check_ready(void *self, struct unit_env *env, struct err *e)
{
	struct state *s = self;

	(void)env;
	if (pthread_create(&s->thread, NULL, check_main, s) != 0)
		return err_sys(e, ERR_internal, "starting a thread");
	s->started = true;
	return 0;
}

static int check_step(void *self, struct unit_env *env, struct err *e)
{
	struct state *s = self;

	(void)env;
	(void)e;
	return atomic_load(&s->done) ? UNIT_FINISHED : UNIT_GO_ON;
}

/* The list belongs to the worker until it is done. */
static void check_status(void *self, struct unit_env *env, json_t *out)
{
	struct state *s = self;

	(void)env;
	json_object_set_new(out, "phase", json_string(atomic_load(&s->done) ? "done" : "check"));
	if (atomic_load(&s->done))
		json_object_set(out, "findings", s->check.findings);
}

static void check_close(void *self, struct unit_env *env)
{
	struct state *s = self;

	(void)env;
	if (s->started)
		pthread_join(s->thread, NULL);
	db_close(&s->check.up);
	db_close(&s->check.down);
	tables_free(&s->check.tables);
	rules_free(&s->check.rules);
	json_decref(s->check.findings);
	json_decref(s->check.schemas);
	endpoint_wipe(&s->check.upstream);
	endpoint_wipe(&s->check.downstream);
}

static const struct unit check_unit = {
	.kind = UNIT_check,
	.state = sizeof(struct state),
	.open = check_open,
	.ready = check_ready,
	.step = check_step,
	.status = check_status,
	.close = check_close,
};

int main(int argc, char **argv)
{
	return unit_run(&check_unit, argc, argv);
}
