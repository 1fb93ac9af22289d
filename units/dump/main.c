/*
 * tidegate-dump: reads a source's tables at one moment and gives them out as chunk files (tidegate-dump(8),
 * docs/design/copy.md). This file is the unit's form; the work is in leader.c and worker.c. Touches the
 * upstream and its dump folder, nothing else.
 */
#include <stdlib.h>

#include "common/base/io.h"
#include "common/base/log.h"
#include "common/sql/quote.h"
#include "units/dump/dump.h"
#include "units/dump/folder.h"
#include "units/dump/leader.h"
#include "units/dump/options.h"
#include "units/dump/plan.h"
#include "units/dump/serve.h"

enum { GIANT_BYTES = 4 << 20 };

static int dump_open(void *self, struct unit_env *env, struct err *e)
{
	struct dump *d = self;
	pthread_condattr_t a;

	d->env = env;
	d->dir = env->state_fd;
	pthread_mutex_init(&d->lock, NULL);
	pthread_mutex_init(&d->ends, NULL);
	pthread_mutex_init(&d->giant.lock, NULL);
	d->giant.bytes = GIANT_BYTES;
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&d->changed, &a);
	pthread_condattr_destroy(&a);
	spool_init(&d->spool, d->dir, 0);
	if (d->dir < 0)
		return err_set(e, ERR_io, "no dump folder was given");
	if (options_read(d, env->config, e) < 0)
		return -1;
	d->spool.limit = d->o.spool_bytes;
	return 0;
}

static int dump_ready(void *self, struct unit_env *env, struct err *e)
{
	struct dump *d = self;
	int r = d->o.to_files ? folder_open(d, e) : plan_restore(d, e);

	(void)env;
	if (r < 0)
		return -1;
	if (r == 1 && d->o.to_files) {
		log_info("the dump is complete already");
		atomic_store(&d->phase, DUMP_DONE);
		return 0;
	}
	if (r == 1) {
		log_info("the copy in the dump folder is complete: serving it");
		d->plan_ready = true;
		atomic_store(&d->phase, DUMP_SERVE);
		return 0;
	}
	if (pthread_create(&d->leader, NULL, leader_main, d) != 0)
		return err_set(e, ERR_internal, "a thread can't be started");
	d->has_leader = true;
	return 0;
}

static bool failed(struct dump *d, struct err *e)
{
	bool yes;

	pthread_mutex_lock(&d->lock);
	yes = d->fail.code != 0;
	if (yes)
		*e = d->fail;
	pthread_mutex_unlock(&d->lock);
	return yes;
}

static void count_progress(struct dump *d, struct unit_env *env)
{
	uint64_t now;

	pthread_mutex_lock(&d->spool.lock);
	now = d->spool.n + d->spool.ndone;
	if (d->spool.complete && d->spool.ndone == d->spool.n && atomic_load(&d->phase) == DUMP_SERVE)
		atomic_store(&d->phase, DUMP_DONE);
	pthread_mutex_unlock(&d->spool.lock);
	env->progress += now - d->told;
	d->told = now;
}

static int dump_step(void *self, struct unit_env *env, struct err *e)
{
	struct dump *d = self;

	if (failed(d, e)) {
		serve_refuse_all(d, e);
		return -1;
	}
	serve_waiting(d);
	count_progress(d, env);
	return d->o.to_files && atomic_load(&d->phase) == DUMP_DONE ? UNIT_FINISHED : UNIT_GO_ON;
}

static bool is_planned(struct dump *d)
{
	bool ready;

	pthread_mutex_lock(&d->lock);
	ready = d->plan_ready;
	pthread_mutex_unlock(&d->lock);
	return ready;
}

/* Where a copy from before is served there is no catalog. */
static void put_table_name(const void *arg, unsigned table, struct buf *b)
{
	const struct dump *d = arg;

	if (d->has_leader)
		sql_put_table(b, str_of(d->catalog.tables.p[table].schema),
			str_of(d->catalog.tables.p[table].name));
}

static void put_snapshot(struct dump *d, json_t *out)
{
	if (!is_planned(d))
		return;
	json_object_set_new(out, "snapshot",
		json_pack("{s:s, s:I, s:s}", "file", d->snapshot.file, "offset",
			(json_int_t)d->snapshot.offset, "gtid", d->snapshot.gtid ? d->snapshot.gtid : ""));
	if (d->identity[0])
		json_object_set_new(json_object_get(out, "snapshot"), "server", json_string(d->identity));
}

static void put_number(json_t *out, const char *key, uint64_t v)
{
	json_object_set_new(out, key, json_integer((json_int_t)v));
}

static void dump_status(void *self, struct unit_env *env, json_t *out)
{
	static const char *const phases[] = {"lock", "snapshot", "dump", "serve", "done"};
	struct dump *d = self;

	(void)env;
	json_object_set_new(out, "phase", json_string(phases[atomic_load(&d->phase)]));
	tally_status(is_planned(d) ? d->tally : NULL, &(struct tally_words){put_table_name, d, true}, out);
	put_number(out, "lock_ms", atomic_load(&d->lock_ms));
	pthread_mutex_lock(&d->spool.lock);
	put_number(out, "chunks_done", d->spool.n);
	put_number(out, "spool_bytes", d->spool.bytes);
	pthread_mutex_unlock(&d->spool.lock);
	put_snapshot(d, out);
	if (atomic_load(&d->disk_full)) {
		json_object_set_new(out, "last_error_code", json_integer(ERR_disk_full));
		json_object_set_new(out, "last_error", json_string(err_info(ERR_disk_full)->message));
	}
}

static int dump_save(void *self, struct unit_env *env, struct err *e)
{
	(void)env;
	(void)e;
	dump_stop(self);
	return 0;
}

static void dump_close(void *self, struct unit_env *env)
{
	struct dump *d = self;
	struct err e = {0};

	(void)env;
	if (!d->env)
		return;
	err_set(&e, ERR_link, "the dump is leaving");
	serve_refuse_all(d, &e);
	dump_stop(d);
	if (d->has_leader)
		pthread_join(d->leader, NULL);
	for (unsigned i = 0; d->tables && i < d->catalog.tables.n; i++)
		stretches_free(&d->tables[i].stretches);
	tally_free(&d->tally);
	catalog_fini(&d->catalog);
	spool_fini(&d->spool);
	rules_free(&d->rules);
	buf_free(&d->plan);
	buf_free(&d->info);
	buf_free(&d->wanted_text);
	buf_free(&d->incoming);
	free(d->tables);
	free(d->jobs);
	json_decref(d->wanted);
	free(d->conns);
	free(d->snapshot.gtid);
	free(d->later.gtid);
	free(d->source);
	free(d->job_name);
	endpoint_wipe(&d->upstream);
	if (d->o.to_files)
		io_close(&d->dir);
}

static const struct unit dump = {
	.kind = UNIT_dump,
	.state = sizeof(struct dump),
	.listen = "dump-%u.sock",
	.contexts = 16,
	.on = serve_messages,
	.open = dump_open,
	.ready = dump_ready,
	.step = dump_step,
	.status = dump_status,
	.save = dump_save,
	.close = dump_close,
};

int main(int argc, char **argv)
{
	return unit_run(&dump, argc, argv);
}
