/*
 * Heads of statements that make views, routines, triggers and events.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the ones above. */
#include <cmocka.h>

#include "common/sql/objects.h"

static const struct server my = {FLAVOR_MYSQL, 90700}, ma = {FLAVOR_MARIADB, 110800};

static void becomes(enum object_kind kind, const char *policy, const char *create, const char *wanted)
{
	struct definer d;
	struct buf out = {0};
	struct err e = {0};

	assert_int_equal(definer_parse(policy, &d, &e), 0);
	if (object_put_create(kind, str_of(create), strstr(create, "PACKAGE") ? &ma : &my, &d, &out, &e) < 0)
		fail_msg("%s: %s", create, e.text);
	assert_string_equal(buf_cstr(&out), wanted);
	buf_free(&out);
}

static void refused(enum object_kind kind, const char *create)
{
	struct definer d = {DEFINER_KEEP, ""};
	struct buf out = {0};
	struct err e = {0};

	assert_int_equal(object_put_create(kind, str_of(create), &my, &d, &out, &e), -1);
	assert_int_equal(e.code, ERR_sql_parse);
	buf_free(&out);
}

#define VIEW                                                                                                 \
	"CREATE ALGORITHM=UNDEFINED DEFINER=`a`@`%` SQL SECURITY DEFINER VIEW `v` AS select 'DEFINER=x' AS " \
	"`c`"

static void test_views(void **state)
{
	(void)state;
	becomes(OBJECT_VIEW, "keep", VIEW, VIEW);
	becomes(OBJECT_VIEW, "", VIEW, VIEW);
	becomes(OBJECT_VIEW, "current-user", VIEW,
		"CREATE ALGORITHM=UNDEFINED SQL SECURITY DEFINER VIEW `v` AS select 'DEFINER=x' AS `c`");
	becomes(OBJECT_VIEW, "invoker", VIEW,
		"CREATE ALGORITHM=UNDEFINED SQL SECURITY INVOKER VIEW `v` AS select 'DEFINER=x' AS `c`");
	becomes(OBJECT_VIEW, "app@10.%", VIEW,
		"CREATE ALGORITHM=UNDEFINED DEFINER=`app`@`10.%` SQL SECURITY DEFINER VIEW `v` AS select "
		"'DEFINER=x' AS `c`");
	refused(OBJECT_VIEW, "CREATE TABLE t (i int)");
	refused(OBJECT_VIEW, "CREATE DEFINER=`a");
	refused(OBJECT_VIEW, "");
}

static void test_routines(void **state)
{
	(void)state;
	becomes(OBJECT_FUNCTION, "current-user",
		"CREATE DEFINER=`ro``ot`@`local host` FUNCTION `f`(a int) RETURNS int\nRETURN a",
		"CREATE FUNCTION `f`(a int) RETURNS int\nRETURN a");
	becomes(OBJECT_PROCEDURE, "'x y'@'h'", "CREATE DEFINER=CURRENT_USER() PROCEDURE `p`()\nSELECT 1",
		"CREATE DEFINER=`x y`@`h` PROCEDURE `p`()\nSELECT 1");
	becomes(OBJECT_PACKAGE_BODY, "current-user", "CREATE DEFINER=`r` PACKAGE BODY `p` AS\nEND",
		"CREATE PACKAGE BODY `p` AS\nEND");
	becomes(OBJECT_FUNCTION, "current-user",
		"CREATE DEFINER=`a`@`b` AGGREGATE FUNCTION `f`() RETURNS int",
		"CREATE AGGREGATE FUNCTION `f`() RETURNS int");
	/* Under ANSI_QUOTES. */
	becomes(OBJECT_TRIGGER, "current-user",
		"CREATE DEFINER=\"b \"\"b\"@\"%\" TRIGGER x.\"odd \"\" name\" AFTER INSERT ON \"t 2\" FOR "
		"EACH ROW SET @a=\"d\"",
		"CREATE TRIGGER x.\"odd \"\" name\" AFTER INSERT ON \"t 2\" FOR EACH ROW SET @a=\"d\"");
	becomes(OBJECT_TRIGGER, "invoker",
		"CREATE DEFINER=`a`@`b` TRIGGER `s`.`t` BEFORE INSERT ON `s`.`x` FOR EACH ROW SET @a=1",
		"CREATE TRIGGER `s`.`t` BEFORE INSERT ON `s`.`x` FOR EACH ROW SET @a=1");
}

static void test_events(void **state)
{
	(void)state;
	becomes(OBJECT_EVENT, "keep",
		"CREATE DEFINER=`a`@`b` EVENT `e` ON SCHEDULE EVERY 1 DAY STARTS '2020-01-01 00:00:00' ON "
		"COMPLETION NOT PRESERVE ENABLE DO SET @enable=1",
		"CREATE DEFINER=`a`@`b` EVENT `e` ON SCHEDULE EVERY 1 DAY STARTS '2020-01-01 00:00:00' ON "
		"COMPLETION NOT PRESERVE DISABLE DO SET @enable=1");
	becomes(OBJECT_EVENT, "current-user",
		"CREATE DEFINER=`a`@`b` EVENT `PRESERVE` ON SCHEDULE EVERY 1 DAY ON COMPLETION PRESERVE "
		"DISABLE ON SLAVE COMMENT 'x' DO SET @a=1",
		"CREATE EVENT `PRESERVE` ON SCHEDULE EVERY 1 DAY ON COMPLETION PRESERVE DISABLE COMMENT 'x' "
		"DO SET @a=1");
	refused(OBJECT_EVENT, "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SET @a=1");
}

static void test_words(void **state)
{
	struct definer d;
	struct err e = {0};
	unsigned set;

	(void)state;
	assert_int_equal(objects_parse(NULL, &set, &e), 0);
	assert_int_equal(set, 0);
	assert_int_equal(objects_parse("triggers, events", &set, &e), 0);
	assert_int_equal(set, OBJECTS_TRIGGERS | OBJECTS_EVENTS);
	assert_int_equal(objects_parse("all", &set, &e), 0);
	assert_int_equal(set, OBJECTS_ALL);
	assert_int_equal(objects_parse("tables", &set, &e), -1);
	assert_int_equal(e.code, ERR_usage);
	assert_int_equal(definer_parse("nobody", &d, &e), -1);
	assert_int_equal(definer_parse("@h", &d, &e), -1);
	assert_int_equal(definer_parse("u@", &d, &e), -1);
	assert_int_equal(object_kind_of(str_of("package body")), OBJECT_PACKAGE_BODY);
	assert_int_equal(object_kind_of(str_of("LIBRARY")), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_views), cmocka_unit_test(test_routines),
		cmocka_unit_test(test_events), cmocka_unit_test(test_words)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
