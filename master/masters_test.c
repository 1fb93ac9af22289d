/*
 * Who is a master, on a real etcd: two of one name, one that was killed and is back, one that can't say that
 * it stands no more. None of them may leave the cluster without a leader, or have the leader write for ever.
 */
#include "master/masters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
/* cmocka needs the ones above. */
#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/config/json.h"
#include "master/etcd.h"
#include "master/etcd_server.h"
#include "master/store.h"

enum { LATE_MS = 15000 };

struct world {
	struct etcd_servers servers;
	struct etcd_conf conf;
};

static int make(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	char url[1000];
	struct err e = {0};

	etcd_servers_start(&w->servers, 1, false);
	etcd_servers_url(&w->servers, "/t", "lease=3", url, sizeof(url));
	if (etcd_conf_parse(url, &w->conf, &e) < 0)
		fail_msg("%s", e.text);
	*state = w;
	return 0;
}

static int drop(void **state)
{
	struct world *w = *state;

	etcd_servers_stop(&w->servers);
	free(w);
	return 0;
}

static struct store *join(struct world *w, const char *name, const char *address)
{
	const struct store_self self = {.name = name, .address = address};

	return store_open_etcd(&w->conf, &self);
}

static void wait_lead(struct store *s)
{
	uint64_t until = clock_ms() + LATE_MS;

	while (store_term(s) == 0) {
		if (clock_ms() > until)
			fail_msg("it does not lead");
		clock_sleep_ms(5);
	}
}

/* Until the one that leads knows of so many, of which so many stand. */
static void wait_known(struct store *s, size_t there, size_t stand)
{
	uint64_t until = clock_ms() + LATE_MS;
	bool known;

	for (;; clock_sleep_ms(20)) {
		json_t *all = store_masters(s, &known), *v;
		size_t i, n = 0, size = json_array_size(all);

		json_array_foreach(all, i, v)
			n += json_flag(v, "stands", false);
		json_decref(all);
		if (known && size == there && n == stand)
			return;
		if (clock_ms() > until)
			fail_msg("%zu masters, of which %zu stand; not %zu and %zu", size, n, there, stand);
	}
}

static int evict(struct store *s, struct err *e)
{
	uint64_t until = clock_ms() + LATE_MS;
	int r;

	while (err_clear(e),
		(r = store_evict(s, true, e)) < 0 && strstr(e->text, "in a moment") && clock_ms() < until)
		clock_sleep_ms(10);
	return r;
}

static void must_evict(struct store *s)
{
	struct err e;

	if (evict(s, &e) < 0)
		fail_msg("%s", e.text);
}

static void must_stay(struct store *s)
{
	struct err e;

	if (evict(s, &e) == 0)
		fail_msg("the last one was evicted");
	assert_int_equal(e.code, ERR_bad_stage);
	assert_non_null(strstr(e.text, "no other master"));
	clock_sleep_ms(100);
	assert_int_not_equal(store_term(s), 0);
}

/* One row, that of the one which leads, and then nothing more to write. */
static void test_two_of_one_name(void **state)
{
	struct world *w = *state;
	struct store *a = join(w, "x", "one"), *b;
	struct master m = {.now_ms = clock_ms(), .wall_s = 1000};
	struct err e = {0};
	json_t *list;

	wait_lead(a);
	b = join(w, "x", "two");
	wait_known(a, 2, 2);
	assert_int_equal(master_init(&m, a, &e), 0);
	assert_true(masters_note(&m));
	assert_false(masters_note(&m));
	assert_int_equal(model_commit(&m.model, &e), 0);
	assert_false(masters_note(&m));
	assert_true(m.said_two_masters);
	assert_string_equal(json_text(model_get(&m.model, STORE_KEPT, "master/x"), "address", ""), "one");
	list = masters_list(&m);
	assert_int_equal(json_array_size(list), 1);
	json_decref(list);
	master_fini(&m);
	store_close(&b);
	store_close(&a);
}

