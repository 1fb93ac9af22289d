/* A RENAME TABLE of wanted tables (of database w) and others: which pairs are left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>
#include <cmocka.h>

#include "common/base/buf.h"
#include "units/sync/ddl_rename.h"

static const struct server maria = {FLAVOR_MARIADB, 101105};

/* want "!": an error that holds what stands behind it; "": nothing is left. */
static const struct {
	const char *sql, *want;
} rows[] = {
	{"RENAME TABLE w.a TO w.b", "w.a>w.b"},
	{"RENAME TABLE u.a TO u.b", ""},
	{"RENAME TABLE u.a TO u.b, w.a TO w.b, u.c TO u.d", "w.a>w.b"},
	{"RENAME TABLE a TO b, u.a TO u.b, c TO w.d", "w.a>w.b w.c>w.d"},
	{"RENAME TABLE w.a TO u.t, w.b TO w.a, u.t TO w.b",
		"w.a>w.tidegate_between_1 w.b>w.a w.tidegate_between_1>w.b"},
	{"RENAME TABLE u.a TO w.t, u.b TO u.a, w.t TO u.b", ""},
	{"RENAME TABLE u.a TO u.b, w.a TO u.a, u.a TO w.b",
		"w.a>w.tidegate_between_2 w.tidegate_between_2>w.b"},
	{"RENAME TABLE w.a TO w.b, w.b TO w.c, w.c TO w.a", "w.a>w.b w.b>w.c w.c>w.a"},
	{"RENAME TABLE a TO u.t, u.t TO u.s, u.s TO b",
		"w.a>w.tidegate_between_1 w.tidegate_between_1>w.tidegate_between_2 "
		"w.tidegate_between_2>w.b"},
	{"RENAME TABLE w.a TO u.a", "!`w`.`a` becomes `u`.`a`: the task's rules leave the new name out"},
	{"RENAME TABLE u.a TO w.a", "!`u`.`a` becomes `w`.`a`: the task's rules left the old name out"},
	{"RENAME TABLE w.a TO w.b, u.x TO w.a", "!`u`.`x` becomes `w`.`a`"},
	{"RENAME TABLE w.a TO w.t, w.t TO u.a", "!`w`.`a` becomes `u`.`a`"},
	/* the usual change of an online tool, its tables left out */
	{"RENAME TABLE w.a TO u._a_old, u._a_new TO w.a", "!`w`.`a` becomes `u`.`_a_old`"},
};

static void test_rename(void **state)
{
	json_t *o = json_loads("{\"do_dbs\":[\"w\"]}", 0, NULL);
	struct rules *rules = rules_new(o, "dm_meta", NULL);
	static struct sql_ddl ddl;

	(void)state;
	assert_non_null(rules);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf got = {0};
		struct err e = {0};
		int r;

		assert_int_equal(sql_ddl_read(str_of(rows[i].sql), &maria, 0, &ddl, &e), 0);
		r = ddl_rename_cut(rules, &ddl, STR_LIT("w"), &e);
		for (unsigned t = 0; r > 0 && t < ddl.ntables; t++)
			buf_putf(&got, "%s%s.%s",
				t == 0  ? ""
				: t % 2 ? ">"
					: " ",
				ddl.tables[t].schema[0] ? ddl.tables[t].schema : "w", ddl.tables[t].table);
		if (r < 0) {
			assert_int_equal(e.code, ERR_sync_ddl_mixed);
			buf_putf(&got, "!%s", e.text);
		}
		assert_int_equal(r == 0, rows[i].want[0] == '\0');
		if (strncmp(buf_cstr(&got), rows[i].want, strlen(rows[i].want)) != 0 ||
			(r > 0 && strlen(rows[i].want) != got.n))
			fail_msg("%s\n got  %s\n want %s", rows[i].sql, buf_cstr(&got), rows[i].want);
		buf_free(&got);
	}
	rules_free(&rules);
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rename)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
