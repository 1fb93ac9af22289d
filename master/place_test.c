/*
 * Scheduling between hosts: who gets which source, moves from an agent that lives and from one that is lost,
 * drains. The clock is a variable; an agent is its hello and its reports (testing.h).
 */
#include "master/place.h"

#include "master/testing.h"

static struct agent *joins(struct master *m, const char *name, unsigned capacity, bool standby)
{
	struct err e = {0};
	struct agent *a = bind_hello(m, &(struct hello){name, "v", name, capacity, standby}, &e);

	assert_non_null(a);
	assert_int_equal(model_commit(&m->model, &e), 0);
	return a;
}

static const char *owner(struct master *m, const char *source)
{
	return json_text(model_get(&m->model, STORE_SOURCE, source), "agent", "");
}

static int64_t epoch(struct master *m, const char *source)
{
	return json_num(model_get(&m->model, STORE_SOURCE, source), "epoch", -1);
}

/* As the master's tick does. True: something was changed. */
static bool tick(struct master *m)
{
	struct err e = {0};
	bool changed = bind_sources(m);

	if (changed)
		assert_int_equal(model_commit(&m->model, &e), 0);
	return changed;
}

static void lists(struct master *m, const char *agent, const char *sources)
{
	char text[500];

	snprintf(text, sizeof(text), "{\"revision\":%llu,\"sources\":[%s]}",
		(unsigned long long)m->model.revision, sources);
	report(m, bind_find(m, agent), text);
}

#define HAS(source) "{\"source\":\"" source "\",\"subtasks\":[]}"

static const char *stage_of(struct master *m, const char *agent, char out[20])
{
	json_t *a = ask(m, "list-member", "{\"kinds\":[\"worker\"]}"), *w;
	size_t i;

	json_array_foreach(
		json_object_get(json_object_get(json_array_get(json_object_get(a, "members"), 0), "worker"),
			"workers"),
		i, w)
		if (strcmp(json_text(w, "name", ""), agent) == 0)
			snprintf(out, 20, "%s", json_text(w, "stage", ""));
	json_decref(a);
	return out;
}

/* Only agents that say so are silent beyond the lease. */
static void silent(struct master *m, const char *agent)
{
	m->now_ms += m->lease_ms + 1;
	for (unsigned i = 0; i < m->nagents; i++)
		if (strcmp(m->agents[i].name, agent) != 0)
			m->agents[i].seen_ms = m->now_ms;
}

/* Stopped, or paused with its machine, the master hears nobody: the first one to be heard then is not the
 * only one that is there. */
static void test_master_stood_still(void **state)
{
	struct master *m = *state;
	uint64_t lost;

	joins(m, "a", 9, false);
	source(m, "s1");
	joins(m, "b", 9, false);
	master_set_clock(m, m->now_ms + 1000, WALL + 1);
	assert_int_equal(m->wall_s, WALL + 1);
	master_set_clock(m, m->now_ms + 10 * m->lease_ms, WALL + 100);
	bind_find(m, "b")->seen_ms = m->now_ms;
	assert_false(tick(m));
	assert_string_equal(owner(m, "s1"), "a");
	assert_true(bind_online(m, bind_find(m, "a")));
	/* What it had been silent for before counts, and who stays silent is lost. */
	lost = m->now_ms + m->lease_ms;
	while (m->now_ms < lost) {
		master_set_clock(m, m->now_ms + 1000, WALL + 101);
		bind_find(m, "b")->seen_ms = m->now_ms;
	}
	assert_true(tick(m));
	assert_string_equal(owner(m, "s1"), "b");
}

static void test_least_loaded_below_capacity(void **state)
{
	struct master *m = *state;

	joins(m, "a", 2, false);
	joins(m, "b", 3, false);
	source(m, "s1");
	source(m, "s2");
	source(m, "s3");
	assert_string_equal(owner(m, "s1"), "a");
	assert_string_equal(owner(m, "s2"), "b");
	assert_string_equal(owner(m, "s3"), "a");
	source(m, "s4");
	source(m, "s5");
	assert_string_equal(owner(m, "s4"), "b");
	assert_string_equal(owner(m, "s5"), "b");
	source(m, "s6");
	assert_string_equal(owner(m, "s6"), "");
	joins(m, "c", 1, false);
	assert_string_equal(owner(m, "s6"), "c");
}

