/*
 * What a report may change, and what it may not: it can be of another time than the document of its name.
 */
#include "master/testing.h"

static const json_t *doc_of(struct master *m)
{
	return model_subtask(&m->model, "t", "s1");
}

/* One of task t on source s1; more: its members. */
static void tells(struct master *m, struct agent *a, uint64_t revision, const char *more)
{
	char text[700];

	snprintf(text, sizeof(text),
		"{\"revision\":%llu,\"sources\":[{\"source\":\"s1\",\"subtasks\":[{\"task\":\"t\",%s}]}]}",
		(unsigned long long)revision, more);
	report(m, a, text);
}

#define SNAPSHOT "\"snapshot\":{\"file\":\"b.000001\",\"offset\":4,\"gtid\":\"\"}"
#define AT "\"sync\":{\"phase\":\"live\",\"need\":{\"generation\":1,\"file\":\"b.000007\",\"offset\":4}}"
#define COPIED "\"looked\":true,\"copied\":true,\"meta_removed\":true," SNAPSHOT "," AT ","
#define ERROR "\"error\":{\"code\":20002,\"text\":\"x\"}"

static void is_new(struct master *m)
{
	assert_false(json_flag(doc_of(m), "copied", true));
	assert_false(json_flag(doc_of(m), "looked", false));
	assert_true(json_flag(doc_of(m), "remove_meta", false));
	assert_int_equal(json_object_size(json_object_get(doc_of(m), "snapshot")), 0);
	assert_null(json_object_get(doc_of(m), "at"));
	assert_string_equal(json_text(doc_of(m), "stage", ""), "Running");
}

static void start_anew(struct master *m)
{
	json_t *o = json_loads(TASK("all", ""), 0, NULL);
	char *text;

	json_object_set_new(o, "remove_meta", json_true());
	text = json_dumps(o, 0);
	ok(m, "start-task", text);
	free(text);
	json_decref(o);
	is_new(m);
}

/* stop-task, then start-task --remove-meta while the units of before still leave. */
static void test_the_life_before(void **state)
{
	struct master *m = *state;
	struct agent *a = hello(m, "host-1");

	source(m, "s1");
	ok(m, "start-task", TASK("all", ""));
	tells(m, a, m->model.revision, "\"sub\":1,\"stage\":\"Running\"," COPIED ERROR);
	assert_true(json_flag(doc_of(m), "copied", false));
	ok(m, "stop-task", "{\"task\":\"t\"}");
	start_anew(m);
	orders_say(m, "host-1", "\"sub\":2", true);
	tells(m, a, m->model.revision, "\"sub\":1,\"stage\":\"Stopping\"," COPIED ERROR);
	is_new(m);
	tells(m, a, m->model.revision, "\"sub\":1,\"stage\":\"Paused\"," COPIED ERROR);
	is_new(m);
	assert_null(report_subtask(m, "t", "s1"));
	assert_int_equal(bind_free_sub(m, "s1"), 3);
	tells(m, a, m->model.revision, "\"sub\":2,\"stage\":\"Running\"," SNAPSHOT);
	assert_int_equal(bind_free_sub(m, "s1"), 1); /* the old one is gone, only the name is still there */
	assert_string_equal(json_text(report_subtask(m, "t", "s1"), "stage", ""), "Running");
	assert_true(json_object_size(json_object_get(doc_of(m), "snapshot")) > 0);
}

/* An agent that was cut off meanwhile, and the same number again: its first report goes by its old orders. */
static void test_old_orders(void **state)
{
	struct master *m = *state;
	struct agent *a = hello(m, "host-1");
	uint64_t old;

	source(m, "s1");
	ok(m, "start-task", TASK("all", ""));
	old = m->model.revision;
	ok(m, "stop-task", "{\"task\":\"t\"}");
	tells(m, a, m->model.revision, "\"sub\":7");
	start_anew(m);
	orders_say(m, "host-1", "\"sub\":1", true);
	tells(m, a, old, "\"sub\":1,\"stage\":\"Running\"," COPIED ERROR);
	is_new(m);
	tells(m, a, m->model.revision, "\"sub\":1,\"stage\":\"Running\"," COPIED ERROR);
	assert_true(json_flag(doc_of(m), "copied", false));
	assert_true(json_flag(doc_of(m), "looked", false));
	assert_false(json_flag(doc_of(m), "remove_meta", true));
}

/* A relay waits for what a look finds: where old progress was removed there is none to wait for, also later.
 */
static void test_nothing_to_look_at(void **state)
{
	struct master *m = *state;
	struct agent *a = hello(m, "host-1");

	source(m, "s1");
	start_anew(m);
	orders_say(m, "host-1", "\"look\":true", false);
	tells(m, a, m->model.revision, "\"sub\":1,\"stage\":\"Running\",\"meta_removed\":true");
	orders_say(m, "host-1", "\"remove_meta\":false", true);
	orders_say(m, "host-1", "\"look\":true", false);
}

/* Files are looked at before they are loaded: that look's end is not the load's. */
static void test_a_look_removes_nothing(void **state)
{
	struct master *m = *state;
	struct agent *a = hello(m, "host-1");

	source(m, "s1");
	start_anew(m);
	tells(m, a, m->model.revision,
		"\"sub\":1,\"stage\":\"Running\",\"looked\":true,\"load\":{\"phase\":\"done\",\"found\":false}");
	assert_true(json_flag(doc_of(m), "looked", false));
	assert_true(json_flag(doc_of(m), "remove_meta", false));
	orders_say(m, "host-1", "\"remove_meta\":true", true);
	tells(m, a, m->model.revision, "\"sub\":1,\"stage\":\"Running\",\"load\":{\"phase\":\"load\"}");
	assert_false(json_flag(doc_of(m), "remove_meta", true));
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_the_life_before),
		T(test_old_orders),
		T(test_nothing_to_look_at),
		T(test_a_look_removes_nothing),
	};

	log_set_level(LOG_ERROR_);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
