/*
 * tidegate-load: takes the dump's chunk files and brings them into the downstream, each exactly once
 * (tidegate-load(8), docs/design/copy.md). This file is the unit's form; the work is in leader.c and
 * worker.c. Reads the dump folder, writes no file.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/config/mode.h"
#include "common/sql/quote.h"
#include "units/load/folder.h"
#include "units/load/late.h"
#include "units/load/leader.h"
#include "units/load/load.h"
#include "units/load/record.h"

enum { THREADS_MAX = 64 };

/* The index of the option's word; 0 without one; -1 with e. */
static int read_word(const json_t *options, const char *key, const char *const *words, int n, struct err *e)
{
	const char *word = json_text(options, key, words[0]);

	for (int i = 0; i < n; i++)
		if (strcmp(word, words[i]) == 0)
			return i;
	return err_set(e, ERR_config_bad, "load: %s: `%s` is not known", key, word);
}

static int read_ways(struct load *l, const json_t *options, struct err *e)
{
	static const char *const ways[] = {"auto", "insert", "bulk", "load-data"};
	static const char *const duplicates[] = {"error", "replace", "ignore"};
	static const char *const keys[] = {"auto", "before", "after"};
	int by = read_word(options, "by", ways, LOAD_BYS, e), duplicate, when;

	if (by < 0)
		return -1;
	duplicate = read_word(options, "on_duplicate", duplicates, ON_DUPLICATES, e);
	when = duplicate < 0 ? -1 : read_word(options, "keys", keys, LOAD_KEYS, e);
	if (when < 0)
		return -1;
	l->keys = (enum load_keys)when;
	l->by = (enum load_by)by;
	l->on_duplicate = (enum on_duplicate)duplicate;
	return 0;
}

static int read_options(struct load *l, const json_t *config, struct err *e)
{
	const json_t *options = json_object_get(config, "options");
	const struct mode *mode = mode_find(json_text(config, "mode", "all"));
	int64_t threads = json_num(options, "threads", 4);
	int collations = collation_policy_of(json_text(options, "collations", "nearest"));

	if (threads < 1 || threads > THREADS_MAX)
		return err_set(e, ERR_config_bad, "load: threads is %" PRId64 ", it must be 1 to %d", threads,
			THREADS_MAX);
	if (collations < 0)
		return err_set(e, ERR_config_bad, "load: collations: nearest, fail or exact");
	if (definer_parse(json_text(options, "definer", ""), &l->definer, e) < 0)
		return -1;
	l->threads = (unsigned)threads;
	l->look = json_flag(config, "look", false);
	l->collations = (enum collation_policy)collations;
	l->remove_meta = json_flag(config, "remove_meta", false);
	l->meta_schema = xstrdup(json_text(config, "meta_schema", "dm_meta"));
	l->task = xstrdup(json_text(config, "task", ""));
	l->source = xstrdup(json_text(config, "source", ""));
	l->follows = mode && mode->sync;
	l->rules = rules_new(json_object_get(config, "rules"), l->meta_schema, e);
	if (!l->rules)
		return -1;
	l->id = (struct meta_id){l->meta_schema, l->task, l->source, (uint64_t)json_num(config, "epoch", 0)};
	if (read_ways(l, options, e) < 0)
		return -1;
	if (endpoint_from_json(json_object_get(config, "downstream"), &l->downstream, e) < 0)
		return err_add(e, "downstream");
	if (mode && mode->from == MODE_FILES) {
		l->keys = KEYS_BEFORE; /* each file has its worker: none is the one that ends a table */
		l->folder = folder_new(config, l->rules, e);
		return l->folder ? 0 : -1;
	}
	return 0;
}

static int load_open(void *self, struct unit_env *env, struct err *e)
{
	struct load *l = self;
	pthread_condattr_t a;

	l->env = env;
	pthread_mutex_init(&l->lock, NULL);
	pthread_mutex_init(&l->claim_lock, NULL);
	pthread_mutex_init(&l->giant, NULL);
	places_init(&l->places);
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&l->changed, &a);
	pthread_condattr_destroy(&a);
	if (env->state_fd < 0)
		return err_set(e, ERR_io, "no dump folder was given");
	return read_options(l, env->config, e);
}