static void test_standby_takes_what_others_can_not(void **state)
{
	struct master *m = *state;
	char stage[20] = "";

	joins(m, "s", 9, true);
	joins(m, "a", 1, false);
	source(m, "s1");
	assert_string_equal(owner(m, "s1"), "a");
	assert_string_equal(stage_of(m, "s", stage), "free");
	assert_string_equal(stage_of(m, "a", stage), "bound");
	silent(m, "a");
	assert_true(tick(m));
	assert_string_equal(owner(m, "s1"), "s");
	assert_string_equal(stage_of(m, "a", stage), "offline");
	source(m, "s2");
	assert_string_equal(owner(m, "s2"), "s");
}

/* Where the relay log is goes before who has less to do; the agent that comes back gets nothing by itself. */
static void test_goes_back_to_its_relay_log(void **state)
{
	struct master *m = *state;
	int64_t was;

	joins(m, "a", 9, false);
	source(m, "s1");
	joins(m, "b", 9, false);
	joins(m, "c", 9, false);
	was = epoch(m, "s1");
	silent(m, "a");
	assert_true(tick(m));
	assert_string_equal(owner(m, "s1"), "b");
	assert_int_equal(epoch(m, "s1"), was + 1);
	joins(m, "a", 9, false);
	assert_false(tick(m));
	assert_string_equal(owner(m, "s1"), "b");
	orders_say(m, "a", "\"s1\"", false);
	source(m, "s2"); /* so that a is not the one with the least */
	assert_string_equal(owner(m, "s2"), "a");
	silent(m, "b");
	assert_true(tick(m));
	assert_string_equal(owner(m, "s1"), "a");
	assert_int_equal(epoch(m, "s1"), was + 2);
}

/* One that lives lets go first; its report says so, not one of before. */
static void test_transfer(void **state)
{
	struct master *m = *state;
	int64_t was;

	joins(m, "a", 9, false);
	source(m, "s1");
	joins(m, "b", 1, false);
	was = epoch(m, "s1");
	ok(m, "transfer-source", "{\"source\":\"s1\",\"worker\":\"b\"}");
	assert_string_equal(owner(m, "s1"), "a");
	orders_say(m, "a", "\"s1\"", false);
	orders_say(m, "b", "\"s1\"", false);
	ok(m, "transfer-source", "{\"source\":\"s1\",\"worker\":\"b\"}"); /* said twice (T39) */
	report(m, bind_find(m, "a"), "{\"revision\":1,\"sources\":[]}");
	assert_false(tick(m));
	lists(m, "a", HAS("s1"));
	assert_false(tick(m));
	source(m, "s2"); /* b has no room for it, s1 counts there */
	assert_string_equal(owner(m, "s2"), "a");
	lists(m, "a", HAS("s2"));
	assert_true(tick(m));
	assert_string_equal(owner(m, "s1"), "b");
	assert_int_equal(epoch(m, "s1"), was + 1);
	orders_say(m, "b", "\"s1\"", true);
	refused(m, "transfer-source", "{\"source\":\"s2\",\"worker\":\"b\"}", ERR_bad_stage);
	refused(m, "transfer-source", "{\"source\":\"s2\",\"worker\":\"x\"}", ERR_member_unknown);
	refused(m, "transfer-source", "{\"source\":\"x\",\"worker\":\"b\"}", ERR_source_unknown);
	ok(m, "transfer-source", "{\"source\":\"s1\",\"worker\":\"b\"}");
	silent(m, "b");
	refused(m, "transfer-source", "{\"source\":\"s2\",\"worker\":\"b\"}", ERR_bad_stage);
}

#define MADE(id, agent)                                      \
	"{\"op\":\"create\",\"source\":{\"source-id\":\"" id \
	"\",\"endpoint\":" EP(3306) "},\"worker\":\"" agent "\"}"

/* Who makes a source may say where it goes; one that is there is moved by transfer-source alone. */
static void test_made_at_an_agent(void **state)
{
	struct master *m = *state;

	joins(m, "a", 9, false);
	joins(m, "b", 1, false);
	refused(m, "operate-source", MADE("s1", "x"), ERR_member_unknown);
	assert_null(model_get(&m->model, STORE_SOURCE, "s1"));
	ok(m, "operate-source", MADE("s1", "b"));
	assert_string_equal(owner(m, "s1"), "b");
	ok(m, "operate-source", MADE("s1", "b")); /* said twice (T39) */
	refused(m, "operate-source", MADE("s1", "a"), ERR_bad_stage);
	refused(m, "operate-source", MADE("s2", "b"), ERR_bad_stage); /* it has no room */
	ok(m, "operate-source", MADE("s2", "a"));
	assert_string_equal(owner(m, "s2"), "a");
	ok(m, "drain-member", "{\"name\":\"a\"}");
	refused(m, "operate-source", MADE("s3", "a"), ERR_bad_stage);
	assert_null(model_get(&m->model, STORE_SOURCE, "s3"));
	ok(m, "drain-member", "{\"name\":\"a\",\"cancel\":true}");
	silent(m, "a");
	refused(m, "operate-source", MADE("s3", "a"), ERR_bad_stage);
	assert_null(model_get(&m->model, STORE_SOURCE, "s3"));
}

