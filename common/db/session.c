/*
 * The face that each kind of session shows to each kind of server: which server it is, and the settings that
 * make reading and writing exact (T14). One table; called once by db_open. Nothing here may need a privilege.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/db/internal.h"

enum {
	PLAIN = 1 << DB_PLAIN,
	DUMP = 1 << DB_DUMP,
	APPLY = 1 << DB_APPLY,
	DDL = 1 << DB_DDL,
	SQL = PLAIN | DUMP | APPLY | DDL, /* all but the raw stream */
	MY = 1 << FLAVOR_MYSQL,
	MA = 1 << FLAVOR_MARIADB,
	TI = 1 << FLAVOR_TIDB,
	ALL = MY | MA | TI,
};

#define MODE "STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES"

static const struct setting {
	unsigned sessions, flavors;
	uint32_t from; /* version */
	const char *text;
} settings[] = {
	{SQL, ALL, 0, "autocommit=1"},
	{SQL, ALL, 0, "time_zone='+00:00'"},
	{PLAIN, ALL, 0, "sql_mode=''"},
	/* A date that is none may stand in a key, and in a WHERE then. */
	{DUMP, ALL, 0, "sql_mode='ALLOW_INVALID_DATES'"},
	{APPLY, ALL, 0, "sql_mode='" MODE "'"},
	{DDL, ALL, 0, "sql_mode='" MODE ",NO_ENGINE_SUBSTITUTION'"},
	/* How many rows an UPDATE found is told in words (db_read_matched). */
	{SQL, MY | MA, 0, "lc_messages='en_US'"},
	/* A server-wide limit would cut results, or statements, silently. */
	{SQL, ALL, 0, "sql_select_limit=18446744073709551615"},
	{SQL, MA, 0, "max_statement_time=0"},
	{SQL, MY | TI, 0, "max_execution_time=0"},
	{DUMP, MY | MA, 0, "sql_big_selects=1"},
	{APPLY, MY | MA, 0, "sql_safe_updates=0"},
	/* A snapshot that waits for its turn, and a reader that is slower than the server, must not be cut
	   off. */
	{SQL, ALL, 0, "wait_timeout=86400"},
	/* An applier, or who does DDL, may have nothing to do for weeks. */
	{APPLY | DDL, ALL, 0, "wait_timeout=31536000"},
	{DUMP | APPLY, MY | MA, 0, "net_read_timeout=3600"},
	{DUMP | APPLY, MY | MA, 0, "net_write_timeout=3600"},
	{DUMP | APPLY, MA, 100300, "idle_transaction_timeout=0"},
	{DUMP | APPLY, MA, 100300, "idle_readonly_transaction_timeout=0"},
	{DUMP | APPLY, MA, 100300, "idle_write_transaction_timeout=0"},
	{APPLY, ALL, 0, "innodb_lock_wait_timeout=30"},
	{APPLY, MY | MA, 0, "lock_wait_timeout=60"},
	{APPLY, MY | MA, 0, "unique_checks=1"},
	/* Rows were judged upstream: by a session that did not look at CHECKs, by a server whose json_valid
	   reads more levels, in another time zone. */
	{APPLY, MA, 100201, "check_constraint_checks=0"},
	{APPLY, MA, 0, "max_error_count=1024"}, /* MySQL has as many, and wants a privilege; warnings are read
						   where a statement had to be lax */
	/* A server may hide the primary keys that it made by itself: rows have that column all the same. */
	{SQL, MY, 80030, "show_gipk_in_create_table_and_information_schema=1"},
	{DDL, ALL, 0, "foreign_key_checks=0"},
	{APPLY, TI, 0, "tidb_txn_mode='pessimistic'"},
	{APPLY, TI, 0, "tidb_disable_txn_auto_retry=1"},
	{APPLY, TI, 0, "tidb_retry_limit=0"},
	/* What would cut a transaction into several, or find a duplicate only at its end, by a global
	   setting. */
	{APPLY, TI, 0, "tidb_batch_insert=0"},
	{APPLY, TI, 0, "tidb_batch_delete=0"},
	{APPLY, TI, 0, "tidb_batch_commit=0"},
	{APPLY, TI, 0, "tidb_dml_batch_size=0"},
	{APPLY, TI, 60300, "tidb_constraint_check_in_place_pessimistic=1"},
	{APPLY, TI, 80000, "tidb_dml_type='standard'"},
	/* Bytes that are no UTF-8 are an error, not a row that nobody can read. */
	{APPLY, TI, 0, "tidb_skip_utf8_check=0"},
	/* Rows come with their AUTO_RANDOM values. */
	{APPLY, TI, 40003, "allow_auto_random_explicit_insert=1"},
};

