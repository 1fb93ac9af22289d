/* Passwords: there and back; wrong key, changed and cut text refused; the key file's making and its mode. */
#include "common/config/secret.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka needs the ones above. */
#include <cmocka.h>

#include "common/config/json.h"

static const struct secret_key key = {{1, 2, 3}}, other = {{1, 2, 4}};

static void test_round_trip(void **state)
{
	static const char *const plains[] = {"", "x", "hunter2", "p\xc3\xa4ss w\"ord'", "tg1:not really"};
	char out[512];
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(plains) / sizeof(plains[0]); i++) {
		struct buf b = {0}, again = {0};

		assert_int_equal(secret_encrypt(&key, plains[i], &b, &e), 0);
		assert_int_equal(secret_encrypt(&key, plains[i], &again, &e), 0);
		assert_string_equal(buf_cstr(&b), buf_cstr(&again));
		buf_clear(&again);
		assert_int_equal(secret_encrypt(&other, plains[i], &again, &e), 0);
		assert_string_not_equal(buf_cstr(&b), buf_cstr(&again));
		assert_true(secret_is_encrypted(buf_cstr(&b)));
		assert_null(strstr(buf_cstr(&b), "hunter2"));
		assert_int_equal(secret_decrypt(&key, buf_cstr(&b), false, out, sizeof(out), &e), 0);
		assert_string_equal(out, plains[i]);
		buf_free(&b);
		buf_free(&again);
	}
}

static void test_longest_fits_endpoint(void **state)
{
	char plain[351];
	struct buf b = {0};
	struct err e = {0};

	(void)state;
	memset(plain, 'x', 350);
	plain[350] = '\0';
	assert_int_equal(secret_encrypt(&key, plain, &b, &e), 0);
	assert_true(b.n < 512);
	buf_free(&b);
}

static void test_damage(void **state)
{
	struct buf b = {0};
	struct err e = {0};
	char text[200], out[100];

	(void)state;
	assert_int_equal(secret_encrypt(&key, "hunter2", &b, &e), 0);
	assert_int_equal(secret_decrypt(&other, buf_cstr(&b), true, out, sizeof(out), &e), -1);
	assert_int_equal(e.code, ERR_secret_bad);
	assert_non_null(strstr(e.text, "another key"));
	for (size_t i = 0; i < b.n; i++) { /* every byte changed, every length cut */
		strcpy(text, buf_cstr(&b));
		text[i] = text[i] == 'A' ? 'B' : 'A';
		if (strncmp(text, "tg1:", 4) != 0)
			continue;
		assert_int_equal(secret_decrypt(&key, text, false, out, sizeof(out), &e), -1);
		assert_string_equal(out, "");
	}
	for (size_t i = 4; i < b.n; i++) {
		snprintf(text, i + 1, "%s", buf_cstr(&b));
		assert_int_equal(secret_decrypt(&key, text, false, out, sizeof(out), &e), -1);
		assert_int_equal(e.code, ERR_secret_bad);
	}
	buf_free(&b);
}

static void test_hostile_text(void **state)
{
	static const char *const texts[] = {"tg1:", "tg1:=", "tg1:====", "tg1:AAAA", "tg1:A A A A",
		"tg1:AAA\n", "tg1:AA=A", "tg1:\xff\xff\xff\xff"};
	char huge[20000], out[100];
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(secret_decrypt(&key, texts[i], true, out, sizeof(out), &e), -1);
	memset(huge, 'A', sizeof(huge));
	memcpy(huge, "tg1:", 4);
	huge[sizeof(huge) - 4] = '\0';
	assert_int_equal(secret_decrypt(&key, huge, true, out, sizeof(out), &e), -1);
}

static void test_plain(void **state)
{
	char out[4];
	struct err e = {0};
	struct buf b = {0};

	(void)state;
	assert_int_equal(secret_decrypt(&key, "abc", true, out, sizeof(out), &e), 0);
	assert_string_equal(out, "abc");
	assert_int_equal(secret_decrypt(&key, "abc", false, out, sizeof(out), &e), -1);
	assert_int_equal(secret_decrypt(&key, "abcd", true, out, sizeof(out), &e), -1);
	assert_int_equal(secret_encrypt(&key, "abcd", &b, &e), 0);
	assert_int_equal(secret_decrypt(&key, buf_cstr(&b), false, out, sizeof(out), &e), -1);
	buf_free(&b);
}

static void test_key_file(void **state)
{
	char dir[] = "/tmp/tg-secret-XXXXXX";
	struct secret_key a, b;
	struct err e = {0};
	struct stat st;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(secret_key_make(fd, "key", &a, &e), 0);
	assert_int_equal(secret_key_make(fd, "key", &b, &e), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(fstatat(fd, "key", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(fchmodat(fd, "key", 0644, 0), 0);
	assert_int_equal(secret_key_make(fd, "key", &b, &e), -1);
	assert_non_null(strstr(e.text, "chmod 600"));
	assert_int_equal(fchmodat(fd, "key", 0600, 0), 0);
	int k = openat(fd, "key", O_WRONLY | O_APPEND);
	assert_int_equal(write(k, "x", 1), 1);
	close(k);
	assert_int_equal(secret_key_make(fd, "key", &b, &e), -1);
	assert_non_null(strstr(e.text, "exactly 32"));
	unlinkat(fd, "key", 0);
	assert_int_equal(symlinkat("/etc/passwd", fd, "key"), 0);
	assert_int_equal(secret_key_make(fd, "key", &b, &e), -1);
	unlinkat(fd, "key", 0);
	close(fd);
	rmdir(dir);
}

static void test_json(void **state)
{
	struct err e = {0};
	struct buf b = {0};
	json_t *o = json_parse(STR_LIT("{\"b\":1,\"a\":\"x\",\"f\":true}"), "a test", &e);

	(void)state;
	assert_non_null(o);
	assert_string_equal(json_text(o, "a", "-"), "x");
	assert_string_equal(json_text(o, "b", "-"), "-");
	assert_string_equal(json_text(NULL, "b", "-"), "-");
	assert_int_equal(json_num(o, "b", 7), 1);
	assert_int_equal(json_num(o, "a", 7), 7);
	assert_true(json_flag(o, "f", false));
	assert_true(json_flag(o, "a", true));
	json_write(o, &b);
	assert_string_equal(buf_cstr(&b), "{\"b\":1,\"a\":\"x\",\"f\":true}");
	json_wipe(o, "a");
	json_wipe(o, "b");
	assert_string_equal(json_text(o, "a", "-"), "");
	json_decref(o);
	buf_free(&b);
	assert_null(json_parse(STR_LIT("{\"a\":1,\"a\":2}"), "a test", &e));
	assert_null(json_parse(STR_LIT("{\"a\":1"), "a test", &e));
	assert_non_null(strstr(e.text, "a test"));
	assert_null(json_parse(STR_LIT(""), "a test", &e));
	assert_null(json_parse(STR_LIT("{}x"), "a test", &e));
	assert_int_equal(e.code, ERR_proto);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_longest_fits_endpoint),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_hostile_text),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_key_file),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
