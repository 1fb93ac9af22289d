#pragma once
/*
 * What the master's tests share: the master without its socket, commands in, answers out, a made-up agent
 * that says hello and reports. The clock is a variable.
 */
#include "master/master.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the ones above. */
#include <cmocka.h>

#include "common/base/log.h"
#include "common/config/json.h"
#include "common/proc/link.h"
#include "master/bind.h"
#include "master/check.h"
#include "master/command.h"
#include "master/orders.h"
#include "master/report.h"

#define EP(port) "{\"host\":\"h\",\"port\":" #port ",\"user\":\"u\",\"password\":\"tg1:AAAA\"}"
#define TASK(mode, rest)                                                                                     \
	"{\"task\":{\"name\":\"t\",\"mode\":\"" mode "\",\"sources\":[\"s1\"],\"downstream\":" EP(4000) rest \
		"}}"

enum { WALL = 1700000000 };

__attribute__((unused)) static struct link_req *answered_req;
__attribute__((unused)) static json_t *answered; /* by a check */
static inline void keep_answer(struct master *m, struct link_req **req, json_t *answer)
{
	(void)m;
	answered_req = *req;
	*req = NULL;
	json_decref(answered);
	answered = answer;
}

static inline int begin(void **state)
{
	struct master *m = calloc(1, sizeof(*m));

	m->now_ms = 1000000;
	m->wall_s = WALL;
	*state = m;
	return master_init(m, NULL, NULL);
}

static inline int end(void **state)
{
	master_fini(*state);
	free(*state);
	json_decref(answered);
	answered = NULL;
	return 0;
}

static inline json_t *ask(struct master *m, const char *word, const char *args)
{
	json_t *o = json_loads(args, 0, NULL), *answer;
	struct link_req r = {0}, *req = &r;
	bool changed;

	if (!o)
		fail_msg("bad JSON: %s", args);
	answer = command_run(m, word, o, &req, &changed);
	json_decref(o);
	assert_non_null(answer);
	return answer;
}

static inline void ok(struct master *m, const char *word, const char *args)
{
	json_t *a = ask(m, word, args);

	if (!json_flag(a, "result", false))
		fail_msg("%s %s: %s", word, args, json_text(a, "msg", ""));
	json_decref(a);
}

static inline void refused(struct master *m, const char *word, const char *args, enum err_code code)
{
	uint64_t revision = m->model.revision;
	json_t *a = ask(m, word, args);

	if (json_flag(a, "result", true) || json_num(a, "code", 0) != (int64_t)code)
		fail_msg("%s %s: %lld %s", word, args, (long long)json_num(a, "code", 0),
			json_text(a, "msg", ""));
	assert_int_equal(m->model.revision, revision);
	assert_true(json_text(a, "msg", "")[0]);
	json_decref(a);
}

static inline void source(struct master *m, const char *id)
{
	char args[300];

	snprintf(args, sizeof(args),
		"{\"op\":\"create\",\"source\":{\"source-id\":\"%s\",\"endpoint\":" EP(3306) "}}", id);
	ok(m, "operate-source", args);
}

static inline struct agent *hello_of(struct master *m, const char *name, const char *instance)
{
	struct err e = {0};
	struct agent *a = bind_hello(m, &(struct hello){name, "0.1.0", instance, 999, false}, &e);

	assert_non_null(a);
	assert_int_equal(model_commit(&m->model, &e), 0);
	return a;
}

/* A new process each time. */
static inline struct agent *hello(struct master *m, const char *name)
{
	static unsigned last;
	char instance[20];

	snprintf(instance, sizeof(instance), "process %u", ++last);
	return hello_of(m, name, instance);
}

static inline void report(struct master *m, struct agent *a, const char *text)
{
	struct err e = {0};
	json_t *o = json_loads(text, 0, NULL);

	if (!o)
		fail_msg("bad JSON: %s", text);
	assert_int_equal(report_take(m, a, o, keep_answer, &e), 0);
}

/* The orders of an agent hold this text, or not. */
static inline void orders_say(struct master *m, const char *agent, const char *text, bool wanted)
{
	json_t *o = orders_make(m, agent);
	struct buf b = {0};

	json_write(o, &b);
	if ((strstr(buf_cstr(&b), text) != NULL) != wanted)
		fail_msg("%s\n%s\n%s", buf_cstr(&b), wanted ? "has no" : "has", text);
	buf_free(&b);
	json_decref(o);
}
