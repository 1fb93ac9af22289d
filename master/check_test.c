/*
 * What the master has a one-shot unit do: checks before a start, and `binlog-schema`.
 */
#include "master/testing.h"

#define CHECK                                                               \
	"{\"source\":\"new\",\"endpoint\":" EP(3306) ",\"downstream\":" EP( \
		4000) ",\"mode\":\"all\",\"ignore\":[\"binlog_db\"]}"

static void start_check(struct master *m, struct link_req *r)
{
	json_t *args = json_loads(CHECK, 0, NULL);
	struct link_req *req = r;
	bool changed;

	assert_null(command_run(m, "check", args, &req, &changed));
	assert_null(req);
	assert_true(changed);
	json_decref(args);
}

static void test_check(void **state)
{
	struct master *m = *state;
	struct link_req r = {0};
	struct agent *a;
	char text[500];

	refused(m, "check", "{\"source\":\"x\"}", ERR_source_unknown);
	refused(m, "check", "{\"source\":\"x\",\"endpoint\":{}}", ERR_config_bad);
	a = hello(m, "host-1");
	start_check(m, &r);
	orders_say(m, "host-1", "\"source\":\"new\",\"slot\":1,\"sub\":900", true);
	report(m, a,
		"{\"revision\":9,\"checks\":[{\"id\":12345,\"done\":true}]}"); /* of somebody before us */
	assert_null(answered);
	snprintf(text, sizeof(text),
		"{\"revision\":9,\"checks\":[{\"id\":%llu,\"done\":true,\"findings\":[{\"item\":\"binlog_"
		"db\",\"state\":\"fail\"},"
		"{\"item\":\"version\",\"state\":\"fail\"}],\"error\":{\"code\":0,\"text\":\"\"}}]}",
		(unsigned long long)m->last_check);
	report(m, hello(m, "host-2"), text); /* whom nobody asked */
	assert_null(answered);
	report(m, a, text);
	assert_ptr_equal(answered_req, &r);
	assert_true(json_flag(answered, "result", false));
	assert_string_equal(
		json_text(json_array_get(json_object_get(answered, "findings"), 0), "state", ""), "warn");
	assert_string_equal(
		json_text(json_array_get(json_object_get(answered, "findings"), 1), "state", ""), "fail");
	orders_say(m, "host-1", "\"checks\":[]", true);
}

/* What the source's own file says counts in the check, too. */
static void test_check_by_rules_of_source(void **state)
{
	struct master *m = *state;
	json_t *args = json_loads(CHECK, 0, NULL);
	struct link_req r = {0}, *req = &r;
	bool changed;

	ok(m, "operate-source",
		"{\"op\":\"create\",\"source\":{\"source-id\":\"new\",\"case_sensitive\":true,\"filters\":"
		"[{\"schema-pattern\":\"s\",\"events\":[\"drop table\"],\"action\":\"Ignore\"}],"
		"\"endpoint\":" EP(3306) "}}");
	hello(m, "host-1");
	json_object_set_new(
		args, "rules", json_loads("{\"case_sensitive\":false,\"filters\":[{}]}", 0, NULL));
	assert_null(command_run(m, "check", args, &req, &changed));
	orders_say(m, "host-1",
		"\"rules\":{\"case_sensitive\":true,\"filters\":[{},{\"schema-pattern\":\"s\",", true);
	json_decref(args);
}

static void finding(struct master *m, struct agent *a, uint64_t id, const char *state, const char *what)
{
	char text[400];

	snprintf(text, sizeof(text),
		"{\"checks\":[{\"id\":%llu,\"done\":true,\"findings\":[{\"state\":\"%s\",\"code\":44005,"
		"\"what\":\"%s\"}],\"error\":{\"code\":0}}]}",
		(unsigned long long)id, state, what);
	report(m, a, text);
}

