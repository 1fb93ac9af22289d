/* The parts of common/db that need no server: error numbers, login errors, versions, settings, heads of
 * statements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/db/internal.h"

static bool too_large(uint32_t number, const char *text)
{
	struct err e = {.sql_errno = number};

	snprintf(e.text, sizeof(e.text), "%s", text);
	return db_error_is_too_large(&e);
}

/* TiDB's numbers of its own after which the same again may well succeed; and neighbours that stay as
 * they are. */
static void test_tidb_errors(void **state)
{
	static const uint32_t again[] = {8001, 8002, 8005, 8020, 8022, 8027, 8028, 8175, 8176, 8229, 8252,
		8501, 8502, 9001, 9002, 9003, 9004, 9005, 9006, 9007, 9008, 9010, 9011, 9012, 9013};
	static const uint32_t stays[] = {8003, 8004, 8025, 8108, 8141, 8200, 9014};

	(void)state;
	for (size_t i = 0; i < sizeof(again) / sizeof(*again); i++)
		if (db_error_code(again[i]) != ERR_db_lost)
			fail_msg("%u is not tried again", again[i]);
	for (size_t i = 0; i < sizeof(stays) / sizeof(*stays); i++)
		if (db_error_code(stays[i]) != ERR_db_execute)
			fail_msg("%u is not an answer for good", stays[i]);
}

static void test_codes(void **state)
{
	(void)state;
	assert_int_equal(db_error_code(0), ERR_NONE);
	assert_int_equal(db_error_code(1213), ERR_db_lost);
	assert_int_equal(db_error_code(1205), ERR_db_lost);
	assert_int_equal(db_error_code(1020), ERR_db_lost);
	assert_int_equal(db_error_code(2013), ERR_db_lost);
	assert_int_equal(db_error_code(8501), ERR_db_lost);
	assert_int_equal(db_error_code(9007), ERR_db_lost);
	assert_int_equal(db_error_code(2000), ERR_db_driver);
	assert_int_equal(db_error_code(1062), ERR_db_execute);
	assert_int_equal(db_error_code(1146), ERR_db_execute);
	assert_int_equal(db_error_code(1153), ERR_db_execute); /* a packet too large stays too large */
	assert_true(db_error_is_lost(2006));
	assert_true(db_error_is_lost(1927));
	assert_true(db_error_is_lost(3169));
	assert_false(db_error_is_lost(1213));
	assert_true(too_large(8004, "Transaction is too large, size: 104857601"));
	assert_true(too_large(1197, ""));
	assert_false(too_large(8025, "entry too large"));
	assert_true(too_large(1105, "Maximum writeset size exceeded (error 1105), in: INSERT"));
	assert_false(too_large(
		1105, "unsupported (error 1105), in: INSERT INTO t VALUES ('transaction is too large')"));
	assert_false(too_large(0, ""));
	assert_false(db_error_is_lost(8501));
	assert_false(db_error_is_undone(8501));
	assert_false(db_error_is_undone(1205));
	assert_true(db_error_is_undone(9007));
	assert_int_equal(err_act(ERR_db_lost), ERR_ACT_RETRY);
}

static void parsed(const char *version, const char *comment, enum flavor f, uint32_t number)
{
	struct server s;

	assert_true(db_server_parse(version, comment, &s));
	assert_int_equal(s.flavor, f);
	assert_int_equal(s.version, number);
}

static void test_versions(void **state)
{
	struct server s;

	(void)state;
	parsed("9.7.4-2", "(Debian)", FLAVOR_MYSQL, 90704);
	parsed("5.7.44-log", "MySQL Community Server (GPL)", FLAVOR_MYSQL, 50744);
	parsed("8.0.36-28", "Percona Server (GPL)", FLAVOR_MYSQL, 80036);
	parsed("10.5.23-MariaDB-0+deb11u1-log", "Debian 11", FLAVOR_MARIADB, 100523);
	parsed("11.8.9-MariaDB-4 from Debian-log", "", FLAVOR_MARIADB, 110809);
	parsed("5.5.5-10.2.11-MariaDB", "", FLAVOR_MARIADB, 100211);
	parsed("10.6.12", "MariaDB Server", FLAVOR_MARIADB, 100612);
	parsed("5.7.25-TiDB-v7.5.0", "TiDB Server (Apache License 2.0)", FLAVOR_TIDB, 70500);
	parsed("8.0.11-TiDB-v8.5.1", "", FLAVOR_TIDB, 80501);
	/* server-version of TiDB may be set to anything: then tidb_version() is asked. */
	assert_false(db_server_parse("8.0.36", "TiDB Server (Apache License 2.0)", &s));
	assert_int_equal(s.flavor, FLAVOR_TIDB);
	parsed("", "", FLAVOR_MYSQL, 0);
	parsed("....", "", FLAVOR_MYSQL, 0);
}

static void head_is(const char *sql, const char *want)
{
	char head[64];

	db_statement_head(str_of(sql), head, sizeof(head));
	assert_string_equal(head, want);
}

