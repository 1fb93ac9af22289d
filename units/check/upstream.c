/*
 * The upstream's half of the check: can each unit do what it must? By doing it where that changes nothing:
 * reading a row, asking for the position, opening the binlog stream for a moment.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/config/mode.h"
#include "common/db/binlog_stream.h"
#include "common/db/status.h"
#include "common/db/structure.h"
#include "common/sql/quote.h"
#include "units/check/check.h"

enum { TRIES = 3 };
enum { NO_SUCH_TABLE = 1146, NO_SUCH_SCHEMA = 1049 }; /* the server's numbers */

bool check_copies(const struct check *c)
{
	const struct mode *m = mode_find(c->mode);

	return !m || m->dump;
}

bool check_fills(const struct check *c)
{
	const struct mode *m = mode_find(c->mode);

	return !m || m->load;
}

bool check_follows(const struct check *c)
{
	const struct mode *m = mode_find(c->mode);

	return !m || m->sync;
}

/* A session keeps the format that it has set. MySQL shows others' to those who may read it; MariaDB does not.
 */
static void check_sessions(struct check *c, struct db *d)
{
	static const char sessions[] = "SELECT COUNT(*) FROM performance_schema.variables_by_thread WHERE "
				       "VARIABLE_NAME='binlog_format' AND VARIABLE_VALUE<>'ROW'";
	char text[24] = "", at_login[600] = "";
	bool found, some = db_server(d)->flavor == FLAVOR_MYSQL &&
			   db_value(d, sessions, text, sizeof(text), &found, NULL) == 0 && found &&
			   strcmp(text, "0") != 0;

	if (check_variable(d, "init_connect", at_login, sizeof(at_login)) &&
		strcasestr(at_login, "binlog_format"))
		check_found(c, "binlog_format", "warn", 0, db_where(d), "SET GLOBAL init_connect=''",
			"init_connect sets a binlog_format for each session: %s", at_login);
	else if (some)
		check_found(c, "binlog_format", "warn", 0, db_where(d),
			"reconnect these clients, and take SET binlog_format out of them",
			"%s sessions have another binlog_format than ROW: a row that they change stops the "
			"task",
			text);
	else
		check_passed(c, "binlog_format", d);
}

static void check_format(struct check *c, struct db *d)
{
	char value[64];
	bool full;

	if (!check_variable(d, "log_bin", value, sizeof(value)) || strcmp(value, "1") != 0) {
		check_found(c, "binlog_enable", "fail", ERR_check_binlog_off, db_where(d),
			err_info(ERR_check_binlog_off)->workaround, "log_bin is off");
		return;
	}
	check_passed(c, "binlog_enable", d);
	if (check_variable(d, "binlog_format", value, sizeof(value)) && strcasecmp(value, "ROW") != 0)
		check_found(c, "binlog_format", "fail", ERR_check_binlog_format, db_where(d),
			err_info(ERR_check_binlog_format)->workaround, "binlog_format is %s, not ROW", value);
	else
		check_sessions(c, d);
	full = !check_variable(d, "binlog_row_image", value, sizeof(value)) || strcasecmp(value, "FULL") == 0;
	if (!full)
		check_found(c, "binlog_row_image", "warn", 0, db_where(d), "SET GLOBAL binlog_row_image=FULL",
			"binlog_row_image is %s: tables without a key can't be followed", value);
	if (!full && check_variable(d, "binlog_row_value_options", value, sizeof(value)) && value[0])
		check_found(c, "binlog_row_value_options", "fail", ERR_check_failed, db_where(d),
			"SET GLOBAL binlog_row_image=FULL",
			"partial JSON updates are logged (%s) without the values before, which is not "
			"supported yet",
			value);
}

