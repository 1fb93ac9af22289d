/*
 * What only several masters on an etcd can suffer: who leads, and that one that does not lead any more writes
 * nothing, whatever is killed, paused or lost on the way.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka needs the ones above. */
#include <cmocka.h>

#include "common/base/clock.h"
#include "common/config/json.h"
#include "fds.h"
#include "master/bind.h"
#include "master/etcd.h"
#include "master/etcd_server.h"
#include "master/serve.h"
#include "master/store.h"

enum { LEASE_MS = 3000, SOON_MS = 1500, LATE_MS = LEASE_MS + 4000 };

struct world {
	struct etcd_servers servers;
	struct etcd_conf conf;
	struct etcd_proxy *proxy;
};

static void use(struct world *w, const char *prefix)
{
	char url[1000];
	struct err e = {0};

	etcd_servers_url(&w->servers, prefix, "lease=3", url, sizeof(url));
	if (etcd_conf_parse(url, &w->conf, &e) < 0)
		fail_msg("%s", e.text);
}

static int make(void **state, unsigned n)
{
	struct world *w = calloc(1, sizeof(*w));

	etcd_servers_start(&w->servers, n, false);
	use(w, "/t");
	*state = w;
	return 0;
}

static int make_one(void **state)
{
	return make(state, 1);
}

static int make_tls(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	etcd_servers_start(&w->servers, 1, true);
	use(w, "/t");
	*state = w;
	return 0;
}

static int make_three(void **state)
{
	return make(state, 3);
}

static int drop(void **state)
{
	struct world *w = *state;

	if (w->proxy)
		etcd_proxy_stop(&w->proxy);
	etcd_servers_stop(&w->servers);
	free(w);
	return 0;
}

static struct store *join(struct world *w, const char *name)
{
	const struct store_self self = {.name = name, .address = name};

	return store_open_etcd(&w->conf, &self);
}

/* Waits until s leads (or does not); how long that took. */
static uint64_t wait_term(struct store *s, bool leads, uint64_t ms)
{
	uint64_t began = clock_ms();

	while ((store_term(s) != 0) != leads) {
		if (clock_ms() - began > ms)
			fail_msg("%s within %d ms", leads ? "it does not lead" : "it leads still", (int)ms);
		clock_sleep_ms(5);
	}
	return clock_ms() - began;
}

static int try_load(struct store *s, struct err *e)
{
	json_t *tables[STORE_TABLES];

	if (store_load(s, tables, e) < 0)
		return -1;
	for (int t = 0; t < STORE_TABLES; t++)
		json_decref(tables[t]);
	return 0;
}

static void load(struct store *s)
{
	struct err e = {0};

	if (try_load(s, &e) < 0)
		fail_msg("%s", e.text);
}

static int commit(struct store *s, struct err *e)
{
	return store_commit(s, store_revision(s) + 1, NULL, 0, e);
}

static void must_commit(struct store *s)
{
	struct err e = {0};

	if (commit(s, &e) < 0)
		fail_msg("%s", e.text);
}

/* One of two leads, the other knows who; it takes over at once from one that leaves, and later from one that
 * dies. */
static void test_election(void **state)
{
	struct world *w = *state;
	struct store *a = join(w, "a"), *b;
	struct store_leader who;
	struct err e = {0};
	uint64_t term;

	wait_term(a, true, LATE_MS);
	b = join(w, "b");
	load(a);
	must_commit(a);
	for (uint64_t began = clock_ms(); clock_ms() - began < 2 * LEASE_MS; clock_sleep_ms(50)) {
		assert_int_not_equal(store_term(a), 0);
		assert_int_equal(store_term(b), 0);
	}
	store_leader(b, &who);
	assert_string_equal(who.name, "a");
	assert_string_equal(who.address, "a");
	store_leader(a, &who);
	assert_string_equal(who.name, "a");
	assert_int_equal(try_load(b, &e), -1);
	assert_int_equal(e.code, ERR_not_leader);
	assert_int_equal(commit(b, &e), -1);
	assert_int_equal(e.code, ERR_not_leader);
	term = store_term(a);
	store_close(&a);
	print_message("took over from one that left after %d ms\n", (int)wait_term(b, true, SOON_MS));
	assert_true(store_term(b) > term);
	load(b);
	assert_int_equal(store_revision(b), 2);
	must_commit(b);
	store_leader(b, &who);
	assert_string_equal(who.name, "b");
	store_close(&b);
}

