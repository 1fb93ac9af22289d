/* The daemons' own files: the examples are taken, each mistake is one line with its place, a reload takes
 * over what may change and nothing else. */
#include "common/base/settings.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka needs the ones above. */
#include <cmocka.h>

#include "common/base/buf.h"
#include "common/base/io.h"

static const char file[] = "tidegated.conf";

static void put(const char *text)
{
	struct err e = {0};

	assert_int_equal(io_replace_file(AT_FDCWD, file, text, strlen(text), 0644, &e), 0);
}

static void test_read(void **state)
{
	struct err e = {0};
	struct settings *s;

	(void)state;
	put("\n# nothing\n state=/var/lib/x\t# there\r\nrun  =  a b c\nwith-master = yes");
	s = settings_read("tidegated", file, &e);
	assert_non_null(s);
	assert_string_equal(settings_get(s, "state"), "/var/lib/x");
	assert_string_equal(settings_get(s, "run"), "a b c");
	assert_string_equal(settings_get(s, "with-master"), "yes");
	assert_null(settings_get(s, "log-level"));
	assert_null(settings_get(s, "no-such-key"));
	settings_free(&s);
	assert_null(s);
	assert_null(settings_get(NULL, "state"));
	s = settings_read("agent", "not-there.conf", &e);
	assert_non_null(s);
	assert_null(settings_get(s, "log-level"));
	settings_free(&s);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *text;
		enum err_code code;
		const char *says;
	} bad[] = {
		{"state = /x\n  stat = /y\n", ERR_config_unknown_key,
			"tidegated.conf:2:3: unknown key `stat`"},
		{"state = /x\nstate = /y\n", ERR_config_bad, "tidegated.conf:2:1: `state` is there twice"},
		{"state\n", ERR_config_bad, "tidegated.conf:1:1: a line is `key = value`"},
		{"state = # none\n", ERR_config_bad, "`state` has no value"},
		{"state = a\001b\n", ERR_config_bad, "`state` has no value"},
		{"log-level = loud\n", ERR_config_bad, "`log-level` can't be `loud`; there are: debug|info"},
		{"with-master = true\n", ERR_config_bad, "`with-master` can't be `true`"},
		{"= x\n", ERR_config_unknown_key, "tidegated.conf:1:1: unknown key ``"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = {0};

		put(bad[i].text);
		assert_null(settings_read("tidegated", file, &e));
		if (e.code != (uint32_t)bad[i].code || !strstr(e.text, bad[i].says))
			fail_msg("%s: %u %s", bad[i].text, e.code, e.text);
	}
}

static void test_whose(void **state)
{
	struct err e = {0};

	(void)state;
	put("state = /x\n");
	assert_int_equal(chmod(file, 0664), 0);
	assert_null(settings_read("tidegated", file, &e));
	assert_non_null(strstr(e.text, "written by others"));
	assert_null(settings_read("tidegated", "/", &e));
	assert_non_null(strstr(e.text, "no file"));
	unlink(file);
}

static void test_reload(void **state)
{
	struct err e = {0};
	struct settings *s;

	(void)state;
	put("state = /x\nlog-level = info\n");
	s = settings_read("tidegated", file, &e);
	assert_non_null(s);
	put("state = /y\nlog-level = debug\nname = n\n");
	assert_int_equal(settings_reload(s, &e), 0);
	assert_string_equal(settings_get(s, "state"), "/x");
	assert_string_equal(settings_get(s, "log-level"), "debug");
	assert_null(settings_get(s, "name"));
	put("state = /x\nlog-level = deb\n");
	assert_int_equal(settings_reload(s, &e), -1);
	assert_string_equal(settings_get(s, "log-level"), "debug");
	assert_int_equal(unlink(file), 0);
	assert_int_equal(settings_reload(s, &e), 0);
	assert_null(settings_get(s, "log-level"));
	settings_free(&s);
}

/* The files in conf/ are taken, and name every key. */
static void test_examples(void **state)
{
	static const char *const daemons[] = {"tidegated", "agent", "master"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct err e = {0};
		struct buf text = {0};
		const char *key, *help;
		struct settings *s;
		char path[500], line[100];

		snprintf(path, sizeof(path), TIDEGATE_CONF "/%s%s.conf", i ? "tidegate-" : "", daemons[i]);
		s = settings_read(daemons[i], path, &e);
		if (!s)
			fail_msg("%s", e.text);
		assert_int_equal(io_read_file(AT_FDCWD, path, 1 << 16, &text, &e), 0);
		for (unsigned k = 0; (key = settings_key(daemons[i], k, &help)); k++) {
			snprintf(line, sizeof(line), "%s = ", key);
			if (!strstr(buf_cstr(&text), line))
				fail_msg("%s does not name %s", path, key);
			assert_true(strlen(help) > 5);
		}
		buf_free(&text);
		settings_free(&s);
	}
}

static int in_temp_dir(void **state)
{
	static char dir[] = "/tmp/tg-settings-XXXXXX";

	*state = mkdtemp(dir);
	return *state && chdir(dir) == 0 ? 0 : -1;
}

static int leave_temp_dir(void **state)
{
	unlink(file);
	return chdir("/") == 0 ? rmdir(*state) : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_whose),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_examples),
	};

	return cmocka_run_group_tests(tests, in_temp_dir, leave_temp_dir);
}