/* The newest key of a name that is not the leader's. */
static void test_back_with_another_address(void **state)
{
	struct world *w = *state;
	struct store *a = join(w, "a", "a"), *old, *now;
	struct master m = {.now_ms = clock_ms(), .wall_s = 1000};
	struct err e = {0};

	wait_lead(a);
	old = join(w, "x", "old");
	wait_known(a, 2, 2);
	now = join(w, "x", "now");
	wait_known(a, 3, 3);
	assert_int_equal(master_init(&m, a, &e), 0);
	assert_true(masters_note(&m));
	assert_false(masters_note(&m));
	assert_string_equal(json_text(model_get(&m.model, STORE_KEPT, "master/x"), "address", ""), "now");
	assert_int_equal(masters_forget(&m, "x", &e), -1);
	assert_int_equal(e.code, ERR_member_online);
	master_fini(&m);
	store_close(&old);
	store_close(&now);
	store_close(&a);
}

/* As the key of one that was killed a moment ago. */
static void put_old_key(struct world *w, const char *value)
{
	struct etcd *etcd = etcd_new(&w->conf, NULL);
	json_t *request = etcd_txn(json_array(),
		       json_pack("[o]", etcd_op_put("/t/master/1", str_of(value), 0)), json_array()),
	       *answer = NULL;
	struct err e = {0};

	if (etcd_post(etcd, "/v3/kv/txn", request, 5000, &answer, &e) < 0)
		fail_msg("%s", e.text);
	json_decref(request);
	json_decref(answer);
	etcd_free(&etcd);
}

/* What its old key says does not count beside the evicted one's own. */
static void test_killed_and_evicted(void **state)
{
	struct world *w = *state;
	struct store *b = join(w, "b", "b"), *a;

	wait_lead(b);
	a = join(w, "a", "a");
	wait_known(b, 2, 2);
	put_old_key(w, "{\"name\":\"b\",\"address\":\"b\",\"stands\":true}");
	must_evict(b);
	wait_lead(a);
	wait_known(a, 2, 1);
	must_stay(a);
	store_close(&a);
	store_close(&b);
}

#ifdef TIDEGATE_FAILPOINTS
struct record {
	char name[40];
	uint32_t act, countdown, arg, passes, fired, reserved;
};

static volatile struct record *open_failpoints(void)
{
	int fd = memfd_create("fp", MFD_CLOEXEC);
	volatile struct record *r;

	assert_int_equal(ftruncate(fd, FP_COUNT * sizeof(*r)), 0);
	r = mmap(NULL, FP_COUNT * sizeof(*r), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(r != MAP_FAILED);
	failpoint_open(fd);
	close(fd);
	return r;
}

/* The lead is not given up before that is said. */
static void test_evicted_in_silence(void **state)
{
	struct world *w = *state;
	struct store *a = join(w, "a", "a"), *b;
	volatile struct record *at = &open_failpoints()[FP_present_tell];

	wait_lead(a);
	b = join(w, "b", "b");
	wait_known(a, 2, 2);
	at->act = FP_ACT_ERROR;
	at->countdown = 1;
	must_evict(a);
	assert_int_equal(store_term(a), 0); /* it writes nothing any more, at once */
	for (uint64_t until = clock_ms() + LATE_MS; store_term(b) == 0 && clock_ms() < until;
		clock_sleep_ms(1))
		if (at->countdown == 0 && at->fired < 3)
			at->countdown = 1;
	wait_lead(b);
	assert_true(at->fired >= 2);
	must_stay(b);
	store_close(&a);
	store_close(&b);
}
#endif

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, make, drop)
	const struct CMUnitTest tests[] = {
		WITH(test_two_of_one_name),
		WITH(test_back_with_another_address),
		WITH(test_killed_and_evicted),
#ifdef TIDEGATE_FAILPOINTS
		WITH(test_evicted_in_silence),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
