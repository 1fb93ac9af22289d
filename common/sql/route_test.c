/* Routes: which rule wins, groups, mistakes; and DDL under routed names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>
#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/sql/route_ddl.h"

#define R(name, s, t, ts, tt)                                                        \
	"{\"name\":\"" name "\",\"schema-pattern\":\"" s "\",\"table-pattern\":\"" t \
	"\",\"target-schema\":\"" ts "\",\"target-table\":\"" tt "\"}"

static struct route *load(const char *json, bool case_sensitive, struct err *e)
{
	json_t *list = json_loads(json, 0, NULL);
	struct route *r = NULL;

	assert_non_null(list);
	route_new(&r, list, case_sensitive, e);
	json_decref(list);
	return r;
}

/* target "": an error; table "": of the schema. */
static const struct {
	const char *rules, *schema, *table, *target;
} rows[] = {
	{"[" R("a", "app", "", "shop", "") "]", "app", "t", "shop.t"},
	{"[" R("a", "app", "", "shop", "") "]", "APP", "T", "shop.T"},
	{"[" R("a", "app", "", "shop", "") "]", "app", "", "shop"},
	{"[" R("a", "app", "", "shop", "") "]", "app2", "t", "app2.t"},
	{"[" R("a", "app", "t", "shop", "x") "]", "app", "t", "shop.x"},
	{"[" R("a", "app", "t", "shop", "x") "]", "app", "u", "app.u"},
	{"[" R("a", "app", "t", "shop", "x") "]", "app", "", "app"},
	/* a rule of tables wins, wherever it stands */
	{"[" R("a", "app", "", "shop", "") "," R("b", "app", "t", "other", "") "]", "app", "t", "other.t"},
	{"[" R("b", "app", "t", "other", "") "," R("a", "app", "", "shop", "") "]", "app", "t", "other.t"},
	{"[" R("b", "app", "t", "other", "") "," R("a", "app", "", "shop", "") "]", "app", "u", "shop.u"},
	{"[" R("b", "app", "t", "other", "") "," R("a", "app", "", "shop", "") "]", "app", "", "shop"},
	/* two of one level are an error, but for those that do not count */
	{"[" R("a", "app", "", "x", "") "," R("b", "a*", "", "y", "") "]", "app", "t", ""},
	{"[" R("a", "app", "", "x", "") "," R("b", "a*", "", "y", "") "]", "app", "", ""},
	{"[" R("a", "app", "t", "x", "") "," R("b", "a*", "t*", "y", "") "]", "app", "t", ""},
	{"[" R("a", "app", "t", "x", "") "," R("b", "a*", "t*", "y", "") "]", "app", "t2", "y.t2"},
	{"[" R("a", "app", "", "x", "") "," R("b", "a*", "", "y", "") "," R("c", "app", "t", "z", "q") "]",
		"app", "t", "z.q"},
	/* a rule of schemas with a table puts all of them there, as DM's does */
	{"[" R("a", "app", "", "shop", "all") "]", "app", "t", "shop.all"},
	{"[" R("a", "shard_*", "t_?", "db", "t") "]", "shard_07", "t_3", "db.t"},
	{"[" R("a", "shard_*", "t_?", "db", "t") "]", "shard_07", "t_33", "shard_07.t_33"},
	/* groups */
	{"[" R("a", "~^app_(.*)$", "", "new_$1", "") "]", "app_eu", "t", "new_eu.t"},
	{"[" R("a", "~^app_(.*)$", "", "new_$1", "") "]", "APP_EU", "", "new_EU"},
	{"[" R("a", "~^app_(.*)$", "~^(.)_(.*)$", "x${1}y", "$2$$$1") "]", "app_1", "a_b", "x1y.b$a"},
	{"[" R("a", "~^a(b)?$", "", "x$1", "") "]", "a", "t", "x.t"},
	{"[" R("a", "~^a(b)?$", "", "$1", "") "]", "a", "t", ""}, /* a name of no bytes */
	{"[" R("a", "~.*", "", "$0_copy", "") "]", "app", "t", "app_copy.t"},
	{"[" R("a", "app", "", "a$b", "$") "]", "app", "t", "a$b.$"},
};