/* Asked straight after a host's first start: the agent that comes does it; where none comes, that is said. */
static void test_check_before_an_agent(void **state)
{
	struct master *m = *state;
	struct link_req r = {0};
	struct agent *a;

	answered_req = NULL;
	start_check(m, &r);
	m->now_ms += MASTER_AGENT_MS - 1;
	assert_false(check_tick(m, keep_answer));
	assert_null(answered_req);
	m->now_ms += 1;
	assert_true(check_tick(m, keep_answer));
	assert_ptr_equal(answered_req, &r);
	assert_int_equal(json_num(answered, "code", 0), ERR_source_unbound);

	answered_req = NULL;
	start_check(m, &r);
	m->now_ms += MASTER_AGENT_MS - 1;
	a = hello(m, "host-1");
	assert_true(check_tick(m, keep_answer)); /* its orders are new ones, so it is told */
	orders_say(m, "host-1", "\"source\":\"new\",\"slot\":1,\"sub\":901", true);
	assert_false(check_tick(m, keep_answer));
	finding(m, a, m->last_check, "success", "");
	assert_ptr_equal(answered_req, &r);
	assert_true(json_flag(answered, "result", false));
}

/* check-task names the source; the master knows where it is. */
static void test_check_known_source(void **state)
{
	struct master *m = *state;
	struct link_req r = {0}, *req = &r;
	json_t *args = json_pack("{s:s, s:o}", "source", "s1", "downstream", json_loads(EP(4000), 0, NULL));
	bool changed;

	source(m, "s1");
	hello(m, "host-1");
	assert_null(command_run(m, "check", args, &req, &changed));
	orders_say(m, "host-1", "\"endpoint\":" EP(3306) ",\"downstream\":" EP(4000), true);
	json_decref(args);
}

static bool is_there(const struct link_req *req)
{
	return req->pipe != 0;
}

/* Who asked is gone, or was that of a master that follows: the check ends, of a group all of them, and the
 * answer is given to nobody. */
static void test_nobody_waits(void **state)
{
	struct master *m = *state;
	struct link_req r = {.pipe = 7, .head.request = 4711}, other = {.pipe = 8, .head.request = 4712};

	hello(m, "host-1");
	start_check(m, &r);
	start_check(m, &other);
	answered_req = NULL;
	assert_false(check_cancel(m, is_there, keep_answer));
	assert_false(check_cancel_request(m, 4713, keep_answer));
	assert_null(answered_req);
	r.pipe = 0;
	assert_true(check_cancel(m, is_there, keep_answer));
	assert_ptr_equal(answered_req, &r);
	assert_false(json_flag(answered, "result", true));
	assert_false(check_cancel(m, is_there, keep_answer));
	orders_say(m, "host-1", "\"sub\":900", false);
	orders_say(m, "host-1", "\"sub\":901", true);
	assert_true(check_cancel_request(m, 4712, keep_answer));
	assert_ptr_equal(answered_req, &other);
	orders_say(m, "host-1", "\"checks\":[]", true);
}

static void test_check_ends(void **state)
{
	struct master *m = *state;
	struct link_req r = {0};
	struct agent *a = hello(m, "host-1");
	char text[300];

	start_check(m, &r);
	assert_false(check_tick(m, keep_answer));
	m->now_ms += MASTER_CHECK_MS;
	assert_true(check_tick(m, keep_answer));
	assert_int_equal(json_num(answered, "code", 0), ERR_check_failed);
	m->now_ms += 1;
	a->seen_ms = m->now_ms;
	start_check(m, &r);
	snprintf(text, sizeof(text),
		"{\"checks\":[{\"id\":%llu,\"done\":true,\"error\":{\"code\":26002,\"text\":\"no way\"}}]}",
		(unsigned long long)m->last_check);
	report(m, a, text);
	assert_int_equal(json_num(answered, "code", 0), ERR_check_connect);
	assert_string_equal(json_text(answered, "msg", ""), "no way");
	for (int i = 0; i < MASTER_CHECKS; i++)
		start_check(m, &r);
	refused(m, "check", CHECK, ERR_bad_stage);
}

static void ask_schema(struct master *m, struct link_req *r, const char *args)
{
	json_t *o = json_loads(args, 0, NULL);
	struct link_req *req = r;
	bool changed;

	assert_null(command_run(m, "binlog-schema", o, &req, &changed));
	assert_null(req);
	assert_true(changed);
	json_decref(o);
}

#define SCHEMA(op, rest) "{\"op\":\"" op "\",\"task\":\"t\",\"schema\":\"d\",\"table\":\"x\"" rest "}"
#define PAUSED_NOW                                                                                  \
	"{\"revision\":99,\"sources\":[{\"source\":\"s1\",\"subtasks\":[{\"task\":\"t\",\"stage\":" \
	"\"Paused\","                                                                               \
	"\"unit\":\"Sync\"}]}]}"

