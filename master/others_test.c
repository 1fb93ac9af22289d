/*
 * What the orders of a source say of the task's other sources.
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

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {T(test_routes_of_others), T(test_no_routes_no_others)};

	log_set_level(LOG_ERROR_);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
