/* Names of gh-ost's and pt-osc's tables, by DM's rules and by others. */
#include "common/sql/online.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/sql/rules.h"

static struct online *make(const char *json)
{
	json_t *o = json_loads(json, 0, NULL);
	struct online *out = NULL;
	struct err e = {0};

	assert_non_null(o);
	if (online_new(&out, o, &e) < 0)
		fail_msg("%s: %s", json, e.text);
	json_decref(o);
	return out;
}

static void test_names(void **state)
{
	static const struct {
		const char *name, *real;
		enum online_kind kind;
	} cases[] = {
		{"_t_gho", "t", ONLINE_SHADOW},
		{"_t_new", "t", ONLINE_SHADOW},
		{"__t_new", "_t", ONLINE_SHADOW},
		{"_a_b_new", "a_b", ONLINE_SHADOW},
		{"_t_old_new", "t_old", ONLINE_SHADOW},
		{"_t_ghc", "t", ONLINE_TRASH},
		{"_t_del", "t", ONLINE_TRASH},
		{"_t_old", "t", ONLINE_TRASH},
		{"_t_20240101120000_del", "t_20240101120000", ONLINE_TRASH},
		{"_t_new_old", "t_new", ONLINE_TRASH},
		{"t_new", "", ONLINE_REAL},
		{"__new", "", ONLINE_REAL},
		{"_t_GHO", "", ONLINE_REAL},
		{"_t_gho2", "", ONLINE_REAL},
		{"_t_gho\n", "", ONLINE_REAL},
		{"t", "", ONLINE_REAL},
		{"", "", ONLINE_REAL},
		{"_\xff_gho", "", ONLINE_REAL},
	};
	struct online *o = make("{}");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str real = online_real(o, str_of(cases[i].name));

		if (online_kind(o, str_of(cases[i].name)) != cases[i].kind || !str_is(real, cases[i].real))
			fail_msg("%s: %d, %.*s", cases[i].name, (int)online_kind(o, str_of(cases[i].name)),
				STR_ARG(real));
		assert_int_equal(online_kind(NULL, str_of(cases[i].name)), ONLINE_REAL);
	}
	online_free(&o);
	online_free(&o);
}

/* A list stands in the place of DM's; each is for the whole name; a shadow's is asked first. */
static void test_own_rules(void **state)
{
	struct online *o = make("{\"shadow\":[\"(.+)_next\",\"^x_(.*)$\"],\"trash\":[\"a(.)|b(?:.)\"]}");

	(void)state;
	assert_int_equal(online_kind(o, str_of("t_next")), ONLINE_SHADOW);
	assert_int_equal(online_kind(o, str_of("x_")), ONLINE_SHADOW);
	assert_int_equal(online_kind(o, str_of("t_next2")), ONLINE_REAL);
	assert_int_equal(online_kind(o, str_of("_t_gho")), ONLINE_REAL);
	assert_int_equal(online_kind(o, str_of("ax")), ONLINE_TRASH);
	assert_int_equal(online_kind(o, str_of("bx")), ONLINE_TRASH);
	assert_int_equal(online_kind(o, str_of("axx")), ONLINE_REAL);
	assert_int_equal(online_real(o, str_of("bx")).n, 0);
	online_free(&o);
	assert_int_equal(online_new(&o, NULL, NULL), 0);
	assert_null(o);
}

static void test_refused(void **state)
{
	static const char *const bad[][2] = {
		{"[]", "object"},
		{"{\"shadow\":3}", "shadow-table-rules: a list"},
		{"{\"trash\":[3]}", "trash-table-rules: entry 1"},
		{"{\"trash\":[\"_(.+)_x\",\"\"]}", "trash-table-rules: entry 2"},
		{"{\"shadow\":[\"_(.+_gho\"]}", "missing closing"},
		{"{\"shadow\":[\"_.+_gho\"]}", "has 0 groups"},
		{"{\"shadow\":[\"_(.)(.)_gho\"]}", "has 2 groups"},
		{"{\"trash\":[\"(.+)\"]}", "fits any table's name"},
		{"{\"trash\":[\"^(.*)$\"]}", "fits any table's name"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *o = json_loads(bad[i][0], 0, NULL);
		struct online *out;
		struct err e = {0};

		assert_int_equal(online_new(&out, o, &e), -1);
		assert_int_equal(e.code, ERR_config_bad);
		assert_null(out);
		if (!strstr(e.text, bad[i][1]))
			fail_msg("%s: %s", bad[i][0], e.text);
		json_decref(o);
	}
}

/* Whatever the lists want. */
static void test_among_rules(void **state)
{
	json_t *o = json_loads(
		"{\"do_tables\":[{\"db-name\":\"app\",\"tbl-name\":\"?*\"}],\"online\":{}}", 0, NULL);
	struct err e = {0};
	struct rules *r = rules_new(o, "dm_meta", &e);

	(void)state;
	assert_non_null(r);
	assert_true(rules_table(r, str_of("app"), str_of("t")));
	assert_false(rules_table(r, str_of("app"), str_of("_t_gho")));
	assert_false(rules_table(r, str_of("app"), str_of("_t_old")));
	assert_true(rules_listed(r, str_of("app"), str_of("_t_old")));
	assert_false(rules_listed(r, str_of("other"), str_of("_t_old")));
	assert_non_null(rules_online(r));
	rules_free(&r);
	json_object_set_new(o, "online", json_string("yes"));
	assert_null(rules_new(o, "dm_meta", &e));
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_own_rules),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_among_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
