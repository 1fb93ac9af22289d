/*
 * tidegate-relay: the only binlog client of a source. Pulls the upstream's binlog into the relay folder and
 * serves it to the sync units, by position. This file fills in the unit's form: the work is in pull.c
 * (threads), serve.c and locate.c (main thread), store.c (disk). One per source; touches its own part of the
 * state folder and the upstream, nothing else.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/config/json.h"
#include "units/relay/relay.h"

enum { HEARTBEAT_MIN_MS = 100, HEARTBEAT_MAX_MS = 600 * 1000 };

static const uint64_t QUOTA = UINT64_C(4) << 30;

static int read_options(struct relay *r, const json_t *o, struct err *e)
{
	const char *fsync_at = json_text(o, "fsync", "file");
	int64_t heartbeat = json_num(o, "heartbeat_ms", 5000);
	int64_t id = json_num(o, "server_id", 0), start = json_num(o, "start_offset", 0);

	if (strcmp(fsync_at, "file") != 0 && strcmp(fsync_at, "batch") != 0)
		return err_set(
			e, ERR_config_bad, "relay: fsync is \"file\" or \"batch\", not \"%s\"", fsync_at);
	if (heartbeat < HEARTBEAT_MIN_MS || heartbeat > HEARTBEAT_MAX_MS)
		return err_set(e, ERR_config_bad, "relay: heartbeat_ms is %d to %d", HEARTBEAT_MIN_MS,
			HEARTBEAT_MAX_MS);
	if (id < 0 || id > UINT32_MAX || start < 0)
		return err_set(e, ERR_config_bad, "relay: server_id or start_offset is out of range");
	r->o.sync_batches = strcmp(fsync_at, "batch") == 0;
	r->o.heartbeat_ms = (unsigned)heartbeat;
	r->o.server_id = (uint32_t)id;
	r->o.start_offset = (uint64_t)start;
	r->o.rest_after_ms = (uint64_t)json_num(o, "rest_after_ms", IDLE_AFTER_MS);
	r->o.start_wish = json_flag(o, "start_wish", false);
	r->o.needed_comes = json_flag(o, "needed_comes", false);
	r->o.start_generation = (uint32_t)json_num(o, "start_generation", 0);
	r->o.proof_offset = (uint64_t)json_num(o, "proof_offset", 0);
	r->o.proof_id = strtoull(json_text(o, "proof_head", "0"), NULL, 16);
	r->o.start_else = json_incref(json_object_get(o, "start_else"));
	r->o.start_copies = json_incref(json_object_get(o, "start_copies"));
	r->o.needs = json_incref(json_object_get(o, "needs"));
	snprintf(r->o.proof_file, sizeof(r->o.proof_file), "%s", json_text(o, "proof_file", ""));
	r->o.start_gtids = json_incref(json_object_get(o, "start_gtids"));
	snprintf(r->o.start_file, sizeof(r->o.start_file), "%s", json_text(o, "start_file", ""));
	r->shared.paused = json_flag(o, "paused", false);
	r->purge.rules = (struct purge_rules){.quota = QUOTA};
	return purge_read_rules(&r->purge.rules, o, e);
}

static int relay_open(void *self, struct unit_env *env, struct err *e)
{
	struct relay *r = self;

	r->env = env;
	relay_shared_init(r);
	r->opened = true;
	if (endpoint_from_json(json_object_get(env->config, "upstream"), &r->ep, e) < 0)
		return err_add(e, "the slice's upstream");
	return read_options(r, json_object_get(env->config, "options"), e);
}

static int relay_ready(void *self, struct unit_env *env, struct err *e)
{
	struct relay *r = self;

	if (store_open(&r->store, env->state_fd, e) < 0 || pins_load(&r->pins, env->state_fd, e) < 0 ||
		stale_drop(r, e) < 0)
		return -1;
	writer_init(&r->writer, &r->store, r->o.sync_batches, &r->shared.lock);
	if (pthread_create(&r->puller, NULL, relay_pull, r) != 0)
		return err_set(e, ERR_internal, "no thread for the puller");
	if (pthread_create(&r->asker, NULL, relay_ask, r) != 0) {
		relay_leave(r);
		pthread_join(r->puller, NULL);
		return err_set(e, ERR_internal, "no thread for the asker");
	}
	r->threads = true;
	return 0;
}

/* On a full disk the old file stands: it only keeps more. Tried again each second, said once. */
static void save_pins(struct relay *r)
{
	struct err e = {0};
	bool failed = pins_save(&r->pins, false, &e) < 0;

	if (failed && !r->pins_failed)
		log_warn("the readers' pins can't be saved: %s", e.text);
	r->pins_failed = failed || (r->pins_failed && r->pins.changed);
}

