/* Table rules: DM's decision, pattern by pattern; patterns that a matcher chokes on; --tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>
#include <cmocka.h>

#include "common/base/clock.h"
#include "common/sql/rules.h"

#define ALL "{}"
#define DO_DBS(x) "{\"do_dbs\":[" x "]}"
#define DO_TABLES(x) "{\"do_tables\":[" x "]}"
#define T(db, tbl) "{\"db-name\":\"" db "\",\"tbl-name\":\"" tbl "\"}"

/* table NULL: a question about the schema. */
static const struct {
	const char *rules, *schema, *table;
	bool wanted;
} rows[] = {
	{ALL, "app", NULL, true},
	{ALL, "app", "t", true},
	{ALL, "mysql", NULL, false},
	{ALL, "mysql", "user", false},
	{ALL, "sys", "t", false},
	{ALL, "INFORMATION_SCHEMA", "t", false},
	{ALL, "Performance_Schema", "t", false},
	{ALL, "metrics_schema", "t", false},
	{ALL, "inspection_schema", "t", false},
	{ALL, "dm_meta", "t", false},
	{ALL, "DM_META", NULL, false},
	{ALL, "mysql2", "t", true},
	{ALL, "", "t", true},
	{DO_DBS("\"mysql\""), "mysql", "user", false},
	/* 1: do-dbs; ignore-dbs only without do-dbs */
	{DO_DBS("\"app\""), "app", "t", true},
	{DO_DBS("\"app\""), "app", NULL, true},
	{DO_DBS("\"app\""), "APP", "t", true},
	{DO_DBS("\"app\""), "shop", "t", false},
	{DO_DBS("\"app\""), "shop", NULL, false},
	{DO_DBS("\"app\""), "app2", "t", false},
	{DO_DBS("\"app\""), "xapp", "t", false},
	{DO_DBS("\"app*\""), "app2", "t", true},
	{DO_DBS("\"app*\""), "app", "t", true},
	{DO_DBS("\"a?p\""), "aXp", "t", true},
	{DO_DBS("\"a?p\""), "ap", "t", false},
	{DO_DBS("\"a?p\""), "a\xc3\xa4p", "t", true},
	{DO_DBS("\"db[0-3]\""), "db2", "t", true},
	{DO_DBS("\"db[0-3]\""), "db4", "t", false},
	{DO_DBS("\"db[!0-3]\""), "db4", "t", true},
	{DO_DBS("\"db[!0-3]\""), "db0", "t", false},
	{DO_DBS("\"d[!]x]\""), "d!x]", "t", true}, /* the first ] ends it, and [!] is a ! */
	{DO_DBS("\"d[!]x]\""), "dax", "t", false},
	{DO_DBS("\"d[!]x]\""), "da", "t", false},
	{DO_DBS("\"d[!]\""), "d!", "t", true},
	{DO_DBS("\"d[!!]\""), "d!", "t", false},
	{DO_DBS("\"d[!!]\""), "da", "t", true},
	{DO_DBS("\"d[a]]\""), "da]", "t", true},
	{DO_DBS("\"d[a]]\""), "da", "t", false},
	{DO_DBS("\"d[!\""), "d[!", "t", true},
	{DO_DBS("\"d]\""), "d]", "t", true},
	{DO_DBS("\"db[\""), "db[", "t", true},
	{DO_DBS("\"db[\""), "db", "t", false},
	{DO_DBS("\"a.b\""), "a.b", "t", true},
	{DO_DBS("\"a.b\""), "axb", "t", false},
	{DO_DBS("\"a(b|c)+$\""), "a(b|c)+$", "t", true},
	{DO_DBS("\"a(b|c)+$\""), "ab", "t", false},
	{DO_DBS("\"a\\\\b\""), "a\\b", "t", true},
	{DO_DBS("\"[a\\\\-c]x\""), "\\x", "t", true},
	{DO_DBS("\"\xc3\x84pfel\""), "\xc3\xa4PFEL", "t", true},
	{"{\"case_sensitive\":true,\"do_dbs\":[\"App\"]}", "app", "t", false},
	{"{\"case_sensitive\":true,\"do_dbs\":[\"App\"]}", "App", "t", true},
	{"{\"do_dbs\":[\"app\"],\"ignore_dbs\":[\"app\"]}", "app", "t", true},
	{"{\"ignore_dbs\":[\"app\"]}", "app", "t", false},
	{"{\"ignore_dbs\":[\"app\"]}", "app", NULL, false},
	{"{\"ignore_dbs\":[\"app\"]}", "shop", "t", true},
	{"{\"ignore_dbs\":[\"~^t\"]}", "test", "t", false},
	{"{\"ignore_dbs\":[\"~^t\"]}", "attest", "t", true},
	/* regular expressions: anywhere in the name, RE2's meaning of $ */
	{DO_DBS("\"~p\""), "app", "t", true},
	{DO_DBS("\"~^app$\""), "app", "t", true},
	{DO_DBS("\"~^app$\""), "app\n", "t", false},
	{DO_DBS("\"~^APP$\""), "app", "t", true},
	{DO_DBS("\"~^\\\\D+$\""), "abc", "t", true},
	{DO_DBS("\"~^\\\\D+$\""), "123", "t", false},
	{DO_DBS("\"~^(?i:x)y|z$\""), "XY", "t", true},
	{DO_DBS("\"~\""), "anything", "t", true},
	{"{\"case_sensitive\":true,\"do_dbs\":[\"~^App$\"]}", "app", "t", false},
	/* 2 to 5: tables */
	{DO_TABLES(T("app", "t1")), "app", NULL, true},
	{DO_TABLES(T("app", "t1")), "shop", NULL, true},
	{DO_TABLES(T("app", "t1")), "app", "t1", true},
	{DO_TABLES(T("app", "t1")), "app", "T1", true},
	{DO_TABLES(T("app", "t1")), "app", "t2", false},
	{DO_TABLES(T("app", "t1")), "shop", "t1", false},
	{DO_TABLES(T("app", "*")), "app", "x", true},
	{DO_TABLES(T("app", "")), "app", "x", true},
	{DO_TABLES("{\"db-name\":\"app\"}"), "app", "x", true},
	{DO_TABLES(T("~^a", "~_log$")), "app", "x_log", true},
	{DO_TABLES(T("~^a", "~_log$")), "app", "x_log2", false},
	{DO_TABLES(T("mysql", "*")), "mysql", "user", false},
	{"{\"ignore_tables\":[" T("app", "tmp*") "]}", "app", "tmp1", false},
	{"{\"ignore_tables\":[" T("app", "tmp*") "]}", "app", "t", true},
	{"{\"ignore_tables\":[" T("app", "tmp*") "]}", "app", NULL, true},
	{"{\"do_tables\":[" T("a", "t") "],\"ignore_tables\":[" T("a", "t") "]}", "a", "t", true},
	{"{\"do_tables\":[" T("a", "t") "],\"ignore_tables\":[" T("a", "u") "]}", "a", "v", false},
	{"{\"do_dbs\":[\"a\"],\"do_tables\":[" T("b", "t") "]}", "b", "t", false},
	{"{\"do_dbs\":[\"a\"],\"do_tables\":[" T("b", "t") "]}", "a", "t", false},
	{"{\"do_dbs\":[\"a\"],\"ignore_tables\":[" T("a", "t") "]}", "a", "u", true},
	{"{\"ignore_dbs\":[\"a\"],\"do_tables\":[" T("a", "t") "]}", "a", "t", false},
	/* a name that is no UTF-8 can't be matched: kept */
	{DO_DBS("\"b*\""), "a\xff\xfe", "t", true},
	{"{\"ignore_dbs\":[\"a*\"]}", "a\xff\xfe", "t", true},
	{"{\"do_dbs\":null,\"ignore_dbs\":null,\"do_tables\":null,\"ignore_tables\":null}", "a", "t", true},
};