/* The owner is lost, or does not let go; whom it was to go to is lost. */
static void test_transfer_disturbed(void **state)
{
	struct master *m = *state;
	int64_t was;

	joins(m, "a", 9, false);
	source(m, "s1");
	joins(m, "b", 9, false);
	joins(m, "c", 9, false);
	ok(m, "transfer-source", "{\"source\":\"s1\",\"worker\":\"c\"}");
	silent(m, "a");
	assert_true(tick(m));
	assert_string_equal(owner(m, "s1"), "c");
	ok(m, "transfer-source", "{\"source\":\"s1\",\"worker\":\"b\"}");
	m->wall_s += 60;
	assert_true(tick(m));
	assert_string_equal(owner(m, "s1"), "b");
	was = epoch(m, "s1");
	joins(m, "a", 9, false);
	ok(m, "transfer-source", "{\"source\":\"s1\",\"worker\":\"c\"}");
	silent(m, "c");
	lists(m, "b", "");
	assert_true(tick(m));
	assert_string_equal(owner(m, "s1"), "a");
	assert_int_equal(epoch(m, "s1"), was + 1);
	/* A new process of the owner, in between: it is not given the source again. */
	ok(m, "transfer-source", "{\"source\":\"s1\",\"worker\":\"b\"}");
	bind_hello(m, &(struct hello){"a", "v", "another", 9, false}, &(struct err){0});
	assert_int_equal(model_commit(&m->model, &(struct err){0}), 0);
	orders_say(m, "a", "\"s1\"", false);
	lists(m, "a", "");
	assert_true(tick(m));
	assert_string_equal(owner(m, "s1"), "b");
}

/* The wall clock goes back while one that does not let go is asked to, or another master's is behind. */
static void test_transfer_and_the_clock(void **state)
{
	struct master *m = *state;

	joins(m, "a", 9, false);
	source(m, "s1");
	joins(m, "b", 9, false);
	ok(m, "transfer-source", "{\"source\":\"s1\",\"worker\":\"b\"}");
	m->wall_s -= 10; /* a little is no matter */
	assert_false(tick(m));
	m->wall_s -= 3600;
	lists(m, "a", HAS("s1"));
	assert_true(tick(m));
	assert_string_equal(owner(m, "s1"), "b");
}

#define NO_SLOT "{\"source\":\"s1\",\"unserved\":true,\"relay\":{\"stage\":\"Paused\"},\"subtasks\":[]}"

/* A host that has no uid for the source's slot starts nothing of it: another one gets it. */
static void test_a_slot_that_is_none_there(void **state)
{
	struct master *m = *state;
	uint64_t revision;

	joins(m, "a", 9, false);
	source(m, "s1");
	lists(m, "a", NO_SLOT);
	assert_string_equal(owner(m, "s1"), "a"); /* nobody else is there */
	revision = m->model.revision;
	lists(m, "a", NO_SLOT); /* told again: nothing new */
	assert_int_equal(m->model.revision, revision);
	joins(m, "b", 9, false);
	lists(m, "a", NO_SLOT);
	orders_say(m, "a", "\"s1\"", false);
	lists(m, "a", "");
	assert_true(tick(m));
	assert_string_equal(owner(m, "s1"), "b");
	refused(m, "transfer-source", "{\"source\":\"s1\",\"worker\":\"a\"}", ERR_bad_stage);
	silent(m, "b"); /* it does not go back to where it can't be served */
	assert_false(tick(m));
	/* Another process of it may have another range. */
	bind_hello(m, &(struct hello){"a", "v", "another", 9, false}, &(struct err){0});
	assert_int_equal(model_commit(&m->model, &(struct err){0}), 0);
	tick(m);
	assert_string_equal(owner(m, "s1"), "a");
}