static int load_ready(void *self, struct unit_env *env, struct err *e)
{
	struct load *l = self;
	char *path = xasprintf("dump-%u.sock", env->sub);

	if (!l->folder)
		l->dump = link_dial(env->link, path);
	l->relay = link_dial(env->link, "relay.sock");
	free(path);
	if (pthread_create(&l->leader, NULL, leader_main, l) != 0)
		return err_set(e, ERR_internal, "a thread can't be started");
	l->has_leader = true;
	return 0;
}

static int load_step(void *self, struct unit_env *env, struct err *e)
{
	struct load *l = self;
	uint64_t now = atomic_load(&l->chunks_done);
	bool finished;

	if (now > l->told)
		env->progress += now - l->told;
	l->told = now;
	pthread_mutex_lock(&l->lock);
	finished = l->finished;
	*e = l->fail;
	pthread_mutex_unlock(&l->lock);
	if (e->code)
		return -1;
	return finished ? UNIT_FINISHED : UNIT_GO_ON;
}

static void put_number(json_t *out, const char *key, uint64_t v)
{
	json_object_set_new(out, key, json_integer((json_int_t)v));
}

static void put_table_name(const void *arg, unsigned table, struct buf *b)
{
	const struct load *l = arg;

	sql_put_table(b, str_of(l->plan.tables.p[table].schema), str_of(l->plan.tables.p[table].name));
}

static void load_status(void *self, struct unit_env *env, json_t *out)
{
	static const char *const phases[] = {"wait", "schema", "load", "done"};
	struct load *l = self;

	(void)env;
	json_object_set_new(out, "phase", json_string(phases[atomic_load(&l->phase)]));
	put_number(out, "chunks_done", atomic_load(&l->chunks_done));
	pthread_mutex_lock(&l->lock);
	tally_status(l->tally, &(struct tally_words){put_table_name, l, false}, out);
	late_status(l, out);
	if (l->left_out)
		json_object_set_new(out, "left_out", json_deep_copy(l->left_out));
	if (l->snapshot.file)
		json_object_set_new(out, "snapshot",
			json_pack("{s:s, s:I, s:s}", "file", l->snapshot.file, "offset",
				(json_int_t)l->snapshot.offset, "gtid", l->snapshot.gtid));
	if (l->snapshot.file && l->snapshot.server[0])
		json_object_set_new(
			json_object_get(out, "snapshot"), "server", json_string(l->snapshot.server));
	if (l->snapshot.file && l->taken)
		json_object_set_new(json_object_get(out, "snapshot"), "dm", json_true());
	if (l->look)
		json_object_set_new(out, "found", json_boolean(l->found));
	pthread_mutex_unlock(&l->lock);
}

static int load_save(void *self, struct unit_env *env, struct err *e)
{
	(void)env;
	(void)e;
	load_stop(self);
	return 0;
}

static void load_close(void *self, struct unit_env *env)
{
	struct load *l = self;

	(void)env;
	if (!l->env)
		return;
	load_stop(l);
	if (l->has_leader)
		pthread_join(l->leader, NULL);
	tally_free(&l->tally);
	plan_fini(&l->plan);
	plan_snapshot_fini(&l->snapshot);
	recorded_fini(&l->recorded);
	late_end(l);
	json_decref(l->left_out);
	places_fini(&l->places);
	folder_free(&l->folder);
	rules_free(&l->rules);
	free(l->conns);
	free(l->meta_schema);
	free(l->task);
	free(l->source);
	endpoint_wipe(&l->downstream);
}

static const struct unit load = {
	.kind = UNIT_load,
	.state = sizeof(struct load),
	.open = load_open,
	.ready = load_ready,
	.step = load_step,
	.status = load_status,
	.save = load_save,
	.close = load_close,
};

int main(int argc, char **argv)
{
	return unit_run(&load, argc, argv);
}