static struct rules *rules_of(const char *text, struct err *e)
{
	json_t *o = json_loads(text, 0, NULL);
	struct rules *r;

	if (!o)
		print_error("not JSON: %s\n", text);
	assert_non_null(o);
	r = rules_new(o, "dm_meta", e);
	json_decref(o);
	return r;
}

static void decisions(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err e = {0};
		struct rules *r = rules_of(rows[i].rules, &e);
		bool wanted;

		if (!r)
			fail_msg("%s: %s", rows[i].rules, e.text);
		wanted = rows[i].table ? rules_table(r, str_of(rows[i].schema), str_of(rows[i].table))
				       : rules_schema(r, str_of(rows[i].schema));
		if (wanted != rows[i].wanted)
			fail_msg("%s: %s.%s: %d", rows[i].rules, rows[i].schema,
				rows[i].table ? rows[i].table : "-", wanted);
		rules_free(&r);
		assert_null(r);
	}
}

static void refused(void **state)
{
	static const char *const bad[] = {DO_DBS("\"a*b\""), DO_DBS("\"~(\""), DO_DBS("\"\""), DO_DBS("1"),
		DO_DBS("\"[z-a]\""), DO_DBS("\"d[]x]\""), DO_DBS("\"[]\""), DO_DBS("\"~(a)\\\\1\""),
		"{\"do_dbs\":\"a\"}", "{\"do_tables\":[\"a.b\"]}", DO_TABLES(T("", "x")),
		DO_TABLES(T("a", "*x")), "[]"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = {0};
		struct rules *r = rules_of(bad[i], &e);

		if (r)
			fail_msg("%s was taken", bad[i]);
		assert_int_equal(e.code, ERR_config_bad);
		assert_int_not_equal(strlen(e.text), 0);
	}
}

