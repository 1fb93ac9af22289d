/* URLs good and bad, one line each; addresses to JSON and back. */
#include "common/config/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
/* cmocka needs the ones above. */
#include <cmocka.h>

static const struct {
	const char *url, *user, *password, *host;
	uint16_t port;
	const char *tls;
} good[] = {
	{"mysql://u@h", "u", "", "h", 3306, "preferred"},
	{"mysql://u@h/", "u", "", "h", 3306, "preferred"},
	{"mysql://u@h:4000/", "u", "", "h", 4000, "preferred"},
	{"mariadb://u:p@h:1", "u", "p", "h", 1, "preferred"},
	{"tidb://u:p@h:65535", "u", "p", "h", 65535, "preferred"},
	{"MySQL://u@h", "u", "", "h", 3306, "preferred"},
	{"mysql://u:@h", "u", "", "h", 3306, "preferred"},
	{"mysql://u:a:b@h", "u", "a:b", "h", 3306, "preferred"},
	{"mysql://u:a@b@h", "u", "a@b", "h", 3306, "preferred"},
	{"mysql://u:%40%2F%3F%25%23@h", "u", "@/?%#", "h", 3306, "preferred"},
	{"mysql://a%40b:p@h", "a@b", "p", "h", 3306, "preferred"},
	{"mysql://u:%C3%A4@h", "u", "\xc3\xa4", "h", 3306, "preferred"},
	{"mysql://u:a+b@h", "u", "a+b", "h", 3306, "preferred"},
	{"mysql://u@127.0.0.1:3307", "u", "", "127.0.0.1", 3307, "preferred"},
	{"mysql://u@db-1.example_x.org", "u", "", "db-1.example_x.org", 3306, "preferred"},
	{"mysql://u@[::1]", "u", "", "::1", 3306, "preferred"},
	{"mysql://u@[2001:db8::2]:3307/", "u", "", "2001:db8::2", 3307, "preferred"},
	{"mysql://u@[fe80::1%25eth0]:1", "u", "", "fe80::1%eth0", 1, "preferred"},
	{"mysql://u@h?tls=disabled", "u", "", "h", 3306, "disabled"},
	{"mysql://u@h/?tls=verify-identity&ssl-ca=/ca", "u", "", "h", 3306, "verify-identity"},
	{"mysql://u@h/?ssl-ca=/a%20b", "u", "", "h", 3306, "verify-ca"},
	{"mysql://u@h?ssl-cert=/c&ssl-key=/k", "u", "", "h", 3306, "required"},
	{"mysql://root@localhost", "root", "", "localhost", 3306, "preferred"},
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct endpoint ep;
		struct err e = {0};

		if (endpoint_parse_url(good[i].url, &ep, &e) < 0)
			fail_msg("%s: %s", good[i].url, e.text);
		assert_string_equal(ep.user, good[i].user);
		assert_string_equal(ep.password, good[i].password);
		assert_string_equal(ep.host, good[i].host);
		assert_int_equal(ep.port, good[i].port);
		assert_string_equal(ep.tls, good[i].tls);
	}
}

static const struct {
	const char *url, *says;
} bad[] = {
	{"", "begins with mysql://"},
	{"u@h:3306", "begins with mysql://"},
	{"postgres://u@h", "begins with mysql://"},
	{"mysql:/u@h", "begins with mysql://"},
	{"mysql://", "no user"},
	{"mysql://h", "no user"},
	{"mysql://h:3306", "no user"},
	{"mysql://@h", "no user"},
	{"mysql://:p@h", "no user"},
	{"mysql://u@", "no host"},
	{"mysql://u@:3306", "no host"},
	{"mysql://u@/", "no host"},
	{"mysql://u:p/w@h", "in a password write"},
	{"mysql://u:p?w@h", "in a password write"},
	{"mysql://u:p#w@h", "%23"},
	{"mysql://u@h:", "no port"},
	{"mysql://u@h:0", "no port"},
	{"mysql://u@h:65536", "no port"},
	{"mysql://u@h:99999999999", "no port"},
	{"mysql://u@h:-1", "no port"},
	{"mysql://u@h:33 06", "no port"},
	{"mysql://u@h:abc", "no port"},
	{"mysql://u@::1", "brackets"},
	{"mysql://u@[::1", "[::1]"},
	{"mysql://u@[::1]x", "[::1]"},
	{"mysql://u@[hello]", "IPv6"},
	{"mysql://u@[]", "IPv6"},
	{"mysql://u@[::1]:", "no port"},
	{"mysql://u@h h", "no host name"},
	{"mysql://u@-h", "no host name"},
	{"mysql://u@h%00", "control character"},
	{"mysql://u:%00@h", "control character"},
	{"mysql://u:\n@h", "control character"},
	{"mysql://u:%zz@h", "%25"},
	{"mysql://u:%4@h", "%25"},
	{"mysql://u:100%@h", "%25"},
	{"mysql://u@h/app", "database"},
	{"mysql://u@h/app?tls=required", "database"},
	{"mysql://u@h?", "unknown parameter"},
	{"mysql://u@h?tsl=required", "unknown parameter `tsl`"},
	{"mysql://u@h?tls", "has no value"},
	{"mysql://u@h?tls=", "has no value"},
	{"mysql://u@h?tls=yes", "tls is `yes`"},
	{"mysql://u@h?tls=required&tls=required", "twice"},
	{"mysql://u@h?tls=required&", "unknown parameter"},
	{"mysql://u@h?ssl-key=/k", "together"},
	{"mysql://u@h?tls=disabled&ssl-ca=/ca", "disabled"},
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct endpoint ep;
		struct err e = {0};

		if (endpoint_parse_url(bad[i].url, &ep, &e) == 0)
			fail_msg("taken: %s", bad[i].url);
		assert_int_equal(e.code, ERR_config_bad);
		if (!strstr(e.text, bad[i].says))
			fail_msg("%s: %s", bad[i].url, e.text);
		assert_null(strchr(e.text, '\n'));
	}
}