static size_t standing(struct store *s, size_t *there)
{
	bool known;
	json_t *all = store_masters(s, &known), *v;
	size_t i, n = 0;

	json_array_foreach(all, i, v)
		n += json_flag(v, "stands", false);
	*there = json_array_size(all);
	json_decref(all);
	return n;
}

static void wait_masters(struct store *s, size_t stand, size_t there)
{
	uint64_t until = clock_ms() + 2 * LATE_MS;
	size_t n, all;

	while ((n = standing(s, &all)) != stand || all != there) {
		if (clock_ms() > until)
			fail_msg("%zu masters, of which %zu stand; not %zu and %zu", all, n, there, stand);
		clock_sleep_ms(20);
	}
}

/* Evicts it; it may have to look around in its term first. */
static int evict(struct store *s, struct err *e)
{
	uint64_t until = clock_ms() + LATE_MS;
	int r;

	while (err_clear(e),
		(r = store_evict(s, true, e)) < 0 && strstr(e->text, "in a moment") && clock_ms() < until)
		clock_sleep_ms(10);
	return r;
}

/*
 * Each knows who is there. Three that are evicted as quickly as they lead: the last one is not, or nobody
 * would lead.
 */
static void test_last_one_stays(void **state)
{
	struct world *w = *state;
	struct store *all[3] = {join(w, "a"), join(w, "b"), join(w, "c")}, *last = NULL;
	struct err e = {0};
	unsigned evicted = 0;

	for (int i = 0; i < 3; i++)
		wait_masters(all[i], 3, 3);
	for (uint64_t until = clock_ms() + 4 * LATE_MS; !last && clock_ms() < until; clock_sleep_ms(5))
		for (int i = 0; i < 3 && !last; i++)
			if (store_term(all[i]) != 0) {
				if (evict(all[i], &e) == 0)
					evicted++;
				else
					last = all[i];
			}
	assert_int_equal(evicted, 2);
	assert_int_equal(e.code, ERR_bad_stage);
	assert_non_null(strstr(e.text, "no other master"));
	clock_sleep_ms(2 * LEASE_MS);
	assert_int_not_equal(store_term(last), 0);
	wait_masters(last, 1, 3);
	for (int i = 0; i < 3; i++)
		if (all[i] != last)
			store_close(&all[i]);
	wait_masters(last, 1, 1);
	store_close(&last);
}

/* A master in a process of its own: commits and says so by a byte, until it may not. */
static pid_t fork_master(struct world *w, int *out)
{
	int ends[2];
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		struct store *s = join(w, "child");
		struct err e = {0};

		while (store_term(s) == 0)
			clock_sleep_ms(5);
		if (try_load(s, &e) < 0)
			_exit(1);
		while (commit(s, &e) == 0) {
			if (write(ends[1], "c", 1) != 1)
				_exit(2);
			clock_sleep_ms(20);
		}
		_exit(e.code == ERR_not_leader ? 77 : 3);
	}
	close(ends[1]);
	*out = ends[0];
	return pid;
}

static void read_some(int fd, unsigned n)
{
	char c;

	while (n-- > 0)
		assert_int_equal(read(fd, &c, 1), 1);
}

/* One that dies is there until its lease is over. */
static void test_dead_master_is_away(void **state)
{
	struct world *w = *state;
	int fd, status;
	pid_t child = fork_master(w, &fd);
	struct store *s;

	read_some(fd, 2);
	s = join(w, "b");
	wait_masters(s, 2, 2);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	wait_masters(s, 1, 1);
	close(fd);
	store_close(&s);
}

static void test_leader_killed(void **state)
{
	struct world *w = *state;
	int fd, status;
	pid_t child = fork_master(w, &fd);
	struct store *s;
	uint64_t took;

	read_some(fd, 10);
	s = join(w, "b");
	clock_sleep_ms(500);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	took = wait_term(s, true, LATE_MS);
	print_message("took over from one that died after %d ms\n", (int)took);
	load(s);
	assert_true(store_revision(s) >= 11);
	must_commit(s);
	close(fd);
	store_close(&s);
}

