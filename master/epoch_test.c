/*
 * Epochs only grow (T3), also over a source's end, a clock that goes back and a master's: dm_meta fences by
 * them. With a store in a file; that etcd keeps the same rows store_test.c shows.
 */
#include "master/test_folder.h"
#include "master/testing.h"

struct place {
	struct master m;
	struct store *store;
	struct test_folder folder;
};

static void open_store(struct place *p)
{
	struct err e = {0};

	p->store = store_open_file(p->folder.fd, &e);
	if (!p->store || master_init(&p->m, p->store, &e) < 0)
		fail_msg("%s", e.text);
}

static int begin_in_file(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	if (test_folder_make(&p->folder) < 0)
		return -1;
	p->m.now_ms = 1000000;
	p->m.wall_s = WALL;
	open_store(p);
	*state = p;
	return 0;
}

static int end_in_file(void **state)
{
	struct place *p = *state;

	master_fini(&p->m);
	store_close(&p->store);
	test_folder_drop(&p->folder);
	free(p);
	return 0;
}

/* Another process, and another clock. */
static void another_master(struct place *p, uint64_t wall_s)
{
	master_fini(&p->m);
	store_close(&p->store);
	p->m = (struct master){.now_ms = 1000000, .wall_s = wall_s};
	open_store(p);
}

static int64_t epoch(struct place *p, const char *id)
{
	return json_num(model_get(&p->m.model, STORE_SOURCE, id), "epoch", -1);
}

static void stop(struct place *p, const char *id)
{
	char args[100];

	snprintf(args, sizeof(args), "{\"op\":\"stop\",\"source\":{\"source-id\":\"%s\"}}", id);
	ok(&p->m, "operate-source", args);
}

static void test_one_that_comes_again(void **state)
{
	struct place *p = *state;
	int64_t was;

	source(&p->m, "s1");
	hello(&p->m, "host-1");
	was = epoch(p, "s1");
	stop(p, "s1");
	p->m.wall_s = WALL - 3600; /* it was put right */
	source(&p->m, "s1");
	assert_true(epoch(p, "s1") > was);
	was = epoch(p, "s1");
	stop(p, "s1");
	another_master(p, WALL - 7200);
	source(&p->m, "s1");
	assert_true(epoch(p, "s1") > was);
	/* A clock that is ahead of all counts. */
	stop(p, "s1");
	p->m.wall_s = WALL + 3600;
	source(&p->m, "s1");
	assert_true(epoch(p, "s1") >= WALL + 3600);
}

/* The greatest of all that went is kept, not that of the last one. */
static void test_several(void **state)
{
	struct place *p = *state;
	int64_t first, second;

	source(&p->m, "s1");
	p->m.wall_s = WALL - 3600;
	source(&p->m, "s2");
	first = epoch(p, "s1");
	second = epoch(p, "s2");
	stop(p, "s1");
	stop(p, "s2");
	another_master(p, WALL - 7200);
	source(&p->m, "s1");
	source(&p->m, "s2");
	assert_true(epoch(p, "s1") > first);
	assert_true(epoch(p, "s2") > second);
}

/* What is accepted as it is gets epochs behind those of sources that went before the copy was made. */
static void test_an_accepted_store(void **state)
{
	struct place *p = *state;
	struct err e = {0};
	uint64_t revision;
	int64_t was;

	source(&p->m, "s1");
	was = epoch(p, "s1");
	stop(p, "s1");
	p->m.wall_s = WALL - 3600;
	source(&p->m, "s2");
	bind_accept_store(&p->m, &revision);
	assert_int_equal(model_commit_at(&p->m.model, revision, &e), 0);
	assert_true(epoch(p, "s2") > was);
}

#define FENCED                                                                                                   \
	"{\"revision\":%llu,\"sources\":[{\"source\":\"s1\",\"subtasks\":[{\"task\":\"t\",\"stage\":\"Paused\"," \
	"\"unit\":\"Sync\",\"error\":{\"code\":%d,\"text\":\"x\"}}]}]}"

static void says_error(struct place *p, int code)
{
	char text[300];

	snprintf(text, sizeof(text), FENCED, (unsigned long long)p->m.model.revision, code);
	report(&p->m, bind_find(&p->m, "host-1"), text);
}

/* accept-store finds something to accept, or says that there is nothing. */
static void accepts(struct place *p, bool wanted)
{
	json_t *a = ask(&p->m, "accept-store", "{}");

	assert_true(json_flag(a, "result", false));
	assert_int_equal(strstr(json_text(a, "msg", ""), "nothing to accept") == NULL, wanted);
	assert_int_equal(json_array_size(json_object_get(a, "sources")), wanted);
	json_decref(a);
}

