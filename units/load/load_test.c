/* The load's pure parts: statements, plan, ownership, records. Hostile contents are the point. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/sql/quote.h"
#include "units/load/others.h"
#include "units/load/own.h"
#include "units/load/plan.h"
#include "units/load/record.h"
#include "units/load/split.h"

/* --- statements --- */

static void check_split(const char *text, const char *const *want)
{
	struct split s = {.text = str_of(text)};
	struct str st;
	struct err e = {0};

	for (; *want; want++) {
		assert_int_equal(split_next(&s, &st, &e), 1);
		assert_true(str_is(st, *want));
	}
	assert_int_equal(split_next(&s, &st, &e), 0);
}

static void statements_are_cut(void **state)
{
	(void)state;
	check_split("", (const char *[]){NULL});
	check_split("/*!40101 SET NAMES binary*/;\nINSERT INTO `t` (`a`) VALUES\n(1),\n(2);\n",
		(const char *[]){
			"/*!40101 SET NAMES binary*/", "INSERT INTO `t` (`a`) VALUES\n(1),\n(2)", NULL});
}

static void nothing_inside_quotes_ends_a_statement(void **state)
{
	(void)state;
	check_split("INSERT INTO `a;\nb` VALUES ('x;\ny');\nS;\n",
		(const char *[]){"INSERT INTO `a;\nb` VALUES ('x;\ny')", "S", NULL});
	check_split("I ('it\\';\n');\nS;\n", (const char *[]){"I ('it\\';\n')", "S", NULL});
	check_split("I ('it'';\n');\n", (const char *[]){"I ('it'';\n')", NULL});
	check_split("I ('\\\\');\nS;\n", (const char *[]){"I ('\\\\')", "S", NULL});
	check_split("I (\"a';\n\");\n", (const char *[]){"I (\"a';\n\")", NULL});
	check_split("I `a``;\n`;\n", (const char *[]){"I `a``;\n`", NULL});
	check_split("I `a\\`;\nS;\n", (const char *[]){"I `a\\`", "S", NULL});
	check_split("/* ;\n ' */ I;\n", (const char *[]){"/* ;\n ' */ I", NULL});
	check_split("I;x;\n", (const char *[]){"I;x", NULL});
}

static void a_cut_file_is_an_error(void **state)
{
	static const char *const cut[] = {"INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1);",
		"S;\nI ('abc;\n", "I ('abc\\", "I ('", "`", "/* x", "S;\nx", NULL};

	(void)state;
	for (const char *const *c = cut; *c; c++) {
		struct split s = {.text = str_of(*c)};
		struct str st;
		struct err e = {0};
		int r;

		while ((r = split_next(&s, &st, &e)) == 1)
			continue;
		assert_int_equal(r, -1);
		assert_int_equal(e.code, ERR_load_failed);
	}
}

/* Whatever the quoting makes of any bytes, the cutter takes for one statement: every pair of odd bytes, in
 * every place. */
static void quoted_bytes_survive_the_cut(void **state)
{
	static const char odd[] = "'\"`\\;\n\r/*\x1a\0x";
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(odd); i++)
		for (size_t k = 0; k < sizeof(odd); k++) {
			char bytes[4] = {odd[i], odd[k], odd[(i + k) % sizeof(odd)], odd[i]};
			struct split s;
			struct str st;
			struct err e = {0};

			buf_clear(&b);
			buf_puts(&b, "INSERT INTO ");
			sql_put_ident(&b, (struct str){bytes + 1, 3});
			buf_puts(&b, " VALUES\n(");
			sql_put_string(&b, (struct str){bytes, 4});
			buf_puts(&b, ");\nEND;\n");
			s = (struct split){.text = buf_str(&b)};
			assert_int_equal(split_next(&s, &st, &e), 1);
			assert_int_equal(st.n, b.n - 7);
			assert_true(split_is_insert(st));
			assert_int_equal(split_next(&s, &st, &e), 1);
			assert_true(str_is(st, "END"));
		}
	buf_free(&b);
}

static void only_inserts_count_rows(void **state)
{
	(void)state;
	assert_true(split_is_insert(STR_LIT("INSERT INTO t")));
	assert_true(split_is_insert(STR_LIT("INSERT IGNORE INTO t")));
	assert_false(split_is_insert(STR_LIT("/*!40101 SET NAMES binary*/")));
	assert_false(split_is_insert(STR_LIT("")));
}

/* --- the plan --- */

