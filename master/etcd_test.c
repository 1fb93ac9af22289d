/*
 * The etcd client against real servers: addresses, what it says and reads, hosts that are gone, replies that
 * are lost, leases, watches, TLS, logins.
 */
#include "master/etcd.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka needs the ones above. */
#include <cmocka.h>

#include "common/base/clock.h"
#include "common/config/json.h"
#include "master/etcd_server.h"

/* ---- addresses ---- */

static void test_addresses(void **state)
{
	struct etcd_conf c;
	struct err e = {0};

	(void)state;
	assert_int_equal(etcd_conf_parse("etcd://h", &c, &e), 0);
	assert_int_equal(c.nhosts, 1);
	assert_string_equal(c.hosts[0].name, "h");
	assert_int_equal(c.hosts[0].port, 2379);
	assert_string_equal(c.prefix, "/tidegate");
	assert_int_equal(c.lease_s, 10);
	assert_true(etcd_conf_is_open(&c));
	assert_int_equal(etcd_conf_parse("etcd://localhost,127.0.0.1:1,[::1]:2/", &c, &e), 0);
	assert_false(etcd_conf_is_open(&c));
	assert_int_equal(c.nhosts, 3);
	assert_string_equal(c.hosts[2].name, "[::1]");
	assert_int_equal(c.hosts[2].port, 2);
	assert_int_equal(
		etcd_conf_parse(
			"etcds://u@a:65535,b/x/y/?ca=/c&cert=/d&key=/e&password-file=/f&lease=3", &c, &e),
		0);
	assert_true(c.tls);
	assert_string_equal(c.user, "u");
	assert_string_equal(c.prefix, "/x/y");
	assert_string_equal(c.ca, "/c");
	assert_string_equal(c.cert, "/d");
	assert_string_equal(c.key, "/e");
	assert_string_equal(c.password_file, "/f");
	assert_int_equal(c.lease_s, 3);
	assert_int_equal(c.hosts[0].port, 65535);
}

static void test_bad_addresses(void **state)
{
	static const char *const bad[] = {"", "etcd:", "http://h", "etcd://", "etcd:///x", "etcd://h:0",
		"etcd://h:65536", "etcd://h:", "etcd://h:1x", "etcd://h,", "etcd://h,,i",
		"etcd://a,b,c,d,e,f,g,h,i", "etcd://[::1", "etcd://[::1]2", "etcd://h?", "etcd://h?x=1",
		"etcd://h?lease=2", "etcd://h?lease=61", "etcd://h?lease=", "etcd://h?lease",
		"etcd://h?ca=/x", "etcds://h?ca=x", "etcds://h?cert=/x", "etcds://h?key=/x", "etcd://u@h",
		"etcd://h?password-file=/x", "etcd://u:geheim@h?password-file=/x", "etcd://u:geheim/x@h",
		"etcd://u:x/geheim@h", "etcd://u:geheim?x@h", "etcd://u@geheim@h:x", "etcd://u:geheim=@h",
		"etcd://h\"x", "etcd://h/x y", "etcd://h/%41", "etcd://h/x\n"};
	struct etcd_conf c;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = {0};

		if (etcd_conf_parse(bad[i], &c, &e) == 0)
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(e.code, ERR_config_bad);
		assert_null(strchr(e.text, '\n'));
		assert_null(strstr(e.text, "geheim"));
	}
}

static void test_password_file(void **state)
{
	struct etcd_conf c = {0};
	char path[] = "/tmp/tg-pw-XXXXXX";
	int fd = mkstemp(path);
	struct err e = {0};

	(void)state;
	assert_int_equal(etcd_conf_secret(&c, &e), 0);
	snprintf(c.password_file, sizeof(c.password_file), "%s", path);
	assert_int_equal(etcd_conf_secret(&c, &e), -1);
	assert_int_equal(write(fd, "s3cret word\nmore\n", 17), 17);
	assert_int_equal(etcd_conf_secret(&c, &e), 0);
	assert_string_equal(c.password, "s3cret word");
	close(fd);
	unlink(path);
	assert_int_equal(etcd_conf_secret(&c, &e), -1);
}