static int relay_step(void *self, struct unit_env *env, struct err *e)
{
	struct relay *r = self;
	bool recovered, fatal;

	pthread_mutex_lock(&r->shared.lock);
	fatal = r->shared.fatal.code != 0;
	if (fatal)
		*e = r->shared.fatal;
	env->progress = r->shared.bytes;
	recovered = r->shared.recovered;
	pthread_mutex_unlock(&r->shared.lock);
	if (fatal)
		return -1;
	serve_waiting(r);
	if (recovered && purge_step(r, e) < 0)
		return -1;
	if (recovered && r->purge_wanted)
		purge_request(r, r->purge_wanted);
	serve_upstream(r);
	save_pins(r);
	idle_look(r);
	return UNIT_GO_ON;
}

/* A name in both lists. */
static int take_names(struct relay *r, const json_t *readers, const json_t *needed, struct err *e)
{
	if ((readers && !json_is_array(readers)) || (needed && !json_is_array(needed)))
		return err_set(e, ERR_proto, "the agent's order: \"readers\" or \"needed\" is no list");
	if (needed) {
		json_decref(r->purge.needed);
		r->purge.needed = json_deep_copy(needed);
	}
	if (!readers)
		return 0;
	pins_keep(&r->pins, readers);
	return pins_save(&r->pins, true, e);
}

static int check_keys(json_t *args, struct err *e)
{
	static const char *const known[] = {"readers", "needed", "paused", "watched", "quota_bytes",
		"purge_interval_s", "purge_expires_s", "purge_remain_bytes", "purge"};
	const char *key;
	json_t *v;

	json_object_foreach(args, key, v) {
		bool found = false;

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && !found; i++)
			found = strcmp(key, known[i]) == 0;
		if (!found)
			return err_set(e, ERR_proto, "the agent's order: \"%s\" is not known", key);
	}
	return 0;
}

/*
 * {"readers": ["task", …]}: the tasks that there are; pins of others go. "needed": those of them that read
 * this log, or will; "paused"; "watched": somebody looks, so it does not rest; the rules by which files go;
 * "purge": what purge-relay wants.
 */
static int relay_order(void *self, struct unit_env *env, json_t *args, struct err *e)
{
	struct relay *r = self;

	(void)env;
	if (check_keys(args, e) < 0 ||
		take_names(r, json_object_get(args, "readers"), json_object_get(args, "needed"), e) < 0 ||
		purge_change_rules(&r->purge, args, e) < 0)
		return -1;
	if (json_is_boolean(json_object_get(args, "paused")))
		relay_set_paused(r, json_flag(args, "paused", false));
	r->idle.since_ms = 0;
	r->idle.watched = json_flag(args, "watched", false);
	json_decref(r->purge_wanted);
	r->purge_wanted = json_incref(json_object_get(args, "purge"));
	return 0;
}

/* An answer of another server than the one that we read from (yet) says nothing about our files. */
static json_t *master_status(const struct relay_shared *s, uint32_t generation, const char *server)
{
	bool ours = strcmp(s->master_server, server) == 0;

	return json_pack("{s:i, s:s, s:I, s:s, s:I}", "generation", ours ? (int)generation : 0, "file",
		ours ? s->master.file : "", "offset", (json_int_t)(ours ? s->master.offset : 0), "gtid",
		ours && s->master.gtid ? s->master.gtid : "", "asked_ms",
		(json_int_t)(s->master_asked_us / 1000));
}

static const char *phase_of(const struct relay_shared *s)
{
	if (s->connected)
		return "pull";
	return s->paused ? "paused" : "connect";
}