/* A leader that sleeps over its lease's end wakes up and writes nothing more. */
static void test_leader_asleep(void **state)
{
	struct world *w = *state;
	int fd, status;
	pid_t child = fork_master(w, &fd);
	struct store *s;
	uint64_t revision;

	read_some(fd, 5);
	s = join(w, "b");
	clock_sleep_ms(300);
	kill(child, SIGSTOP);
	wait_term(s, true, LATE_MS);
	load(s);
	must_commit(s);
	revision = store_revision(s);
	kill(child, SIGCONT);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 77);
	must_commit(s); /* nobody moved the store on */
	assert_int_equal(store_revision(s), revision + 1);
	close(fd);
	store_close(&s);
}

static void raw(struct world *w, json_t *op)
{
	struct etcd *c = etcd_new(&w->conf, NULL);
	json_t *request = etcd_txn(json_array(), json_pack("[o]", op), json_array()), *answer;
	struct err e = {0};

	if (etcd_post(c, "/v3/kv/txn", request, 5000, &answer, &e) < 0)
		fail_msg("%s", e.text);
	json_decref(request);
	json_decref(answer);
	etcd_free(&c);
}

/*
 * The leader's key is taken away behind its back, so that it believes itself the leader: it is the write's
 * own comparison in etcd that refuses it.
 */
static void test_compared(void **state)
{
	struct world *w = *state;
	struct store *a = join(w, "a");
	struct err e = {0};
	uint64_t term, before;

	wait_term(a, true, LATE_MS);
	load(a);
	must_commit(a);
	term = store_term(a);
	raw(w, etcd_op_delete("/t/leader"));
	assert_int_equal(store_term(a), term); /* it does not know yet */
	assert_int_equal(commit(a, &e), -1);
	assert_int_equal(e.code, ERR_not_leader);
	assert_int_equal(store_term(a), 0); /* at once */
	wait_term(a, true, LATE_MS);
	assert_true(store_term(a) > term);
	assert_int_equal(commit(a, &e), -1); /* a new term: load first */
	load(a);
	assert_int_equal(store_revision(a), 2);
	must_commit(a);
	/* The same found by its own look, without a write. */
	term = store_term(a);
	raw(w, etcd_op_delete("/t/leader"));
	for (before = clock_ms(); store_term(a) == term; clock_sleep_ms(5))
		assert_true(clock_ms() - before < LATE_MS);
	wait_term(a, true, LATE_MS);
	assert_true(store_term(a) > term);
	store_close(&a);
}

/* All replies of commits get lost, one after the other: each is done once, and known to be. */
static void test_lost_replies(void **state)
{
	struct world *w = *state;
	json_t *doc = json_loads("{\"slot\":1}", 0, NULL);
	struct store_change c = {STORE_SOURCE, "s", doc};
	struct store *a;
	struct err e = {0};

	w->proxy = etcd_proxy_start(w->servers.members[0].client);
	w->conf.hosts[0].port = (uint16_t)etcd_proxy_port(w->proxy);
	a = join(w, "a");
	wait_term(a, true, LATE_MS);
	load(a);
	for (unsigned i = 1; i <= 20; i++) {
		etcd_proxy_lose(w->proxy, "/v3/kv/txn", 1 + i % 2);
		if (store_commit(a, store_revision(a) + 1, &c, 1, &e) < 0)
			fail_msg("%s", e.text);
		assert_int_equal(store_revision(a), 1 + i);
	}
	assert_int_equal(etcd_proxy_lost(w->proxy), 30);
	load(a);
	assert_int_equal(store_revision(a), 21);
	json_decref(doc);
	store_close(&a);
}

