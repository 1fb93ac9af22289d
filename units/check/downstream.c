/*
 * The downstream's half: may the account make and fill what the task writes? The meta schema is tried by
 * making it. For the data the server's own list of privileges is read; what is not on it (it may come by a
 * role) is tried by statements on a table that is not there, as MySQL and MariaDB look at privileges before
 * they look for the table. Where partial revokes are on, or several patterns match the schema, the list tells
 * too much, and all is tried. TiDB,
 * which looks for the table first, and Galera, which sends a DDL statement to all nodes before it looks, are
 * judged by the list alone.
 */
#include <stdio.h>
#include <string.h>

#include "common/db/meta.h"
#include "common/db/structure.h"
#include "common/sql/grants.h"
#include "common/sql/quote.h"
#include "units/check/check.h"

#define NO_TABLE "tidegate_no_such_table"

/* try: with @ and @_2 for tables that are not there, so it fails in any case. NULL: by the list.
 * without: what can't be done then; "": the task can't be done. follows: a copy alone never does it. */
static const struct wanted {
	const char *privilege, *try, *without;
	bool follows;
} wanted[] = {
	{"SELECT", "SELECT 1 FROM @ LIMIT 0", "", false},
	{"INSERT", "INSERT INTO @ SELECT 1 FROM DUAL WHERE 1=0", "", false},
	{"UPDATE", "UPDATE @ SET a=1 WHERE 1=0", "", true},
	{"DELETE", "DELETE FROM @ WHERE 1=0", "", false},
	{"CREATE", "CREATE TABLE @ LIKE @_2", "", false},
	{"DROP", "TRUNCATE TABLE @", "", false},
	{"ALTER", "ALTER TABLE @ ADD COLUMN a int", "", false},
	{"INDEX", "CREATE INDEX a ON @ (a)", "", false},
	{"TRIGGER", NULL, "", false},
	{"CREATE VIEW", "CREATE VIEW @ AS SELECT 1 FROM @_2", "views can't be made", false},
	{"REFERENCES", NULL, "foreign keys can't be made", false},
};

enum { WANTED = sizeof(wanted) / sizeof(wanted[0]) };

/* All privilege words that hold for the schema: global ones and those of patterns that match it. *sure: no,
 * if several do, as the server goes by one of them only (tried on MySQL 9.7, MariaDB 10.11 and 11.8). */
static int read_privileges(struct db *d, const char *schema, struct buf *words, bool *sure, struct err *e)
{
	char account[320];
	struct buf sql = {0}, pattern = {0};
	struct db_rows *rows;
	const struct str *v;
	int r = 1;

	*sure = true;
	check_account(d, account, sizeof(account));
	buf_puts(&sql, "SELECT PRIVILEGE_TYPE, '' FROM information_schema.USER_PRIVILEGES WHERE GRANTEE=");
	sql_put_string(&sql, str_of(account));
	buf_puts(&sql, " UNION SELECT PRIVILEGE_TYPE, TABLE_SCHEMA FROM information_schema.SCHEMA_PRIVILEGES "
		       "WHERE GRANTEE=");
	sql_put_string(&sql, str_of(account));
	buf_puts(&sql, " AND ");
	sql_put_string(&sql, str_of(schema));
	buf_puts(&sql, " LIKE TABLE_SCHEMA");
	rows = db_query(d, buf_str(&sql), e);
	buf_free(&sql);
	while (rows && (r = db_fetch(rows, &v, e)) > 0) {
		buf_putc(words, ',');
		buf_put(words, v[0].p, v[0].n);
		if (pattern.n > 0 && v[1].n > 0 && !str_is(v[1], buf_cstr(&pattern)))
			*sure = false;
		else if (pattern.n == 0)
			buf_put(&pattern, v[1].p, v[1].n);
	}
	buf_putc(words, ',');
	buf_free(&pattern);
	db_rows_close(&rows);
	return rows || r == 0 ? 0 : -1;
}

/* grantee NULL: whoever it is. */
static bool has_any(struct db *d, const char *list, const char *grantee, const char *schema)
{
	struct buf where = {0};
	bool any;

	buf_puts(&where, "TABLE_SCHEMA=");
	sql_put_string(&where, str_of(schema));
	if (grantee) {
		buf_puts(&where, " AND GRANTEE=");
		sql_put_string(&where, str_of(grantee));
	}
	any = check_has_any(d, list, buf_str(&where));
	buf_free(&where);
	return any;
}