static void relay_status(void *self, struct unit_env *env, json_t *out)
{
	char base[256], position[64], server[STORE_NAME] = "";
	struct store_generation g = {0};
	struct buf gtid = {0};
	struct relay *r = self;
	struct relay_shared *s = &r->shared;
	struct store_file f;

	(void)env;
	position_store(store_end(&r->store, base, sizeof(base)), position, sizeof(position));
	store_last(&r->store, &g, &f, server, sizeof(server));
	pthread_mutex_lock(&s->lock);
	track_text(&r->writer.track, &gtid);
	json_object_set_new(out, "phase", json_string(phase_of(s)));
	json_object_set_new(out, "position", json_string(position));
	json_object_set_new(out, "base", json_string(base));
	json_object_set_new(out, "gtid", json_string(buf_cstr(&gtid)));
	json_object_set_new(out, "sub_dir", json_string(g.name));
	json_object_set_new(out, "master", master_status(s, g.number, server));
	json_object_set_new(out, "connected", json_boolean(s->connected));
	json_object_set_new(out, "events", json_integer((json_int_t)s->events));
	json_object_set_new(out, "bytes", json_integer((json_int_t)s->bytes));
	json_object_set_new(out, "last_error", json_string(s->last.code ? s->last.text : ""));
	json_object_set_new(out, "full", json_boolean(s->full));
	json_object_set_new(out, "rests", json_boolean(s->resting));
	pthread_mutex_unlock(&s->lock);
	purge_status(r, out);
	buf_free(&gtid);
}

static void end_threads(struct relay *r)
{
	if (!r->threads)
		return;
	relay_leave(r);
	r->threads = false;
	if (relay_let_go(r, RELAY_PULLER))
		pthread_join(r->puller, NULL);
	else
		r->env->abandoned = true;
	if (relay_let_go(r, RELAY_ASKER))
		pthread_join(r->asker, NULL);
	else
		r->env->abandoned = true;
}

/* The puller flushes and syncs on its way out; one that hangs in a connect has nothing in hand. */
static int relay_save(void *self, struct unit_env *env, struct err *e)
{
	struct relay *r = self;

	(void)env;
	serve_dismiss(r);
	end_threads(r);
	if (r->shared.fatal.code) {
		*e = r->shared.fatal;
		return -1;
	}
	if (r->shared.abandoned[RELAY_PULLER] && writer_save(&r->writer, e) < 0)
		return -1;
	return pins_save(&r->pins, true, e);
}

static void relay_close(void *self, struct unit_env *env)
{
	struct relay *r = self;

	if (!r->opened)
		return;
	end_threads(r);
	serve_dismiss(r);
	if (env->abandoned)
		return; /* they hold what would be freed */
	if (r->writer.store)
		writer_fini(&r->writer);
	pins_fini(&r->pins);
	store_close(&r->store);
	relay_shared_fini(r);
	json_decref(r->o.start_gtids);
	json_decref(r->purge_wanted);
	purge_free(&r->purge);
	json_decref(r->o.start_else);
	json_decref(r->o.start_copies);
	json_decref(r->o.needs);
	endpoint_wipe(&r->ep);
}

static const struct unit_on relay_on[] = {
	{MSG_fetch, 1u << STAGE_Running, serve_on_fetch},
	{MSG_locate, 1u << STAGE_Running, serve_on_locate},
	{MSG_resolve, 1u << STAGE_Running, serve_on_resolve},
	{MSG_upstream, 1u << STAGE_Running, serve_on_upstream},
	{MSG_pin, 1u << STAGE_Running, serve_on_pin},
	{0},
};

static const struct unit relay = {
	.kind = UNIT_relay,
	.state = sizeof(struct relay),
	.listen = "relay.sock",
	.contexts = SERVE_CONTEXTS,
	.on = relay_on,
	.open = relay_open,
	.ready = relay_ready,
	.step = relay_step,
	.order = relay_order,
	.status = relay_status,
	.save = relay_save,
	.close = relay_close,
};

int main(int argc, char **argv)
{
	return unit_run(&relay, argc, argv);
}