static const char good_plan[] =
	"{\"snapshot\":{\"file\":\"mysql-bin.000012\",\"offset\":4711,\"gtid\":\"\"},\"server\":{\"flavor\":"
	"\"mariadb\",\"version\":101105},"
	"\"complete\":true,\"schemas\":[{\"name\":\"a\",\"create\":\"C\"}],\"tables\":[],\"views\":[{"
	"\"schema\":\"a\",\"table\":\"v\",\"create\":\"V\"}]}";

static void a_plan_is_read(void **state)
{
	struct plan p = {0};
	struct position at;
	struct err e = {0};

	(void)state;
	assert_int_equal(plan_read(&p, STR_LIT("id"), str_of(good_plan), -1, &e), 0);
	assert_string_equal(p.copy_id, "id");
	assert_int_equal(p.from.flavor, FLAVOR_MARIADB);
	assert_int_equal(p.schemas.n, 1);
	assert_int_equal(p.views.n, 1);
	assert_int_equal(plan_position(&p.snapshot, &at, &e), 0);
	assert_int_equal(at.generation, 1);
	assert_int_equal(at.file, 12);
	assert_int_equal(at.offset, 4711);
	plan_fini(&p);
	p.snapshot = (struct plan_snapshot){.file = xstrdup(""), .gtid = xstrdup("")};
	assert_int_equal(plan_position(&p.snapshot, &at, &e), 0);
	assert_true(position_is_zero(at));
	plan_fini(&p);
}

static void a_bad_plan_is_refused(void **state)
{
	static const char *const bad[] = {"", "null", "[]", "{}", "{\"complete\":true}",
		"{\"file\":\"../plan.json\"}", "{\"file\":\"none\"}",
		"{\"snapshot\":{\"file\":\"f\",\"gtid\":\"\"},\"server\":{\"flavor\":\"oracle\"},"
		"\"complete\":true}",
		"{\"snapshot\":{\"file\":\"f\",\"gtid\":\"\"},\"server\":{\"flavor\":\"mysql\"},\"complete\":"
		"true,\"tables\":[{\"schema\":\"a\"}]}",
		"{\"snapshot\":{\"file\":\"f\",\"gtid\":\"\"},\"server\":{\"flavor\":\"mysql\"},\"complete\":"
		"true,\"tables\":[7]}",
		"{\"snapshot\":{\"file\":\"f\",\"gtid\":\"\"},\"server\":{\"flavor\":\"mysql\"},\"complete\":"
		"false}",
		NULL};
	int dir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	for (const char *const *b = bad; *b; b++) {
		struct plan p = {0};
		struct err e = {0};

		assert_int_equal(plan_read(&p, STR_LIT("id"), str_of(*b), dir, &e), -1);
		assert_int_not_equal(e.code, 0);
		plan_fini(&p);
	}
}

/* --- ownership and records --- */

static int count(void *arg, const char *schema, const char *name)
{
	(void)schema;
	(void)name;
	return ++*(int *)arg == 100 ? -1 : 0;
}

static void what_is_not_recorded_is_not_owned(void **state)
{
	json_t *own = json_object();
	int n = 0;

	(void)state;
	assert_false(own_has(own, "made", "a", "t"));
	own_add(own, "made", "a", "t");
	own_add(own, "made", "a", "u");
	own_add(own, "taken", "b", "t");
	assert_true(own_has(own, "made", "a", "t"));
	assert_false(own_has(own, "taken", "a", "t"));
	assert_false(own_has(own, "made", "b", "t"));
	assert_false(own_has(own, "made", "a", ""));
	assert_false(own_has(NULL, "made", "a", "t"));
	assert_int_equal(own_each(own, "made", count, &n), 0);
	assert_int_equal(n, 2);
	n = 98;
	assert_int_equal(own_each(own, "made", count, &n), -1);
	json_decref(own);
}