static void test_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err e = {0};
		struct route *r = load(rows[i].rules, false, &e);
		struct route_name out = {"", ""};
		char said[600];
		bool schema = !rows[i].table[0];
		int rc = schema ? route_schema(r, str_of(rows[i].schema), out.schema, &e)
				: route_table(r, str_of(rows[i].schema), str_of(rows[i].table), &out, &e);

		if (!r)
			fail_msg("%s: %s", rows[i].rules, e.text);
		snprintf(said, sizeof(said), "%s%s%s", out.schema, schema ? "" : ".", out.table);
		if (rc < 0 ? rows[i].target[0] != '\0' : strcmp(said, rows[i].target) != 0)
			fail_msg("%s: %s.%s: %s, not %s (%s)", rows[i].rules, rows[i].schema, rows[i].table,
				said, rows[i].target, e.text);
		if (rc < 0)
			assert_int_equal(e.code, ERR_route_failed);
		route_free(&r);
	}
}

static void test_case(void **state)
{
	struct err e = {0};
	struct route *r = load("[" R("a", "App", "", "x", "") "]", true, &e);
	struct route_name out;

	(void)state;
	assert_int_equal(route_table(r, str_of("App"), str_of("t"), &out, &e), 1);
	assert_int_equal(route_table(r, str_of("app"), str_of("t"), &out, &e), 0);
	assert_string_equal(out.schema, "app");
	route_free(&r);
	assert_int_equal(route_table(NULL, str_of("a"), str_of("b"), &out, &e), 0);
	assert_string_equal(out.table, "b");
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *rules, *said;
	} bad[] = {
		{"[" R("a", "", "", "x", "") "]", "route `a`: a route wants a `schema-pattern`"},
		{"[" R("a", "x", "", "", "") "]", "`target-schema`"},
		{"[" R("a", "~(", "", "x", "") "]", "pattern \"~(\""},
		{"[" R("a", "x", "~[", "x", "") "]", "pattern \"~[\""},
		{"[" R("a", "a*b", "", "x", "") "]", "'*' may only be the last character"},
		{"[" R("a", "~a(b)", "", "x$2", "") "]", "the pattern has 1 groups, there is no $2"},
		{"[" R("a", "~a", "t", "x", "y$1") "]", "the pattern is none"},
		{"[" R("a", "~(a)", "", "x", "y$1") "]", "the pattern is none"},
		{"[" R("a", "a*", "", "x${1}", "") "]", "the pattern is none"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = {0};

		assert_null(load(bad[i].rules, false, &e));
		assert_int_equal(e.code, ERR_config_bad);
		if (!strstr(e.text, bad[i].said))
			fail_msg("%s: %s", bad[i].rules, e.text);
	}
}

/* No pattern takes exponential time: it gives up, and that is an error, not the name as it is. */
static void test_slow(void **state)
{
	struct err e = {0};
	struct route *r = load("[" R("a", "~^(a|a)*(b)$", "", "x$2", "") "]", true, &e);
	struct route_name out;
	uint64_t start = clock_ms();

	(void)state;
	assert_non_null(r);
	route_table(r, str_of("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac"), str_of("t"),
		&out, &e);
	assert_true(clock_ms() - start < 2000);
	route_free(&r);
}

/* --- statements --- */

#define RULES                                                              \
	"[" R("s", "a", "", "x", "") "," R("t", "a", "t", "y", "u") "," R( \
		"g", "~^s_([0-9])$", "~^(.*)$", "z", "${1}_all") "]"