/* Asked at the very end of the log, so that nothing is sent; a refusal comes at once. */
static int try_stream(struct check *c, struct db *d, const struct db_master_status *at, struct err *e)
{
	struct db_options o = {.session = DB_BINLOG, .upstream = true, .read_timeout_s = 10};
	struct binlog_stream_options so = {
		.file = at->file, .offset = at->offset, .heartbeat_ms = 1000, .non_blocking = true};
	struct db *stream_db = db_open(&c->upstream, &o, e);
	struct binlog_stream *s;
	struct str event;
	int r;

	if (!stream_db)
		return -1;
	if (binlog_pick_server_id(d, &so.server_id, e) < 0 || !(s = binlog_stream_open(&stream_db, &so, e))) {
		db_close(&stream_db);
		return -1;
	}
	r = binlog_stream_next(s, &event, e);
	binlog_stream_close(&s);
	return r < 0 ? -1 : 0;
}

static void put_monitor_grant(struct db *d, char *out, size_t size)
{
	char account[320];

	check_account(d, account, sizeof(account));
	snprintf(out, size, "GRANT %s ON *.* TO %s", db_monitor_privilege(d), account);
}

static void check_replication(struct check *c, struct db *d)
{
	struct db_master_status at = {0};
	char privilege[64];
	struct err e = {0};

	if (db_master_status(d, &at, &e) < 0 && !check_follows(c)) {
		char mend[500] = "";

		if (check_is_denied(&e))
			put_monitor_grant(d, mend, sizeof(mend));
		check_found(c, "replication_privilege", "warn", 0, db_where(d), mend,
			"the copy will have no binlog position to follow from: %s", e.text);
		free(at.gtid);
		return;
	}
	if (e.code) {
		snprintf(privilege, sizeof(privilege), "%s ON *.*", db_monitor_privilege(d));
		check_denied(c, "replication_privilege", d, privilege, &e);
		free(at.gtid);
		return;
	}
	if (check_follows(c)) {
		if (try_stream(c, d, &at, &e) < 0)
			check_denied(c, "replication_privilege", d, "REPLICATION SLAVE ON *.*", &e);
		else
			check_passed(c, "replication_privilege", d);
	}
	free(at.gtid);
}

/* Does the dump say FLUSH? */
static bool is_flushing(const struct check *c)
{
	const char *how = check_consistency(c);

	return strcmp(how, "none") != 0 && strcmp(how, "lock") != 0;
}

/* With auto the dump takes LOCK TABLES instead, where it may. */
static void without_reload(struct check *c, struct db *d, const struct err *e)
{
	bool locks = check_is_denied(e) && strcmp(check_consistency(c), "auto") == 0;
	struct err why = {0};
	int may = locks ? check_may_lock_all(c, &why) : 0;
	struct buf mend = {0};
	char account[320];

	if (may == 0) {
		check_denied(c, "dump_privilege", d, "RELOAD ON *.*", e);
		return;
	}
	check_account(d, account, sizeof(account));
	buf_putf(&mend, "GRANT RELOAD ON *.* TO %s", account);
	if (may < 0)
		check_found(c, "dump_privilege", "warn", 0, db_where(d), buf_cstr(&mend),
			"the account %s lacks RELOAD ON *.*, and whether it may LOCK TABLES instead is not "
			"known: %s",
			account, why.text);
	else
		check_found(c, "dump_privilege", "warn", 0, db_where(d), buf_cstr(&mend),
			"the account %s lacks RELOAD ON *.*: where the snapshot wants a lock, it is LOCK "
			"TABLES of all wanted tables, for which transactions that write several of them may "
			"be ended by a deadlock (1213), and which DDL on others may hold up",
			account);
	buf_free(&mend);
}

/* Flushing a table that is not there wants exactly what the snapshot's lock wants, and changes nothing (tried
 * on MySQL 9.7, MariaDB 10.5 and 11.8). */
static void check_reload(struct check *c, struct db *d)
{
	struct err e = {0};

	/* Allowed, and nothing is there, as expected. */
	if (db_exec(d, STR_LIT("FLUSH NO_WRITE_TO_BINLOG TABLES `tidegate_no_such_schema`.`t`"), &e) < 0 &&
		e.sql_errno != NO_SUCH_TABLE && e.sql_errno != NO_SUCH_SCHEMA)
		without_reload(c, d, &e);
	else
		check_passed(c, "dump_privilege", d);
}