static void test_base64(void **state)
{
	struct buf out = {0};
	char bytes[256];

	(void)state;
	for (int i = 0; i < 256; i++)
		bytes[i] = (char)i;
	for (size_t n = 0; n <= 256; n++) {
		json_t *text = etcd_b64(bytes, n);

		buf_clear(&out);
		assert_int_equal(etcd_unb64(text, &out), 0);
		assert_int_equal(out.n, n);
		assert_true(n == 0 || memcmp(out.p, bytes, n) == 0);
		json_decref(text);
	}
	for (const char *const *bad = (const char *const[]){"A", "AB=", "A===", "====", "!!!!", NULL}; *bad;
		bad++) {
		json_t *text = json_string(*bad);

		buf_clear(&out);
		if (etcd_unb64(text, &out) == 0)
			fail_msg("taken: %s", *bad);
		json_decref(text);
	}
	buf_free(&out);
}

/* ---- one server ---- */

struct one {
	struct etcd_servers servers;
	struct etcd_conf conf;
	struct etcd *etcd;
};

static void use(struct one *o, const char *more)
{
	char url[2000];
	struct err e = {0};

	etcd_servers_url(&o->servers, "/t", more, url, sizeof(url));
	if (etcd_conf_parse(url, &o->conf, &e) < 0 || etcd_conf_secret(&o->conf, &e) < 0)
		fail_msg("%s", e.text);
	etcd_free(&o->etcd);
	o->etcd = etcd_new(&o->conf, NULL);
}

static int make(void **state, unsigned n, bool tls)
{
	struct one *o = calloc(1, sizeof(*o));

	etcd_servers_start(&o->servers, n, tls);
	use(o, "");
	*state = o;
	return 0;
}

static int make_one(void **state)
{
	return make(state, 1, false);
}

static int make_three(void **state)
{
	return make(state, 3, false);
}

static int make_tls(void **state)
{
	return make(state, 1, true);
}

static int drop(void **state)
{
	struct one *o = *state;

	etcd_free(&o->etcd);
	etcd_servers_stop(&o->servers);
	free(o);
	return 0;
}

static int put_within(
	struct one *o, const char *key, const char *value, uint64_t lease, unsigned ms, struct err *e)
{
	json_t *request = etcd_txn(
		       json_array(), json_pack("[o]", etcd_op_put(key, str_of(value), lease)), json_array()),
	       *answer;
	int r = etcd_post(o->etcd, "/v3/kv/txn", request, ms, &answer, e);

	json_decref(request);
	if (r == 0) {
		assert_true(etcd_succeeded(answer));
		json_decref(answer);
	}
	return r;
}

static void put(struct one *o, const char *key, const char *value, uint64_t lease)
{
	struct err e = {0};

	if (put_within(o, key, value, lease, 10000, &e) < 0)
		fail_msg("%s", e.text);
}

/* NULL where it is not there; the caller frees. */
static char *get(struct one *o, const char *key, uint64_t *revision)
{
	struct err e = {0};
	struct buf b = {0};
	json_t *row;
	uint64_t at;

	if (etcd_get(o->etcd, key, 10000, &row, &at, &e) < 0)
		fail_msg("%s", e.text);
	if (revision)
		*revision = at;
	if (!row)
		return NULL;
	assert_int_equal(etcd_row_bytes(row, "value", &b), 0);
	json_decref(row);
	buf_cstr(&b);
	return b.p;
}

static void expect(struct one *o, const char *key, const char *value)
{
	char *there = get(o, key, NULL);

	if (!value)
		assert_null(there);
	else
		assert_string_equal(there, value);
	free(there);
}

static void test_transactions(void **state)
{
	struct one *o = *state;
	json_t *request, *answer;
	struct err e = {0};
	struct buf b = {0};

	put(o, "/t/a", "1", 0);
	put(o, "/t/\xc3\xa4 \"x\"", "\xe2\x82\xac", 0);
	expect(o, "/t/\xc3\xa4 \"x\"", "\xe2\x82\xac");
	expect(o, "/t/none", NULL);
	request = etcd_txn(json_pack("[o]", etcd_if_value("/t/a", "2")),
		json_pack("[o]", etcd_op_delete("/t/a")),
		json_pack("[o, o]", etcd_op_range("/t/none"), etcd_op_range("/t/a")));
	assert_int_equal(etcd_post(o->etcd, "/v3/kv/txn", request, 5000, &answer, &e), 0);
	assert_false(etcd_succeeded(answer));
	assert_null(etcd_row(answer, 0));
	assert_int_equal(etcd_row_bytes(etcd_row(answer, 1), "value", &b), 0);
	assert_string_equal(buf_cstr(&b), "1");
	json_decref(request);
	json_decref(answer);
	request = etcd_txn(json_pack("[o, o]", etcd_if_value("/t/a", "1"), etcd_if_created("/t/none", 0)),
		json_pack("[o]", etcd_op_delete("/t/a")), json_array());
	assert_int_equal(etcd_post(o->etcd, "/v3/kv/txn", request, 5000, &answer, &e), 0);
	assert_true(etcd_succeeded(answer));
	expect(o, "/t/a", NULL);
	json_decref(request);
	json_decref(answer);
	buf_free(&b);
}