/* The default database is a. to "=": nothing changes, "": refused. */
static const struct {
	const char *from, *to;
	bool mariadb;
} statements[] = {
	{"CREATE TABLE t (i int)", "CREATE TABLE `y`.`u` (i int)", false},
	{"CREATE TABLE `a` . `t`(i int)", "CREATE TABLE `y`.`u`(i int)", false},
	{"CREATE TABLE IF NOT EXISTS v /* t */ (i int COMMENT 'a.t') COMMENT='t'",
		"CREATE TABLE IF NOT EXISTS `x`.`v` /* t */ (i int COMMENT 'a.t') COMMENT='t'", false},
	{"CREATE TABLE b.t (i int)", "=", false},
	{"CREATE TABLE b.t LIKE t", "CREATE TABLE `b`.`t` LIKE `y`.`u`", false},
	{"CREATE TABLE v (i int, FOREIGN KEY (i) REFERENCES t (i))",
		"CREATE TABLE `x`.`v` (i int, FOREIGN KEY (i) REFERENCES `y`.`u` (i))", false},
	{"CREATE TABLE b.v (i int, FOREIGN KEY (i) REFERENCES a.t(i), FOREIGN KEY (i) REFERENCES w (i))",
		"CREATE TABLE `b`.`v` (i int, FOREIGN KEY (i) REFERENCES `y`.`u`(i), FOREIGN KEY (i) "
		"REFERENCES "
		"`b`.`w` (i))",
		false},
	{"ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (i) REFERENCES t (i), ADD COLUMN t int",
		"ALTER TABLE `y`.`u` ADD CONSTRAINT f FOREIGN KEY (i) REFERENCES `y`.`u` (i), ADD COLUMN t "
		"int",
		false},
	{"ALTER TABLE t RENAME TO v", "ALTER TABLE `y`.`u` RENAME TO `x`.`v`", false},
	{"ALTER TABLE v ADD d int DEFAULT (1)", "ALTER TABLE `x`.`v` ADD d int DEFAULT (1)", false},
	{"RENAME TABLE t TO v, b.w TO a.w", "RENAME TABLE `y`.`u` TO `x`.`v`, `b`.`w` TO `x`.`w`", false},
	{"DROP TABLE IF EXISTS t, b.w", "DROP TABLE IF EXISTS `y`.`u`, `b`.`w`", false},
	{"TRUNCATE t", "TRUNCATE `y`.`u`", false},
	{"CREATE UNIQUE INDEX t ON t (t)", "CREATE UNIQUE INDEX t ON `y`.`u` (t)", false},
	{"DROP INDEX k ON a.t", "DROP INDEX k ON `y`.`u`", false},
	{"ALTER TABLE p EXCHANGE PARTITION t WITH TABLE t",
		"ALTER TABLE `x`.`p` EXCHANGE PARTITION t WITH TABLE `y`.`u`", false},
	{"CREATE TABLE s_1.q (i int)", "CREATE TABLE `z`.`q_all` (i int)", false},
	{"CREATE DATABASE a CHARACTER SET utf8mb4", "CREATE DATABASE `x` CHARACTER SET utf8mb4", false},
	{"DROP SCHEMA IF EXISTS `a`", "DROP SCHEMA IF EXISTS `x`", false},
	{"ALTER DATABASE CHARACTER SET utf8mb4", "ALTER DATABASE `x` CHARACTER SET utf8mb4", false},
	{"ALTER DATABASE b COLLATE utf8mb4_bin", "=", false},
	{"CREATE TABLE /*!50000 t */ (i int)", "CREATE TABLE /*!50000 `y`.`u` */ (i int)", false},
	/* sequences */
	{"CREATE TABLE w (i int DEFAULT nextval(`a`.`t`), j int DEFAULT (NEXT VALUE FOR q))",
		"CREATE TABLE `x`.`w` (i int DEFAULT nextval(`y`.`u`), j int DEFAULT (NEXT VALUE FOR "
		"`x`.`q`))",
		true},
	{"CREATE TABLE b.w (i int DEFAULT nextval(q))",
		"CREATE TABLE `b`.`w` (i int DEFAULT nextval(`x`.`q`))", true},
	{"CREATE SEQUENCE t", "CREATE SEQUENCE `y`.`u`", true},
	/* what can't be said exactly */
	{"CREATE TABLE t (i int, CHECK (t.i > 0))", "", false},
	{"CREATE TABLE v (i int, CHECK (a.v.i > 0))", "", false},
	{"CREATE TABLE v (i int, CHECK (v.i > 0))", "CREATE TABLE `x`.`v` (i int, CHECK (v.i > 0))", false},
	{"CREATE TABLE t (i int) ENGINE=MERGE UNION=(v,w)", "", false},
	{"CREATE TABLE t SELECT 1 AS i", "", false},
};