static void test_heads(void **state)
{
	char head[16];

	(void)state;
	head_is("SELECT 1", "SELECT 1");
	head_is("", "");
	head_is("a\nb\tc\x01", "a b c ");
	head_is("CREATE USER u IDENTIFIED BY 'geheim'", "CREATE...");
	head_is("alter user u identified by 'geheim'", "alter...");
	head_is("SET PASSWORD FOR u = 'geheim'", "SET...");
	head_is("INSERT INTO t VALUES ('password')", "INSERT INTO t VALUES ('password')");
	db_statement_head(STR_LIT("SELECT 12345678901234567890"), head, sizeof(head));
	assert_string_equal(head, "SELECT 12345...");
}

static void login(const char *host, const char *user, unsigned number, enum err_code want, const char *says)
{
	struct endpoint ep = {.port = 3306, .password = "geheim", .tls = "preferred"};
	struct client_error why = {.number = number, .text = "Access denied"};
	struct err e = {0};

	snprintf(ep.host, sizeof(ep.host), "%s", host);
	snprintf(ep.user, sizeof(ep.user), "%s", user);
	assert_int_equal(db_login_error(&ep, true, &why, &e), -1);
	assert_int_equal(e.code, want);
	assert_int_equal(e.sql_errno, number);
	assert_non_null(strstr(e.text, says));
	assert_non_null(strstr(e.text, host));
	assert_null(strstr(e.text, "geheim"));
	assert_null(strchr(e.text, '\n'));
}

/* A refusal before the handshake comes wrapped as "no connection". */
static void test_wrapped_refusal(void **state)
{
	struct endpoint ep = {.host = "db", .port = 3306, .user = "u", .tls = "preferred"};
	struct client_error why = {.number = 2002,
		.text = "Received error packet before completion of TLS handshake. The authenticity of the "
			"following "
			"error cannot be verified: 1130 - Host 'x' is not allowed to connect to this MySQL "
			"server"};
	struct err e = {0};

	(void)state;
	assert_int_equal(db_login_error(&ep, true, &why, &e), -1);
	assert_int_equal(e.code, ERR_check_login);
	assert_non_null(strstr(e.text, ": 1130 - Host 'x' is not allowed"));
}

static void test_login_errors(void **state)
{
	(void)state;
	login("localhost", "root", 1698, ERR_check_root_socket, "CREATE USER 'tidegate'@'%'");
	login("127.0.0.1", "root", 1045, ERR_check_root_socket, "GRANT SELECT, RELOAD");
	login("db.example", "root", 1045, ERR_check_login, "Access denied");
	login("localhost", "app", 1045, ERR_check_login, "Access denied");
	login("localhost", "app", 1698, ERR_check_root_socket, "CREATE USER");
	login("db.example", "app", 2061, ERR_check_login, "error 2061");
	login("db.example", "app", 2003, ERR_check_connect, "nothing answers");
	login("db.example", "app", 2005, ERR_check_connect, "not known");
	login("db.example", "app", 2026, ERR_check_connect, "error 2026");
	login("db.example", "app", 1040, ERR_db_driver, "error 1040");
}

static void settings_have(
	enum db_session session, enum flavor f, uint32_t version, const char *text, bool want)
{
	struct db_options o = {.session = session};
	struct server s = {f, version};
	struct buf b = {0};

	db_session_settings(&o, &s, &b);
	if ((strstr(buf_cstr(&b), text) != NULL) != want)
		fail_msg("%s: %s", text, buf_cstr(&b));
	assert_true(strncmp(buf_cstr(&b), "SET SESSION ", 12) == 0);
	buf_free(&b);
}

static void test_settings(void **state)
{
	(void)state;
	settings_have(DB_APPLY, FLAVOR_MYSQL, 90700, "STRICT_ALL_TABLES", true);
	settings_have(DB_APPLY, FLAVOR_MYSQL, 90700, "NO_ZERO", false);
	settings_have(DB_APPLY, FLAVOR_MYSQL, 90700, "time_zone='+00:00'", true);
	settings_have(DB_APPLY, FLAVOR_MYSQL, 90700, "unique_checks=1", true);
	settings_have(DB_APPLY, FLAVOR_MYSQL, 90700, "tidb", false);
	settings_have(DB_APPLY, FLAVOR_MARIADB, 100211, "lc_messages='en_US'", true);
	settings_have(DB_APPLY, FLAVOR_TIDB, 70500, "lc_messages", false);
	settings_have(
		DB_PLAIN, FLAVOR_MYSQL, 80030, "show_gipk_in_create_table_and_information_schema=1", true);
	settings_have(DB_DUMP, FLAVOR_MYSQL, 80029, "show_gipk", false);
	settings_have(DB_DUMP, FLAVOR_MARIADB, 110800, "show_gipk", false);
	settings_have(DB_APPLY, FLAVOR_TIDB, 70500, "tidb_txn_mode='pessimistic'", true);
	settings_have(DB_APPLY, FLAVOR_MARIADB, 100211, "idle_transaction_timeout", false);
	settings_have(DB_APPLY, FLAVOR_MARIADB, 100300, "idle_transaction_timeout=0", true);
	settings_have(DB_APPLY, FLAVOR_MARIADB, 100300, "foreign_key_checks=0", true);
	settings_have(DB_DUMP, FLAVOR_MARIADB, 100300, "foreign_key_checks", false);
	settings_have(DB_DDL, FLAVOR_MYSQL, 50700, "NO_ENGINE_SUBSTITUTION", true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tidb_errors),
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_heads),
		cmocka_unit_test(test_wrapped_refusal),
		cmocka_unit_test(test_login_errors),
		cmocka_unit_test(test_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