/* Of two sources one is asked and one can't be; of two that are asked the answer waits for both. */
static void test_binlog_schema(void **state)
{
	struct master *m = *state;
	struct agent *a = hello(m, "host-1");
	struct link_req r = {0};
	const json_t *list;

	source(m, "s1");
	source(m, "s2");
	refused(m, "binlog-schema", SCHEMA("list", ""), ERR_task_unknown);
	ok(m, "start-task",
		"{\"task\":{\"name\":\"t\",\"mode\":\"all\",\"sources\":[\"s1\",\"s2\"],"
		"\"downstream\":" EP(4000) "}}");
	refused(m, "binlog-schema", SCHEMA("get", ""), ERR_usage);
	refused(m, "binlog-schema", SCHEMA("update", ""), ERR_usage);
	refused(m, "binlog-schema", SCHEMA("update", ",\"from\":\"source\",\"text\":\"x\""), ERR_usage);
	refused(m, "binlog-schema", SCHEMA("list", ",\"from\":\"source\""), ERR_usage);
	refused(m, "binlog-schema", "{\"op\":\"delete\",\"task\":\"t\",\"schema\":\"d\"}", ERR_usage);
	refused(m, "binlog-schema", SCHEMA("delete", ""), ERR_bad_stage);
	report(m, a, PAUSED_NOW);
	ask_schema(m, &r, SCHEMA("delete", ""));
	orders_say(m, "host-1", "\"schema\":{\"op\":\"delete\",\"schema\":\"d\",\"table\":\"x\"", true);
	finding(m, a, m->last_check, "success", "");
	assert_ptr_equal(answered_req, &r);
	list = json_object_get(answered, "sources");
	assert_int_equal(json_array_size(list), 2);
	assert_int_equal(json_flag(json_array_get(list, 0), "result", false) +
				 json_flag(json_array_get(list, 1), "result", false),
		1);
	answered_req = NULL;
	ask_schema(m, &r, SCHEMA("list", ""));
	finding(m, a, m->last_check - 1, "fail", "no such thing");
	assert_null(answered_req);
	finding(m, a, m->last_check, "success", "CREATE TABLE");
	assert_ptr_equal(answered_req, &r);
	assert_true(json_flag(answered, "result", false));
	ask_schema(m, &r, SCHEMA("list", ""));
	finding(m, a, m->last_check - 1, "fail", "no such thing");
	finding(m, a, m->last_check, "fail", "nor here");
	assert_false(json_flag(answered, "result", true));
	assert_int_equal(json_num(answered, "code", 0), ERR_structure_unknown);
	ask_schema(m, &r, SCHEMA("list", ""));
	m->now_ms += MASTER_CHECK_MS;
	assert_true(check_tick(m, keep_answer));
	assert_int_equal(json_num(answered, "code", 0), ERR_check_failed);
}

#define CUTOVER(op) "{\"op\":\"" op "\",\"task\":\"t\"}"
#define FOLLOWS_NOW                                                                                 \
	"{\"revision\":99,\"sources\":[{\"source\":\"s1\",\"subtasks\":[{\"task\":\"t\",\"stage\":" \
	"\"Running\",\"unit\":\"Sync\",\"copied\":true}]}]}"

/* As an agent says it of an answer that was too much for its report: the other source's is given all the
 * same. */
static void test_answer_left_out(void **state)
{
	struct master *m = *state;
	struct agent *a = hello(m, "host-1");
	struct link_req r = {0};
	uint64_t revision;
	char text[300];

	source(m, "s1");
	source(m, "s2");
	ok(m, "start-task",
		"{\"task\":{\"name\":\"t\",\"mode\":\"all\",\"sources\":[\"s1\",\"s2\"],"
		"\"downstream\":" EP(4000) "}}");
	ask_schema(m, &r, SCHEMA("list", ""));
	snprintf(text, sizeof(text),
		"{\"checks\":[{\"id\":%llu,\"done\":true,\"findings\":[],\"error\":{\"code\":26005,\"text\":"
		"\"too much for one answer\"}}]}",
		(unsigned long long)m->last_check);
	revision = m->model.revision;
	report(m, a, text);
	assert_int_equal(m->model.revision, revision + 1);
	assert_false(m->dirty);
	finding(m, a, m->last_check - 1, "success", "CREATE TABLE");
	assert_true(json_flag(answered, "result", false));
	for (size_t i = 0; i < 2; i++) {
		const json_t *s = json_array_get(json_object_get(answered, "sources"), i);
		bool given = json_flag(s, "result", true);

		assert_non_null(
			strstr(json_text(s, "msg", ""), given ? "CREATE TABLE" : "too much for one answer"));
		assert_int_equal(given, strcmp(json_text(s, "source", ""), "s1") == 0);
	}
}