/* MariaDB's SHOW GRANTS has those of the role in force too. */
static bool shows_tables(struct db *d)
{
	struct err e = {0};
	struct db_rows *rows = db_query(d, STR_LIT("SHOW GRANTS"), &e);
	const struct str *v;
	bool shown = !rows;

	while (rows && db_fetch(rows, &v, &e) > 0)
		shown = shown || memmem(v[0].p, v[0].n, "`.`", 3) != NULL;
	db_rows_close(&rows);
	return shown || e.code != 0;
}

/* Privileges on single tables of the schema, the account's own or a role's: the table that is not there is
 * none of these, so a refusal says nothing. */
static bool has_tables(struct db *d, const char *schema, bool roles)
{
	char account[320];

	check_account(d, account, sizeof(account));
	if (has_any(d, "TABLE_PRIVILEGES", account, schema))
		return true;
	if (!roles)
		return false;
	return db_server(d)->flavor == FLAVOR_MARIADB ? shows_tables(d)
						      : has_any(d, "ROLE_TABLE_GRANTS", NULL, schema);
}

/* What comes by roles is not on the lists. MySQL 8.0 has roles, and tells of them from 8.0.19 on. */
static bool has_roles(struct db *d)
{
	const struct server *s = db_server(d);
	char text[16] = "";
	bool found;

	if (db_value(d, "SELECT COUNT(*) FROM information_schema.APPLICABLE_ROLES", text, sizeof(text),
		    &found, NULL) == 0)
		return found && strcmp(text, "0") != 0;
	return s->flavor == FLAVOR_MYSQL && s->version >= 80000;
}

static bool is_free(struct db *d, const char *schema, const char *table)
{
	char type[DB_TABLE_TYPE];

	return db_table_type(d, schema, table, type, NULL) == 0 && !type[0];
}

bool check_is_on(struct db *d, const char *variable)
{
	char sql[64], text[16] = "";
	bool found;

	snprintf(sql, sizeof(sql), "SELECT @@GLOBAL.%s+0", variable);
	return db_value(d, sql, text, sizeof(text), &found, NULL) == 0 && found && strcmp(text, "0") != 0;
}

/* Where somebody has a table of that very name nothing is tried. Nobody's lock is waited for. */
static bool can_try(struct db *d, const char *schema)
{
	return db_server(d)->flavor != FLAVOR_TIDB && !check_is_on(d, "wsrep_on") &&
	       is_free(d, schema, NO_TABLE) && is_free(d, schema, NO_TABLE "_2") &&
	       db_exec(d, STR_LIT("SET SESSION lock_wait_timeout=2"), NULL) == 0;
}

static void put_trial(struct buf *sql, const char *text, const char *schema)
{
	for (const char *p = text; *p; p++) {
		bool second = strncmp(p, "@_2", 3) == 0;

		if (*p != '@') {
			buf_putc(sql, *p);
			continue;
		}
		sql_put_table(sql, str_of(schema), str_of(second ? NO_TABLE "_2" : NO_TABLE));
		p += second ? 2 : 0;
	}
}

enum verdict { UNKNOWN, GRANTED, DENIED };

static enum verdict judge(const struct err *e)
{
	enum { NO_SUCH_TABLE = 1146, UNKNOWN_DATABASE = 1049 };

	if (check_is_denied(e))
		return DENIED;
	return e->sql_errno == NO_SUCH_TABLE || e->sql_errno == UNKNOWN_DATABASE ? GRANTED : UNKNOWN;
}

/* The second table of a trial wants SELECT, which has its own. */
static enum verdict try_it(struct db *d, const struct wanted *w, const char *schema, bool may_select)
{
	struct buf sql = {0}, words = {0};
	struct err e = {0};
	enum verdict v = UNKNOWN;