static void the_record_is_guarded_by_the_epoch(void **state)
{
	struct plan_item t = {.schema = xstrdup("a"), .name = xstrdup("t'")};
	struct load l = {.meta_schema = xstrdup("dm_meta"), .task = xstrdup("ta'sk"), .source = xstrdup("s")};
	struct chunk c = {
		.number = 7, .rows = 10, .bytes = 100, .stretch = 2, .seq = 3, .ends_stretch = true};
	struct record_chunk k = {&c, &t};
	struct buf b = {0};

	(void)state;
	c.lo = xstrdup("[\"1\"]");
	c.hi = xstrdup("[\"'\"]");
	l.id.epoch = 42;
	l.plan.copy_id = xstrdup("c");
	record_put_chunk(&l, &b, &k);
	assert_string_equal(buf_cstr(&b),
		"INSERT INTO `dm_meta`.`tidegate_chunk` "
		"(`task`,`source`,`copy_id`,`number`,`tbl`,`row_count`,`byte_count`,`stretch`,`seq`,`ends`,"
		"`table_schema`,`table_name`,`lo`,`hi`) SELECT "
		"`task`,`source`,_utf8mb4'c',7,_utf8mb4'a.t\\'',10,100,"
		"2,3,1,_utf8mb4'a',_utf8mb4't\\'',_utf8mb4'[\"1\"]',_utf8mb4'[\"\\'\"]' FROM "
		"`dm_meta`.`tidegate_slot` WHERE `task`=_utf8mb4'ta\\'sk' AND"
		" `source`=_utf8mb4's' AND `slot`=0 AND `epoch`=42 LOCK IN SHARE MODE");
	l.to.flavor = FLAVOR_TIDB;
	buf_clear(&b);
	record_put_chunk(&l, &b, &k);
	assert_null(strstr(buf_cstr(&b), "LOCK IN"));
	buf_free(&b);
	chunk_fini(&c);
	free(l.meta_schema);
	free(l.task);
	free(l.source);
	free(l.plan.copy_id);
	free(t.schema);
	free(t.name);
}

static void what_rules_lead_to_stays(void **state)
{
	json_t *own = json_object(), *targets = json_object();

	(void)state;
	own_add(own, "made", "d", "x");
	own_claim(own, "made", "d", "y");
	own_add(own, "taken", "d", "z");
	own_add(own, "views", "d", "v");
	assert_true(own_may_have_rows(own, "made", "d", "x"));
	assert_true(own_has(own, "made", "d", "y"));
	assert_false(own_may_have_rows(own, "made", "d", "y"));
	own_add(targets, "taken", "d", "x");
	own_keep(own, targets);
	assert_true(own_has(own, "made", "d", "x"));
	assert_false(own_has(own, "made", "d", "y"));
	assert_false(own_has(own, "taken", "d", "z"));
	assert_true(own_has(own, "views", "d", "v"));
	own_add_snapshot(own, json_pack("{s:b}", "follows", 0));
	assert_false(own_is_followed(own));
	own_set_followed(own);
	assert_true(own_is_followed(own));
	json_decref(own);
	json_decref(targets);
}

/* Who has the table, and lets others in: one that only waits for it does not count. */
static void who_lets_others_in(void **state)
{
	struct other list[2] = {{.source = (char *)(uintptr_t) "a", .own = json_object()},
		{.source = (char *)(uintptr_t) "b", .own = json_object()}};
	struct others o = {list, 2};

	(void)state;
	own_claim(list[0].own, "made", "d", "t");
	assert_null(others_sharing(&o, "d", "t"));
	own_add(list[0].own, "shared", "d", "t");
	assert_ptr_equal(others_sharing(&o, "d", "t"), &list[0]);
	assert_null(others_sharing(&o, "d", "T"));
	assert_false(others_ready(&o, "d", "t"));
	own_add(list[0].own, "ready", "d", "t");
	assert_true(others_ready(&o, "d", "t"));
	own_forget(list[0].own, "made", "d", "t");
	assert_null(others_sharing(&o, "d", "t"));
	assert_false(others_ready(&o, "d", "t"));
	own_add(list[1].own, "shared", "d", "t");
	own_claim(list[1].own, "joined", "d", "t");
	assert_null(others_sharing(&o, "d", "t"));
	own_add(list[1].own, "ready", "d", "t");
	assert_ptr_equal(others_sharing(&o, "d", "t"), &list[1]);
	json_decref(list[0].own);
	json_decref(list[1].own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statements_are_cut),
		cmocka_unit_test(nothing_inside_quotes_ends_a_statement),
		cmocka_unit_test(a_cut_file_is_an_error),
		cmocka_unit_test(quoted_bytes_survive_the_cut),
		cmocka_unit_test(only_inserts_count_rows),
		cmocka_unit_test(a_plan_is_read),
		cmocka_unit_test(a_bad_plan_is_refused),
		cmocka_unit_test(what_is_not_recorded_is_not_owned),
		cmocka_unit_test(what_rules_lead_to_stays),
		cmocka_unit_test(who_lets_others_in),
		cmocka_unit_test(the_record_is_guarded_by_the_epoch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
