/* The command line, who runs as whom, the pauses between starts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "include/spawn.h"
#include "supervisor/args.h"
#include "supervisor/host.h"
#include "supervisor/ids.h"
#include "unit.h"

static int parse(struct super_args *a, struct err *e, const char *const *words)
{
	char *argv[20] = {(char *)(uintptr_t) "tidegated"};
	int argc = 1;

	while (*words)
		argv[argc++] = (char *)(uintptr_t)*words++;
	return args_parse(argc, argv, a, e);
}
#define PARSE(...) parse(&a, &e, (const char *const[]){__VA_ARGS__, NULL})

static void all_options(void **state)
{
	struct super_args a;
	struct err e = {0};

	(void)state;
	assert_int_equal(
		PARSE("--state", "/s", "--run=/r", "--name", "host-1", "--uid-range", "70000-70010",
			"--with-master", "--log-level", "debug", "--libexec", "/l", "--user", "nobody"),
		0);
	assert_string_equal(a.state, "/s");
	assert_string_equal(a.run, "/r");
	assert_string_equal(a.name, "host-1");
	assert_string_equal(a.libexec, "/l");
	assert_int_equal(a.uid_first, 70000);
	assert_int_equal(a.uid_last, 70010);
	assert_true(a.with_master);
	assert_int_equal(a.level, LOG_DEBUG_);
	assert_int_equal(a.alive_fd, -1);
	assert_int_equal(PARSE("--help"), 0);
	assert_true(a.help);
	assert_int_equal(PARSE("--version"), 0);
	assert_true(a.version);
}

static void put_file(const char *dir, const char *text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/tidegated.conf", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0644), 0);
}

/* The file gives what the command line does not; a wrong value is told with its place; SIGHUP changes the log
 * level, unless it is an argument. */
static void options_from_a_file(void **state)
{
	char dir[] = "/tmp/tg-args-XXXXXX", path[200];
	struct super_args a;
	struct err e = {0};
	struct buf b = {0};

	(void)state;
	assert_non_null(mkdtemp(dir));
	put_file(dir, "state = /s\nrun = /r\nname = n-1\nwith-master = yes\nlog-level = warn\n");
	assert_int_equal(PARSE("--config", dir, "--run=/other"), 0);
	assert_string_equal(a.state, "/s");
	assert_string_equal(a.run, "/other");
	assert_string_equal(a.name, "n-1");
	assert_true(a.with_master);
	assert_int_equal(a.level, LOG_WARN_);
	host_slice(UNIT_master, &a, 999, &b);
	snprintf(path, sizeof(path),
		"{\"unit\":\"master\",\"name\":\"n-1\",\"log_level\":\"warn\",\"config\":\"%s/"
		"tidegate-master.conf\"}",
		dir);
	assert_string_equal(buf_cstr(&b), path);
	put_file(dir, "state = /new\nlog-level = error\n");
	args_reload(&a);
	assert_string_equal(a.state, "/s");
	assert_int_equal(a.level, LOG_ERROR_);
	put_file(dir, "log-level = loud\n");
	args_reload(&a);
	assert_int_equal(a.level, LOG_ERROR_);
	args_fini(&a);

	put_file(dir, "state = /s\nlog-level = error\n");
	assert_int_equal(PARSE("--log-level=debug", "--config", dir, "--run=/r"), 0);
	args_reload(&a);
	assert_int_equal(a.level, LOG_DEBUG_);
	args_fini(&a);
	put_file(dir, "state = /s\n\n  uid-range = 7\n");
	assert_int_equal(PARSE("--config", dir, "--run=/r"), -1);
	assert_non_null(strstr(e.text, "tidegated.conf:3:3: --uid-range 7: two numbers"));
	args_fini(&a);
	snprintf(path, sizeof(path), "%s/tidegated.conf", dir);
	unlink(path);
	rmdir(dir);
	buf_free(&b);
	log_set_level(LOG_INFO_);
}