static void add_schema(struct check *c, const char *schema)
{
	const json_t *s;
	size_t i;

	json_array_foreach(c->schemas, i, s)
		if (strcmp(json_string_value(s), schema) == 0)
			return;
	json_array_append_new(c->schemas, json_string(schema));
}

static void failed_route(struct check *c, const struct db *d, enum err_code code, const char *text)
{
	check_found(c, "table_schema", "fail", code, db_where(d), err_info(code)->workaround, "%s", text);
}

/* Where it goes. */
static void look_at_route(struct check *c, const struct db *d, const struct str *v)
{
	struct route_name to;
	struct err e = {0};

	if (route_table(rules_route(c->rules), v[0], v[1], &to, &e) < 0)
		failed_route(c, d, e.code, e.text);
	else
		add_schema(c, to.schema);
}

/* A downstream that keeps history too has times of its own in it. */
static void tell_versioned(struct check *c, const struct db *d, struct some *names)
{
	if (names->n > 0)
		check_found(c, "table_schema", "warn", 0, db_where(d),
			"nothing, if the history is not needed there",
			"of system-versioned tables the current rows are copied and followed, their history "
			"is not (a downstream that keeps history has its own, with its own times): %s",
			some_text(names));
	some_free(names);
}

/* Their rows come with the tables that hold them; but one that is written through a MERGE table is logged as
 * that table's, and the downstream's, which is none, would keep it for itself. */
static void tell_merge(struct check *c, const struct db *d, struct some *names)
{
	if (names->n > 0 && check_follows(c))
		check_found(c, "table_schema", "warn", ERR_sync_columns, db_where(d),
			"write to the tables that they are made of, or leave them out by block-allow-list",
			"MERGE tables become empty InnoDB tables, and a row that is inserted through one "
			"goes there, not to the table that holds it: %s",
			some_text(names));
	some_free(names);
}

/* The dump would refuse them. */
static void tell_elsewhere(struct check *c, const struct db *d, struct some *names)
{
	if (names->n > 0 && check_copies(c))
		check_found(c, "table_schema", "fail", ERR_dump_failed, db_where(d),
			"leave them out by block-allow-list",
			"tables whose rows are elsewhere (engines FEDERATED, CONNECT, SPIDER) can't be "
			"copied: %s",
			some_text(names));
	some_free(names);
}

/* The wanted tables that the account can see: schema, NUL, table, NUL. */
static int list_tables(struct check *c, struct db *d, struct buf *tables, unsigned *n, struct err *e)
{
	struct db_rows *rows = db_query(d,
		STR_LIT("SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES"
			" WHERE TABLE_TYPE IN ('BASE TABLE','SYSTEM VERSIONED') ORDER BY 1, 2"),
		e);
	struct some versioned = {0}, merge = {0}, elsewhere = {0};
	const struct str *v;
	int r = rows ? 1 : -1;

	while (r > 0 && (r = db_fetch(rows, &v, e)) > 0) {
		if (!rules_table(c->rules, v[0], v[1]))
			continue;
		look_at_route(c, d, v);
		tables_add(c->tables, c->rules, v);
		if (str_is(v[2], "SYSTEM VERSIONED"))
			some_add(&versioned, "`%.*s`.`%.*s`", STR_ARG(v[0]), STR_ARG(v[1]));
		if (str_is_ci(v[3], "MRG_MYISAM"))
			some_add(&merge, "`%.*s`.`%.*s`", STR_ARG(v[0]), STR_ARG(v[1]));
		if (db_engine_is_elsewhere(v[3]))
			some_add(&elsewhere, "`%.*s`.`%.*s`", STR_ARG(v[0]), STR_ARG(v[1]));
		if (++*n > TABLES_TRIED)
			continue;
		for (int i = 0; i < 2; i++) {
			buf_put(tables, v[i].p, v[i].n);
			buf_putc(tables, '\0');
		}
	}
	db_rows_close(&rows);
	tell_versioned(c, d, &versioned);
	tell_merge(c, d, &merge);
	tell_elsewhere(c, d, &elsewhere);
	return r;
}