/* A run of hours: whoever asks by its number hears how far it is; it ends with the last answer, or when
 * nobody asks. */
static void test_cutover(void **state)
{
	struct master *m = *state;
	struct agent *a = hello(m, "host-1");
	char text[300];
	json_t *answer;
	uint64_t revision;
	int64_t run;

	answered_req = NULL;
	source(m, "s1");
	refused(m, "cutover", CUTOVER("source"), ERR_task_unknown);
	ok(m, "start-task", TASK("all", ""));
	refused(m, "cutover", CUTOVER("what"), ERR_usage);
	refused(m, "cutover", CUTOVER("source"), ERR_bad_stage);
	report(m, a, FOLLOWS_NOW);
	refused(m, "cutover", CUTOVER("finish"), ERR_bad_stage);
	refused(m, "cutover", "{\"op\":\"poll\",\"run\":1}", ERR_request_stale);
	answer = ask(m, "cutover", CUTOVER("source"));
	run = json_num(answer, "run", 0);
	json_decref(answer);
	orders_say(m, "host-1", "\"cutover\":{\"op\":\"source\",\"compare\":true}", true);
	m->now_ms += MASTER_CHECK_MS - 1;
	a->seen_ms = m->now_ms;
	snprintf(text, sizeof(text), "{\"op\":\"poll\",\"run\":%lld}", (long long)run);
	answer = ask(m, "cutover", text);
	assert_false(json_flag(answer, "done", true));
	json_decref(answer);
	m->now_ms += MASTER_CHECK_MS - 1;
	assert_false(check_tick(m, keep_answer));
	finding(m, a, m->last_check, "fail", "something");
	answer = ask(m, "cutover", text);
	assert_true(json_flag(answer, "done", false));
	assert_int_equal(json_array_size(json_object_get(
				 json_array_get(json_object_get(answer, "sources"), 0), "findings")),
		1);
	json_decref(answer);
	orders_say(m, "host-1", "\"checks\":[]", true);
	assert_true(m->dirty); /* the next tick tells it */
	revision = m->model.revision;
	m->now_ms += MASTER_CHECK_MS - 1;
	assert_false(check_tick(m, keep_answer));
	answer = ask(m, "cutover", text); /* it was lost on the way */
	assert_true(json_flag(answer, "done", false));
	assert_non_null(strstr(
		json_text(
			json_array_get(json_object_get(json_array_get(json_object_get(answer, "sources"), 0),
					       "findings"),
				0),
			"what", ""),
		"something"));
	json_decref(answer);
	assert_int_equal(m->model.revision, revision);
	m->now_ms += MASTER_CHECK_MS;
	assert_true(check_tick(m, keep_answer));
	refused(m, "cutover", text, ERR_request_stale);
	a->seen_ms = m->now_ms;
	ok(m, "cutover", CUTOVER("source"));
	m->now_ms += MASTER_CHECK_MS;
	assert_true(check_tick(m, keep_answer));
	assert_null(answered_req);
}

static void poll_run(char *text, size_t size, int64_t run)
{
	snprintf(text, size, "{\"op\":\"poll\",\"run\":%lld}", (long long)run);
}

static int64_t begin_cutover(struct master *m)
{
	json_t *answer = ask(m, "cutover", CUTOVER("source"));
	int64_t run = json_num(answer, "run", 0);

	json_decref(answer);
	assert_true(run > 0);
	return run;
}

