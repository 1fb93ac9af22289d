/* The statements of `tidegate grants`: whose, for which server, on which tables; and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>
#include <cmocka.h>

#include "common/sql/grants.h"

static const char user[] = "'u'@'%'";

/* has: texts that must be there, hasnt: that must not, both separated by '|'. */
static const struct {
	const char *unit, *server, *tables, *has, *hasnt;
} rows[] = {
	{"all", "mariadb:11.4", NULL,
		"-- on the upstream|GRANT SELECT ON *.* TO 'u'@'%';|GRANT RELOAD ON *.*|BINLOG MONITOR ON "
		"*.*|REPLICATION "
		"SLAVE ON|REPLICATION SLAVE ADMIN|REPLICATION MASTER ADMIN|-- on the downstream|ON "
		"`dm\\_meta`.* TO",
		"REPLICATION CLIENT"},
	{"all", "mariadb:10.5", NULL, "BINLOG MONITOR|REPLICATION MASTER ADMIN", "REPLICATION CLIENT"},
	{"all", "mariadb:10.4", NULL, "REPLICATION CLIENT|REPLICATION SLAVE ON",
		"BINLOG MONITOR|SLAVE ADMIN|MASTER ADMIN"},
	{"all", "mysql:9.7", NULL, "SELECT ON *.*|RELOAD|REPLICATION CLIENT|REPLICATION SLAVE ON",
		"BINLOG|SLAVE ADMIN|MASTER ADMIN"},
	{"all", "MySQL:5.7", NULL, "REPLICATION CLIENT", "BINLOG"},
	{"all", "tidb:8.5", NULL, "-- on the downstream|INSERT, UPDATE, DELETE", "-- on the upstream|RELOAD"},
	{"relay", "mysql:8.0", NULL, "REPLICATION SLAVE ON *.*", "SELECT|RELOAD|downstream"},
	{"dump", "mysql:8.0", NULL, "SELECT|RELOAD|SHOW VIEW", "REPLICATION SLAVE|downstream"},
	{"load", "mysql:8.0", NULL, "INSERT|`dm\\_meta`|-- where partial_revokes is ON", "upstream|RELOAD"},
	{"sync", "mysql:8.0", NULL, "SELECT|UPDATE, DELETE", "RELOAD|REPLICATION"},
	{"dump", "mysql:8.0", "app.*,shop.orders",
		"SELECT ON `app`.* TO|SELECT ON `shop`.`orders` TO|RELOAD ON *.*", "SELECT ON *.*"},
	{"dump", "mysql:8.0", "`a``b`.`c.d`", "SELECT ON `a``b`.`c.d` TO", "SELECT ON *.*"},
	{"dump", "mysql:8.0", "app.t_*", "SELECT ON `app`.* TO", "t_"},
	{"dump", "mysql:8.0", NULL, "-- optional, without it: GRANT BACKUP_ADMIN ON *.*|GRANT PROCESS",
		"TRIGGER"},
	{"dump", "mariadb:11.4", NULL, "-- optional, without it: GRANT PROCESS", "BACKUP_ADMIN|XA_RECOVER"},
	{"all", "mysql:5.7", "app.*", "-- optional, without it: GRANT TRIGGER ON `app`.*", "BACKUP_ADMIN"},
	{"load", "mysql:8.0", NULL, "TRIGGER", "optional"},
	{"load", "mysql:8.0", "shop.orders", "ON `shop`.* TO", "orders"},
	{"dump", "mysql:8.0", "app_1.*,app_1.a_b",
		"SELECT ON `app\\_1`.* TO|SELECT ON `app_1`.`a_b` TO|partial_revokes", "`app_1`.*"},
	{"dump", "mariadb:11.4", "app_1.*", "SELECT ON `app\\_1`.* TO", "partial_revokes"},
	{"dump", "mysql:8.0", "shop.orders", "-- optional, without it: GRANT LOCK TABLES ON `shop`.* TO",
		"LOCK TABLES ON `shop`.`"},
	{"cutover", "mariadb:11.4", NULL, "GRANT TRIGGER ON|GRANT EVENT ON", "optional"},
	{"cutover", "mysql:8.0", "shop.orders",
		"GRANT EVENT ON `shop`.* TO|GRANT TRIGGER ON `shop`.`orders` TO", "EVENT ON `shop`.`"},
	{"dump", "mysql:8.0", "app_*.t", "SELECT ON *.* TO", "app"},
};

