/* Which statements need their session's time zone, and for what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "units/sync/ddl_zone.h"

static const struct {
	const char *text;
	enum ddl_zone want;
} rows[] = {
	{"ALTER TABLE t ADD a int, ADD `now` varchar(9) DEFAULT 'now()'", DDL_ZONE_NONE},
	{"ALTER TABLE t ADD a datetime NOT NULL DEFAULT CURRENT_TIMESTAMP", DDL_ZONE_NOW},
	{"ALTER TABLE t ADD a date DEFAULT (curdate())", DDL_ZONE_NOW},
	{"ALTER TABLE t ADD a timestamp NULL, ADD b int DEFAULT '1'", DDL_ZONE_ANY},
	{"ALTER TABLE t ADD a timestamp NULL", DDL_ZONE_NONE},
	{"ALTER TABLE t ADD a timestamp DEFAULT '2020-07-01 00:00:00'", DDL_ZONE_ANY},
	{"ALTER TABLE t ADD a datetime DEFAULT '2020-07-01 00:00:00'", DDL_ZONE_NONE},
	{"ALTER TABLE t MODIFY a timestamp(3)", DDL_ZONE_ANY},
	{"/* x */ alter table t change a b DATETIME", DDL_ZONE_ANY},
	{"ALTER TABLE t MODIFY a bigint", DDL_ZONE_NONE},
	{"CREATE TABLE t (a datetime DEFAULT now())", DDL_ZONE_NONE},
};

static void zones(void **state)
{
	const struct server s = {FLAVOR_MYSQL, 80040};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (ddl_zone_of(str_of(rows[i].text), &s, 0) != rows[i].want)
			fail_msg("%s", rows[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(zones)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