/* What etcd refuses is an error with its words, at once; what is no etcd is somebody else. */
static void test_refusals(void **state)
{
	struct one *o = *state;
	json_t *request = json_pack("{s:s}", "key", "!"), *answer;
	struct err e = {0};
	uint64_t before = clock_ms();

	assert_int_equal(etcd_post(o->etcd, "/v3/kv/range", request, 10000, &answer, &e), -1);
	assert_int_equal(e.code, ERR_store);
	assert_null(answer);
	assert_int_equal(etcd_post(o->etcd, "/nowhere", request, 2000, &answer, &e), -1);
	assert_int_equal(e.code, ERR_store_away);
	assert_non_null(strstr(e.text, "404"));
	assert_true(clock_ms() - before < 9000);
	json_decref(request);
}

/* Kept longer than it lasts by itself; a machine that stands still for seconds loses it not yet. */
static void test_leases(void **state)
{
	enum { TTL_S = 6, KEPT_S = 8 };
	struct one *o = *state;
	struct err e = {0};
	unsigned ttl = TTL_S;
	char *there;

	assert_int_equal(etcd_lease_grant(o->etcd, 0x7ffffffffffffff1, &ttl, 5000, &e), 0);
	assert_int_equal(ttl, TTL_S);
	put(o, "/t/leased", "x", 0x7ffffffffffffff1);
	for (int i = 0; i < KEPT_S; i++) {
		clock_sleep_ms(1000);
		assert_int_equal(etcd_lease_keep(o->etcd, 0x7ffffffffffffff1, &ttl, 5000, &e), 0);
		assert_int_equal(ttl, TTL_S);
	}
	expect(o, "/t/leased", "x");
	for (int i = 0; i < 300 && (there = get(o, "/t/leased", NULL)); i++) {
		free(there);
		clock_sleep_ms(200);
	}
	expect(o, "/t/leased", NULL);
	assert_int_equal(etcd_lease_keep(o->etcd, 0x7ffffffffffffff1, &ttl, 5000, &e), 0);
	assert_int_equal(ttl, 0);
	ttl = 60;
	assert_int_equal(etcd_lease_grant(o->etcd, 5, &ttl, 5000, &e), 0);
	put(o, "/t/leased", "y", 5);
	assert_int_equal(etcd_lease_revoke(o->etcd, 5, 5000, &e), 0);
	expect(o, "/t/leased", NULL);
}

static void *later(void *arg)
{
	struct one *o = arg;
	struct one mine = {.conf = o->conf, .etcd = etcd_new(&o->conf, NULL)};

	clock_sleep_ms(700);
	put(&mine, "/t/watched", "now", 0);
	etcd_free(&mine.etcd);
	return NULL;
}

static void test_watch(void **state)
{
	struct one *o = *state;
	struct err e = {0};
	uint64_t at, before;
	pthread_t t;

	free(get(o, "/t/watched", &at));
	before = clock_ms();
	assert_int_equal(etcd_watch(o->etcd, "/t/watched", at, 500, &e), 0); /* nothing happens */
	assert_true(clock_ms() - before >= 400);
	before = clock_ms();
	pthread_create(&t, NULL, later, o);
	if (etcd_watch(o->etcd, "/t/watched", at, 30000, &e) < 0)
		fail_msg("%s", e.text);
	assert_in_range(clock_ms() - before, 600, 25000);
	pthread_join(t, NULL);
	expect(o, "/t/watched", "now");
	before = clock_ms();
	assert_int_equal(etcd_watch(o->etcd, "/t/watched", at, 30000, &e), 0); /* it has happened already */
	assert_true(clock_ms() - before < 25000);
}

static void *end_it(void *arg)
{
	_Atomic bool *stop = arg;

	clock_sleep_ms(300);
	*stop = true;
	return NULL;
}

static void test_stop(void **state)
{
	struct one *o = *state;
	_Atomic bool stop = false;
	struct etcd *c = etcd_new(&o->conf, &stop);
	uint64_t before = clock_ms();
	struct err e = {0};
	pthread_t t;

	pthread_create(&t, NULL, end_it, &stop);
	etcd_watch(c, "/t/x", 1000000, 30000, &e);
	assert_true(clock_ms() - before < 25000);
	pthread_join(t, NULL);
	etcd_free(&c);
}

