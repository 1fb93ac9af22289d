/*
 * Stand-ins for relay, dump, load, sync and check, for drive_test.c only: installed nowhere. They use the
 * real skeleton, so what they say to the agent is what every unit says; what they do is in their slice's
 * "options":
 * - after_ms: how long until the load is done, the relay pulls, the check has found something (0: at once);
 * - error: leave with this error code once running;
 * - rogue: say hello a second time, which no unit does;
 * - late: have a beat that is under way come behind the farewell.
 * The status of each shows what it was given, for the test to read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/config/json.h"
#include "common/proc/unit.h"

struct stub {
	uint64_t begun, after_ms;
	uint32_t error;
	bool rogue, rogue_said, late, done;
	char slice[4000], args[400];
};

static int stub_open(void *self, struct unit_env *env, struct err *e)
{
	struct stub *s = self;
	const json_t *o = json_object_get(env->config, "options");
	struct buf text = {0};

	(void)e;
	s->after_ms = (uint64_t)json_num(o, "after_ms", 0);
	s->error = (uint32_t)json_num(o, "error", 0);
	s->rogue = json_flag(o, "rogue", false);
	s->late = json_flag(o, "late", false);
	json_write(env->config, &text);
	snprintf(s->slice, sizeof(s->slice), "%s", buf_cstr(&text));
	buf_free(&text);
	return 0;
}

static int stub_ready(void *self, struct unit_env *env, struct err *e)
{
	struct stub *s = self;

	(void)e;
	s->begun = clock_ms();
	log_info("stub is up kind=%d", (int)env->kind);
	return 0;
}

static void heard(void *arg, const struct err *e, struct str reply)
{
	(void)arg;
	(void)reply;
	log_info("rogue was answered: %s", e ? e->text : "well");
}

static void say_hello_again(struct unit_env *env)
{
	struct msg_unit_hello m = {.kind = (uint32_t)env->kind,
		.slot = env->slot,
		.sub = env->sub,
		.version = STR_LIT(TIDEGATE_VERSION)};
	struct buf b = {0};

	msg_put_unit_hello(&b, link_request_id(), &m);
	link_call(link_dial(env->link, "agent.sock"), &b, 2000, heard, NULL);
	buf_free(&b);
}

/* A dump stays for its load, unless it is one into files. */
static bool ends(const struct unit_env *env)
{
	return env->kind == UNIT_load || env->kind == UNIT_check ||
	       (env->kind == UNIT_dump && strcmp(json_text(env->config, "mode", ""), "dump") == 0);
}

static int stub_step(void *self, struct unit_env *env, struct err *e)
{
	struct stub *s = self;

	env->progress++;
	if (s->rogue && !s->rogue_said) {
		s->rogue_said = true;
		say_hello_again(env);
	}
	s->done = clock_ms() - s->begun >= s->after_ms;
	if (s->error && s->done)
		return err_set(e, (enum err_code)s->error, "the stub was told to fail");
	return s->done && ends(env) ? UNIT_FINISHED : UNIT_GO_ON;
}

static const char *phase(const struct stub *s, const struct unit_env *env)
{
	switch (env->kind) {
	case UNIT_relay:
		return s->done ? "pull" : "connect";
	case UNIT_load:
		return s->done ? "done" : "load";
	case UNIT_dump:
		return "serve";
	default:
		return "live";
	}
}

static void stub_status(void *self, struct unit_env *env, json_t *out)
{
	struct stub *s = self;

	json_object_set_new(out, "phase", json_string(phase(s, env)));
	json_object_set_new(out, "slice", json_string(s->slice));
	json_object_set_new(out, "args", json_string(s->args));
	if (env->kind == UNIT_relay && s->done)
		json_object_set_new(out, "position", json_string("1:3:4711"));
	if (env->kind == UNIT_load)
		json_object_set_new(out, "snapshot",
			json_pack("{s:s,s:i,s:s}", "file", "bin.000003", "offset", 4711, "gtid", "0-1-7"));
	if (env->kind == UNIT_check)
		json_object_set_new(
			out, "findings", json_pack("[{s:s,s:s}]", "item", "stub", "state", "success"));
}

static int stub_order(void *self, struct unit_env *env, json_t *args, struct err *e)
{
	struct stub *s = self;
	struct buf text = {0};

	(void)env;
	(void)e;
	json_write(args, &text);
	snprintf(s->args, sizeof(s->args), "%s", buf_cstr(&text));
	buf_free(&text);
	return 0;
}

static void stub_close(void *self, struct unit_env *env)
{
	const struct stub *s = self;
	struct msg_unit_next m = {.kind = (uint32_t)env->kind,
		.slot = env->slot,
		.sub = env->sub,
		.stage = STAGE_Running,
		.status = STR_LIT("{}")};
	struct buf b = {0}, reply = {0};
	struct err e = {0};

	if (!s->late)
		return;
	msg_put_unit_next(&b, link_request_id(), &m);
	if (link_call_wait(link_dial(env->link, "agent.sock"), &b, 2000, &reply, &e) < 0)
		log_err(&e);
	else
		log_info("late was answered");
	buf_free(&b);
	buf_free(&reply);
}

int main(int argc, char **argv)
{
	struct unit form = {.state = sizeof(struct stub),
		.open = stub_open,
		.ready = stub_ready,
		.step = stub_step,
		.order = stub_order,
		.status = stub_status,
		.close = stub_close};

	for (int k = UNIT_relay; k < UNIT_KIND_END; k++)
		if (unit_info(k) && strcmp(argv[0], unit_info(k)->executable) == 0)
			form.kind = (enum unit_kind)k;
	return form.kind ? unit_run(&form, argc, argv) : 2;
}