static void test_too_long(void **state)
{
	char url[2048];
	struct endpoint ep;
	struct err e = {0};

	(void)state;
	snprintf(url, sizeof(url), "mysql://u:%0351d@h", 0);
	assert_int_equal(endpoint_parse_url(url, &ep, &e), -1);
	assert_non_null(strstr(e.text, "password is longer than 350"));
	snprintf(url, sizeof(url), "mysql://%096d@h", 0);
	assert_int_equal(endpoint_parse_url(url, &ep, &e), -1);
	snprintf(url, sizeof(url), "mysql://u@%0256d", 0);
	assert_int_equal(endpoint_parse_url(url, &ep, &e), -1);
	snprintf(url, sizeof(url), "mysql://u:%0350d@h", 0);
	assert_int_equal(endpoint_parse_url(url, &ep, &e), 0);
}

/* No error ever holds the password, and a refused one is wiped. */
static void test_no_password_in_errors(void **state)
{
	static const char *const urls[] = {"mysql://u:hunter2@h:x", "mysql://u:hunter2@", "mysql://u:hunter2",
		"mysql://u:hunter2/x@h", "mysql://u:hunter2%@h", "mysql://u:hunter2@h/x",
		"nysql://u:hunter2@h"};

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct endpoint ep;
		struct err e = {0};

		assert_int_equal(endpoint_parse_url(urls[i], &ep, &e), -1);
		assert_null(strstr(e.text, "hunter2"));
		assert_int_equal(ep.password[0], 0);
	}
}

static void test_json(void **state)
{
	struct endpoint a, b;
	struct err e = {0};
	char text[512];
	json_t *o;

	(void)state;
	assert_int_equal(endpoint_parse_url("mysql://u:p@[::1]:3307?ssl-ca=/ca", &a, &e), 0);
	o = endpoint_to_json(&a);
	assert_int_equal(endpoint_from_json(o, &b, &e), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	endpoint_show(&b, text, sizeof(text));
	assert_string_equal(text, "mysql://u@[::1]:3307");
	json_object_set_new(o, "port", json_integer(70000));
	assert_int_equal(endpoint_from_json(o, &b, &e), -1);
	json_object_set_new(o, "port", json_string("3306"));
	assert_int_equal(endpoint_from_json(o, &b, &e), -1);
	json_object_set_new(o, "port", json_integer(3306));
	json_object_set_new(o, "tls", json_string("maybe"));
	assert_int_equal(endpoint_from_json(o, &b, &e), -1);
	json_object_set_new(o, "tls", json_string("required"));
	json_object_set_new(o, "host", json_integer(1));
	assert_int_equal(endpoint_from_json(o, &b, &e), -1);
	json_object_del(o, "host");
	assert_int_equal(endpoint_from_json(o, &b, &e), -1);
	json_decref(o);
	o = json_pack("{s:s,s:s}", "host", "h", "user", "u");
	assert_int_equal(endpoint_from_json(o, &b, &e), 0);
	assert_int_equal(b.port, 3306);
	json_decref(o);
	assert_int_equal(endpoint_from_json(NULL, &b, &e), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_no_password_in_errors),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