static void test_drain(void **state)
{
	struct master *m = *state;
	char stage[20] = "";

	joins(m, "a", 9, false);
	source(m, "s1");
	source(m, "s2");
	refused(m, "drain-member", "{\"name\":\"x\"}", ERR_member_unknown);
	ok(m, "drain-member", "{\"name\":\"a\"}");
	assert_string_equal(stage_of(m, "a", stage), "draining");
	orders_say(m, "a", "\"s1\"", true); /* nobody else is there */
	source(m, "s3");
	assert_string_equal(owner(m, "s3"), "");
	joins(m, "b", 2, false);
	assert_string_equal(owner(m, "s3"), "b");
	orders_say(m, "a", "\"s1\"", false);
	orders_say(m, "a", "\"s2\"", true); /* b has room for one */
	lists(m, "a", HAS("s2"));
	assert_true(tick(m));
	assert_string_equal(owner(m, "s1"), "b");
	/* A new process of it is still being drained, an undone drain is over. */
	bind_hello(m, &(struct hello){"a", "v", "another", 9, false}, &(struct err){0});
	assert_int_equal(model_commit(&m->model, &(struct err){0}), 0);
	assert_string_equal(stage_of(m, "a", stage), "draining");
	refused(m, "transfer-source", "{\"source\":\"s1\",\"worker\":\"a\"}", ERR_bad_stage);
	ok(m, "drain-member", "{\"name\":\"a\",\"cancel\":true}");
	assert_string_equal(stage_of(m, "a", stage), "bound");
	assert_false(tick(m));
}

/* The files that a source stands for are on its host. */
static void test_files_stay(void **state)
{
	struct master *m = *state;

	joins(m, "a", 9, false);
	ok(m, "operate-source", "{\"op\":\"create\",\"source\":{\"source-id\":\"f1\",\"files\":true}}");
	joins(m, "b", 9, false);
	assert_string_equal(owner(m, "f1"), "a");
	silent(m, "a");
	assert_false(tick(m));
	ok(m, "transfer-source", "{\"source\":\"f1\",\"worker\":\"b\"}");
	assert_string_equal(owner(m, "f1"), "b");
}

/* A host without the key of the passwords is tried once. */
static void test_keyless(void **state)
{
	struct master *m = *state;

#define NO_KEY                                                                                             \
	"{\"source\":\"s1\",\"subtasks\":[{\"task\":\"t\",\"stage\":\"Paused\",\"error\":{\"code\":20010," \
	"\"text\":\"x\"}}]}"
	joins(m, "a", 9, false);
	source(m, "s1");
	ok(m, "start-task", TASK("all", ""));
	lists(m, "a", NO_KEY); /* nobody else: a person must look */
	assert_string_equal(json_text(model_subtask(&m->model, "t", "s1"), "stage", ""), "Paused");
	ok(m, "resume-task", "{\"task\":\"t\"}");
	joins(m, "b", 9, false);
	lists(m, "a", NO_KEY);
	assert_string_equal(json_text(model_subtask(&m->model, "t", "s1"), "stage", ""), "Running");
	lists(m, "a", NO_KEY);
	lists(m, "a", "");
	assert_true(tick(m));
	assert_string_equal(owner(m, "s1"), "b");
	refused(m, "transfer-source", "{\"source\":\"s1\",\"worker\":\"a\"}", ERR_bad_stage);
	bind_hello(m, &(struct hello){"a", "v", "another", 9, false}, &(struct err){0});
	assert_int_equal(model_commit(&m->model, &(struct err){0}), 0);
	ok(m, "transfer-source", "{\"source\":\"s1\",\"worker\":\"a\"}");
}

static bool may_go(struct master *m, const char *source, const char *agent)
{
	struct err e = {0};

	return place_check(m, source, agent, &e) == 0;
}

#define TO(password)                                                                                      \
	"{\"task\":{\"name\":\"t\",\"mode\":\"all\",\"sources\":[\"s1\"],\"downstream\":{\"host\":\"h\"," \
	"\"port\":4000,\"user\":\"u\",\"password\":\"" password "\"}}}"

/* A password that was encrypted with no agent's key: what one was found wanting by is over with it. */
static void test_another_password(void **state)
{
	struct master *m = *state;

	joins(m, "a", 9, false);
	source(m, "s1");
	ok(m, "start-task", TO("tg1:AAAA"));
	lists(m, "a", NO_KEY);
	assert_false(may_go(m, "s1", "a"));
	ok(m, "start-task", TO("tg1:AAAA"));
	assert_false(may_go(m, "s1", "a"));
	ok(m, "start-task", TO("tg1:BBBB"));
	assert_true(may_go(m, "s1", "a"));
	ok(m, "resume-task", "{\"task\":\"t\"}");
	lists(m, "a", NO_KEY);
	assert_false(may_go(m, "s1", "a"));
	source(m, "s1"); /* as it is */
	assert_false(may_go(m, "s1", "a"));
	ok(m, "operate-source",
		"{\"op\":\"update\",\"source\":{\"source-id\":\"s1\",\"endpoint\":{\"host\":\"h\",\"port\":"
		"3306,"
		"\"user\":\"u\",\"password\":\"tg1:CCCC\"}}}");
	assert_true(may_go(m, "s1", "a"));
	ok(m, "resume-task", "{\"task\":\"t\"}");
	lists(m, "a", NO_KEY);
	assert_false(may_go(m, "s1", "a"));
	ok(m, "stop-task", "{\"task\":\"t\"}");
	assert_true(may_go(m, "s1", "a"));
}