/* Patterns that take a backtracking matcher for ever: an answer within a second, and never a silent drop. */
static void catastrophic(void **state)
{
	static const char *const patterns[] = {
		"~^(a+)+$", "~^(a|aa)+$", "~^(a*)*b$", "~(x+x+)+y", "~^(([a-z])+.)+[A-Z]([a-z])+$"};
	char name[257];
	uint64_t start = clock_ms();

	(void)state;
	memset(name, 'a', 256);
	name[255] = '!';
	name[256] = 0;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		struct err e = {0};
		json_t *o = json_pack("{s:[s]}", "do_dbs", patterns[i]);
		struct rules *r = rules_new(o, NULL, &e);

		assert_non_null(r);
		rules_schema(r, str_of(name));
		rules_free(&r);
		json_decref(o);
	}
	assert_true(clock_ms() - start < 5000);
}

static const struct {
	const char *list, *json; /* NULL: refused */
} lists[] = {
	{"app.*", "{\"case_sensitive\":false,\"do_dbs\":[\"app\"],\"do_tables\":[" T("app", "*") "]}"},
	{"app.*,shop.orders", "{\"case_sensitive\":false,\"do_dbs\":[\"app\",\"shop\"],\"do_tables\":[" T(
				      "app", "*") "," T("shop", "orders") "]}"},
	{" app . t1 , app.t2 ", "{\"case_sensitive\":false,\"do_dbs\":[\"app\"],\"do_tables\":[" T(
					"app", "t1") "," T("app", "t2") "]}"},
	{"app", "{\"case_sensitive\":false,\"do_dbs\":[\"app\"],\"do_tables\":[" T("app", "*") "]}"},
	{"`a.b`.`c,d`",
		"{\"case_sensitive\":false,\"do_dbs\":[\"a.b\"],\"do_tables\":[" T("a.b", "c,d") "]}"},
	{"`a``b`.`*`", "{\"case_sensitive\":false,\"do_dbs\":[\"a`b\"],\"do_tables\":[" T("a`b", "[*]") "]}"},
	{"`~a`.t", "{\"case_sensitive\":false,\"do_dbs\":[\"[~]a\"],\"do_tables\":[" T("[~]a", "t") "]}"},
	{"", NULL},
	{",", NULL},
	{"app.", NULL},
	{".t", NULL},
	{"app.t,", NULL},
	{"app.t.u", NULL},
	{"app.a*b", NULL},
	{"`app.t", NULL},
	{"`app`x.t", NULL},
	{"~a.b", NULL},
	{"a.\xff", NULL},
};