/* A server that is away for a while, and one that is away for good: bounded, and in its own words. */
static void test_restart(void **state)
{
	struct one *o = *state;
	struct err e = {0};
	uint64_t before;

	put(o, "/t/a", "1", 0);
	etcd_servers_signal(&o->servers, 0, SIGKILL);
	before = clock_ms();
	assert_int_equal(put_within(o, "/t/a", "2", 0, 1500, &e), -1);
	assert_int_equal(e.code, ERR_store_away);
	assert_in_range(clock_ms() - before, 1000, 25000);
	etcd_servers_again(&o->servers, 0);
	expect(o, "/t/a", "1");
	put(o, "/t/a", "3", 0);
	etcd_servers_signal(&o->servers, 0, SIGSTOP);
	before = clock_ms();
	assert_int_equal(put_within(o, "/t/a", "4", 0, 1500, &e), -1);
	assert_int_equal(e.code, ERR_store_away);
	assert_in_range(clock_ms() - before, 1000, 25000);
	etcd_servers_signal(&o->servers, 0, SIGCONT);
	/* Of another key: the one that nobody waits for any more stands in the socket, and may yet come after
	 * it. */
	put(o, "/t/b", "5", 0);
	expect(o, "/t/b", "5");
}

/* The reply is lost: asked again, executed twice, so a comparison must say what was. */
static void test_lost_reply(void **state)
{
	struct one *o = *state;
	struct etcd_proxy *p = etcd_proxy_start(o->servers.members[0].client);
	json_t *request, *answer;
	struct err e = {0};

	o->conf.hosts[0].port = (uint16_t)etcd_proxy_port(p);
	put(o, "/t/a", "1", 0);
	etcd_proxy_lose(p, "/v3/kv/txn", 1);
	request = etcd_txn(json_pack("[o]", etcd_if_value("/t/a", "1")),
		json_pack("[o]", etcd_op_put("/t/a", STR_LIT("2"), 0)),
		json_pack("[o]", etcd_op_range("/t/a")));
	assert_int_equal(etcd_post(o->etcd, "/v3/kv/txn", request, 5000, &answer, &e), 0);
	assert_int_equal(etcd_proxy_lost(p), 1);
	assert_false(etcd_succeeded(answer));
	expect(o, "/t/a", "2");
	json_decref(request);
	json_decref(answer);
	etcd_free(&o->etcd);
	etcd_proxy_stop(&p);
}

/* Three members: whichever is gone, the others answer; without a majority nobody does. */
static void test_members(void **state)
{
	struct one *o = *state;
	struct err e = {0};

	put(o, "/t/a", "0", 0);
	for (unsigned i = 0; i < 3; i++) {
		char value[4];

		snprintf(value, sizeof(value), "%u", i + 1);
		etcd_servers_signal(&o->servers, i, SIGKILL);
		put(o, "/t/a", value, 0);
		expect(o, "/t/a", value);
		etcd_servers_again(&o->servers, i);
	}
	etcd_servers_signal(&o->servers, 0, SIGKILL);
	etcd_servers_signal(&o->servers, 1, SIGKILL);
	assert_int_equal(put_within(o, "/t/a", "no", 0, 3000, &e), -1);
	assert_int_equal(e.code, ERR_store_away);
	etcd_servers_again(&o->servers, 0);
	put(o, "/t/b", "yes", 0); /* what had no answer may come yet */
	expect(o, "/t/b", "yes");
}

static void test_tls(void **state)
{
	struct one *o = *state;
	struct etcd_conf good = o->conf;
	struct err e = {0};

	put(o, "/t/a", "1", 0);
	expect(o, "/t/a", "1");
	snprintf(o->conf.ca, sizeof(o->conf.ca), "%s/other.pem", o->servers.dir); /* not the server's CA */
	etcd_free(&o->etcd);
	o->etcd = etcd_new(&o->conf, NULL);
	assert_int_equal(put_within(o, "/t/a", "2", 0, 500, &e), -1);
	assert_int_equal(e.code, ERR_store_away);
	o->conf = good;
	o->conf.cert[0] = o->conf.key[0] = '\0'; /* no certificate of ours */
	etcd_free(&o->etcd);
	o->etcd = etcd_new(&o->conf, NULL);
	assert_int_equal(put_within(o, "/t/a", "2", 0, 500, &e), -1);
	o->conf = good;
	snprintf(o->conf.hosts[0].name, sizeof(o->conf.hosts[0].name),
		"localhost"); /* not the certificate's name */
	etcd_free(&o->etcd);
	o->etcd = etcd_new(&o->conf, NULL);
	assert_int_equal(put_within(o, "/t/a", "2", 0, 500, &e), -1);
	o->conf = good;
	etcd_free(&o->etcd);
	o->etcd = etcd_new(&o->conf, NULL);
	expect(o, "/t/a", "1");
	/* Files that can't be read are no etcd that is away: no waiting mends it. */
	for (char *file = o->conf.ca; file; file = file == o->conf.ca ? o->conf.cert : NULL) {
		uint64_t before = clock_ms();

		strcat(file, ".gone");
		etcd_free(&o->etcd);
		o->etcd = etcd_new(&o->conf, NULL);
		assert_int_equal(put_within(o, "/t/a", "2", 0, 5000, &e), -1);
		assert_int_equal(e.code, ERR_config_bad);
		assert_true(clock_ms() - before < 2000);
		file[strlen(file) - 5] = '\0';
	}
}

