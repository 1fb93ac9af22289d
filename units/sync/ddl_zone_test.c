/* Which statements need their session's time zone, and for what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "units/sync/ddl_zone.h"

/* The table before: v a timestamp, d a datetime, n a number, k one with an index; NULL: nobody knows. */
static struct column columns[] = {{.name = "v", .type = "timestamp(3)"}, {.name = "d", .type = "datetime"},
	{.name = "date", .type = "date"}, {.name = "n", .type = "int"}, {.name = "k", .type = "int"}};
static unsigned indexed[] = {4};
static struct key keys[] = {{.name = "k", .columns = indexed, .ncolumns = 1}};
static const struct structure before = {.columns = columns, .ncolumns = 5, .keys = keys, .nkeys = 1};

static const struct {
	const char *text;
	enum ddl_zone unknown, known;
} rows[] = {
	{"ADD a int, ADD `now` varchar(9) DEFAULT 'now()'", DDL_ZONE_NONE, DDL_ZONE_NONE},
	{"ADD a datetime NOT NULL DEFAULT CURRENT_TIMESTAMP", DDL_ZONE_NOW, DDL_ZONE_NOW},
	{"ADD a date DEFAULT (curdate())", DDL_ZONE_NOW, DDL_ZONE_NOW},
	{"ADD a timestamp NULL, ADD b varchar(9) DEFAULT '1'", DDL_ZONE_NONE, DDL_ZONE_NONE},
	{"ADD name varchar(20) NOT NULL DEFAULT '', ADD ts TIMESTAMP NULL", DDL_ZONE_NONE, DDL_ZONE_NONE},
	{"ADD a timestamp DEFAULT '2020-07-01 00:00:00'", DDL_ZONE_NONE, DDL_ZONE_NONE},
	{"ADD a timestamp DEFAULT TIMESTAMP'2020-07-01 00:00:00'", DDL_ZONE_NONE, DDL_ZONE_NONE},
	{"ADD a timestamp DEFAULT 20200701000000", DDL_ZONE_NONE, DDL_ZONE_NONE},
	{"ADD a timestamp NOT NULL DEFAULT '0000-00-00 00:00:00'", DDL_ZONE_NONE, DDL_ZONE_NONE},
	{"ADD COLUMN IF NOT EXISTS (a decimal(9,2) DEFAULT '1', b timestamp DEFAULT '2020-07-01')",
		DDL_ZONE_NONE, DDL_ZONE_NONE},
	{"ADD (a timestamp, b int DEFAULT '1')", DDL_ZONE_NONE, DDL_ZONE_NONE},
	{"ADD a datetime DEFAULT '2020-07-01 00:00:00'", DDL_ZONE_NONE, DDL_ZONE_NONE},
	{"ADD a timestamp DEFAULT ('2020-07-01 00:00:00')", DDL_ZONE_ANY, DDL_ZONE_ANY},
	{"ADD (n int, a timestamp(3) DEFAULT (TIMESTAMP'2020-07-01 00:00:00'))", DDL_ZONE_ANY, DDL_ZONE_ANY},
	{"ADD COLUMN IF NOT EXISTS a TIMESTAMP NULL DEFAULT (d)", DDL_ZONE_ANY, DDL_ZONE_ANY},
	{"ADD a timestamp DEFAULT CAST('2020-07-01' AS DATETIME)", DDL_ZONE_ANY, DDL_ZONE_ANY},
	{"ADD a timestamp CHECK (a > timestamp) DEFAULT (d)", DDL_ZONE_ANY, DDL_ZONE_ANY},
	{"ADD a timestamp DEFAULT x'323032302d30372d3031'", DDL_ZONE_ANY, DDL_ZONE_ANY},
	{"ADD a timestamp DEFAULT (NOW() + INTERVAL 1 MONTH)", DDL_ZONE_ANY, DDL_ZONE_ANY},
	{"ADD a timestamp STORAGE DISK DEFAULT (d)", DDL_ZONE_ANY, DDL_ZONE_ANY},
	{"ADD a timestamp DEFAULT (now(3)), ADD b timestamp DEFAULT LOCALTIME ON UPDATE NOW()", DDL_ZONE_NOW,
		DDL_ZONE_NOW},
	{"ADD a timestamp DEFAULT NULL, ADD b timestamp DEFAULT 0", DDL_ZONE_NONE, DDL_ZONE_NONE},
	{"ADD a timestamp DEFAULT _utf8mb4'2020-07-01', ADD b timestamp DEFAULT N'2020-07-01'", DDL_ZONE_NONE,
		DDL_ZONE_NONE},
	{"ADD timestamp datetime DEFAULT (d), ADD `timestamp` int DEFAULT (n)", DDL_ZONE_ANY, DDL_ZONE_NONE},
	{"ADD d2 datetime DEFAULT (d) COMMENT 'timestamp' AFTER timestamp", DDL_ZONE_ANY, DDL_ZONE_NONE},
	{"ADD a datetime DEFAULT (v)", DDL_ZONE_ANY, DDL_ZONE_ANY},
	{"ADD a datetime DEFAULT v", DDL_ZONE_ANY, DDL_ZONE_ANY},
	{"ADD a int DEFAULT 5 AFTER v, ADD b varchar(9) DEFAULT _utf8mb4'v' AFTER v", DDL_ZONE_NONE,
		DDL_ZONE_NONE},
	{"ADD (a int DEFAULT -5, b varchar(40) DEFAULT (concat(n, `V`)))", DDL_ZONE_ANY, DDL_ZONE_ANY},
	{"ADD a int GENERATED ALWAYS AS (year(v)) STORED", DDL_ZONE_ANY, DDL_ZONE_ANY},
	{"ADD a int AS (n + 1), ADD b int AS (length('v')), ADD KEY k ((cast(v AS date)))", DDL_ZONE_ANY,
		DDL_ZONE_NONE},
	{"MODIFY n int AS (hour(v))", DDL_ZONE_ANY, DDL_ZONE_NONE},
	{"MODIFY k int AS (hour(v)) VIRTUAL", DDL_ZONE_ANY, DDL_ZONE_ANY}, /* it is in a key */
	{"MODIFY n int AS (hour(v)) PERSISTENT", DDL_ZONE_ANY, DDL_ZONE_ANY},
	{"ADD g date AS (DATE(v)) VIRTUAL COMMENT 'STORED', ADD (h int AS (hour(v)), i int DEFAULT 1)",
		DDL_ZONE_NONE, DDL_ZONE_NONE},
	{"ADD (g date AS (DATE(v)), h int AS (n + 1) STORED)", DDL_ZONE_ANY, DDL_ZONE_NONE},
	{"ADD (h int AS (n + 1), g date AS (DATE(v)) STORED)", DDL_ZONE_ANY, DDL_ZONE_ANY},
	{"ADD g date AS (DATE(v)) VIRTUAL UNIQUE", DDL_ZONE_ANY, DDL_ZONE_ANY},
	{"ADD g date AS (DATE(v)), ADD INDEX (g)", DDL_ZONE_ANY, DDL_ZONE_ANY},
	{"ADD g int AS (UNIX_TIMESTAMP(d)) VIRTUAL", DDL_ZONE_NONE, DDL_ZONE_NONE},
	{"ADD g int AS (UNIX_TIMESTAMP(d)) STORED", DDL_ZONE_ANY, DDL_ZONE_ANY},
	{"ADD a int DEFAULT 5 CHECK (v > '2020-01-01')", DDL_ZONE_NONE, DDL_ZONE_NONE},
	{"ADD a int DEFAULT NULL REFERENCES p (v), ADD b int DEFAULT (n) CHECK (v > n)", DDL_ZONE_ANY,
		DDL_ZONE_NONE},
	{"ADD a int DEFAULT -(n) CHECK (v > '2020-01-01'), ADD b int AS (n) STORED CHECK (v > n)",
		DDL_ZONE_ANY, DDL_ZONE_NONE},
	{"ADD a int DEFAULT t.v", DDL_ZONE_ANY, DDL_ZONE_ANY},
	{"ADD a int DEFAULT hour(v)", DDL_ZONE_ANY, DDL_ZONE_ANY},
	{"ADD a int DEFAULT CASE WHEN n > 1 THEN 1 WHEN v > '2020-01-01' THEN 2 END", DDL_ZONE_ANY,
		DDL_ZONE_ANY},
	{"ADD a int CHECK (cast(v AS date) > '2020-01-01') DEFAULT 1", DDL_ZONE_NONE, DDL_ZONE_NONE},
	{"MODIFY n bigint DEFAULT (v)", DDL_ZONE_NONE, DDL_ZONE_NONE},
	{"ADD CONSTRAINT c CHECK (cast(v AS date) > '2020-01-01'), ADD UNIQUE KEY u ((cast(v AS date)))",
		DDL_ZONE_NONE, DDL_ZONE_NONE},
	{"MODIFY v timestamp(3) DEFAULT (d)", DDL_ZONE_ANY, DDL_ZONE_NONE},
	{"MODIFY v timestamp(3)", DDL_ZONE_ANY, DDL_ZONE_NONE},
	{"MODIFY v datetime(3)", DDL_ZONE_ANY, DDL_ZONE_ANY},
	{"MODIFY v bigint", DDL_ZONE_NONE, DDL_ZONE_ANY},
	{"MODIFY COLUMN IF EXISTS d datetime(3)", DDL_ZONE_ANY, DDL_ZONE_NONE},
	{"MODIFY d timestamp", DDL_ZONE_ANY, DDL_ZONE_ANY},
	{"MODIFY n bigint, ADD d2 date", DDL_ZONE_NONE, DDL_ZONE_NONE},
	{"MODIFY date varchar(20)", DDL_ZONE_NONE, DDL_ZONE_NONE},
	{"CHANGE d d2 DATETIME, CHANGE COLUMN date `timestamp` date", DDL_ZONE_ANY, DDL_ZONE_NONE},
	{"CHANGE v v2 datetime", DDL_ZONE_ANY, DDL_ZONE_ANY},
	{"CHANGE gone g datetime", DDL_ZONE_ANY, DDL_ZONE_ANY},
	{"ADD PARTITION (PARTITION p VALUES LESS THAN (UNIX_TIMESTAMP('2026-04-01')))", DDL_ZONE_NONE,
		DDL_ZONE_NONE},
	{"PARTITION BY RANGE (UNIX_TIMESTAMP(`v`)) (PARTITION p VALUES LESS THAN (UNIX_TIMESTAMP(20260401)))",
		DDL_ZONE_NONE, DDL_ZONE_NONE},
	{"ADD PARTITION (PARTITION p VALUES LESS THAN (UNIX_TIMESTAMP(NOW())))", DDL_ZONE_BOUNDS,
		DDL_ZONE_BOUNDS},
	{"ADD PARTITION (PARTITION p VALUES LESS THAN (UNIX_TIMESTAMP('2026-04-01' + INTERVAL 1 DAY)))",
		DDL_ZONE_BOUNDS, DDL_ZONE_BOUNDS},
	{"PARTITION BY HASH (UNIX_TIMESTAMP(date)), ADD g int AS (UNIX_TIMESTAMP(TIMESTAMP'2026-04-01 "
	 "00:00:00'))",
		DDL_ZONE_ANY, DDL_ZONE_ANY},
	{"ADD PARTITION (PARTITION p VALUES IN (1 + UNIX_TIMESTAMP(TIMESTAMP'2026-04-01 00:00:00')))",
		DDL_ZONE_NONE, DDL_ZONE_NONE},
	{"ALTER COLUMN v SET DEFAULT '2020-07-01 00:00:00'", DDL_ZONE_NONE, DDL_ZONE_NONE},
	{"DROP COLUMN n, ADD KEY (v)", DDL_ZONE_NONE, DDL_ZONE_NONE},
};

static enum ddl_zone zone_of(const char *text, const struct structure *was)
{
	static const struct server s = {FLAVOR_MARIADB, 101100};
	struct binlog_query q = {.sql = str_of(text)};
	struct sql_ddl ddl;
	struct err e = {0};

	assert_int_equal(sql_ddl_read(q.sql, &s, 0, &ddl, &e), 0);
	return ddl_zone_of(&q, &ddl, &s, was);
}

static void zones(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf text = {0};

		buf_putf(&text, "/* x */ alter table t %s", rows[i].text);
		if (zone_of(buf_cstr(&text), NULL) != rows[i].unknown)
			fail_msg("unknown: %s", rows[i].text);
		if (zone_of(buf_cstr(&text), &before) != rows[i].known)
			fail_msg("known: %s", rows[i].text);
		buf_free(&text);
	}
	assert_int_equal(zone_of("CREATE TABLE t (a datetime DEFAULT now())", NULL), DDL_ZONE_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(zones)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
