/*
 * What the orders of a source say of the task's other sources; and what is said of other masters.
 */
#include "master/testing.h"

#define ROUTED(two)                                                                                         \
	"{\"task\":{\"name\":\"t\",\"mode\":\"all\",\"sources\":[\"s3\",\"s1\",\"s2\"],\"downstream\":" EP( \
		4000) ",\"instances\":{\"s1\":{\"rules\":{\"routes\":" ROUTE("a") "}},\"s2\":{\"rules\":{"  \
										  "\"routes\":" two         \
										  "}},\"s3\":{\"rules\":{"  \
										  "\"routes\":" ROUTE(      \
											  "c") "}}}}"
#define ROUTE(to) "[{\"name\":\"r\",\"schema-pattern\":\"x\",\"target-schema\":\"" to "\"}]"

/* Each source's rules have the routes of the others, in one order, also of one that was stopped since. */
static void test_routes_of_others(void **state)
{
	struct master *m = *state;

	source(m, "s1");
	source(m, "s2");
	source(m, "s3");
	hello(m, "host-1");
	ok(m, "start-task", ROUTED(ROUTE("b")) "}");
	orders_say(m, "host-1",
		"\"others\":[{\"source\":\"s2\",\"routes\":" ROUTE(
			"b") "},{\"source\":\"s3\",\"routes\":" ROUTE("c") "}]",
		true);
	orders_say(m, "host-1",
		"\"others\":[{\"source\":\"s1\",\"routes\":" ROUTE(
			"a") "},{\"source\":\"s3\",\"routes\":" ROUTE("c") "}]",
		true);
	ok(m, "stop-task", "{\"task\":\"t\",\"sources\":[\"s3\"]}");
	orders_say(m, "host-1",
		"\"others\":[{\"source\":\"s2\",\"routes\":" ROUTE(
			"b") "},{\"source\":\"s3\",\"routes\":" ROUTE("c") "}]",
		true);
}

/* A task whose sources have routes but for one: that one's rules have none of the others'. */
static void test_no_routes_no_others(void **state)
{
	struct master *m = *state;

	source(m, "s1");
	source(m, "s2");
	source(m, "s3");
	hello(m, "host-1");
	ok(m, "start-task", ROUTED("[]") "}");
	orders_say(m, "host-1", "\"source\":\"s2\",\"routes\"", false);
	orders_say(m, "host-1", "\"others\":[{\"source\":\"s3\",\"routes\":" ROUTE("c") "}]", true);
}

#define OF(sources, rest)                                                  \
	"{\"task\":{\"name\":\"t\",\"mode\":\"all\",\"sources\":[" sources \
	"],\"downstream\":" EP(4000) "}" rest "}"
#define ONLY(source) ",\"sources\":[\"" source "\"]"

static bool there(struct master *m, const char *source)
{
	return model_subtask(&m->model, "t", source) != NULL;
}

/* One source's part of a task is stopped, and started again by the file, with or without the others. */
static void test_stopped_source_starts_again(void **state)
{
	struct master *m = *state;
	int64_t sub;

	source(m, "s1");
	source(m, "s2");
	source(m, "s3");
	refused(m, "start-task", OF("\"s1\",\"s2\"", ONLY("s3")), ERR_source_unknown);
	refused(m, "start-task", OF("7", ONLY("s3")), ERR_source_unknown);
	ok(m, "start-task", OF("\"s1\",\"s2\"", ONLY("s2")));
	assert_true(there(m, "s2") && !there(m, "s1"));
	ok(m, "start-task", OF("\"s1\",\"s2\"", ""));
	assert_true(there(m, "s1"));
	sub = json_num(model_subtask(&m->model, "t", "s1"), "sub", 0);
	ok(m, "stop-task", "{\"task\":\"t\",\"sources\":[\"s2\"]}");
	refused(m, "start-task", OF("\"s1\",\"s3\"", ""), ERR_task_exists);
	refused(m, "start-task", OF("\"s2\"", ""), ERR_task_exists);
	refused(m, "start-task", OF("\"s1\",\"s2\"", ",\"remove_meta\":true"), ERR_task_exists);
	ok(m, "start-task", OF("\"s1\"", "")); /* one that leaves it out takes it from nobody */
	assert_false(there(m, "s2"));
	ok(m, "start-task", OF("\"s1\",\"s2\"", ONLY("s1")));
	assert_false(there(m, "s2"));
	refused(m, "start-task",
		"{\"task\":{\"name\":\"t\",\"mode\":\"full\",\"sources\":[\"s1\",\"s2\"],\"downstream\":" EP(
			4000) "}" ONLY("s2") "}",
		ERR_task_exists);
	ok(m, "start-task", OF("\"s1\",\"s2\"", ONLY("s2") ",\"remove_meta\":true"));
	assert_true(there(m, "s2"));
	assert_true(json_flag(model_subtask(&m->model, "t", "s2"), "remove_meta", false));
	assert_int_equal(json_num(model_subtask(&m->model, "t", "s1"), "sub", 0), sub);
	refused(m, "start-task", OF("\"s1\",\"s2\",\"s3\"", ""), ERR_task_exists);
}

static void lists(struct master *m, const char *word, const char *args, const char *text, bool wanted)
{
	json_t *a = ask(m, word, args);
	struct buf b = {0};

	json_write(a, &b);
	if ((strstr(buf_cstr(&b), text) != NULL) != wanted)
		fail_msg("%s\n%s\n%s", buf_cstr(&b), wanted ? "has no" : "has", text);
	buf_free(&b);
	json_decref(a);
}

/* One that has ended is on the list until it is taken off; that it is there is the store's to say. */
static void test_masters_of_before(void **state)
{
	struct master *m = *state;
	struct err e = {0};

	model_set(&m->model, STORE_KEPT, "master/old", json_pack("{s:s}", "address", "tcp://old:1"));
	model_set(&m->model, STORE_KEPT, "epoch", json_pack("{s:i}", "highest", 3));
	assert_int_equal(model_commit(&m->model, &e), 0);
	lists(m, "list-member", "{\"kinds\":[\"master\"]}",
		"{\"name\":\"old\",\"memberID\":\"\",\"alive\":false,\"peerURLs\":[],\"clientURLs\":[\"tcp://"
		"old:1\"]",
		true);
	lists(m, "config", "{\"kind\":\"master\"}", "\"names\":[\"master\",\"old\"]", true);
	lists(m, "config", "{\"kind\":\"master\",\"name\":\"old\"}", "address = tcp://old:1", true);
	refused(m, "config", "{\"kind\":\"master\",\"name\":\"epoch\"}", ERR_member_unknown);
	refused(m, "offline-member", "{\"kind\":\"master\",\"name\":\"new\"}", ERR_member_unknown);
	ok(m, "offline-member", "{\"kind\":\"master\",\"name\":\"old\"}");
	lists(m, "list-member", "{}", "tcp://old:1", false);
	assert_non_null(model_get(&m->model, STORE_KEPT, "epoch"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {T(test_routes_of_others), T(test_no_routes_no_others),
		T(test_stopped_source_starts_again), T(test_masters_of_before)};

	log_set_level(LOG_ERROR_);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