/* No reply at all, for longer than a commit waits: the term ends, and the next load says what was. */
static void test_unknown(void **state)
{
	struct world *w = *state;
	struct store *a;
	struct err e = {0};
	uint64_t term, before;

	w->proxy = etcd_proxy_start(w->servers.members[0].client);
	w->conf.hosts[0].port = (uint16_t)etcd_proxy_port(w->proxy);
	a = join(w, "a");
	wait_term(a, true, LATE_MS);
	load(a);
	term = store_term(a);
	before = clock_ms();
	etcd_proxy_lose(w->proxy, "/v3/kv/txn", 1000);
	assert_int_equal(commit(a, &e), -1);
	assert_int_equal(e.code, ERR_store_away);
	assert_true(clock_ms() - before < 9000);
	assert_int_equal(store_term(a), 0);
	etcd_proxy_lose(w->proxy, "", 0);
	wait_term(a, true, 2 * LATE_MS);
	assert_true(store_term(a) > term);
	load(a);
	assert_int_equal(store_revision(a), 2); /* the first sending was executed */
	must_commit(a);
	store_close(&a);
}

/* etcd is away for longer than a lease: the leader stops in time by its own clock, and goes on afterwards. */
static void test_etcd_away(void **state)
{
	struct world *w = *state;
	struct store *a = join(w, "a");
	struct store_leader who;
	struct err e = {0};
	uint64_t took;

	wait_term(a, true, LATE_MS);
	load(a);
	must_commit(a);
	etcd_servers_signal(&w->servers, 0, SIGSTOP);
	took = wait_term(a, false, LEASE_MS);
	store_leader(a, &who);
	assert_string_equal(who.name, ""); /* at once, before its own thread has looked */
	print_message("stopped to lead %d ms after its etcd fell silent\n", (int)took);
	assert_int_equal(commit(a, &e), -1);
	assert_int_equal(e.code, ERR_not_leader);
	clock_sleep_ms(1000);
	etcd_servers_signal(&w->servers, 0, SIGCONT);
	wait_term(a, true, LATE_MS);
	load(a);
	assert_int_equal(store_revision(a), 2);
	must_commit(a);
	/* Killed and started again: the lease outlives that. */
	etcd_servers_signal(&w->servers, 0, SIGKILL);
	etcd_servers_again(&w->servers, 0);
	wait_term(a, true, LATE_MS);
	load(a);
	must_commit(a);
	assert_int_equal(store_revision(a), 4);
	store_close(&a);
}

/* Another cluster under the same prefix, or none any more: not this one's to work with. */
static void test_emptied(void **state)
{
	struct world *w = *state;
	struct store *a = join(w, "a");
	struct err e = {0};

	wait_term(a, true, LATE_MS);
	load(a);
	raw(w, etcd_op_delete("/t/meta/cluster"));
	assert_int_equal(try_load(a, &e), -1);
	assert_int_equal(e.code, ERR_store);
	assert_non_null(strstr(e.text, "another cluster"));
	store_close(&a);
	a = join(w, "a");
	wait_term(a, true, LATE_MS);
	assert_int_equal(try_load(a, &e), -1); /* a new process is not taken in either: rows without an id */
	assert_int_equal(e.code, ERR_store);
	store_close(&a);
}

/*
 * Commits without a pause, while members of three are killed and started again: what was said to be done is
 * there, what was not is there or not, and nothing is done twice.
 */
static void test_members_killed(void **state)
{
	struct world *w = *state;
	struct store *a = join(w, "a");
	uint64_t known = 1, done = 0, failed = 0, worst = 0;

	wait_term(a, true, LATE_MS);
	load(a);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t until = clock_ms() + 4000;
		bool killed = false;

		while (clock_ms() < until) {
			struct err e = {0};
			uint64_t before = clock_ms();

			if (!killed && clock_ms() + 3000 > until) {
				etcd_servers_signal(&w->servers, i, SIGKILL);
				killed = true;
			}
			if (store_term(a) == 0) {
				clock_sleep_ms(10);
				continue;
			}
			if (commit(a, &e) == 0) {
				known = store_revision(a);
				done++;
				if (clock_ms() - before > worst)
					worst = clock_ms() - before;
				continue;
			}
			failed++;
			wait_term(a, true, 3 * LATE_MS);
			load(a);
			assert_in_range(store_revision(a), known, known + 1);
			known = store_revision(a);
		}
		etcd_servers_again(&w->servers, i);
	}
	print_message("%d commits, %d failed, the slowest took %d ms\n", (int)done, (int)failed, (int)worst);
	assert_true(done > 100);
	wait_term(a, true, LATE_MS);
	load(a);
	assert_int_equal(store_revision(a), known);
	store_close(&a);
}

