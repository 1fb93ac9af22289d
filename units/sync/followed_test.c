/* Names of tables behind a statement. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>
#include <cmocka.h>

#include "common/base/buf.h"
#include "units/sync/followed.h"

static const struct server maria = {FLAVOR_MARIADB, 101105};

/* Of w.a (known twice), w.b and v.a; "!": the name is a new one. */
static const struct {
	const char *sql, *want;
} rows[] = {
	{"RENAME TABLE a TO c", "w.c! w.b v.a w.c!"},
	{"RENAME TABLE w.a TO t, b TO a, t TO v.b", "v.b! w.a! v.a v.b!"},
	{"RENAME TABLE a TO t, b TO a, t TO b", "w.b! w.a! v.a w.b!"},
	{"ALTER TABLE a RENAME TO v.c", "v.c! w.b v.a v.c!"},
	/* no rename to the servers, which log it as it is */
	{"ALTER TABLE a ENGINE=InnoDB, RENAME TO a", "w.a! w.b v.a w.a!"},
	{"ALTER TABLE w.a ADD c INT, RENAME w.a", "w.a! w.b v.a w.a!"},
	{"RENAME TABLE x TO x", "w.a w.b v.a w.a"},
	{"CREATE TABLE c (i INT)", "w.a w.b v.a w.a w.c!"},
	{"CREATE TABLE IF NOT EXISTS a (i INT)", "w.a w.b v.a w.a"},
	{"ALTER TABLE a ADD c INT", "w.a w.b v.a w.a"},
};

static void test_move(void **state)
{
	static struct sql_ddl ddl;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct followed_list l = {0};
		struct buf got = {0};
		struct err e = {0};

		followed_add(&l, STR_LIT("w"), STR_LIT("a"));
		followed_add(&l, STR_LIT("w"), STR_LIT("b"));
		followed_add(&l, STR_LIT("v"), STR_LIT("a"));
		followed_add(&l, STR_LIT("w"), STR_LIT("a"));
		assert_int_equal(sql_ddl_read(str_of(rows[i].sql), &maria, 0, &ddl, &e), 0);
		followed_move(&l, &ddl, STR_LIT("w"));
		for (size_t k = 0; k < l.n; k++)
			buf_putf(&got, "%s%s.%s%s", k ? " " : "", l.p[k].schema, l.p[k].table,
				l.p[k].moved ? "!" : "");
		assert_string_equal(buf_cstr(&got), rows[i].want);
		buf_free(&got);
		followed_fini(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_move)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