static bool all_there(const char *text, const char *list, bool wanted)
{
	char copy[600], *save = NULL;

	strcpy(copy, list);
	for (char *part = strtok_r(copy, "|", &save); part; part = strtok_r(NULL, "|", &save)) {
		if ((strstr(text, part) != NULL) != wanted) {
			print_error("%s: %s\n", wanted ? "missing" : "there", part);
			return false;
		}
	}
	return true;
}

static void statements(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf out = {0};
		struct err e = {0};

		if (grants_put(&out, rows[i].unit, rows[i].server, user, rows[i].tables, &e) < 0)
			fail_msg("%s %s: %s", rows[i].unit, rows[i].server, e.text);
		if (!all_there(buf_cstr(&out), rows[i].has, true) ||
			!all_there(buf_cstr(&out), rows[i].hasnt, false))
			fail_msg("%s %s %s:\n%s", rows[i].unit, rows[i].server,
				rows[i].tables ? rows[i].tables : "-", buf_cstr(&out));
		buf_free(&out);
	}
}

/* Each privilege on one thing is asked for once. */
static void said_once(void **state)
{
	struct buf out = {0};
	struct err e = {0};
	const char *first;

	(void)state;
	assert_int_equal(grants_put(&out, "all", "mysql:9.7", user, NULL, &e), 0);
	first = strstr(buf_cstr(&out), "GRANT REPLICATION CLIENT");
	assert_non_null(first);
	assert_null(strstr(first + 1, "GRANT REPLICATION CLIENT"));
	first = strstr(buf_cstr(&out), "GRANT SELECT ON");
	assert_non_null(first);
	assert_null(strstr(first + 1, "GRANT SELECT ON"));
	buf_free(&out);
}

static void refused(void **state)
{
	static const struct {
		const char *unit, *server, *tables;
	} bad[] = {{"everything", "mysql:9.7", NULL}, {"", "mysql:9.7", NULL}, {"all", "mysql", NULL},
		{"all", "mysql:", NULL}, {"all", "mysql:new", NULL}, {"all", "postgres:16", NULL},
		{"all", "", NULL}, {"all", ":8.0", NULL}, {"all", "mysql:9.7", ""},
		{"all", "mysql:9.7", "a.b.c"}};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct buf out = {0};
		struct err e = {0};

		if (grants_put(&out, bad[i].unit, bad[i].server, user, bad[i].tables, &e) == 0)
			fail_msg("%s %s was taken", bad[i].unit, bad[i].server);
		assert_int_not_equal(e.code, 0);
		assert_int_not_equal(strlen(e.text), 0);
		buf_free(&out);
	}
}

/* Which of them a server has: MySQL's dynamic ones from 8.0 on. */
static void optional_ones(void **state)
{
	const struct server kinds[] = {
		{FLAVOR_MYSQL, 90700}, {FLAVOR_MYSQL, 50744}, {FLAVOR_MARIADB, 110400}};
	const size_t wanted[] = {6, 4, 4};
	struct grant_optional o;

	(void)state;
	for (size_t k = 0; k < 3; k++) {
		size_t n = 0;

		while (grants_optional(n, &kinds[k], &o)) {
			assert_true(*o.privilege && *o.without);
			n++;
		}
		assert_int_equal(n, wanted[k]);
	}
	assert_true(
		grants_optional(0, &kinds[0], &o) && o.global && strcmp(o.privilege, "BACKUP_ADMIN") == 0);
	assert_true(grants_optional(2, &kinds[1], &o) && !o.global && strcmp(o.objects, "triggers") == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statements),
		cmocka_unit_test(said_once),
		cmocka_unit_test(refused),
		cmocka_unit_test(optional_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
