/*
 * tidegate-cutover: one shot (tidegate-cutover(8), docs/design/copy.md). Looks whether applications may move
 * from a task's source to its downstream, and makes what can be made only then. This file is the unit's form;
 * the work is in leader.c. Writes no file.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/config/mode.h"
#include "units/cutover/cutover.h"

enum { THREADS_MAX = 16 };

static int read_op(struct cutover *c, const json_t *ask, struct err *e)
{
	static const char *const ops[] = {"source", "check", "finish"};
	const char *op = json_text(ask, "op", "");

	c->compare = json_flag(ask, "compare", true);
	for (int i = CUTOVER_SOURCE; i <= CUTOVER_FINISH; i++)
		if (strcmp(op, ops[i]) == 0) {
			c->op = (enum cutover_op)i;
			return 0;
		}
	return err_set(e, ERR_config_bad, "cutover: op \"%.20s\" is not known", op);
}

static int read_options(struct cutover *c, const json_t *config, struct err *e)
{
	const struct mode *mode = mode_find(json_text(config, "mode", "all"));
	const json_t *o = json_object_get(config, "options");
	int64_t threads = json_num(o, "threads", 4);

	if (read_op(c, json_object_get(config, "cutover"), e) < 0 ||
		objects_parse(json_text(o, "objects", ""), &c->wanted, e) < 0 ||
		definer_parse(json_text(o, "definer", ""), &c->definer, e) < 0)
		return -1;
	c->threads = (unsigned)(threads < 1 ? 1 : threads > THREADS_MAX ? THREADS_MAX : threads);
	c->follows = !mode || mode->sync;
	if (endpoint_from_json(json_object_get(config, "upstream"), &c->upstream, e) < 0 ||
		endpoint_from_json(json_object_get(config, "downstream"), &c->downstream, e) < 0)
		return -1;
	c->rules = rules_new(json_object_get(config, "rules"), c->meta_schema, e);
	return c->rules ? 0 : -1;
}

static int cutover_open(void *self, struct unit_env *env, struct err *e)
{
	struct cutover *c = self;

	c->env = env;
	c->findings = json_array();
	pthread_mutex_init(&c->lock, NULL);
	c->meta_schema = xstrdup(json_text(env->config, "meta_schema", "dm_meta"));
	c->task = xstrdup(json_text(env->config, "task", ""));
	c->source = xstrdup(json_text(env->config, "source", ""));
	c->id = (struct meta_id){
		c->meta_schema, c->task, c->source, (uint64_t)json_num(env->config, "epoch", 0)};
	return read_options(c, env->config, e);
}

static int cutover_ready(void *self, struct unit_env *env, struct err *e)
{
	struct cutover *c = self;

	(void)env;
	if (pthread_create(&c->leader, NULL, leader_main, c) != 0)
		return err_sys(e, ERR_internal, "starting a thread");
	c->has_leader = true;
	return 0;
}

static int cutover_step(void *self, struct unit_env *env, struct err *e)
{
	struct cutover *c = self;

	(void)e;
	env->progress = atomic_load(&c->tables_done);
	return atomic_load(&c->done) ? UNIT_FINISHED : UNIT_GO_ON;
}

static void cutover_status(void *self, struct unit_env *env, json_t *out)
{
	static const char *const phases[] = {"source", "objects", "compare", "make", "done"};
	struct cutover *c = self;

	(void)env;
	json_object_set_new(out, "phase", json_string(phases[atomic_load(&c->phase)]));
	json_object_set_new(out, "progress",
		json_pack("{s:s, s:I, s:I, s:I, s:b}", "phase", phases[atomic_load(&c->phase)], "tables_done",
			(json_int_t)atomic_load(&c->tables_done), "tables_total",
			(json_int_t)atomic_load(&c->tables_total), "rows_done",
			(json_int_t)atomic_load(&c->rows_done), "made", (int)atomic_load(&c->made)));
	/* The list belongs to the threads until they are done. */
	if (atomic_load(&c->done))
		json_object_set(out, "findings", c->findings);
}

static int cutover_save(void *self, struct unit_env *env, struct err *e)
{
	(void)env;
	(void)e;
	cutover_stop(self);
	return 0;
}

static void cutover_close(void *self, struct unit_env *env)
{
	struct cutover *c = self;

	(void)env;
	if (c->has_leader) {
		cutover_stop(c);
		pthread_join(c->leader, NULL);
	}
	for (unsigned i = 0; i < c->ntables; i++) {
		free(c->tables[i].schema);
		free(c->tables[i].name);
		free(c->tables[i].to_schema);
		free(c->tables[i].to_name);
	}
	free(c->tables);
	free(c->conns);
	free(c->at.gtid);
	rules_free(&c->rules);
	json_decref(c->findings);
	free(c->meta_schema);
	free(c->task);
	free(c->source);
	endpoint_wipe(&c->upstream);
	endpoint_wipe(&c->downstream);
}

static const struct unit cutover_unit = {
	.kind = UNIT_cutover,
	.state = sizeof(struct cutover),
	.open = cutover_open,
	.ready = cutover_ready,
	.step = cutover_step,
	.status = cutover_status,
	.save = cutover_save,
	.close = cutover_close,
};

int main(int argc, char **argv)
{
	return unit_run(&cutover_unit, argc, argv);
}