static void wrong_usage_is_named(void **state)
{
	static const char *const bad[][6] = {
		{"--run", "/r"},
		{"--state", "/s"},
		{"--state", "/s", "--run"},
		{"--state=", "--run", "/r"},
		{"--state", "/s", "--run", "/r", "stray"},
		{"--stat", "/s", "--run", "/r"},
		{"--state", "/s", "--run", "/r", "--with-master=yes"},
		{"--state", "/s", "--run", "/r", "--name=a\"b"},
		{"--state", "/s", "--run", "/r", "--name=a b"},
		{"--state", "/s", "--run", "/r", "--name=h\xc3\xa9"},
		{"--state", "/s", "--run", "/r", "--uid-range=1-5"},
		{"--state", "/s", "--run", "/r", "--uid-range=5-5"},
		{"--state", "/s", "--run", "/r", "--uid-range=-5"},
		{"--state", "/s", "--run", "/r", "--uid-range=10-4294967295"},
		{"--state", "/s", "--run", "/r", "--uid-range=10-99999999999"},
		{"--state", "/s", "--run", "/r", "--uid-range=10-20x"},
		{"--state", "/s", "--run", "/r", "--alive-fd=2"},
		{"--state", "/s", "--run", "/r", "--alive-fd=777"},
		{"--state", "/s", "--run", "/r", "--log-level=loud"},
		{"--state", "/s", "--run", "/r", "--config=etc"},
		{"--state", "/s", "--run", "/r", "--config=/a\"b"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct super_args a;
		struct err e = {0};
		const char *words[7] = {0};

		memcpy(words, bad[i], sizeof(bad[i]));
		assert_int_equal(parse(&a, &e, words), -1);
		assert_int_equal(e.code, ERR_usage);
		assert_true(strlen(e.text) > 10);
	}
}

static void slots_map_to_uids(void **state)
{
	struct super_args a;
	struct err e = {0};
	struct ids ids;

	(void)state;
	assert_int_equal(PARSE("--state=/s", "--run=/r", "--name=n", "--uid-range=59000-59999"), 0);
	assert_int_equal(ids_init(&ids, &a, (struct owner){0, 0}, &e), 0);
	assert_true(ids.root);
	assert_int_equal(ids.slots, 999);
	assert_int_equal(ids_slot(&ids, 1).uid, 59001);
	assert_int_equal(ids_slot(&ids, 999).gid, 59999);
	assert_int_not_equal(ids.host.uid, 0);
	assert_false(ids.host.uid >= 59000 && ids.host.uid <= 59999);
}

static void a_short_range_has_few_slots(void **state)
{
	struct super_args a;
	struct err e = {0};
	struct ids ids;

	(void)state;
	assert_int_equal(PARSE("--state=/s", "--run=/r", "--name=n", "--uid-range=70000-70003"), 0);
	assert_int_equal(ids_init(&ids, &a, (struct owner){0, 0}, &e), 0);
	assert_int_equal(ids.slots, 3);
	assert_int_equal(ids_slot(&ids, 3).uid, 70003);
}

static void an_ordinary_user_stays_itself(void **state)
{
	struct super_args a;
	struct err e = {0};
	struct ids ids;

	(void)state;
	assert_int_equal(PARSE("--state=/s", "--run=/r", "--name=n"), 0);
	assert_int_equal(ids_init(&ids, &a, (struct owner){1234, 1235}, &e), 0);
	assert_false(ids.root);
	assert_int_equal(ids_slot(&ids, 5).uid, 1234);
	assert_int_equal(ids.host.gid, 1235);
	assert_int_equal(PARSE("--state=/s", "--run=/r", "--name=n", "--user=root"), 0);
	assert_int_equal(ids_init(&ids, &a, (struct owner){1234, 1235}, &e), -1);
}

static void bad_users_are_refused(void **state)
{
	struct super_args a;
	struct err e = {0};
	struct ids ids;

	(void)state;
	assert_int_equal(PARSE("--state=/s", "--run=/r", "--name=n", "--user=root"), 0);
	assert_int_equal(ids_init(&ids, &a, (struct owner){0, 0}, &e), -1);
	assert_non_null(strstr(e.text, "must not run as root"));
	assert_int_equal(PARSE("--state=/s", "--run=/r", "--name=n", "--user=no-such-user"), 0);
	assert_int_equal(ids_init(&ids, &a, (struct owner){0, 0}, &e), -1);
	assert_int_equal(
		PARSE("--state=/s", "--run=/r", "--name=n", "--user=nobody", "--uid-range=1000-99999"), 0);
	assert_int_equal(ids_init(&ids, &a, (struct owner){0, 0}, &e), -1);
	assert_non_null(strstr(e.text, "range"));
}

static void pauses_grow_and_are_forgiven(void **state)
{
	static const unsigned want[] = {1, 2, 4, 8, 16, 32, 60, 60};
	struct host h;
	uint64_t now = 5000;

	(void)state;
	host_init(&h, UNIT_agent);
	for (unsigned i = 0; i < 8; i++) {
		host_started(&h, now);
		now += 59999;
		host_died(&h, now);
		assert_int_equal(h.start_at - now, want[i] * 1000);
		assert_false(h.running);
	}
	host_started(&h, now);
	now += 60000;
	host_died(&h, now);
	assert_int_equal(h.start_at - now, 1000);
	assert_int_equal(h.restarts, 9);
	/* A start that never ran a minute, because it failed at once, is not forgiven by the clock. */
	now += 3600000;
	host_died(&h, now);
	assert_int_equal(h.start_at - now, 2000);
}

static void slices_are_json(void **state)
{
	struct super_args a;
	struct err e = {0};
	struct buf b = {0};

	(void)state;
	assert_int_equal(PARSE("--state=/s", "--run=/r", "--name=host-1"), 0);
	host_slice(UNIT_agent, &a, 999, &b);
	assert_string_equal(buf_cstr(&b),
		"{\"unit\":\"agent\",\"name\":\"host-1\",\"log_level\":\"info\",\"slots\":999}");
	buf_clear(&b);
	host_slice(UNIT_master, &a, 999, &b);
	assert_string_equal(buf_cstr(&b), "{\"unit\":\"master\",\"name\":\"host-1\",\"log_level\":\"info\"}");
	assert_int_equal(PARSE("--state=/s", "--run=/r", "--name=h", "--store=etcd://x/y?lease=3",
				 "--masters=/a/master.sock,/b/master.sock"),
		0);
	buf_clear(&b);
	host_slice(UNIT_agent, &a, 9, &b);
	assert_string_equal(buf_cstr(&b),
		"{\"unit\":\"agent\",\"name\":\"h\",\"log_level\":\"info\",\"slots\":9,"
		"\"masters\":[\"/a/master.sock\",\"/b/master.sock\"]}");
	buf_clear(&b);
	host_slice(UNIT_master, &a, 9, &b);
	assert_string_equal(buf_cstr(&b), "{\"unit\":\"master\",\"name\":\"h\",\"log_level\":\"info\","
					  "\"masters\":[\"/a/master.sock\",\"/b/master.sock\"],"
					  "\"store\":\"etcd://x/y?lease=3\"}");
	assert_int_equal(PARSE("--state=/s", "--run=/r", "--name=h", "--store=etcd://x\"y"), -1);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_options),
		cmocka_unit_test(options_from_a_file),
		cmocka_unit_test(wrong_usage_is_named),
		cmocka_unit_test(slots_map_to_uids),
		cmocka_unit_test(a_short_range_has_few_slots),
		cmocka_unit_test(an_ordinary_user_stays_itself),
		cmocka_unit_test(bad_users_are_refused),
		cmocka_unit_test(pauses_grow_and_are_forgiven),
		cmocka_unit_test(slices_are_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