static void refused_with(struct master *m, const char *args, const char *want)
{
	json_t *answer = ask(m, "cutover", args);

	assert_int_equal(json_num(answer, "code", 0), ERR_source_unbound);
	if (!strstr(json_text(answer, "msg", ""), want))
		fail_msg("no '%s' in: %s", want, json_text(answer, "msg", ""));
	json_decref(answer);
}

/* Whoever asks hears that no answer will come, instead of asking without end. */
static void test_cutover_of_a_lost_agent(void **state)
{
	struct master *m = *state;
	struct agent *a = hello(m, "host-1");
	char text[80];

	source(m, "s1");
	ok(m, "start-task", TASK("all", ""));
	report(m, a, FOLLOWS_NOW);
	poll_run(text, sizeof(text), begin_cutover(m));
	m->now_ms += 2 * m->lease_ms;
	ok(m, "cutover", text); /* it may still come back, and be at it */
	m->now_ms += 1;
	m->dirty = false;
	refused_with(m, text, "agent `host-1` of source `s1` is offline");
	assert_true(m->dirty);
	refused(m, "cutover", text, ERR_request_stale);
	refused_with(m, CUTOVER("source"), "source `s1`: its agent `host-1` is offline");

	a->seen_ms = m->now_ms;
	poll_run(text, sizeof(text), begin_cutover(m));
	finding(m, a, m->last_check, "success", "");
	m->now_ms += 3 * m->lease_ms;
	ok(m, "cutover", text); /* what is done is told by the master alone */

	a->seen_ms = m->now_ms;
	poll_run(text, sizeof(text), begin_cutover(m));
	hello(m, "host-2");
	bind_find(m, "host-1")->seen_ms = m->now_ms - m->lease_ms - 1;
	assert_true(bind_sources(m));
	refused_with(m, text, "source `s1` is agent `host-2`'s now");
}

/* Told ones are no reason to refuse others. */
static void test_told_runs_make_way(void **state)
{
	struct master *m = *state;
	struct agent *a = hello(m, "host-1");
	char text[80];

	source(m, "s1");
	ok(m, "start-task", TASK("all", ""));
	report(m, a, FOLLOWS_NOW);
	for (int i = 0; i < 2 * MASTER_CHECKS; i++) {
		json_t *answer = ask(m, "cutover", CUTOVER("source"));

		snprintf(text, sizeof(text), "{\"op\":\"poll\",\"run\":%lld}",
			(long long)json_num(answer, "run", 0));
		json_decref(answer);
		finding(m, a, m->last_check, "success", "");
		report(m, a, FOLLOWS_NOW);
		ok(m, "cutover", text);
	}
	for (int i = 0; i < MASTER_CHECKS; i++)
		ok(m, "cutover", CUTOVER("source"));
	refused(m, "cutover", CUTOVER("source"), ERR_bad_stage);
}

/* A task of files has one side only: what there would be to move from, or to, is not there. */
static void test_no_cutover_of_files(void **state)
{
	static const char *const modes[] = {"dump", "load"};
	struct master *m = *state;
	struct agent *a = hello(m, "host-1");

	source(m, "s1");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		char text[400], want[60];
		json_t *answer;

		snprintf(text, sizeof(text), TASK("%s", ""), modes[i]);
		snprintf(want, sizeof(want), "task-mode %s:", modes[i]);
		ok(m, "start-task", text);
		refused(m, "cutover", CUTOVER("source"), ERR_bad_stage);
		answer = ask(m, "cutover", CUTOVER("source"));
		assert_non_null(strstr(json_text(answer, "msg", ""), want));
		json_decref(answer);
		ok(m, "stop-task", "{\"task\":\"t\"}");
	}
	ok(m, "start-task", TASK("load&sync", ""));
	refused(m, "cutover", CUTOVER("source"), ERR_bad_stage); /* not yet */
	report(m, a, FOLLOWS_NOW);
	ok(m, "cutover", CUTOVER("source"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {T(test_check), T(test_check_before_an_agent),
		T(test_check_known_source), T(test_check_by_rules_of_source), T(test_check_ends),
		T(test_nobody_waits), T(test_binlog_schema), T(test_answer_left_out), T(test_cutover),
		T(test_cutover_of_a_lost_agent), T(test_told_runs_make_way), T(test_no_cutover_of_files)};

	log_set_level(LOG_ERROR_);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
