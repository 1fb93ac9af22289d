/* Routes of a task file become part of the rules of the instances that name them, in the instance's order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/base/io.h"
#include "common/config/yaml.h"

static void test_routes(void **state)
{
	static const char text[] =
		"name: t1\ntask-mode: all\ntarget-database: {host: h, port: 4000, user: u}\n"
		"routes:\n  a: {schema-pattern: app, target-schema: x}\n"
		"  b: {schema-pattern: \"~^s_(.)$\", table-pattern: t, target-schema: y$1, target-table: z}\n"
		"mysql-instances:\n- {source-id: one, route-rules: [b, a]}\n- {source-id: two}\n";
	static const char wanted[] =
		"[{\"name\":\"b\",\"schema-pattern\":\"~^s_(.)$\",\"table-pattern\":\"t\","
		"\"target-schema\":\"y$1\",\"target-table\":\"z\"},"
		"{\"name\":\"a\",\"schema-pattern\":\"app\",\"table-pattern\":\"\","
		"\"target-schema\":\"x\",\"target-table\":\"\"}]";
	char path[] = "/tmp/tidegate-routes-XXXXXX";
	json_t *o, *instances, *expected = json_loads(wanted, 0, NULL);
	int fd = mkstemp(path);
	struct err e = {0};

	(void)state;
	assert_int_equal(io_write_all(fd, text, sizeof(text) - 1, &e), 0);
	close(fd);
	o = config_load_task(path, &e);
	unlink(path);
	if (!o)
		fail_msg("%s", e.text);
	instances = json_object_get(o, "instances");
	assert_true(json_equal(expected,
		json_object_get(json_object_get(json_object_get(instances, "one"), "rules"), "routes")));
	assert_null(json_object_get(json_object_get(json_object_get(instances, "two"), "rules"), "routes"));
	json_decref(expected);
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_routes)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