/* etcd's own sign that it is full: it takes no write, and gives no lease, until the sign is taken away. */
static void set_full(struct world *w, bool full)
{
	struct etcd *c = etcd_new(&w->conf, NULL);
	json_t *request = json_pack("{s:s, s:s, s:s}", "action", full ? "ACTIVATE" : "DEACTIVATE", "memberID",
		       "1", "alarm", "NOSPACE"),
	       *answer;
	struct err e = {0};

	if (etcd_post(c, "/v3/maintenance/alarm", request, 5000, &answer, &e) < 0)
		fail_msg("%s", e.text);
	json_decref(request);
	json_decref(answer);
	etcd_free(&c);
}

/* A refused commit is not the end of anything: the term goes on, and so do commits when there is room again.
 */
static void test_full(void **state)
{
	struct world *w = *state;
	struct store *a = join(w, "a");
	struct err e = {0};
	uint64_t term;

	wait_term(a, true, LATE_MS);
	load(a);
	term = store_term(a);
	set_full(w, true);
	assert_int_equal(commit(a, &e), -1);
	assert_int_equal(e.code, ERR_store);
	assert_non_null(strstr(e.text, "space exceeded"));
	clock_sleep_ms(2 * LEASE_MS);
	assert_int_equal(store_term(a), term);
	set_full(w, false);
	must_commit(a);
	store_close(&a);
}

/* Refused, but an earlier sending had no answer, and may be done later: the term must be over. */
static void test_refused_unsure(void **state)
{
	struct world *w = *state;
	struct store *a;
	struct err e = {0};

	w->proxy = etcd_proxy_start(w->servers.members[0].client);
	w->conf.hosts[0].port = (uint16_t)etcd_proxy_port(w->proxy);
	a = join(w, "a");
	wait_term(a, true, LATE_MS);
	load(a);
	set_full(w, true);
	etcd_proxy_lose(w->proxy, "/v3/kv/txn", 1);
	assert_int_equal(commit(a, &e), -1);
	assert_int_equal(etcd_proxy_lost(w->proxy), 1);
	assert_int_equal(e.code, ERR_store);
	assert_int_equal(store_term(a), 0);
	set_full(w, false);
	wait_term(a, true, LATE_MS);
	load(a);
	must_commit(a);
	store_close(&a);
}

/* A revision without any change: by it the agent hears that its unit is to be stopped. */
static void ended_check_is_told(struct world *w, struct serve *s, struct master *m)
{
	uint64_t revision = m->model.revision;
	struct err e = {0};

	set_full(w, true);
	m->dirty = true;
	assert_int_equal(serve_tick(s, &e), 0);
	assert_int_equal(m->model.revision, revision);
	set_full(w, false);
	s->again_ms = 0;
	for (int i = 0; i < 3; i++)
		assert_int_equal(serve_tick(s, &e), 0);
	assert_int_equal(m->model.revision, revision + 1);
}

/* The whole master's turn with a full etcd: nothing ends, and what was to be done is done later. */
static void test_full_tick(void **state)
{
	struct world *w = *state;
	struct store *a = join(w, "a");
	struct master m = {.now_ms = clock_ms(), .wall_s = 1000};
	struct serve s = {.store = a, .patient = true};
	struct err e = {0};

	wait_term(a, true, LATE_MS);
	assert_int_equal(master_init(&m, a, &e), 0);
	assert_non_null(bind_hello(&m, &(struct hello){"host", "v", "1", 4, false}, &e));
	model_set(&m.model, STORE_SOURCE, "s1", json_pack("{s:i, s:i}", "slot", 1, "epoch", 1));
	assert_int_equal(model_commit(&m.model, &e), 0);
	serve_lead(&s, &m, store_term(a));
	set_full(w, true);
	for (int i = 0; i < 3; i++)
		assert_int_equal(serve_tick(&s, &e), 0);
	assert_true(s.refused);
	assert_string_equal(json_text(model_get(&m.model, STORE_SOURCE, "s1"), "agent", ""), "");
	set_full(w, false);
	s.again_ms = 0;
	assert_int_equal(serve_tick(&s, &e), 0);
	assert_false(s.refused);
	assert_string_equal(json_text(model_get(&m.model, STORE_SOURCE, "s1"), "agent", ""), "host");
	ended_check_is_told(w, &s, &m);
	serve_lead(&s, NULL, 0);
	master_fini(&m);
	store_close(&a);
}