/* Two tasks of the source tell of it in one report, and nobody else has the key. */
static void test_keyless_twice(void **state)
{
	struct master *m = *state;
	const json_t *list;

	joins(m, "a", 9, false);
	source(m, "s1");
	ok(m, "start-task", TASK("all", ""));
	ok(m, "start-task",
		"{\"task\":{\"name\":\"u\",\"mode\":\"all\",\"sources\":[\"s1\"],\"downstream\":" EP(
			4000) "}}");
	lists(m, "a",
		"{\"source\":\"s1\",\"subtasks\":["
		"{\"task\":\"t\",\"stage\":\"Paused\",\"error\":{\"code\":20010,\"text\":\"x\"}},"
		"{\"task\":\"u\",\"stage\":\"Paused\",\"error\":{\"code\":20010,\"text\":\"x\"}}]}");
	list = json_object_get(model_get(&m->model, STORE_SOURCE, "s1"), "keyless");
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(json_string_value(json_array_get(list, 0)), "a");
	assert_string_equal(owner(m, "s1"), "a");
	assert_string_equal(json_text(model_subtask(&m->model, "u", "s1"), "stage", ""), "Paused");
}

#define AT(file) "{\"generation\":2,\"file\":\"" file "\",\"offset\":4,\"gtid\":\"0-1-7\",\"head\":\"h\"}"
#define SYNC(stage, file, code)                                               \
	"{\"source\":\"s1\",\"subtasks\":[{\"task\":\"t\",\"stage\":\"" stage \
	"\",\"sync\":{\"need\":" AT(file) "},\"error\":{\"code\":" code ",\"text\":\"x\"}}]}"

static const char *needs(struct master *m)
{
	return json_text(json_object_get(model_subtask(&m->model, "t", "s1"), "at"), "file", "");
}

static const char *stage_of_task(struct master *m)
{
	return json_text(model_subtask(&m->model, "t", "s1"), "stage", "");
}

/* Cut off for a while it tells, with its old orders, of that time: also when the source is its own again. */
static void test_cut_off_and_back(void **state)
{
	struct master *m = *state;
	char old[400];

	joins(m, "a", 9, false);
	source(m, "s1");
	ok(m, "start-task", TASK("all", ""));
	joins(m, "b", 9, false);
	lists(m, "a", SYNC("Running", "bin.000003", "0"));
	assert_string_equal(needs(m), "bin.000003");
	snprintf(old, sizeof(old), "{\"revision\":%llu,\"sources\":[%s]}",
		(unsigned long long)m->model.revision, SYNC("Paused", "bin.000003", "60501"));
	silent(m, "a");
	assert_true(tick(m));
	lists(m, "b", SYNC("Running", "bin.000007", "0"));
	silent(m, "b");
	m->now_ms += m->lease_ms;
	joins(m, "a", 9, false); /* the same process */
	assert_string_equal(owner(m, "s1"), "a");
	report(m, bind_find(m, "a"), old);
	assert_string_equal(stage_of_task(m), "Running");
	assert_string_equal(needs(m), "bin.000007");
	lists(m, "a", SYNC("Paused", "bin.000008", "60502"));
	assert_string_equal(stage_of_task(m), "Paused");
	assert_string_equal(needs(m), "bin.000008");
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_least_loaded_below_capacity),
		T(test_standby_takes_what_others_can_not),
		T(test_goes_back_to_its_relay_log),
		T(test_transfer),
		T(test_made_at_an_agent),
		T(test_transfer_disturbed),
		T(test_transfer_and_the_clock),
		T(test_a_slot_that_is_none_there),
		T(test_drain),
		T(test_files_stay),
		T(test_keyless),
		T(test_keyless_twice),
		T(test_another_password),
		T(test_cut_off_and_back),
		T(test_master_stood_still),
	};

	log_set_level(LOG_ERROR_);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
