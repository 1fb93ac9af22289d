/*
 * The SQL by which two servers' rows are summed up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the ones above. */
#include <cmocka.h>

#include "common/sql/create.h"
#include "units/cutover/checksum.h"

static const struct server my = {FLAVOR_MYSQL, 90700}, ma = {FLAVOR_MARIADB, 110800},
			   ti = {FLAVOR_TIDB, 80500};

struct sides {
	struct structure *s[2];
	struct checksum_side sides[2];
	struct checksum sum;
};

static void make(
	struct sides *x, const struct server *from, const char *a, const struct server *to, const char *b)
{
	struct err e = {0};

	x->s[0] = structure_from_create(str_of(a), from, "utf8mb4_bin", &e);
	x->s[1] = structure_from_create(str_of(b), to, "utf8mb4_bin", &e);
	if (!x->s[0] || !x->s[1])
		fail_msg("%s", e.text);
	x->sides[0] = (struct checksum_side){x->s[0], from};
	x->sides[1] = (struct checksum_side){x->s[1], to};
	checksum_make(&x->sum, x->sides);
}

static void drop(struct sides *x)
{
	checksum_fini(&x->sum);
	structure_free(&x->s[0]);
	structure_free(&x->s[1]);
}

static void says(const struct sides *x, int side, const char *text)
{
	if (!memmem(x->sum.sql[side].p, x->sum.sql[side].n, text, strlen(text)))
		fail_msg("not in %.*s: %s", STR_ARG(x->sum.sql[side]), text);
}

static void test_forms(void **state)
{
	struct sides x;

	(void)state;
	make(&x, &my,
		"CREATE TABLE `t` (`i` int NOT NULL, `f` float, `c` varchar(10) CHARACTER SET latin1, `b` "
		"blob, "
		"`d` decimal(5,2), `e` enum('a','b'), `g` int GENERATED ALWAYS AS (`i`+1) VIRTUAL, PRIMARY "
		"KEY (`i`))",
		&ma,
		"CREATE TABLE `t` (`i` int(11) NOT NULL, `f` float, `c` varchar(10) CHARACTER SET utf8mb4, "
		"`b` blob, "
		"`d` decimal(5,2), `e` enum('a','b'), `g` int(11) GENERATED ALWAYS AS (`i`+1) VIRTUAL, "
		"PRIMARY KEY (`i`))");
	for (int side = 0; side < 2; side++) {
		says(&x, side, "IFNULL(`i`+0,'N'),','");
		says(&x, side, "CASE WHEN ABS(`f`*1e0)>=1 THEN ABS(`f`*1e0)");
		says(&x, side, "CAST(CONVERT(`c` USING utf8mb4) AS BINARY)");
		says(&x, side, "IFNULL(SHA2(`b`,256),'N'),','");
		says(&x, side, "IFNULL(CAST(`d` AS CHAR),'N'),','");
		says(&x, side, "CONCAT(CAST(`e` AS UNSIGNED),':'");
		assert_null(memmem(x.sum.sql[side].p, x.sum.sql[side].n, "`g`", 3));
	}
	assert_int_equal(x.sum.skipped.n, 0);
	assert_string_equal(x.sum.missing, "");
	assert_string_equal(checksum_range_column(x.sides), "i");
	drop(&x);
}

static void test_left_out(void **state)
{
	struct sides x;

	(void)state;
	make(&x, &my, "CREATE TABLE `t` (`a` int, `j` json, `k` int)", &ma,
		"CREATE TABLE `t` (`a` int(11), `j` longtext, `z` int(11))");
	assert_string_equal(buf_cstr(&x.sum.skipped), "`j` (json)");
	assert_string_equal(x.sum.missing, "k");
	assert_string_equal(x.sum.surplus, "z");
	assert_null(checksum_range_column(x.sides));
	drop(&x);
	make(&x, &my, "CREATE TABLE `t` (`j` json, `f` double)", &my,
		"CREATE TABLE `t` (`j` json, `f` double)");
	assert_int_equal(x.sum.skipped.n, 0);
	drop(&x);
	make(&x, &my, "CREATE TABLE `t` (`j` json, `f` double)", &ti,
		"CREATE TABLE `t` (`j` json, `f` double)");
	assert_string_equal(buf_cstr(&x.sum.skipped), "`j` (json), `f` (double)");
	drop(&x);
}

static void test_select(void **state)
{
	struct sides x;
	struct buf sql = {0};

	(void)state;
	make(&x, &ma, "CREATE TABLE `t` (`u` uuid, KEY `u` (`u`))", &my,
		"CREATE TABLE `t` (`u` char(36) CHARACTER SET utf8mb4, KEY `u` (`u`))");
	checksum_put_select(&x.sum, 1, STR_LIT("a`b"), STR_LIT("t"), &sql);
	assert_string_equal(buf_cstr(&sql),
		"SELECT COUNT(*),COALESCE(SUM(CAST(IFNULL(CONV(LEFT(SHA2(CONCAT(IFNULL(CAST(`u` AS CHAR "
		"CHARACTER SET utf8mb4),'N'),','),"
		"256),16),16,10),'2') AS UNSIGNED)),0) FROM `a``b`.`t`");
	assert_null(checksum_range_column(x.sides));
	drop(&x);
	buf_free(&sql);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms), cmocka_unit_test(test_left_out), cmocka_unit_test(test_select)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