/* By a statement that reads nothing. */
static int read_table(struct db *d, const char *schema, const char *table, struct err *e)
{
	struct buf sql = {0};
	int r;

	buf_puts(&sql, "SELECT 1 FROM ");
	sql_put_table(&sql, str_of(schema), str_of(table));
	buf_puts(&sql, " LIMIT 0");
	r = db_exec(d, buf_str(&sql), e);
	buf_free(&sql);
	return r;
}

/* What can't be asked counts as there. */
static bool is_listed(struct db *d, const char *schema, const char *table)
{
	char type[DB_TABLE_TYPE];

	return db_table_type(d, schema, table, type, NULL) < 0 || type[0];
}

/*
 * Tables come and go while they are looked at, on a server where applications or online changes of structure
 * are at work: one that is no longer there needs no reading, and one that is there again is tried again.
 */
static int try_table(struct db *d, const char *schema, const char *table, struct err *e)
{
	for (int i = 0; i < TRIES; i++) {
		err_clear(e);
		if (read_table(d, schema, table, e) == 0)
			return 0;
		if (e->sql_errno != NO_SUCH_TABLE && e->sql_errno != NO_SUCH_SCHEMA)
			return -1;
		if (!is_listed(d, schema, table)) {
			err_clear(e);
			return 0;
		}
	}
	return -1;
}

/* The first that can't be read is told, and is enough. */
static void try_tables(struct check *c, struct db *d, const struct buf *tables)
{
	const char *at = tables->p;
	struct err e = {0};

	while (at < tables->p + tables->n) {
		struct str schema = str_of(at), table = str_of(at + schema.n + 1);

		at = table.p + table.n + 1;
		if (try_table(d, schema.p, table.p, &e) < 0) {
			struct buf privilege = {0};

			buf_puts(&privilege, "SELECT ON ");
			sql_put_table(&privilege, schema, table);
			check_denied(c, "dump_privilege", d, buf_cstr(&privilege), &e);
			buf_free(&privilege);
			return;
		}
	}
}

/* The account's own SELECT. */
static bool has_select(struct db *d, const char *list, const char *condition)
{
	char account[320];
	struct buf where = {0};
	bool any;

	check_account(d, account, sizeof(account));
	buf_putf(&where, "PRIVILEGE_TYPE='SELECT'%s AND GRANTEE=", condition);
	sql_put_string(&where, str_of(account));
	any = check_has_any(d, list, buf_str(&where));
	buf_free(&where);
	return any;
}

/* An account that may read nothing sees nothing, as on an empty server: its own list of privileges tells the
 * two apart. One that may read mysql.* is shown everybody's. */
static bool may_select(struct db *d)
{
	static const char not_theirs[] =
		" AND TABLE_SCHEMA NOT IN ('mysql','sys','information_schema','performance_schema')";

	return has_select(d, "USER_PRIVILEGES", "") || has_select(d, "SCHEMA_PRIVILEGES", not_theirs) ||
	       has_select(d, "TABLE_PRIVILEGES", not_theirs) || check_has_role(d);
}

static void check_tables(struct check *c, struct db *d)
{
	struct buf tables = {0};
	struct err e = {0};
	unsigned n = 0;

	if (list_tables(c, d, &tables, &n, &e) < 0) {
		check_denied(c, "table_schema", d, "SELECT ON *.*", &e);
	} else if (n == 0 && !may_select(d)) {
		e.sql_errno = 1142;
		check_denied(c, "dump_privilege", d, "SELECT ON *.*", &e);
	} else if (n == 0) {
		check_found(c, "table_schema", "warn", 0, db_where(d),
			"check --tables, or grant SELECT on the tables that are wanted",
			"no wanted table is visible to this account");
	} else {
		if (FAILPOINT_HIT(check_listed))
			log_warn("failpoint check_listed");
		try_tables(c, d, &tables);
	}
	buf_free(&tables);
}

void check_upstream(struct check *c)
{
	struct db *d = c->up = check_connect(c, "upstream", &c->upstream, true);

	if (!d)
		return;
	check_tables(c, d);
	if (check_follows(c))
		check_filters(c, d);
	if (check_copies(c) && is_flushing(c))
		check_reload(c, d);
	if (check_follows(c))
		check_format(c, d);
	check_replication(c, d);
}