static void test_statements(void **state)
{
	struct err e = {0};
	struct route *r = load(RULES, false, &e);
	struct sql_ddl *ddl = xcalloc(2, sizeof(*ddl)), *again = ddl + 1, *to = xcalloc(1, sizeof(*to));

	(void)state;
	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
		struct server from = {statements[i].mariadb ? FLAVOR_MARIADB : FLAVOR_MYSQL,
			statements[i].mariadb ? 101100 : 90000};
		struct route_statement s = {
			.text = str_of(statements[i].from), .from = &from, .schema = str_of("a")};
		struct buf out = {0};
		int rc;

		err_clear(&e);
		assert_int_equal(sql_ddl_read(s.text, &from, 0, ddl, &e), 0);
		rc = route_ddl(r, &s, ddl, to, &out, &e);
		if (statements[i].to[0] == '\0') {
			if (rc >= 0)
				fail_msg("%s: %s", statements[i].from, buf_cstr(&out));
			assert_int_equal(e.code, ERR_route_statement);
		} else if (statements[i].to[0] == '=') {
			assert_int_equal(rc, 0);
			assert_int_equal(out.n, 0);
		} else {
			if (rc != 1 || strcmp(buf_cstr(&out), statements[i].to) != 0)
				fail_msg("%s: %d %s %s", statements[i].from, rc, buf_cstr(&out), e.text);
			/* Read again, it names what `to` names. */
			assert_int_equal(sql_ddl_read(buf_str(&out), &from, 0, again, &e), 0);
			assert_string_equal(again->schema, to->schema);
			for (unsigned k = 0; k < to->ntables; k++) {
				assert_string_equal(again->tables[k].schema, to->tables[k].schema);
				assert_string_equal(again->tables[k].table, to->tables[k].table);
			}
		}
		buf_free(&out);
	}
	free(ddl);
	free(to);
	route_free(&r);
}

static void test_extras(void **state)
{
	struct err e = {0};
	struct route *r =
		load("[{\"name\":\"a\",\"schema-pattern\":\"s_*\",\"table-pattern\":\"t*\",\"target-schema\":"
		     "\"x\","
		     "\"extract-table\":{\"table-regexp\":\"(.)_(.*)\",\"target-column\":\"of\"},"
		     "\"extract-source\":{\"source-regexp\":\"^(o)?(n)\",\"target-column\":\"from\"}},"
		     "{\"name\":\"b\",\"schema-pattern\":\"s_*\",\"target-schema\":\"y\","
		     "\"extract-schema\":{\"schema-regexp\":\"_(.*)\",\"target-column\":\"of\"}}]",
			false, &e);
	struct route_extras x;

	(void)state;
	assert_non_null(r);
	assert_int_equal(route_extras(r, STR_LIT("s_1"), STR_LIT("t_ab"), STR_LIT("one"), &x, &e), 0);
	assert_int_equal(x.n, 2);
	assert_string_equal(x.p[0].column, "of");
	assert_string_equal(x.p[0].value, "tab");
	assert_string_equal(x.p[1].column, "from");
	assert_string_equal(x.p[1].value, "on");
	route_extras_fini(&x);
	/* What does not match gives nothing, as in DM. */
	assert_int_equal(route_extras(r, STR_LIT("s_1"), STR_LIT("t"), STR_LIT("none"), &x, &e), 0);
	assert_string_equal(x.p[0].value, "");
	assert_string_equal(x.p[1].value, "n");
	route_extras_fini(&x);
	/* The rule that counts, no other. */
	assert_int_equal(route_extras(r, STR_LIT("s_1"), STR_LIT("u"), STR_LIT("one"), &x, &e), 0);
	assert_int_equal(x.n, 1);
	assert_string_equal(x.p[0].value, "1");
	route_extras_fini(&x);
	assert_int_equal(route_extras(r, STR_LIT("other"), STR_LIT("t_a"), STR_LIT("one"), &x, &e), 0);
	assert_int_equal(x.n, 0);
	assert_int_equal(route_extras(NULL, STR_LIT("s_1"), STR_LIT("t_a"), STR_LIT("one"), &x, &e), 0);
	assert_int_equal(x.n, 0);
	route_free(&r);
}