static const char *stage(struct place *p)
{
	return json_text(model_subtask(&p->m.model, "t", "s1"), "stage", "");
}

/* Nobody knows of a newer store, as all there is was set back together; a downstream does. */
static void test_what_a_downstream_refuses(void **state)
{
	struct place *p = *state;
	int64_t was, other;
	uint64_t revision;

	source(&p->m, "s1");
	source(&p->m, "s2");
	hello(&p->m, "host-1");
	ok(&p->m, "start-task", TASK("all", ""));
	p->m.wall_s = WALL + 5000;
	was = epoch(p, "s1");
	other = epoch(p, "s2");
	says_error(p, ERR_sync_fenced + 1); /* another reason is none */
	accepts(p, false);
	assert_string_equal(stage(p), "Paused");
	assert_int_equal(epoch(p, "s1"), was);
	ok(&p->m, "resume-task", "{\"task\":\"t\"}");
	says_error(p, ERR_sync_fenced);
	assert_string_equal(stage(p), "Paused");
	accepts(p, true);
	assert_string_equal(stage(p), "Running");
	assert_int_equal(epoch(p, "s1"), WALL + 5000); /* above all that a second each can have come to */
	assert_int_equal(epoch(p, "s2"), other);
	orders_say(&p->m, "host-1", "\"resumes\":2", true);
	revision = p->m.model.revision;
	accepts(p, false);
	assert_int_equal(p->m.model.revision, revision);
	/* The clock was set back too, and it is not enough: said again it leaps on. */
	p->m.wall_s = WALL;
	says_error(p, ERR_sync_fenced);
	accepts(p, true);
	assert_int_equal(epoch(p, "s1"), WALL + 6000);
	assert_string_equal(stage(p), "Running");
	/* One that an operator has paused stays so. */
	ok(&p->m, "pause-task", "{\"task\":\"t\"}");
	says_error(p, ERR_sync_fenced);
	accepts(p, false);
	assert_string_equal(stage(p), "Paused");
}

/* One that an agent remembers ends such pauses as well. */
static void test_both_refuse(void **state)
{
	struct place *p = *state;
	struct str cluster = str_of(store_cluster(p->m.model.store));
	struct err e = {0};

	source(&p->m, "s1");
	source(&p->m, "s2");
	hello(&p->m, "host-1");
	ok(&p->m, "start-task", TASK("all", ""));
	says_error(p, ERR_sync_fenced);
	assert_string_equal(stage(p), "Paused");
	assert_int_equal(bind_check_store(&p->m, "host-2", cluster, p->m.model.revision + 9, &e), -1);
	ok(&p->m, "accept-store", "{}");
	assert_string_equal(stage(p), "Running");
}

/* One agent that tells what no store can have come to is refused alone: believed, accept-store would leave no
 * number behind it, for anybody. */
static void test_a_leap_is_nobodys(void **state)
{
	struct place *p = *state;
	struct str cluster = str_of(store_cluster(p->m.model.store));
	uint64_t most = p->m.model.revision + (UINT64_C(1) << 40);
	struct err e = {0};

	assert_int_equal(bind_check_store(&p->m, "bad", cluster, (uint64_t)JSON_EXACT_MAX, &e), -1);
	assert_int_equal(e.code, ERR_proto);
	assert_int_equal(bind_check_store(&p->m, "bad", cluster, most + 1, &e), -1);
	assert_int_equal(e.code, ERR_proto);
	assert_int_equal(p->m.newer, 0);
	assert_int_equal(bind_check_store(&p->m, "good", cluster, p->m.model.revision, &e), 0);
	assert_int_equal(bind_check_store(&p->m, "far", cluster, most, &e), -1);
	assert_int_equal(e.code, ERR_store_old);
	assert_int_equal(bind_check_store(&p->m, "good", cluster, p->m.model.revision, &e), -1);
	assert_non_null(strstr(e.text, "agent `far` has worked by"));
	ok(&p->m, "accept-store", "{}");
	assert_int_equal(bind_check_store(&p->m, "good", cluster, most, &e), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin_in_file, end_in_file)
	const struct CMUnitTest tests[] = {T(test_one_that_comes_again), T(test_several),
		T(test_an_accepted_store), T(test_what_a_downstream_refuses), T(test_both_refuse),
		T(test_a_leap_is_nobodys)};

	log_set_level(LOG_ERROR_);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