static void parse_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct err e = {0};
		json_t *got = rules_parse_list(lists[i].list, &e), *want;

		if (!lists[i].json) {
			if (got)
				fail_msg("'%s' was taken", lists[i].list);
			assert_int_equal(e.code, ERR_config_bad);
			continue;
		}
		if (!got)
			fail_msg("'%s': %s", lists[i].list, e.text);
		want = json_loads(lists[i].json, 0, NULL);
		assert_non_null(want);
		if (!json_equal(got, want))
			fail_msg("'%s': %s", lists[i].list, json_dumps(got, JSON_COMPACT));
		json_decref(got);
		json_decref(want);
	}
}

static void no_rules(void **state)
{
	struct err e = {0};
	struct rules *r = rules_new(NULL, NULL, &e);

	(void)state;
	assert_non_null(r);
	assert_true(rules_table(r, STR_LIT("dm_meta"), STR_LIT("t")));
	assert_false(rules_table(r, STR_LIT("mysql"), STR_LIT("t")));
	rules_free(&r);
	rules_free(&r);
}

/* Shared: a rule names the table here, and one of another source's may lead to its place. */
static void other_sources(void **state)
{
	static const char text[] =
		"{\"routes\":[{\"schema-pattern\":\"s_*\",\"target-schema\":\"all\"}],\"others\":["
		"{\"source\":\"two\",\"routes\":[{\"schema-pattern\":\"x\",\"table-pattern\":\"t\","
		"\"target-schema\":\"all\",\"target-table\":\"t\"}]},{\"source\":\"three\",\"case_"
		"sensitive\":true,"
		"\"routes\":[{\"schema-pattern\":\"y\",\"target-schema\":\"kept\"}]}]}";
	json_t *o = json_loads(text, 0, NULL);
	struct err e = {0};
	struct rules *r = rules_new(o, "dm_meta", &e);
	struct route_name all_t = {"all", "t"}, all_u = {"all", "u"}, kept_t = {"kept", "t"};

	(void)state;
	assert_non_null(r);
	assert_int_equal(rules_shared(r, STR_LIT("s_1"), STR_LIT("t"), &all_t, &e), 1);
	assert_int_equal(rules_shared(r, STR_LIT("s_1"), STR_LIT("u"), &all_u, &e), 0);
	assert_int_equal(rules_shared(r, STR_LIT("all"), STR_LIT("t"), &all_t, &e), 0);
	assert_int_equal(rules_shared(r, STR_LIT("kept"), STR_LIT("t"), &kept_t, &e), 0);
	assert_string_equal(rules_other(r, 1)->source, "three");
	assert_null(rules_other(r, 2));
	assert_null(rules_other(NULL, 0));
	assert_int_equal(rules_shared(NULL, STR_LIT("s_1"), STR_LIT("t"), &all_t, &e), 0);
	rules_free(&r);
	json_object_set_new(json_array_get(json_object_get(o, "others"), 0), "routes", json_string("none"));
	assert_null(rules_new(o, "dm_meta", &e));
	assert_non_null(strstr(e.text, "source two"));
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decisions),
		cmocka_unit_test(refused),
		cmocka_unit_test(catastrophic),
		cmocka_unit_test(parse_lists),
		cmocka_unit_test(no_rules),
		cmocka_unit_test(other_sources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