	put_trial(&sql, w->try, schema);
	if (db_exec(d, buf_str(&sql), &e) < 0)
		v = judge(&e);
	buf_putf(&words, "%s command denied", w->privilege);
	if (v == DENIED && !may_select && strstr(w->try, "@_2") && !strstr(e.text, buf_cstr(&words)))
		v = UNKNOWN;
	buf_free(&sql);
	buf_free(&words);
	return v;
}

static bool is_listed(const struct buf *words, const char *privilege)
{
	char word[32];

	snprintf(word, sizeof(word), ",%s,", privilege);
	return memmem(words->p, words->n, word, strlen(word)) != NULL;
}

static void tell_missing(struct check *c, struct db *d, const char *schema, const char *state,
	const char *list, const char *without)
{
	char account[320];
	struct buf mend = {0};

	check_account(d, account, sizeof(account));
	buf_putf(&mend, "GRANT %s ON ", list);
	grants_put_schema(&mend, schema, check_is_on(d, "partial_revokes"));
	buf_putf(&mend, " TO %s", account);
	check_put_role(d, account, &mend);
	check_found(c, "target_privilege", state, ERR_check_privilege, db_where(d), buf_cstr(&mend),
		"the account %s lacks %s on `%s`%s%s", account, list, schema, *without ? ": " : "", without);
	buf_free(&mend);
}

static const char unsure[] = "unless it has it by a role or on the tables, which could not be seen";

static void tell_without(struct check *c, struct db *d, const char *schema, const struct wanted *w, bool sure)
{
	char text[200];

	snprintf(text, sizeof(text), "%s%s%s", w->without, sure ? "" : ", ", sure ? "" : unsure);
	tell_missing(c, d, schema, "warn", w->privilege, text);
}

/* What the list lacks may still be there by a role, or on a table: then it can only be said that it could not
 * be seen. */
static void check_schema(struct check *c, struct db *d, const char *schema)
{
	bool roles = has_roles(d), tables = has_tables(d, schema, roles), sure_list = true, partial,
	     unseen = tables || roles || db_server(d)->flavor == FLAVOR_TIDB, may_select = true;
	int tries = -1;
	struct buf words = {0}, missing = {0}, perhaps = {0};
	struct err e = {0};
	bool listed = read_privileges(d, schema, &words, &sure_list, &e) == 0;

	partial = !sure_list || check_is_on(d, "partial_revokes");

	for (size_t i = 0; i < WANTED; i++) {
		const struct wanted *w = &wanted[i];
		bool on_list = !listed || is_listed(&words, w->privilege);
		enum verdict v = UNKNOWN;

		if (w->follows && !check_follows(c))
			continue;
		if (w->try && (partial || !on_list)) {
			tries = tries < 0 ? can_try(d, schema) : tries;
			v = tries ? try_it(d, w, schema, may_select) : UNKNOWN;
		}
		if (v == GRANTED || (v == UNKNOWN && on_list))
			continue;
		may_select = may_select && i > 0;
		bool sure = v == DENIED ? !tables : !unseen;
		struct buf *list = sure ? &missing : &perhaps;
		if (*w->without)
			tell_without(c, d, schema, w, sure);
		else
			buf_putf(list, "%s%s", list->n ? ", " : "", w->privilege);
	}
	if (missing.n > 0)
		tell_missing(c, d, schema, "fail", buf_cstr(&missing), "");
	if (perhaps.n > 0)
		tell_missing(c, d, schema, "warn", buf_cstr(&perhaps), unsure);
	buf_free(&words);
	buf_free(&missing);
	buf_free(&perhaps);
}

void check_downstream(struct check *c)
{
	struct db *d = c->down = check_connect(c, "downstream", &c->downstream, false);
	const json_t *s;
	struct err e = {0};
	struct buf privilege = {0};
	size_t i;

	if (!d)
		return;
	json_array_foreach(c->schemas, i, s)
		check_schema(c, d, json_string_value(s));
	if (meta_setup(d, c->meta_schema, &e) < 0) {
		buf_puts(&privilege, "ALL PRIVILEGES ON ");
		grants_put_schema(&privilege, c->meta_schema, check_is_on(d, "partial_revokes"));
		check_denied(c, "target_privilege", d, buf_cstr(&privilege), &e);
		buf_free(&privilege);
	} else {
		check_passed(c, "target_privilege", d);
	}
}
