/* Which ALTER TABLE of a shadow leaves other rows than one of the real table would. */
#include "units/sync/online.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct server maria = {.flavor = FLAVOR_MARIADB, .version = 101100};

static bool differs(const char *parts, json_t *dropped, bool explicit, char *why, size_t size)
{
	static struct sql_ddl ddl;
	char text[400];
	struct binlog_query q = {.has_explicit_defaults = true, .explicit_defaults = explicit};
	struct err e = {0};

	snprintf(text, sizeof(text), "ALTER /* gh-ost */ TABLE `app`.`_t_gho` %s", parts);
	q.sql = str_of(text);
	if (sql_ddl_read(q.sql, &maria, 0, &ddl, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	why[0] = '\0';
	return online_differs(&q, &maria, &ddl, dropped, why, size);
}

static void test_same(void **state)
{
	static const char *const parts[] = {
		"ADD COLUMN c int NOT NULL DEFAULT 7, MODIFY v varchar(40)",
		"ADD c int",
		"ADD (c int DEFAULT -1, d varchar(3) DEFAULT 'a,b')",
		"ADD COLUMN IF NOT EXISTS c bit(3) DEFAULT b'101' AFTER v, ADD INDEX (c)",
		"ADD COLUMN c timestamp NULL, ADD d timestamp NOT NULL DEFAULT '2001-01-01 00:00:00'",
		"ADD COLUMN c int DEFAULT NULL COMMENT 'AUTO_INCREMENT DEFAULT now()'",
		"ADD COLUMN c int AS (IFNULL(n, DEFAULT(n))) STORED",
		"AUTO_INCREMENT=5",
		"DROP COLUMN c",
		"DROP KEY v, ADD UNIQUE KEY v (v), ENGINE=InnoDB",
		"CHANGE v v varchar(40) NOT NULL, CHANGE COLUMN `N` n bigint",
		"CONVERT TO CHARACTER SET utf8mb4",
		"MODIFY c datetime DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP",
		"ADD now int, ADD `localtime` int COMMENT 'CURRENT_TIMESTAMP'",
		"ALTER c SET DEFAULT 3",
		"PARTITION BY HASH (id) PARTITIONS 4",
		"ADD COLUMN `auto_increment` int",
	};
	char why[300];

	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		json_t *dropped = json_array();

		if (differs(parts[i], dropped, false, why, sizeof(why)))
			fail_msg("%s: %s", parts[i], why);
		json_decref(dropped);
	}
}

static void test_other(void **state)
{
	static const char *const parts[][2] = {
		{"ADD COLUMN c datetime DEFAULT CURRENT_TIMESTAMP", "no constant, `c`"},
		{"ADD c varchar(36) DEFAULT (uuid()), ADD d int", "no constant, `c`"},
		{"ADD (a int, c double DEFAULT rand())", "no constant, `c`"},
		{"ADD c timestamp NULL ON UPDATE CURRENT_TIMESTAMP", "every UPDATE sets, `c`"},
		{"ADD (a int, c datetime(3) DEFAULT '2001-01-01' ON UPDATE now(3))",
			"every UPDATE sets, `c`"},
		{"ADD c int AUTO_INCREMENT UNIQUE", "numbers the rows, `c`"},
		{"ADD c SERIAL", "numbers the rows, `c`"},
		{"ADD c timestamp", "TIMESTAMP without a default, `c`"},
		{"ADD (a timestamp NULL, c timestamp NOT NULL)", "TIMESTAMP without a default, `c`"},
		{"ADD c int, DROP COLUMN C", "name of one that it drops, `c`"},
		{"DROP c, ADD (a int, c int)", "name of one that it drops, `c`"},
		{"RENAME COLUMN a TO b", "where it renames"},
		{"CHANGE a b int", "where it renames `a`"},
		{"CHANGE COLUMN a b bigint FIRST", "where it renames `a`"},
		{"DROP PARTITION p", "takes rows away"},
		{"TRUNCATE PARTITION p", "takes rows away"},
		{"DISCARD TABLESPACE", "takes rows away"},
		{"EXCHANGE PARTITION p WITH TABLE u", "exchanges"},
	};
	char why[300];

	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		json_t *dropped = json_array();

		if (!differs(parts[i][0], dropped, false, why, sizeof(why)) || !strstr(why, parts[i][1]))
			fail_msg("%s: %s", parts[i][0], why);
		json_decref(dropped);
	}
}

/* By an earlier statement; and what the session says. */
static void test_before(void **state)
{
	json_t *dropped = json_array();
	char why[300];

	(void)state;
	assert_false(differs("DROP COLUMN c, DROP d", dropped, true, why, sizeof(why)));
	assert_int_equal(json_array_size(dropped), 2);
	assert_true(differs("ADD COLUMN D int", dropped, true, why, sizeof(why)));
	assert_false(differs("ADD COLUMN x timestamp", dropped, true, why, sizeof(why)));
	json_decref(dropped);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_other),
		cmocka_unit_test(test_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