/* An etcd that answers, but lets nobody stand, is said once. */
static void test_full_log(void **state)
{
	struct world *w = *state;
	char name[] = "/tmp/tg-log-XXXXXX", text[4000];
	int log = mkstemp(name), old = dup(FD_LOG);
	struct store *a;
	ssize_t n;

	unlink(name);
	set_full(w, true);
	dup2(log, FD_LOG);
	a = join(w, "a");
	clock_sleep_ms(2000);
	dup2(old, FD_LOG);
	n = pread(log, text, sizeof(text) - 1, 0);
	text[n < 0 ? 0 : n] = '\0';
	print_message("%s", text);
	assert_non_null(strstr(text, "the election: "));
	assert_null(strstr(strstr(text, "the election: ") + 1, "the election: "));
	set_full(w, false);
	wait_term(a, true, LATE_MS);
	store_close(&a);
	close(old);
	close(log);
}

/* A page of all rows never comes: it is asked for in smaller parts. A store that can't be read at all is not
 * kept from others. */
static void test_large_pages(void **state)
{
	struct world *w = *state;
	struct store *a;
	struct err e = {0};
	uint64_t term;

	w->proxy = etcd_proxy_start(w->servers.members[0].client);
	w->conf.hosts[0].port = (uint16_t)etcd_proxy_port(w->proxy);
	a = join(w, "a");
	wait_term(a, true, LATE_MS);
	load(a);
	etcd_proxy_lose(w->proxy, "\"limit\":\"256\"", 1000);
	load(a);
	assert_true(etcd_proxy_lost(w->proxy) > 0);
	term = store_term(a);
	etcd_proxy_lose(w->proxy, "\"limit\":", 100000);
	assert_int_equal(try_load(a, &e), -1);
	assert_int_equal(e.code, ERR_store_away);
	assert_int_equal(store_term(a), term);
	assert_int_equal(try_load(a, &e), -1);
	assert_int_equal(store_term(a), 0);
	etcd_proxy_lose(w->proxy, "", 0);
	wait_term(a, true, LATE_MS);
	load(a);
	must_commit(a);
	store_close(&a);
}

/* Certificates that can't be read (any more) are told as what they are, so that the process can end. */
static void test_certificates_gone(void **state)
{
	struct world *w = *state;
	struct store *a;
	struct err e = {0};
	uint64_t began = clock_ms();

	strcat(w->conf.cert, ".gone");
	a = join(w, "a");
	while (store_trouble(a, &e) == 0 && clock_ms() - began < LATE_MS)
		clock_sleep_ms(5);
	assert_int_equal(e.code, ERR_config_bad);
	store_close(&a);
	w->conf.cert[strlen(w->conf.cert) - 5] = '\0';
	a = join(w, "a");
	wait_term(a, true, LATE_MS);
	assert_int_equal(store_trouble(a, &e), 0);
	store_close(&a);
}

int main(void)
{
#define WITH(make, test) cmocka_unit_test_setup_teardown(test, make, drop)
	const struct CMUnitTest tests[] = {
		WITH(make_one, test_election),
		WITH(make_one, test_last_one_stays),
		WITH(make_one, test_dead_master_is_away),
		WITH(make_one, test_leader_killed),
		WITH(make_one, test_leader_asleep),
		WITH(make_one, test_compared),
		WITH(make_one, test_lost_replies),
		WITH(make_one, test_unknown),
		WITH(make_one, test_etcd_away),
		WITH(make_one, test_emptied),
		WITH(make_one, test_full),
		WITH(make_one, test_full_tick),
		WITH(make_one, test_full_log),
		WITH(make_one, test_refused_unsure),
		WITH(make_one, test_large_pages),
		WITH(make_tls, test_certificates_gone),
		WITH(make_three, test_members_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