static uint32_t read_number(const char *p)
{
	char *end;
	unsigned long a = strtoul(p, &end, 10), b = 0, c = 0;

	if (*end == '.')
		b = strtoul(end + 1, &end, 10);
	if (*end == '.')
		c = strtoul(end + 1, &end, 10);
	return (uint32_t)(a % 1000 * 10000 + b % 100 * 100 + c % 100);
}

bool db_server_parse(const char *version, const char *comment, struct server *s)
{
	const char *tidb = strstr(version, "TiDB-v");

	s->flavor = FLAVOR_MYSQL;
	s->version = read_number(version);
	if (tidb || strstr(version, "TiDB") || strstr(comment, "TiDB")) {
		s->flavor = FLAVOR_TIDB;
		s->version = tidb ? read_number(tidb + 6) : 0;
		return tidb != NULL;
	}
	if (strstr(version, "MariaDB") || strstr(comment, "MariaDB")) {
		s->flavor = FLAVOR_MARIADB;
		/* Old proxies and servers hide behind a replication-friendly prefix. */
		if (strncmp(version, "5.5.5-", 6) == 0)
			s->version = read_number(version + 6);
	}
	return true;
}

/* "Release Version: v7.5.0\nEdition: …" */
static int tidb_version(struct db *d, struct err *e)
{
	char text[512];
	const char *v;
	bool found;

	if (db_value(d, "SELECT tidb_version()", text, sizeof(text), &found, e) < 0)
		return -1;
	v = strstr(text, "Version: v");
	if (!v)
		return err_set(
			e, ERR_db_driver, "%s: tidb_version() is not understood: %.60s", d->where, text);
	d->server.version = read_number(v + 10);
	return 0;
}

int db_server_detect(struct db *d, struct err *e)
{
	const char *sql = "SELECT VERSION(), @@version_comment, CONNECTION_ID()";
	struct db_rows *r = db_query(d, str_of(sql), e);
	const struct str *v;
	char version[128], comment[128];
	bool known;

	if (!r)
		return -1;
	if (db_fetch(r, &v, e) <= 0) {
		db_rows_close(&r);
		return err_set(e, ERR_db_driver, "%s: the server does not say what it is", d->where);
	}
	snprintf(version, sizeof(version), "%.*s", STR_ARG(v[0]));
	snprintf(comment, sizeof(comment), "%.*s", STR_ARG(v[1]));
	d->id = strtoull(v[2].p ? v[2].p : "0", NULL, 10);
	db_rows_close(&r);
	known = db_server_parse(version, comment, &d->server);
	return known ? 0 : tidb_version(d, e);
}

void db_session_settings(const struct db_options *o, const struct server *s, struct buf *out)
{
	unsigned session = 1u << o->session, flavor = 1u << s->flavor;
	const char *sep = "SET ";
	size_t i;

	for (i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
		const struct setting *t = &settings[i];

		if (!(t->sessions & session) || !(t->flavors & flavor) || s->version < t->from)
			continue;
		buf_putf(out, "%sSESSION %s", sep, t->text);
		sep = ", ";
	}
	if (o->session == DB_APPLY)
		buf_putf(out, "%sSESSION foreign_key_checks=%d", sep, o->foreign_key_checks ? 1 : 0);
}

/* MariaDB 10.6.18 and later: on by default from 11.6 on, and then an UPDATE of a row that changed meanwhile
 * fails (1020). */
static int no_snapshot_isolation(struct db *d, struct err *e)
{
	char value[16];
	bool found;

	if (d->server.flavor != FLAVOR_MARIADB || d->server.version < 100600)
		return 0;
	if (db_value(d, "SHOW VARIABLES LIKE 'innodb_snapshot_isolation'", value, sizeof(value), &found, e) <
		0)
		return -1;
	return found ? db_exec(d, STR_LIT("SET SESSION innodb_snapshot_isolation=0"), e) : 0;
}

int db_session_start(struct db *d, struct err *e)
{
	bool bytes = d->o.session == DB_DUMP || d->o.session == DB_APPLY;
	struct buf sql = {0};
	int r = 0;

	if (d->o.session == DB_BINLOG)
		return 0;
	db_session_settings(&d->o, &d->server, &sql);
	if (db_execf(d, e, "SET NAMES %s", bytes ? "binary" : "utf8mb4") < 0 ||
		db_exec(d, buf_str(&sql), e) < 0)
		r = -1;
	else if (d->o.session == DB_DUMP)
		r = db_exec(d, STR_LIT("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"), e);
	else if (d->o.session == DB_APPLY && d->server.flavor != FLAVOR_TIDB)
		r = db_exec(d, STR_LIT("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"), e);
	if (r == 0 && d->o.session == DB_APPLY)
		r = no_snapshot_isolation(d, e);
	buf_free(&sql);
	return r;
}