static void must_post(struct one *o, const char *path, json_t *request)
{
	struct err e = {0};
	json_t *answer;

	if (etcd_post(o->etcd, path, request, 5000, &answer, &e) < 0)
		fail_msg("%s: %s", path, e.text);
	json_decref(request);
	json_decref(answer);
}

static void write_password(const char *path, const char *word)
{
	FILE *f = fopen(path, "w");

	fputs(word, f);
	fclose(f);
}

static void test_login(void **state)
{
	struct one *o = *state;
	struct err e = {0};
	char path[100], url[400];

	must_post(o, "/v3/auth/role/add", json_pack("{s:s}", "name", "root"));
	must_post(o, "/v3/auth/role/add", json_pack("{s:s}", "name", "r"));
	must_post(o, "/v3/auth/role/grant",
		json_pack("{s:s, s:{s:s, s:o, s:o}}", "name", "r", "perm", "permType", "READWRITE", "key",
			etcd_b64("/t/", 3), "range_end", etcd_b64("/t0", 3)));
	must_post(o, "/v3/auth/user/add", json_pack("{s:s, s:s}", "name", "root", "password", "rootword"));
	must_post(o, "/v3/auth/user/grant", json_pack("{s:s, s:s}", "user", "root", "role", "root"));
	must_post(o, "/v3/auth/user/add", json_pack("{s:s, s:s}", "name", "tide", "password", "word"));
	must_post(o, "/v3/auth/user/grant", json_pack("{s:s, s:s}", "user", "tide", "role", "r"));
	must_post(o, "/v3/auth/enable", json_object());
	assert_int_equal(put_within(o, "/t/a", "1", 0, 2000, &e), -1); /* without a name */
	assert_int_equal(e.code, ERR_store);
	snprintf(path, sizeof(path), "%s/password", o->servers.dir);
	write_password(path, "wrong\n");
	snprintf(url, sizeof(url), "etcd://tide@127.0.0.1:%u/t?password-file=%s",
		o->servers.members[0].client, path);
	assert_int_equal(etcd_conf_parse(url, &o->conf, &e), 0);
	assert_int_equal(etcd_conf_secret(&o->conf, &e), 0);
	etcd_free(&o->etcd);
	o->etcd = etcd_new(&o->conf, NULL);
	assert_int_equal(put_within(o, "/t/a", "1", 0, 2000, &e), -1);
	assert_int_equal(e.code, ERR_store);
	assert_null(strstr(e.text, "wrong"));
	write_password(path, "word\n");
	assert_int_equal(etcd_conf_secret(&o->conf, &e), 0);
	put(o, "/t/a", "1", 0);
	expect(o, "/t/a", "1");
	assert_int_equal(put_within(o, "/elsewhere", "1", 0, 2000, &e), -1); /* not granted */
	assert_int_equal(e.code, ERR_store);
	/* A restarted server knows no token of before: logged in again, unseen. */
	etcd_servers_signal(&o->servers, 0, SIGKILL);
	etcd_servers_again(&o->servers, 0);
	put(o, "/t/a", "2", 0);
	expect(o, "/t/a", "2");
}

int main(void)
{
#define WITH(make, test) cmocka_unit_test_setup_teardown(test, make, drop)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_bad_addresses),
		cmocka_unit_test(test_password_file),
		cmocka_unit_test(test_base64),
		WITH(make_one, test_transactions),
		WITH(make_one, test_refusals),
		WITH(make_one, test_leases),
		WITH(make_one, test_watch),
		WITH(make_one, test_stop),
		WITH(make_one, test_restart),
		WITH(make_one, test_lost_reply),
		WITH(make_three, test_members),
		WITH(make_tls, test_tls),
		WITH(make_one, test_login),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