/* Where a rule may lead: every name that one of the rows above leads to, and what only groups could make. */
static const struct {
	const char *rules, *schema, *table;
	bool may;
} leads[] = {
	{"[" R("a", "app", "", "shop", "") "]", "shop", "anything", true},
	{"[" R("a", "app", "", "shop", "") "]", "SHOP", "anything", true},
	{"[" R("a", "app", "", "shop", "") "]", "shop2", "anything", false},
	{"[" R("a", "app", "", "shop", "") "]", "sho", "anything", false},
	{"[" R("a", "app", "t_*", "shop", "") "]", "shop", "t_1", true},
	{"[" R("a", "app", "t_*", "shop", "") "]", "shop", "u_1", false},
	{"[" R("a", "app", "t_*", "shop", "all") "]", "shop", "all", true},
	{"[" R("a", "app", "t_*", "shop", "all") "]", "shop", "t_1", false},
	{"[" R("a", "~^s_(.*)$", "", "x_$1_y", "") "]", "x_7_y", "t", true},
	{"[" R("a", "~^s_(.*)$", "", "x_$1_y", "") "]", "x__y", "t", true},
	{"[" R("a", "~^s_(.*)$", "", "x_$1_y", "") "]", "x_y_y_y", "t", true},
	{"[" R("a", "~^s_(.*)$", "", "x_$1_y", "") "]", "x_7_z", "t", false},
	{"[" R("a", "~^s_(.*)$", "", "x_$1_y", "") "]", "x_y", "t", false},
	{"[" R("a", "~^(.)(.)$", "", "$1${2}a$2", "") "]", "bana", "t", true},
	{"[" R("a", "~^(.)(.)$", "", "$1${2}a$2", "") "]", "b", "t", false},
	{"[" R("a", "~^(.)$", "", "a$$1", "") "]", "a$1", "t", true},
	{"[" R("a", "~^(.)$", "", "a$$1", "") "]", "ax", "t", false},
	{"[" R("a", "app", "", "a$b", "$") "]", "a$b", "$", true},
	{"[" R("a", "app", "", "x", "") "," R("b", "app2", "", "y", "") "]", "y", "t", true},
	{"[]", "app", "t", false},
};

static void test_may_lead(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(leads) / sizeof(*leads); i++) {
		struct err e = {0};
		struct route *r = load(leads[i].rules, false, &e);

		assert_int_equal(e.code, 0);
		if (route_may_lead(r, leads[i].schema, leads[i].table) != leads[i].may)
			fail_msg("%s: %s.%s", leads[i].rules, leads[i].schema, leads[i].table);
		route_free(&r);
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct err e = {0};
		struct route *r = load(rows[i].rules, false, &e);
		struct route_name to;

		if (!rows[i].table[0] ||
			route_table(r, str_of(rows[i].schema), str_of(rows[i].table), &to, &e) < 0)
			to.schema[0] = '\0';
		else if (route_has_rule(r, str_of(rows[i].schema), str_of(rows[i].table), &e) > 0 &&
			 !route_may_lead(r, to.schema, to.table))
			fail_msg("%s: %s.%s", rows[i].rules, to.schema, to.table);
		route_free(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rules), cmocka_unit_test(test_case),
		cmocka_unit_test(test_mistakes), cmocka_unit_test(test_slow),
		cmocka_unit_test(test_statements), cmocka_unit_test(test_extras),
		cmocka_unit_test(test_may_lead)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
